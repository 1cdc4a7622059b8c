"""What a batch has loaded, as left by the commands before the one being decided."""

from __future__ import annotations

from stockwire.domain.commands import Actor, ItemRef
from stockwire.domain.promises import Endpoint, Order, Reservation
from stockwire.domain.stock import Item, Level


class State:
    """The part of one ledger that a batch touches. `decide` reads it; only the ledger folds decisions into it."""

    def __init__(self, own_fulfiller: str, position: int = 0) -> None:
        self.own_fulfiller = own_fulfiller
        self.position = position
        self.items: dict[str, Item] = {}
        self.levels: dict[str, Level] = {}
        self.by_part: dict[str, list[str]] = {}
        self.by_product: dict[str, list[str]] = {}
        self.by_reference: dict[str, list[str]] = {}
        self.reservations: dict[str, Reservation] = {}
        self.due: list[str] = []  # loaded reservations whose time has come, in the order they end (R4)
        self.orders: dict[str, Order] = {}
        self.endpoints: dict[str, Endpoint] = {}

    def fork(self) -> State:
        """A copy to decide on, which can be dropped: an atomic command leaves no trace when one row is refused."""
        copy = State(self.own_fulfiller, self.position)
        copy.items, copy.levels = dict(self.items), dict(self.levels)
        copy.by_part = {part: list(ids) for part, ids in self.by_part.items()}
        copy.by_product = {product: list(ids) for product, ids in self.by_product.items()}
        copy.by_reference = {reference: list(ids) for reference, ids in self.by_reference.items()}
        copy.reservations, copy.orders, copy.endpoints = (
            dict(self.reservations),
            dict(self.orders),
            dict(self.endpoints),
        )
        copy.due = list(self.due)
        return copy

    def put_item(self, item: Item, level: Level) -> None:
        """Add or replace an item, and index it by part number and products."""
        known = self.items.get(item.id)
        if known is not None and known.products != item.products:
            self._forget_products(known)
        self.items[item.id] = item
        self.levels[item.id] = level
        if known is None:
            _insert(self.by_part.setdefault(item.part_number, []), item.id)
        for product in item.products:
            _insert(self.by_product.setdefault(product.product_id, []), item.id)
            if product.external_reference_id is not None:
                _insert(self.by_reference.setdefault(product.external_reference_id, []), item.id)

    def _forget_products(self, item: Item) -> None:
        for product in item.products:
            _remove(self.by_product.get(product.product_id), item.id)
            if product.external_reference_id is not None:
                _remove(self.by_reference.get(product.external_reference_id), item.id)

    def item_at(self, part_number: str, fulfiller: str) -> Item | None:
        """The item of a part number at a fulfiller, deleted or not."""
        for item_id in self.by_part.get(part_number, ()):
            if self.items[item_id].fulfiller == fulfiller:
                return self.items[item_id]
        return None

    def named(self, ref: ItemRef) -> list[Item]:
        """The living items that a reference names: the store's own fulfiller first, then by name (R8)."""
        found = [self.items[item_id] for item_id in self._ids(ref) if not self.items[item_id].deleted]
        if ref.fulfiller is not None:
            found = [item for item in found if item.fulfiller == ref.fulfiller]
        if len(found) > 1:
            found.sort(key=lambda item: (item.part_number, item.fulfiller != self.own_fulfiller, item.fulfiller))
        return found

    def _ids(self, ref: ItemRef) -> list[str]:
        if ref.item_id is not None:
            return [ref.item_id] if ref.item_id in self.items else []
        if ref.part_number is not None:
            return self.by_part.get(ref.part_number, [])
        if ref.product_id is not None:
            return self.by_product.get(ref.product_id, [])
        return self.by_reference.get(ref.external_reference_id or "", [])


def sees(actor: Actor, item: Item) -> bool:
    """A fulfiller's key sees its own fulfiller's items alone (R9)."""
    return actor.fulfiller is None or actor.fulfiller == item.fulfiller


def _insert(ids: list[str], item_id: str) -> None:
    if item_id not in ids:
        ids.append(item_id)


def _remove(ids: list[str] | None, item_id: str) -> None:
    if ids is not None and item_id in ids:
        ids.remove(item_id)
