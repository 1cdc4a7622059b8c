"""Levels: how much there is of each item, now or at a past time (R4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from stockwire import wire
from stockwire.api.errors import Reply, refuse
from stockwire.api.items import ManyIds, item_rows
from stockwire.api.paging import Paged, Window, cut, page, window
from stockwire.api.queries import QueryShape
from stockwire.api.request import Request
from stockwire.api.shapes import Fulfiller, Moment, PartNumber, given
from stockwire.ids import lowest_id
from stockwire.ledger.loading import item_of, level_of
from stockwire.store import reads

Parts = Annotated[tuple[PartNumber, ...], Meta(max_length=500, extra={"commas": False})]
AtTime = Annotated[Moment, Meta(description="Answer as a read at this past time did.")]


class LevelQuery(Paged, frozen=True):
    """Filters of the list of levels; those given must all hold."""

    inventory_item_ids: ManyIds | UnsetType = UNSET
    part_number: Parts | UnsetType = UNSET
    fulfiller: Fulfiller | UnsetType = UNSET
    available: bool | UnsetType = UNSET
    at: AtTime | UnsetType = UNSET


QUERY = QueryShape(LevelQuery)


async def listed(request: Request) -> Reply:
    """A page of levels, of the newest items first."""
    query: LevelQuery = request.query
    asked = window(query)
    filters: dict[str, Any] = {
        "ids": given(query.inventory_item_ids),
        "parts": given(query.part_number),
        "fulfiller": given(query.fulfiller),
        "available": given(query.available),
    }
    if query.at is UNSET:
        rows = await item_rows(request, asked, **filters)
    else:
        database = request.doors.database.reads
        if await is_future(database, query.at):
            return in_future()
        rows = await rows_at(database, request, asked, query.at, **filters)
    shown, more = cut(rows, asked)
    return page([wire.level(item_of(row), level_of(row), request.live) for row in shown], more)


async def is_future(connection: Any, at: datetime) -> bool:
    """Whether the time has not come yet, by the database's clock (R5)."""
    return bool(await reads.items.is_future(connection, at))


def in_future() -> Reply:
    """400: nobody knows yet."""
    return refuse(400, "invalid_parameter", "`at` lies in the future.", "at")


async def rows_at(
    connection: Any,
    request: Request,
    asked: Window,
    at: datetime,
    *,
    ids: Sequence[UUID] | None = None,
    parts: Sequence[str] | None = None,
    fulfiller: str | None = None,
    available: bool | None = None,
) -> Sequence[Any]:
    """Rows of items with their levels at a past time, as this key may see them."""
    own = request.caller.fulfiller
    if own is not None and fulfiller not in (None, own):
        return ()
    rows: Sequence[Any] = await reads.items.level_rows_at(
        connection,
        *request.caller.ledger,
        ids,
        parts,
        own or fulfiller,
        available,
        at,
        UUID(lowest_id(at + timedelta(microseconds=1))),
        asked.cursor,
        asked.backward,
        asked.limit,
    )
    return rows
