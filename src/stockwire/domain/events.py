"""Which events a movement publishes, by name and in order (R2, R3)."""

from __future__ import annotations

from typing import Final

from stockwire.domain.stock import Item, Level

SELF_MANAGED_UPDATED: Final = "inventory.self_managed_updated"
FULFILLER_MANAGED_UPDATED: Final = "inventory.fulfiller_managed_updated"
OUT_OF_STOCK: Final = "inventory.out_of_stock"
BACK_IN_STOCK: Final = "inventory.back_in_stock"
LOW_STOCK: Final = "inventory.low_stock"
BACKORDER_UPDATED: Final = "inventory.backorder_updated"
ITEM_CREATED: Final = "inventory.item_created"
ITEM_UPDATED: Final = "inventory.item_updated"
ITEM_DELETED: Final = "inventory.item_deleted"
RESERVATION_EXPIRED: Final = "reservation.expired"
WEBHOOK_DISABLED: Final = "webhook.disabled"

# Every type of event, with what it tells: the catalogue that documents and subscriptions are checked against.
CATALOGUE: Final[dict[str, str]] = {
    SELF_MANAGED_UPDATED: "The sellable quantity of an item that the merchant manages changed.",
    FULFILLER_MANAGED_UPDATED: "The sellable quantity of an item that a fulfiller reports changed.",
    OUT_OF_STOCK: "The sellable quantity fell from above zero to zero.",
    BACK_IN_STOCK: "The sellable quantity rose from zero.",
    LOW_STOCK: "The sellable quantity fell to the item's low-stock threshold or below it.",
    BACKORDER_UPDATED: "The units promised beyond stock changed while the sellable quantity stayed.",
    ITEM_CREATED: "An item was created, or a deleted one came back.",
    ITEM_UPDATED: "An item's policy, products or other attributes were edited.",
    ITEM_DELETED: "An item was deleted.",
    RESERVATION_EXPIRED: "A reservation reached its time and its units went back.",
    WEBHOOK_DISABLED: "A webhook was disabled because its address answered 410 or failed for days.",
}


def updated_type(item: Item) -> str:
    """The `*_updated` type of an item, by who manages its stock."""
    return FULFILLER_MANAGED_UPDATED if item.fulfiller_managed else SELF_MANAGED_UPDATED


def crossings(item: Item, before: Level, after: Level, cause: str) -> tuple[str, ...]:
    """The events of one movement, in the order they are published. Opening stock crosses nothing (R3)."""
    b, a = before.available, after.available
    if b == a:
        return () if before.backordered == after.backordered else (BACKORDER_UPDATED,)
    names = [updated_type(item)]
    if cause == "opening":
        return tuple(names)
    threshold = item.low_stock_threshold
    if threshold and b > threshold >= a:
        names.append(LOW_STOCK)
    if a == 0:
        names.append(OUT_OF_STOCK)
    elif b == 0:
        names.append(BACK_IN_STOCK)
    return tuple(names)
