"""Forget kept answers some time after the day that idempotency keys are promised to last (R12)."""

from __future__ import annotations

from datetime import timedelta

from stockwire.ledger import Ledger
from stockwire.store.database import Database
from stockwire.store.queries import load

_sql = load("upkeep.sql")

AGE = timedelta(hours=36)
BATCH = 2_000


async def run_once(database: Database, _ledger: Ledger) -> bool:
    """Delete one small batch; True while there may be more."""
    status: str = await _sql.prune_answers(database.work, AGE, BATCH)
    return int(status.rsplit(" ", 1)[1]) == BATCH
