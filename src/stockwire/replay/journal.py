"""What the client was answered, line by line: the shop's own books, kept apart from the server's (R27).

Each line is one JSON object: `did` says what, and the numbers are those of the answer. An order is written whole each
time the server answers with it; its last line counts.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from stockwire.client import Order


class OrderLineFact(msgspec.Struct, array_like=True):
    item: str
    quantity: int
    shipped: int
    cancelled: int
    returned: int


class Opened(msgspec.Struct, tag="opened", tag_field="did"):
    """An item was made with this opening stock."""

    item: str
    part: str
    units: int


class Received(msgspec.Struct, tag="received", tag_field="did"):
    item: str
    units: int
    reason: str


class WrittenOff(msgspec.Struct, tag="written_off", tag_field="did"):
    item: str
    units: int


class Held(msgspec.Struct, tag="held", tag_field="did"):
    """A basket was put on hold; when an order uses it, the order's lines count and these do not."""

    reservation: str
    units: int


class Ordered(msgspec.Struct, tag="order", tag_field="did"):
    order: str
    status: str
    lines: list[OrderLineFact]


class Refused(msgspec.Struct, tag="refused", tag_field="did"):
    what: str
    code: str
    short: list[str] = []


Fact = Opened | Received | WrittenOff | Held | Ordered | Refused
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Fact)


def ordered(order: Order) -> Ordered:
    """The fact that an answer with an order states."""
    lines = [
        OrderLineFact(line.inventory_item_id, line.quantity, line.shipped, line.cancelled, line.returned)
        for line in order.items
    ]
    return Ordered(order.id, order.status, lines)


class Journal:
    """Facts are kept in memory and, given a path, appended to a file."""

    def __init__(self, path: Path | None = None) -> None:
        self.facts: list[Fact] = []
        self._file = path.open("ab") if path else None

    def note(self, fact: Fact) -> None:
        self.facts.append(fact)
        if self._file:
            self._file.write(_encoder.encode(fact) + b"\n")

    def close(self) -> None:
        if self._file:
            self._file.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def read_journal(lines: Iterable[bytes]) -> Iterator[Fact]:
    return (_decoder.decode(line) for line in lines if line.strip())
