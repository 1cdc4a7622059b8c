"""Movements: the immutable ledger of an item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from msgspec import UNSET, UnsetType

from stockwire import wire
from stockwire.api.errors import Reply
from stockwire.api.faults import Amiss
from stockwire.api.paging import Timed, cut, page, span, window
from stockwire.api.queries import QueryShape
from stockwire.api.request import Request
from stockwire.api.shapes import Fulfiller, PartNumber, given, one_of
from stockwire.store import reads


class MovementQuery(Timed, frozen=True):
    """Whose movements, and in which order."""

    part_number: PartNumber | UnsetType = UNSET
    inventory_item_id: UUID | UnsetType = UNSET
    fulfiller: Fulfiller | UnsetType = UNSET
    order: Literal["asc", "desc"] = "desc"

    @staticmethod
    def amiss(given: Mapping[str, Any]) -> list[Amiss]:
        """One item must be named: a ledger is read item by item."""
        return one_of(given, ("partNumber", "inventoryItemId"))


QUERY = QueryShape(MovementQuery)


async def listed(request: Request) -> Reply:
    """A page of movements, newest first unless asked for otherwise."""
    query: MovementQuery = request.query
    asked = window(query)
    ids = await _ids(request, query)
    rising = (query.order == "asc") is not asked.backward
    rows = await reads.items.movement_rows(
        request.doors.database.reads,
        *request.caller.ledger,
        ids,
        *span(query),
        asked.cursor,
        rising,
        asked.limit,
    )
    shown, more = cut(rows, asked)
    return page([wire.movement(row) for row in shown], more)


async def _ids(request: Request, query: MovementQuery) -> list[UUID]:
    """The items meant, of those that this key sees."""
    own, wanted = request.caller.fulfiller, given(query.fulfiller)
    if own is not None and wanted not in (None, own):
        return []
    found = await reads.items.items_named(
        request.doors.database.reads,
        *request.caller.ledger,
        given(query.inventory_item_id),
        given(query.part_number),
        own or wanted,
    )
    return [row["id"] for row in found]
