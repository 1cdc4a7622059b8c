"""A ledger that grows from nothing outruns what the planner knows of its tables: tell it at each order of magnitude.

Statements planned for small tables read a whole ledger where one row is wanted. PostgreSQL looks again by itself, but
minutes later; a store that is filled for the first time has thousands of rows after a second.
"""

from __future__ import annotations

import asyncio

from stockwire.ledger.submission import LedgerId
from stockwire.logs import named
from stockwire.store.batch import look_at_tables
from stockwire.store.database import UNREACHABLE, Database

log = named("growth")

MILESTONES = (200, 1_000, 5_000, 25_000, 100_000)  # positions; beyond these PostgreSQL keeps up


class Growth:
    """Watches the positions of a process's ledgers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next: dict[LedgerId, int] = {}
        self._task: asyncio.Task[None] | None = None

    def committed(self, ledger: LedgerId, position: int) -> None:
        """Look at the tables when a ledger passes a milestone. At first sight an old ledger has none to pass."""
        if position < self._next.get(ledger, 0):
            return
        growing = ledger in self._next or position <= MILESTONES[1]
        self._next[ledger] = next((stone for stone in MILESTONES if stone > position), 1 << 63)
        if growing and self._task is None:
            self._task = asyncio.create_task(self._look(), name="growth")

    async def _look(self) -> None:
        try:
            async with self._database.work.acquire() as connection:
                await look_at_tables(connection)
        except UNREACHABLE as fault:
            log.warning("growth_unreachable", fault=type(fault).__name__)
        finally:
            self._task = None
