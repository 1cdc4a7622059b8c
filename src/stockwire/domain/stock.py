"""What an item is, what its counters say, and how one movement changes them (R1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

LARGEST = 2**53 - 1  # the largest integer that every JSON reader holds exactly

# Facts of the world outside may break promises; nothing else may (R1).
FACTS = frozenset({"count", "feed"})


class Product(NamedTuple):
    """What a shop sells; an item may back several."""

    product_id: str
    external_reference_id: str | None = None


class Item(NamedTuple):
    """One part number at one fulfiller."""

    id: str
    part_number: str
    fulfiller: str
    fulfiller_managed: bool
    products: tuple[Product, ...]
    low_stock_threshold: int | None
    expected_in_stock_at: datetime | None
    metadata: Mapping[str, str]
    created_at: datetime
    updated_at: datetime
    deleted: bool = False


class Level(NamedTuple):
    """The counters of an item, in units, with the back order policy that bounds them."""

    on_hand: int = 0
    reserved: int = 0
    allocated: int = 0
    allow_back_order: bool = False
    back_order_limit: int | None = None
    excused: int = 0
    sequence: int = 0
    published: int = 0
    updated_at: datetime | None = None

    @property
    def promised(self) -> int:
        """Units held or sold and not yet shipped."""
        return self.reserved + self.allocated

    @property
    def available(self) -> int:
        """Units that may be sold now; `quantity` on the wire."""
        return max(0, self.on_hand - self.reserved - self.allocated)

    @property
    def backordered(self) -> int:
        """Units promised beyond stock."""
        return max(0, self.reserved + self.allocated - self.on_hand)

    @property
    def room(self) -> int:
        """Units that may be promised beyond stock."""
        return room(self.allow_back_order, self.back_order_limit)


class Movement(NamedTuple):
    """One line of the ledger, as decided: by how much each counter changes, and why."""

    item_id: str
    type: str
    on_hand: int = 0
    reserved: int = 0
    allocated: int = 0
    occurred_at: datetime | None = None  # None: when the batch commits


def room(allow_back_order: bool, back_order_limit: int | None) -> int:
    """Units beyond stock that a policy leaves to promise: none without back order, all of them without a limit."""
    if not allow_back_order:
        return 0
    return LARGEST if back_order_limit is None else back_order_limit


def moved(level: Level, movement: Movement, now: datetime) -> Level:
    """The level after a movement. Only a fact raises `excused`; all else lowers it to what is still needed (R1).

    What is free to sell, or promised beyond stock, changes exactly when an event tells of the movement (R3).
    """
    on_hand = level.on_hand + movement.on_hand
    reserved = level.reserved + movement.reserved
    allocated = level.allocated + movement.allocated
    excused = level.excused
    if excused or movement.type in FACTS:
        needed = max(0, reserved + allocated - on_hand - level.room)
        excused = needed if movement.type in FACTS else min(excused, needed)
    sequence = level.sequence + 1
    told = movement.on_hand != movement.reserved + movement.allocated
    return Level(
        on_hand,
        reserved,
        allocated,
        level.allow_back_order,
        level.back_order_limit,
        excused,
        sequence,
        sequence if told else level.published,
        now,
    )


def under_policy(level: Level, allow_back_order: bool, back_order_limit: int | None) -> Level:
    """The level under an edited policy. Existing promises stand, so the edit excuses what it leaves uncovered (R1)."""
    needed = max(0, level.promised - level.on_hand - room(allow_back_order, back_order_limit))
    return level._replace(allow_back_order=allow_back_order, back_order_limit=back_order_limit, excused=needed)


def lawful(level: Level) -> bool:
    """What the schema's CHECK constraints demand of a level."""
    counters = (level.on_hand, level.reserved, level.allocated)
    covered = level.on_hand + level.excused + level.room
    return all(0 <= counter <= LARGEST for counter in counters) and level.excused >= 0 and level.promised <= covered
