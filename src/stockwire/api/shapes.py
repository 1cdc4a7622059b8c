"""Types that several request bodies share: their limits are stated here once (R14)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from stockwire.api.faults import Amiss, plausible
from stockwire.domain.commands import ItemRef
from stockwire.domain.refusals import Reason as Code
from stockwire.domain.stock import LARGEST

T = TypeVar("T")

Moment = Annotated[datetime, Meta(tz=True)]
Units = Annotated[int, Meta(ge=0, le=LARGEST)]
Some = Annotated[int, Meta(ge=1, le=LARGEST)]
Signed = Annotated[int, Meta(ge=-LARGEST, le=LARGEST)]
PartNumber = Annotated[str, Meta(min_length=1, max_length=128)]
Fulfiller = Annotated[str, Meta(min_length=1, max_length=100)]
ProductId = Annotated[str, Meta(min_length=1, max_length=128)]
Reason = Annotated[str, Meta(min_length=1, max_length=64)]
Reference = Annotated[str, Meta(min_length=1, max_length=255)]
ClientId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
ItemId = UUID
Metadata = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=40)], Annotated[str, Meta(max_length=500)]], Meta(max_length=20)
]
Management = Literal["Self Managed", "Fulfiller Managed"]


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True, rename="camel"):
    """The root of every request body: unknown fields are an error, and what was not given is UNSET, not null.

    A struct whose fields bind each other raises ValueError in `__post_init__` and says what is wrong in `amiss`.
    """


def timely(*moments: datetime | UnsetType | None) -> None:
    """Raises ValueError for a time that cannot be stored; for `__post_init__`."""
    if not all(plausible(at) for at in moments if isinstance(at, datetime)):
        raise ValueError("must lie in the years 1970 to 9998")


class NewProduct(Body, frozen=True, kw_only=True):
    """What a shop sells."""

    product_id: ProductId
    external_reference_id: ProductId | None = None


_NAMES = ("inventoryItemId", "partNumber", "productId", "externalReferenceId")


class NamedItem(Body, frozen=True):
    """Names an item by id, by part number (and fulfiller), by product or by external reference (R8)."""

    inventory_item_id: ItemId | UnsetType = UNSET
    part_number: PartNumber | UnsetType = UNSET
    fulfiller: Fulfiller | UnsetType = UNSET
    product_id: ProductId | UnsetType = UNSET
    external_reference_id: ProductId | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.part_number is UNSET or not (
            self.inventory_item_id is UNSET and self.product_id is UNSET and self.external_reference_id is UNSET
        ):
            named = (self.inventory_item_id, self.part_number, self.product_id, self.external_reference_id)
            if named.count(UNSET) != 3:
                raise ValueError(", ".join(_NAMES))

    @staticmethod
    def amiss(given: Mapping[str, Any]) -> list[Amiss]:
        """The same check, in words, for the walk."""
        return one_of(given, _NAMES)

    def ref(self) -> ItemRef:
        """The reference as the ledger takes it."""
        return ItemRef(
            None if self.inventory_item_id is UNSET else str(self.inventory_item_id),
            given(self.part_number),
            given(self.fulfiller),
            given(self.product_id),
            given(self.external_reference_id),
        )


def one_of(present: Mapping[str, Any], names: Sequence[str]) -> list[Amiss]:
    """Exactly one of the names must be given."""
    found = [name for name in names if name in present]
    if not found:
        return [(Code.MISSING_PARAMETER, names[0], f"is missing: give one of {', '.join(names)}")]
    return [(Code.INVALID_PARAMETER, name, f"cannot stand beside `{found[0]}`") for name in found[1:]]


def given(value: T | UnsetType | None) -> T | None:
    """What was given, None where it was not."""
    return None if value is UNSET else value
