"""Gathering what each side says: the receiver's own file, the server's feed, levels and movements.

Bodies are kept as digests: two months of orders are more bytes than a comparison needs to hold.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from stockwire.client import Level, Stockwire
from stockwire.client.shapes import Movement

READERS = 16


class Told(NamedTuple):
    """One event as somebody has it: from the wire or from the feed."""

    id: str
    position: int
    digest: bytes
    type: str
    item: str
    sequence: int
    previous_sequence: int
    quantity: int
    before: int
    cause: str
    backordered: int


class Sum(NamedTuple):
    """An item's ledger, added up: the three numbers, and how many lines did not follow from the line before."""

    on_hand: int
    reserved: int
    allocated: int
    sequence: int
    broken: int


class _Object(msgspec.Struct, rename="camel"):
    inventory_item_id: str = ""
    sequence: int = 0
    previous_sequence: int = 0
    quantity: int = 0
    cause: str = ""
    backordered: int = 0


class _Before(msgspec.Struct, frozen=True):
    quantity: int | None = None


class _Data(msgspec.Struct, rename="camel"):
    object: _Object
    previous_attributes: _Before = _Before()


class _Envelope(msgspec.Struct):
    id: str
    type: str
    data: _Data
    position: int | None = None


_envelope = msgspec.json.Decoder(_Envelope)


def told(body: bytes) -> Told:
    """An event's bytes as evidence; raises `msgspec.DecodeError` for anything else."""
    event = _envelope.decode(body)
    inside, before = event.data.object, event.data.previous_attributes.quantity
    return Told(
        event.id,
        event.position or 0,
        hashlib.sha256(body).digest(),
        event.type,
        inside.inventory_item_id,
        inside.sequence,
        inside.previous_sequence,
        inside.quantity,
        inside.quantity if before is None else before,
        inside.cause,
        inside.backordered,
    )


def heard(lines: Iterable[bytes]) -> Iterator[Told]:
    """The receiver's file: each line is the body of one verified request, as it came."""
    return (told(line.rstrip(b"\n")) for line in lines if line.endswith(b"\n"))


async def published(shop: Stockwire, after: int = 0) -> dict[str, Told]:
    """Everything in the pull feed behind a position, up to its head, by id."""
    events = [told(body) async for body in shop.events.feed_bytes(after)]
    return {event.id: event for event in events}


async def head_position(shop: Stockwire) -> int:
    """The position of the newest event."""
    page = await shop.events.pull(after=0, limit=1)
    return page.head_position


async def levels(shop: Stockwire, items: set[str]) -> dict[str, Level]:
    """The level of each of these items."""
    found = {level.inventory_item_id: level async for level in shop.levels.list()}
    return {item: found[item] for item in items if item in found}


async def sums(shop: Stockwire, items: Iterable[str]) -> dict[str, Sum]:
    """Each item's ledger added up from its movements."""
    slots = asyncio.Semaphore(READERS)

    async def one(item: str) -> tuple[str, Sum]:
        async with slots:
            movements = [movement async for movement in shop.movements.list(inventory_item_id=item, order="asc")]
        return item, add_up(movements)

    return dict(await asyncio.gather(*(one(item) for item in items)))


def add_up(movements: Iterable[Movement]) -> Sum:
    """Re-sum movements, oldest first; a line is broken if its number or its after-values do not follow."""
    total = Sum(0, 0, 0, 0, 0)
    for line in movements:
        after = Sum(
            total.on_hand + line.on_hand_delta,
            total.reserved + line.reserved_delta,
            total.allocated + line.allocated_delta,
            total.sequence + 1,
            total.broken,
        )
        follows = after[:4] == (line.on_hand, line.reserved, line.allocated, line.sequence)
        total = after if follows else after._replace(broken=after.broken + 1)
    return total
