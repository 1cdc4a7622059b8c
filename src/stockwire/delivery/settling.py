"""Writes what attempts came to, in batches: who finishes while one batch is being written joins the next."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

import asyncpg

from stockwire import logs
from stockwire.delivery import health
from stockwire.delivery.attempt import Attempted, record
from stockwire.domain.attempts import Verdict
from stockwire.store import deliveries
from stockwire.store.database import UNREACHABLE, Connection, Pool
from stockwire.store.deliveries import Failing, Ledger

LINGER_SECONDS = 0.005  # a batch takes what finishes in this time; less would cost a commit for every few attempts
ENOUGH = 24  # attempts that are worth a batch without waiting for more
MOST_AT_ONCE = 200
NOTING_SECONDS = 1.0  # an endpoint that only acknowledges is noted this often
RETRY_SECONDS = 0.2

log = logs.named("delivery")


class Settling:
    """Takes finished attempts and settles them. What cannot be written now is kept and tried again.

    `settled` is called after each batch, with the endpoints of it that are failing.
    """

    def __init__(self, pool: Pool, settled: Callable[[health.Failings], None]) -> None:
        self._pool = pool
        self._settled = settled
        self._finished: dict[Ledger, list[Attempted]] = defaultdict(list)
        self._unnoted: dict[Ledger, list[Attempted]] = defaultdict(list)  # settled, but not in their endpoints' health
        self._noted_at = 0.0
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self.unsettled = 0  # attempts made and not written: a crash now would make them again

    def add(self, ledger: Ledger, attempted: Attempted) -> None:
        """Take a finished attempt."""
        self._finished[ledger].append(attempted)
        self.unsettled += 1
        self._wake.set()

    async def run(self) -> None:
        """Settle until cancelled."""
        while True:
            await self._wake.wait()
            if self.unsettled < ENOUGH:
                await asyncio.sleep(LINGER_SECONDS)
            self._wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Settle everything that is finished."""
        async with self._turn:
            await self._settle_all()

    async def _settle_all(self) -> None:
        while self._finished:
            ledger = next(iter(self._finished))
            attempts = self._finished[ledger][:MOST_AT_ONCE]
            try:
                failing = await self._settle(ledger, attempts)
            except UNREACHABLE as fault:
                log.warning("settle_postponed", attempts=self.unsettled, fault=type(fault).__name__)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except asyncpg.PostgresError:
                log.error("settle_failed", attempts=len(attempts), exc_info=True)
                failing = await self._one_by_one(ledger, attempts)
            self._forget(ledger, len(attempts))
            self._settled([(ledger, endpoint) for endpoint in failing])

    def _forget(self, ledger: Ledger, count: int) -> None:
        del self._finished[ledger][:count]
        self.unsettled -= count
        if not self._finished[ledger]:
            del self._finished[ledger]

    async def _settle(self, ledger: Ledger, attempts: Sequence[Attempted]) -> list[Failing]:
        noted = self._to_note(ledger, attempts)
        async with self._pool.acquire() as connection:
            if not noted:
                await self._write(connection, ledger, attempts)
                failing = []
            else:
                async with connection.transaction():
                    failing = await deliveries.note_health(connection, ledger, health.notes(noted))
                    await self._write(connection, ledger, attempts)
        self._remember(ledger, () if noted else attempts)
        return failing

    async def _write(self, connection: Connection, ledger: Ledger, attempts: Sequence[Attempted]) -> None:
        count = await deliveries.settle(connection, ledger, [record(attempted) for attempted in attempts])
        if count < len(attempts):
            log.warning("stale_worker", store=ledger[0], live=ledger[1], not_ours=len(attempts) - count)

    async def _one_by_one(self, ledger: Ledger, attempts: Sequence[Attempted]) -> list[Failing]:
        """One attempt that cannot be written harms no other; its lease ends and it is made again."""
        failing: list[Failing] = []
        for attempted in attempts:
            try:
                failing += await self._settle(ledger, [attempted])
            except (asyncpg.PostgresError, OSError, asyncpg.InterfaceError):
                log.error("attempt_not_written", delivery=attempted.delivery.id, exc_info=True)
        return failing

    def _to_note(self, ledger: Ledger, attempts: Sequence[Attempted]) -> list[Attempted]:
        """What goes into the endpoints' health now: all since the last note, if it is time or something failed."""
        failed = any(attempted.settlement.verdict is not Verdict.DELIVERED for attempted in attempts)
        if not failed and time.monotonic() < self._noted_at + NOTING_SECONDS:
            return []
        return [*self._unnoted.get(ledger, ()), *attempts]

    def _remember(self, ledger: Ledger, unnoted: Sequence[Attempted]) -> None:
        if unnoted:
            self._unnoted[ledger] += unnoted
        else:
            self._unnoted.pop(ledger, None)
            self._noted_at = time.monotonic()

    async def note(self) -> None:
        """Write what is left to note of endpoints' health, unless settling is at it."""
        if self._turn.locked():
            return
        async with self._turn:
            for ledger, attempts in list(self._unnoted.items()):
                async with self._pool.acquire() as connection:
                    await deliveries.note_health(connection, ledger, health.notes(attempts))
                del self._unnoted[ledger]
