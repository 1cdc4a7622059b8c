"""Looking at reservations and orders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from stockwire import wire
from stockwire.api.errors import Reply, not_found, ok
from stockwire.api.faults import shown
from stockwire.api.paging import Timed, cut, no_cursor, page, span, window
from stockwire.api.queries import QueryShape
from stockwire.api.request import Request
from stockwire.domain.stock import Item
from stockwire.ledger.loading import orders_of, reservations_of
from stockwire.store import reads

OrderId = Annotated[str, Meta(min_length=1, max_length=64)]


class PromiseQuery(Timed, frozen=True):
    """A page of reservations or orders; their ids may be the client's."""

    starting_after: Annotated[OrderId, Meta(description="The page after the one of this id.")] | UnsetType = UNSET  # type: ignore[assignment]
    ending_before: Annotated[OrderId, Meta(description="The page before the one of this id.")] | UnsetType = UNSET  # type: ignore[assignment]


ORDERS = QueryShape(PromiseQuery)
RESERVATIONS = QueryShape(PromiseQuery)


def _items(rows: Iterable[Any]) -> dict[str, Item]:
    """The items of the lines, as far as a line tells of them."""
    return {str(row["item_id"]): _item(row) for row in rows}


def _item(row: Any) -> Item:
    times = row["created_at"], row["updated_at"]
    return Item(str(row["item_id"]), row["part_number"], row["fulfiller"], False, (), None, None, {}, *times)


async def _reservation(request: Request, named: str) -> list[Any]:
    rows: list[Any] = await reads.promises.reservation_lines(
        request.doors.database.reads, *request.caller.ledger, named
    )
    return rows


async def _order(request: Request, named: str) -> list[Any]:
    rows: list[Any] = await reads.promises.order_lines(request.doors.database.reads, *request.caller.ledger, named)
    return rows


async def reservation(request: Request) -> Reply:
    """One reservation."""
    rows = await _reservation(request, request.path[0])
    if not rows:
        return not_found(f"There is no reservation {shown(request.path[0])}.")
    return ok(wire.reservation(reservations_of(rows)[0], _items(rows), request.live))


async def reservations(request: Request) -> Reply:
    """A page of reservations, newest first."""
    asked = window(request.query)
    rows = await reads.promises.reservation_page(
        request.doors.database.reads,
        *request.caller.ledger,
        *span(request.query),
        asked.cursor,
        asked.backward,
        asked.limit,
    )
    if not rows and asked.cursor is not None and not await _reservation(request, asked.cursor):
        return no_cursor(asked)
    items = _items(rows)
    found, more = cut(reservations_of(rows), asked)
    return page([wire.reservation(known, items, request.live) for known in found], more)


async def order(request: Request) -> Reply:
    """One order."""
    rows = await _order(request, request.path[0])
    if not rows:
        return not_found(f"There is no order {shown(request.path[0])}.")
    return ok(wire.order(orders_of(rows)[0], _items(rows), request.live))


async def orders(request: Request) -> Reply:
    """A page of orders, newest first."""
    asked = window(request.query)
    rows = await reads.promises.order_page(
        request.doors.database.reads,
        *request.caller.ledger,
        *span(request.query),
        asked.cursor,
        asked.backward,
        asked.limit,
    )
    if not rows and asked.cursor is not None and not await _order(request, asked.cursor):
        return no_cursor(asked)
    items = _items(rows)
    found, more = cut(orders_of(rows), asked)
    return page([wire.order(known, items, request.live) for known in found], more)
