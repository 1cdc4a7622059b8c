"""Forget events beyond their age that no delivery waits for: by position, in small batches (R16, R26)."""

from __future__ import annotations

from datetime import timedelta

from stockwire.ledger import Ledger
from stockwire.store.database import Database
from stockwire.store.queries import load

_sql = load("upkeep.sql")

AGE = timedelta(days=35)  # the schema itself refuses anything younger than 30 days
BATCH = 2_000


async def run_once(database: Database, _ledger: Ledger) -> bool:
    """Delete one small batch in each ledger; True while there may be more."""
    more = False
    for row in await _sql.ledgers(database.reads):
        more |= await _prune(database, row["store_id"], row["live"])
    return more


async def _prune(database: Database, store_id: int, live: bool) -> bool:
    """The feed says first that the events are gone: nobody is shown a hole."""
    position = await _sql.oldest_events(database.work, store_id, live, AGE, BATCH)
    if position is None:
        return False
    async with database.work.acquire() as connection, connection.transaction():
        await _sql.note_pruned(connection, store_id, live, position)
        await _sql.prune_events(connection, store_id, live, position)
    return True
