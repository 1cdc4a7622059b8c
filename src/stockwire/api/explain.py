"""Why an item's numbers are what they are, now or at a past time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import UNSET, UnsetType

from stockwire import wire
from stockwire.api.errors import Reply, ok
from stockwire.api.items import no_item, visible_row
from stockwire.api.levels import AtTime, in_future, is_future, rows_at
from stockwire.api.paging import Query, Window
from stockwire.api.queries import QueryShape
from stockwire.api.request import Request
from stockwire.api.shapes import given
from stockwire.ids import lowest_id
from stockwire.ledger.loading import item_of, level_of
from stockwire.store import reads
from stockwire.store.database import Connection

SHOWN = 100  # most reservations, orders and movements that are told
EXAMINED = 10_000  # movements before a past time that are searched for what held the item then


class ExplainQuery(Query, frozen=True):
    """When."""

    at: AtTime | UnsetType = UNSET


QUERY = QueryShape(ExplainQuery)


async def explain(request: Request) -> Reply:
    """The level, and behind it the reservations, the orders and the last movements, all of one snapshot."""
    at = given(request.query.at)
    async with reads.snapshot(request.doors.database) as connection:
        if at is not None and await is_future(connection, at):
            return in_future()
        row = await visible_row(connection, request, request.path[0])
        if row is None:
            return no_item(request.path[0])
        if at is None:
            return ok(await _now(connection, request, row))
        return ok(await _then(connection, request, row["id"], at))


async def _now(connection: Connection, request: Request, row: Any) -> dict[str, Any]:
    ledger = request.caller.ledger
    holds = await reads.promises.holds_of(connection, *ledger, row["id"], row["now"], SHOWN + 1)
    orders = await reads.promises.open_orders_of(connection, *ledger, row["id"], SHOWN + 1)
    return await _told(connection, request, row, row["now"], holds, orders)


async def _then(connection: Connection, request: Request, item_id: UUID, at: datetime) -> dict[str, Any]:
    ledger = request.caller.ledger
    rows = await rows_at(connection, request, Window(1, None, False), at, ids=[item_id])
    if not rows:
        return {
            "at": wire.moment(at),
            "level": None,
            "reserved": _promise(0, []),
            "allocated": _promise(0, []),
            "movements": [],
        }
    bound = UUID(lowest_id(at + timedelta(microseconds=1)))
    holds = await reads.promises.holds_at(connection, *ledger, item_id, at, bound, EXAMINED, SHOWN + 1)
    orders = await reads.promises.orders_at(connection, *ledger, item_id, at, bound, EXAMINED, SHOWN + 1)
    return await _told(connection, request, rows[0], at, holds, orders)


async def _told(
    connection: Connection, request: Request, row: Any, at: datetime, holds: list[Any], orders: list[Any]
) -> dict[str, Any]:
    ledger = request.caller.ledger
    last = await reads.items.movement_rows(connection, *ledger, [row["id"]], None, None, None, at, None, False, SHOWN)
    level = wire.level(item_of(row), level_of(row), request.live)
    return {
        "at": wire.moment(at),
        "level": level,
        "reserved": _promise(row["reserved"], [_hold(hold) for hold in holds]),
        "allocated": _promise(row["allocated"], [_order(order) for order in orders]),
        "movements": [wire.movement(movement) for movement in last],
    }


def _promise(units: int, behind: list[dict[str, Any]]) -> dict[str, Any]:
    return {"units": units, "data": behind[:SHOWN], "hasMore": len(behind) > SHOWN}


def _hold(row: Any) -> dict[str, Any]:
    return {
        "reservationId": row["id"],
        "quantity": row["quantity"],
        "backordered": row["backordered"],
        "reference": row["reference"],
        "expiresTime": wire.moment(row["expires_at"]),
        "createdTime": wire.moment(row["created_at"]),
    }


def _order(row: Any) -> dict[str, Any]:
    return {
        "orderId": row["id"],
        "open": row["open"],
        "quantity": row["quantity"],
        "backordered": row["backordered"],
        "reference": row["reference"],
        "createdTime": wire.moment(row["created_at"]),
    }
