"""What a client says of an item: a new one, an edit, many new ones (R10, R14)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from stockwire.api.bulk import MOST_ROWS, OneOrMany
from stockwire.api.faults import Amiss
from stockwire.api.shapes import (
    Body,
    Fulfiller,
    Management,
    Metadata,
    Moment,
    NewProduct,
    PartNumber,
    Units,
    given,
    timely,
)
from stockwire.api.strict_json import Shape
from stockwire.domain.commands import CreateItem
from stockwire.domain.refusals import Reason
from stockwire.domain.stock import Product
from stockwire.wire import FULFILLER_MANAGED

MOST_PRODUCTS = 100

Products = Annotated[tuple[NewProduct, ...], Meta(max_length=MOST_PRODUCTS)]
MetadataEdit = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=40)],
        Annotated[str, Meta(max_length=500)] | None,
    ],
    Meta(max_length=20),
]


class NewItem(Body, frozen=True, kw_only=True):
    """An item to make; `quantity` is its opening stock, `fulfiller` the store's own unless given."""

    part_number: PartNumber
    fulfiller: Fulfiller | UnsetType = UNSET
    inventory_management: Management = "Self Managed"
    allow_back_order: bool | UnsetType = UNSET
    allow_oversell: Annotated[bool, Meta(description="The older name of allowBackOrder.")] | UnsetType = UNSET
    back_order_limit: Units | None = None
    products: Products = ()
    low_stock_threshold: Units | None = None
    expected_in_stock_date: Moment | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)
    quantity: Units = 0

    def __post_init__(self) -> None:
        _coherent(self.allow_back_order, self.allow_oversell, self.products)
        timely(self.expected_in_stock_date)

    @staticmethod
    def amiss(given: Mapping[str, Any]) -> list[Amiss]:
        return incoherent(given)

    def command(self, item_id: str) -> CreateItem:
        """The item as the ledger takes it."""
        return CreateItem(
            item_id,
            self.part_number,
            given(self.fulfiller),
            self.inventory_management == FULFILLER_MANAGED,
            self.allow_back_order is True or self.allow_oversell is True,
            self.back_order_limit,
            _products(self.products),
            self.low_stock_threshold,
            self.expected_in_stock_date,
            self.metadata,
            self.quantity,
        )


class ItemEdit(Body, frozen=True, kw_only=True):
    """What to change: absent keeps, null clears, arrays are replaced, metadata merges by key."""

    inventory_management: Management | UnsetType = UNSET
    allow_back_order: bool | UnsetType = UNSET
    allow_oversell: Annotated[bool, Meta(description="The older name of allowBackOrder.")] | UnsetType = UNSET
    back_order_limit: Units | UnsetType | None = UNSET
    products: Products | UnsetType | None = UNSET
    low_stock_threshold: Units | UnsetType | None = UNSET
    expected_in_stock_date: Moment | UnsetType | None = UNSET
    metadata: MetadataEdit | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        _coherent(self.allow_back_order, self.allow_oversell, given(self.products) or ())
        timely(self.expected_in_stock_date)

    @staticmethod
    def amiss(given: Mapping[str, Any]) -> list[Amiss]:
        return incoherent(given)

    def fields(self) -> dict[str, Any]:
        """The edit in the ledger's names."""
        allowed = self.allow_oversell if self.allow_back_order is UNSET else self.allow_back_order
        managed = self.inventory_management
        edits = {
            "fulfiller_managed": UNSET if managed is UNSET else managed == FULFILLER_MANAGED,
            "allow_back_order": allowed,
            "back_order_limit": self.back_order_limit,
            "products": UNSET if self.products is UNSET else _products(self.products or ()),
            "low_stock_threshold": self.low_stock_threshold,
            "expected_in_stock_at": self.expected_in_stock_date,
            "metadata": self.metadata,
        }
        return {name: value for name, value in edits.items() if value is not UNSET}


def _coherent(back_order: bool | UnsetType, oversell: bool | UnsetType, products: tuple[NewProduct, ...]) -> None:
    if UNSET not in (back_order, oversell) and back_order is not oversell:
        raise ValueError("allowOversell")
    if len({product.product_id for product in products}) != len(products):
        raise ValueError("products")


def incoherent(given: Mapping[str, Any]) -> list[Amiss]:
    """Fields that contradict each other."""
    found: list[Amiss] = []
    names = [given[name] for name in ("allowBackOrder", "allowOversell") if name in given]
    if len(names) == 2 and names[0] is not names[1]:
        found.append((Reason.INVALID_PARAMETER, "allowOversell", "is the older name of `allowBackOrder` and differs"))
    seen: set[Any] = set()
    for place, product in enumerate(given.get("products") or ()):
        named = product.get("productId") if isinstance(product, dict) else None
        if isinstance(named, str) and named in seen:
            found.append((Reason.INVALID_PARAMETER, f"products[{place}].productId", "is given twice"))
        seen.add(named if isinstance(named, str) else None)
    return found


def _products(bodies: tuple[NewProduct, ...]) -> tuple[Product, ...]:
    return tuple(Product(body.product_id, body.external_reference_id) for body in bodies)


class _Rows(Body, frozen=True, kw_only=True):
    items: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MOST_ROWS)]


class ManyItems(Body, frozen=True, kw_only=True):
    """Up to 10,000 items to make."""

    items: Annotated[list[NewItem], Meta(min_length=1, max_length=MOST_ROWS)]


NEW = OneOrMany(NewItem, "items", _Rows, ManyItems)
EDIT: Shape[ItemEdit] = Shape(ItemEdit)
