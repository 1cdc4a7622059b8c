"""Ids of what a batch makes: UUIDv7 of the ledger's clock and a counter, so that id order is the order of happening."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Ids:
    """Rising ids of one batch. Batches of a ledger have rising times, so ids rise over batches as well (R5).

    Layout: 48 bits of milliseconds, version 7, 12 bits of microseconds, variant, a 24-bit counter, 38 random bits.
    """

    def __init__(self, now: datetime) -> None:
        milliseconds, microseconds = divmod((now - _EPOCH) // _MICROSECOND, 1000)
        self._head = f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7{microseconds:03x}-"
        self._counter = 0
        self._salt = secrets.randbits(38)

    def next(self) -> str:
        """The next id, as text."""
        counter = self._counter
        self._counter = counter + 1
        return f"{self._head}{0x8000 | counter >> 10:04x}-{(counter & 1023) << 38 | self._salt:012x}"


def lowest_id(at: datetime) -> str:
    """The lowest id that any batch at or after this time makes: a bound for searches by time."""
    milliseconds, microseconds = divmod((at - _EPOCH) // _MICROSECOND, 1000)
    return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7{microseconds:03x}-8000-000000000000"
