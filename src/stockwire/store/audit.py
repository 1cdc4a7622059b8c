"""The ledger against itself: movements re-summed, promises counted, positions without a hole."""

from __future__ import annotations

from typing import NamedTuple

from stockwire.store.database import Connection
from stockwire.store.queries import load

_sql = load("audit.sql")

LONGEST = "10min"  # a large ledger takes its time; nobody waits for it


class Difference(NamedTuple):
    """One thing that does not agree. `check` is what was compared, `facts` both sides."""

    check: str
    facts: str

    def __str__(self) -> str:
        return f"{self.check}: {self.facts}"


_CHECKS = {
    "sums": "sums_that_differ",
    "running values": "movements_that_differ",
    "promises": "promises_that_differ",
    "positions": "events_that_differ",
}


async def audit(connection: Connection, store_id: int, live: bool) -> list[Difference]:
    """Every difference in one ledger, none if it agrees with itself. All checks see one moment."""
    differences: list[Difference] = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(f"SET LOCAL enable_seqscan = on; SET LOCAL statement_timeout = '{LONGEST}'")
        for check, query in _CHECKS.items():
            rows = await connection.fetch(_sql.named[query].sql, store_id, live, timeout=600)
            differences += [Difference(check, _facts(dict(row))) for row in rows]
    return differences


def _facts(row: dict[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in row.items())
