"""Inventory items: make, list, look at, edit, delete (R10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from stockwire import wire
from stockwire.api.bulk import SLICE_ROWS, Many, submit_slices
from stockwire.api.errors import Reply, not_found, ok
from stockwire.api.faults import shown, uuid_of
from stockwire.api.item_bodies import NEW
from stockwire.api.paging import Timed, Window, cut, page, span, window
from stockwire.api.queries import QueryShape
from stockwire.api.request import Request
from stockwire.api.shapes import Fulfiller, Management, PartNumber, ProductId, given
from stockwire.domain.commands import CreateItems, DeleteItem, PatchItem
from stockwire.ids import Ids
from stockwire.ledger.loading import item_of, level_of
from stockwire.store import reads

# As many as a head of 32 KiB has room for (R15).
ManyIds = Annotated[tuple[UUID, ...], Meta(max_length=500)]
Status = Literal["in_stock", "low_stock", "out_of_stock", "backordered"]


class ItemQuery(Timed, frozen=True):
    """Filters of the list of items; those given must all hold."""

    ids: ManyIds | UnsetType = UNSET
    part_number: PartNumber | UnsetType = UNSET
    fulfiller: Fulfiller | UnsetType = UNSET
    product_id: ProductId | UnsetType = UNSET
    external_reference_id: ProductId | UnsetType = UNSET
    inventory_management: Management | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    q: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=128,
                description="Beginning of a part number, product id or external reference.",
            ),
        ]
        | UnsetType
    ) = UNSET


QUERY = QueryShape(ItemQuery)


async def create(request: Request) -> Reply:
    """Make one item, or many."""
    ids = Ids(datetime.now(UTC))
    if not isinstance(request.body, Many):
        return await request.submit(request.body.command(ids.next()))
    return await submit_slices(request, _slices(request.body, ids), len(request.body.rows))


def _slices(many: Many, ids: Ids) -> Iterator[CreateItems]:
    for start in range(0, len(many.rows), SLICE_ROWS):
        batch = enumerate(many.rows[start : start + SLICE_ROWS], start)
        rows = (NEW.row(raw, many, place) for place, raw in batch)
        yield CreateItems(tuple(row if type(row) is tuple else row.command(ids.next()) for row in rows), start)


def no_item(named: str) -> Reply:
    """404."""
    return not_found(f"There is no inventory item {shown(named)}.")


async def listed(request: Request) -> Reply:
    """A page of items, newest first."""
    query: ItemQuery = request.query
    asked = window(query)
    parts = None if query.part_number is UNSET else [query.part_number]
    managed = None if query.inventory_management is UNSET else query.inventory_management == wire.FULFILLER_MANAGED
    rows = await item_rows(
        request,
        asked,
        ids=given(query.ids),
        parts=parts,
        fulfiller=given(query.fulfiller),
        product_id=given(query.product_id),
        reference=given(query.external_reference_id),
        managed=managed,
        status=given(query.status),
        q=given(query.q),
        **span(query)._asdict(),
    )
    shown_rows, more = cut(rows, asked)
    return page([wire.item(item_of(row), level_of(row), request.live) for row in shown_rows], more)


async def item_rows(request: Request, asked: Window, **filters: Any) -> Sequence[Any]:
    """Rows of items with their levels, as this key may see them."""
    known: dict[str, Any] = dict.fromkeys(reads.items.item_rows.parameters)
    known.update(filters)
    own = request.caller.fulfiller
    if own is not None and known["fulfiller"] not in (None, own):
        return ()
    q = known["q"]
    known.update(
        store_id=request.caller.ledger.store_id,
        live=request.live,
        fulfiller=own or known["fulfiller"],
        q_end=None if q is None else reads.after_prefix(q),
        cursor=asked.cursor,
        backward=asked.backward,
        limit=asked.limit,
    )
    rows: Sequence[Any] = await reads.items.item_rows(request.doors.database.reads, **known)
    return rows


async def visible_row(connection: Any, request: Request, named: str) -> Any | None:
    """The row of the item of this id, None where this key sees none."""
    item_id = uuid_of(named)
    if item_id is None:
        return None
    row = await reads.items.item_row(connection, *request.caller.ledger, item_id)
    own = request.caller.fulfiller
    if row is None or row["deleted"] or own not in (None, row["fulfiller"]):
        return None
    return row


async def one(request: Request) -> Reply:
    """One item."""
    row = await visible_row(request.doors.database.reads, request, request.path[0])
    return no_item(request.path[0]) if row is None else ok(wire.item(item_of(row), level_of(row), request.live))


async def edit(request: Request) -> Reply:
    """Edit policy, products and other attributes."""
    item_id = uuid_of(request.path[0])
    if item_id is None:
        return no_item(request.path[0])
    return await request.submit(PatchItem(str(item_id), request.body.fields()))


async def delete(request: Request) -> Reply:
    """Delete an item that holds nothing."""
    item_id = uuid_of(request.path[0])
    if item_id is None:
        return no_item(request.path[0])
    return await request.submit(DeleteItem(str(item_id)))
