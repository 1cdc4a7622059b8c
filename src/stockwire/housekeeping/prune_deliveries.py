"""Forget settled deliveries and their attempts with the events that they were about: in small batches (R26)."""

from __future__ import annotations

from datetime import timedelta

from stockwire.ledger import Ledger
from stockwire.store import deliveries
from stockwire.store.database import Database

KEPT = timedelta(days=30)
BATCH = 1_000


async def run_once(database: Database, _ledger: Ledger) -> bool:
    """Delete one small batch in each ledger; True while there may be more."""
    more = False
    async with database.work.acquire() as connection:
        for ledger in await deliveries.ledgers(connection):
            more |= await deliveries.prune(connection, ledger, KEPT, BATCH) > 0
    return more
