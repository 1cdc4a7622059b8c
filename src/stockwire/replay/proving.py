"""From a replay that has ended to its verdict: wait for the receiver, gather what everybody says, compare."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from stockwire.client import Stockwire
from stockwire.replay import evidence
from stockwire.replay.evidence import Told
from stockwire.replay.journal import Fact
from stockwire.replay.reconciling import Check, Server, books, reconcile

SUBSCRIBED = ("inventory.*", "reservation.*")
SILENCE_SECONDS = 60.0
POLL_SECONDS = 0.2
CHUNK_BYTES = 8 * 1024 * 1024


class Proof(NamedTuple):
    """The checks; how many events the ledger published; how many requests the receiver verified more than once."""

    checks: tuple[Check, ...]
    published: int
    repeated: int
    types: Mapping[str, int]

    @property
    def agreed(self) -> bool:
        return not any(check.different for check in self.checks)


class ReceiversFile:
    """The file that the receiver appends to, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = 0
        self.told: list[Told] = []

    def read_more(self) -> list[Told]:
        """The whole lines that came since; none if the file is not there yet."""
        fresh: list[Told] = []
        while chunk := self._chunk():
            fresh.extend(evidence.heard(chunk.splitlines(keepends=True)))
        self.told += fresh
        return fresh

    def _chunk(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(self._read_bytes)
                chunk = file.read(CHUNK_BYTES)
        except FileNotFoundError:
            return b""
        whole = chunk[: chunk.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        return whole


async def prove(
    shop: Stockwire,
    facts: Iterable[Fact],
    received: Path,
    *,
    patience_seconds: float = SILENCE_SECONDS,
    progress: Callable[[int, int], None] = lambda there, wanted: None,
) -> Proof:
    """Wait until the receiver has everything published, or writes nothing for a while; then compare.

    `progress` is told how many events the receiver has, and of how many.
    """
    published = await evidence.published(shop)
    wanted = {id_ for id_, event in published.items() if _subscribed(event)}
    told = await _wait(ReceiversFile(received), wanted, patience_seconds, progress)
    ours = books(facts)
    levels = await evidence.levels(shop, set(ours.bought))
    sums = await evidence.sums(shop, ours.bought)
    types: dict[str, int] = {}
    for event in published.values():
        types[event.type] = types.get(event.type, 0) + 1
    checks = reconcile(ours, told, Server(levels, sums, published), _subscribed)
    return Proof(checks, len(published), len(told) - len({event.id for event in told}), types)


def _subscribed(event: Told) -> bool:
    return event.type.startswith(tuple(pattern.rstrip("*") for pattern in SUBSCRIBED))


async def _wait(
    file: ReceiversFile, wanted: set[str], patience_seconds: float, progress: Callable[[int, int], None]
) -> list[Told]:
    """Everything the receiver wrote, once it has all that is wanted or has written nothing for a while."""
    missing = set(wanted)
    last = time.monotonic()
    while True:
        fresh = file.read_more()
        missing.difference_update(event.id for event in fresh)
        progress(len(wanted) - len(missing), len(wanted))
        last = time.monotonic() if fresh else last
        if not missing or time.monotonic() - last > patience_seconds:
            return file.told
        await asyncio.sleep(POLL_SECONDS)
