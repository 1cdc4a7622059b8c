"""POST /v1/inventory-changes: one change, or many (R11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from stockwire.api.bulk import MOST_ATOMIC, MOST_ROWS, SLICE_ROWS, Many, OneOrMany, submit_slices, too_many_at_once
from stockwire.api.errors import Reply
from stockwire.api.faults import Amiss
from stockwire.api.request import Request
from stockwire.api.shapes import (
    Body,
    Fulfiller,
    ItemId,
    Moment,
    PartNumber,
    Reason,
    Reference,
    Signed,
    Some,
    Units,
    given,
    one_of,
    timely,
)
from stockwire.domain.commands import Change, Changes, ItemRef
from stockwire.domain.refusals import Reason as Code


class _Change(Body, frozen=True, kw_only=True, tag_field="type"):
    """What every change says: which item, what the caller believed, and why."""

    inventory_item_id: ItemId | UnsetType = UNSET
    part_number: PartNumber | UnsetType = UNSET
    fulfiller: Fulfiller | UnsetType = UNSET
    expected_quantity: Units | UnsetType = UNSET
    expected_sequence: Units | UnsetType = UNSET
    reason: Reason | UnsetType = UNSET
    reference: Reference | UnsetType = UNSET
    occurred_time: Moment | UnsetType = UNSET

    def __post_init__(self) -> None:
        if (self.part_number is UNSET) is (self.inventory_item_id is UNSET):
            raise ValueError("inventoryItemId or partNumber")
        timely(self.occurred_time)

    @staticmethod
    def amiss(given: Mapping[str, Any]) -> list[Amiss]:
        return one_of(given, ("partNumber", "inventoryItemId"))

    def ledger(self, amount: int, to_fulfiller: str | None = None) -> Change:
        """The change as the ledger takes it."""
        item = ItemRef(
            None if self.inventory_item_id is UNSET else str(self.inventory_item_id),
            given(self.part_number),
            given(self.fulfiller),
        )
        return Change(
            str(self.__struct_config__.tag),
            item,
            amount,
            to_fulfiller,
            given(self.expected_quantity),
            given(self.expected_sequence),
            given(self.reason),
            given(self.reference),
            given(self.occurred_time),
        )


class Set(_Change, frozen=True, kw_only=True, tag="set"):
    """The sellable quantity becomes this."""

    quantity: Units

    def command(self) -> Change:
        return self.ledger(self.quantity)


class Adjust(_Change, frozen=True, kw_only=True, tag="adjust"):
    """On hand changes by delta; never below what is promised unless back order allows."""

    delta: Signed

    def __post_init__(self) -> None:
        if self.delta == 0:
            raise ValueError("delta")
        super().__post_init__()

    @staticmethod
    def amiss(given: Mapping[str, Any]) -> list[Amiss]:
        zero: list[Amiss] = [(Code.INVALID_PARAMETER, "delta", "must not be 0")] if given.get("delta", 1) == 0 else []
        return _Change.amiss(given) + zero

    def command(self) -> Change:
        return self.ledger(self.delta)


class Count(_Change, frozen=True, kw_only=True, tag="count"):
    """A physical count: on hand becomes this."""

    on_hand: Units

    def command(self) -> Change:
        return self.ledger(self.on_hand)


class Receive(_Change, frozen=True, kw_only=True, tag="receive"):
    """Goods arrived."""

    quantity: Some

    def command(self) -> Change:
        return self.ledger(self.quantity)


class Transfer(_Change, frozen=True, kw_only=True, tag="transfer"):
    """Units move to the same part number at another fulfiller: both sides or neither."""

    quantity: Some
    to_fulfiller: Fulfiller

    def command(self) -> Change:
        return self.ledger(self.quantity, self.to_fulfiller)


AnyChange = Set | Adjust | Count | Receive | Transfer


class _Rows(Body, frozen=True, kw_only=True):
    changes: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MOST_ROWS)]
    atomic: bool = False


class ManyChanges(Body, frozen=True, kw_only=True):
    """Up to 10,000 changes; with `atomic` up to 1,000, of which one refusal refuses all."""

    changes: Annotated[list[AnyChange], Meta(min_length=1, max_length=MOST_ROWS)]
    atomic: bool = False


BODY = OneOrMany(AnyChange, "changes", _Rows, ManyChanges)


async def change(request: Request) -> Reply:
    """One change, or many in order."""
    asked = request.body
    if not isinstance(asked, Many):
        return await request.submit(asked.command())
    if asked.atomic and len(asked.rows) > MOST_ATOMIC:
        return too_many_at_once("changes")
    return await submit_slices(request, _slices(asked), len(asked.rows))


def _slices(many: Many) -> Iterator[Changes]:
    if many.atomic:
        yield Changes(_commands(many, 0, len(many.rows)), True, 0)
        return
    for start in range(0, len(many.rows), SLICE_ROWS):
        yield Changes(_commands(many, start, start + SLICE_ROWS), False, start)


def _commands(many: Many, start: int, stop: int) -> tuple[Any, ...]:
    rows = (BODY.row(raw, many, place) for place, raw in enumerate(many.rows[start:stop], start))
    return tuple(row if type(row) is tuple else row.command() for row in rows)
