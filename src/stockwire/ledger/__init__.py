"""The one write path: commands in, one transaction for many of them, answers out (architecture: group commit)."""

from __future__ import annotations

import asyncio

from stockwire.ledger.backlog import Allowance, Pending
from stockwire.ledger.deciding import Sealer
from stockwire.ledger.growth import Growth
from stockwire.ledger.notices import CHANNEL, Notices, read_payload
from stockwire.ledger.submission import Answer, LedgerId, Submission, Unavailable
from stockwire.ledger.writer import Writer
from stockwire.store.database import Database

__all__ = ["CHANNEL", "Answer", "Ledger", "LedgerId", "Submission", "Unavailable", "read_payload"]

_SWEEP_SECONDS = 0.25


class Ledger:
    """The ledgers of a server, as one process writes to them.

    `submit` decides a command in the next batch of its ledger. Raises Unavailable: not decided, or outcome unknown.
    """

    def __init__(self, database: Database, sealer: Sealer | None = None) -> None:
        self._database = database
        self._sealer = sealer
        self._allowance = Allowance()
        self._writers: dict[LedgerId, Writer] = {}
        self._notices = Notices(database)
        self._growth = Growth(database)
        self._sweeper: asyncio.Task[None] | None = None
        self._closing = False

    async def submit(self, ledger: LedgerId, submission: Submission) -> Answer:
        """Decide a command: the answer is final and, where a change was made, on disk.

        A caller that is cancelled does not take the command back (R13 e).
        """
        if self._closing:
            raise Unavailable("service_unavailable", "The server is stopping.")
        if not self._allowance.admit(submission):
            raise Unavailable("service_unavailable", "Too many requests wait; try again in a second.")
        pending = Pending(submission, asyncio.get_running_loop())
        self._writer(ledger).add(pending)
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep(), name="ledger sweep")
        return await pending.future

    def _writer(self, ledger: LedgerId) -> Writer:
        writer = self._writers.get(ledger)
        if writer is None:
            writer = Writer(ledger, self._database, self._allowance, self._sealer, self._committed)
            self._writers[ledger] = writer
        return writer

    def _committed(self, ledger: LedgerId, position: int) -> None:
        self._notices.committed(ledger, position)
        self._growth.committed(ledger, position)

    async def _sweep(self) -> None:
        """While anything waits, look for what has waited too long (R13 c)."""
        loop = asyncio.get_running_loop()
        try:
            while self._allowance.commands:
                await asyncio.sleep(_SWEEP_SECONDS)
                for writer in self._writers.values():
                    writer.drop_overdue(loop.time())
        finally:
            self._sweeper = None

    async def close(self) -> None:
        """Take nothing more, finish what waits, stop."""
        self._closing = True
        await asyncio.gather(*(writer.finish() for writer in self._writers.values()))
        await self._notices.close()
