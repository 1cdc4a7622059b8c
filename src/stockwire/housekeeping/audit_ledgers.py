"""Re-sum the movements against the levels, and shout on any difference."""

from __future__ import annotations

from stockwire.ledger import Ledger
from stockwire.logs import named
from stockwire.store.audit import audit
from stockwire.store.database import Database
from stockwire.store.queries import load

log = named("audit")
_sql = load("upkeep.sql")


async def run_once(database: Database, _ledger: Ledger) -> bool:
    """Audit every ledger, one after the other."""
    for row in await _sql.ledgers(database.reads):
        async with database.reads.acquire() as connection:
            differences = await audit(connection, row["store_id"], row["live"])
        for difference in differences[:100]:
            log.error("audit_difference", store=row["store_id"], live=row["live"], difference=difference)
    return False
