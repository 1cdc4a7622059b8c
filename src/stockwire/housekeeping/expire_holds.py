"""End the holds whose time has come and that no batch has met (R4)."""

from __future__ import annotations

from stockwire.domain.commands import SYSTEM, ExpireDue
from stockwire.ledger import Ledger, LedgerId, Submission
from stockwire.store.database import Database
from stockwire.store.queries import load

_sql = load("upkeep.sql")

BATCH = 200  # reservations


async def run_once(database: Database, ledger: Ledger) -> bool:
    """Submit an expiry to each ledger that has due holds; True while there may be more."""
    due = await _sql.ledgers_with_due_holds(database.reads)
    for row in due:
        command = ExpireDue(BATCH)
        await ledger.submit(LedgerId(row["store_id"], row["live"]), Submission(command, SYSTEM, weight=BATCH))
    return bool(due)
