"""Items, their levels, changes of stock and the ledger of movements."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Unpack

from msgspec import UNSET, UnsetType

from stockwire.client.asking import Listed, given, named, segment
from stockwire.client.paging import Listing
from stockwire.client.shapes import BatchAnswer, Change, Changed, Item, Level, Movement, NewItem, Product
from stockwire.client.transport import Transport

ITEMS = "/v1/inventory-items"


class ItemFilters(Listed, total=False):
    ids: Sequence[str]
    part_number: str
    fulfiller: str
    product_id: str
    external_reference_id: str
    inventory_management: str
    status: str
    q: str


class Items:
    """`client.items`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(self, item: NewItem, *, idempotency_key: str | None = None) -> Item:
        """Make one item; 409 `already_exists` names the id of one that is there."""
        made: Item = await self._transport.call("POST", ITEMS, Item, body=item, key=idempotency_key)
        return made

    async def create_many(self, items: Sequence[NewItem], *, idempotency_key: str | None = None) -> BatchAnswer:
        """Make up to 10,000 items; the results stand in request order."""
        body = {"items": items}
        answer: BatchAnswer = await self._transport.call("POST", ITEMS, BatchAnswer, body=body, key=idempotency_key)
        return answer

    def list(self, **filters: Unpack[ItemFilters]) -> Listing[Item]:
        return Listing(self._transport, ITEMS, Item, named(filters))

    async def get(self, item_id: str) -> Item:
        item: Item = await self._transport.call("GET", f"{ITEMS}/{segment(item_id)}", Item)
        return item

    async def find(self, part_number: str, fulfiller: str | None = None) -> Item | None:
        """The item of a part number, or None."""
        query = {"partNumber": part_number, "fulfiller": fulfiller}
        return await Listing[Item](self._transport, ITEMS, Item, query).first()

    async def update(
        self,
        item_id: str,
        *,
        allow_back_order: bool | UnsetType = UNSET,
        back_order_limit: int | UnsetType | None = UNSET,
        inventory_management: str | UnsetType = UNSET,
        products: Sequence[Product] | UnsetType = UNSET,
        low_stock_threshold: int | UnsetType | None = UNSET,
        expected_in_stock_date: str | UnsetType | None = UNSET,
        metadata: dict[str, str | None] | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> Item:
        """Edit policy, products or thresholds: what is left out stays, None clears, metadata merges by key (R10)."""
        body = named(
            {
                "allow_back_order": allow_back_order,
                "back_order_limit": back_order_limit,
                "inventory_management": inventory_management,
                "products": products,
                "low_stock_threshold": low_stock_threshold,
                "expected_in_stock_date": expected_in_stock_date,
                "metadata": metadata,
            }
        )
        path = f"{ITEMS}/{segment(item_id)}"
        item: Item = await self._transport.call("PATCH", path, Item, body=body, key=idempotency_key)
        return item

    async def delete(self, item_id: str) -> None:
        """409 `invalid_state` unless nothing is on hand, reserved or allocated."""
        await self._transport.send("DELETE", f"{ITEMS}/{segment(item_id)}")

    async def explain(self, item_id: str, at: datetime | None = None) -> dict[str, Any]:
        """Why each number is what it is, now or at a past time: holds, orders and last movements."""
        path = f"{ITEMS}/{segment(item_id)}/explain"
        said: dict[str, Any] = await self._transport.call("GET", path, dict[str, Any], query={"at": at})
        return said


class Levels:
    """`client.levels`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        inventory_item_ids: Sequence[str] | None = None,
        part_number: str | Sequence[str] | None = None,
        fulfiller: str | None = None,
        available: bool | None = None,
        at: datetime | None = None,
        limit: int | None = None,
    ) -> Listing[Level]:
        """How much there is, now or `at` a past time; without a filter: of everything."""
        query = given(
            {
                "inventory_item_ids": inventory_item_ids,
                "part_number": part_number,
                "fulfiller": fulfiller,
                "available": available,
                "at": at,
                "limit": limit,
            }
        )
        return Listing(self._transport, "/v1/inventory-levels", Level, query, lambda level: level.inventory_item_id)


class Changes:
    """`client.changes`: set, adjust, count, receive, transfer; one at a time or many."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def apply(self, change: Change, *, idempotency_key: str | None = None) -> Changed:
        """Make one change; a refusal (stale, below what is promised, unknown part) raises `ApiError`."""
        done: Changed = await self._transport.call(
            "POST", "/v1/inventory-changes", Changed, body=change, key=idempotency_key
        )
        return done

    async def batch(
        self, changes: Sequence[Change], *, atomic: bool = False, idempotency_key: str | None = None
    ) -> BatchAnswer:
        """Make up to 10,000 changes; refused rows are in the answer, or refuse everything when `atomic` (≤ 1,000)."""
        body = {"changes": changes, "atomic": atomic}
        answer: BatchAnswer = await self._transport.call(
            "POST", "/v1/inventory-changes", BatchAnswer, body=body, key=idempotency_key
        )
        return answer


class Movements:
    """`client.movements`: the immutable ledger of an item."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        inventory_item_id: str | None = None,
        part_number: str | None = None,
        fulfiller: str | None = None,
        order: str = "asc",
        limit: int | None = None,
    ) -> Listing[Movement]:
        """Oldest first, or newest first with `order="desc"`."""
        query = given(
            {
                "inventory_item_id": inventory_item_id,
                "part_number": part_number,
                "fulfiller": fulfiller,
                "order": order,
                "limit": limit,
            }
        )
        return Listing(self._transport, "/v1/inventory-movements", Movement, query)
