"""Notices that a ledger has new events: after the commit, on a connection of their own, a few per second (R18)."""

from __future__ import annotations

import asyncio
import contextlib

from stockwire.ledger.submission import LedgerId
from stockwire.logs import named
from stockwire.store.database import UNREACHABLE, Connection, Database

log = named("notices")

CHANNEL = "stockwire_events"
PAUSE_SECONDS = 0.005  # at most one notice in this time; inside the ledger's transaction it would serialise all commits


def payload(ledger: LedgerId, position: int) -> str:
    """What a notice says: `<store>:<live 0|1>:<position>`."""
    return f"{ledger.store_id}:{int(ledger.live)}:{position}"


def read_payload(text: str) -> tuple[LedgerId, int]:
    """The ledger and position of a notice."""
    store_id, live, position = text.split(":")
    return LedgerId(int(store_id), live == "1"), int(position)


class Notices:
    """Tells the other processes. A lost notice costs a poll's wait, nothing else."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._heads: dict[LedgerId, int] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def committed(self, ledger: LedgerId, position: int) -> None:
        """Note that events up to `position` are there."""
        self._heads[ledger] = position
        self._wake.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="notices")

    async def close(self) -> None:
        """Stop telling."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                connection = await self._database.connect()
                try:
                    await self._tell(connection)
                finally:
                    connection.terminate()
            except UNREACHABLE as fault:
                log.warning("notices_unreachable", fault=type(fault).__name__)
                await asyncio.sleep(1)

    async def _tell(self, connection: Connection) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            heads, self._heads = self._heads, {}
            texts = [payload(ledger, position) for ledger, position in heads.items()]
            await connection.execute("SELECT pg_notify($1, text) FROM unnest($2::text[]) AS text", CHANNEL, texts)
            await asyncio.sleep(PAUSE_SECONDS)
