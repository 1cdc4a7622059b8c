"""The drop: 100 units, 2,000 buyers at once, 4 API processes. `python -m tests.concurrency.drop --runs 20`"""

import argparse
import asyncio
import json
import subprocess
import sys
from typing import Any, NamedTuple

import psycopg

from benchmarks.subjects import ROOT, environment, fresh_database
from tests.asking import Server
from tests.concurrency.shops import Shop, found, open_shop
from tests.engines import described, embedded_server

UNITS, BUYERS, PROCESSES = 100, 2_000, 4
PART = "DROP-1"
# What stands behind the lock: the database itself refuses a batch that was decided on stale stock.
LAW = (
    "ALTER TABLE levels DROP CONSTRAINT levels_never_oversold",
    "ALTER TABLE movements DROP CONSTRAINT movements_pkey",
    "ALTER TABLE events DROP CONSTRAINT events_pkey",
)


class Drop(NamedTuple):
    """What came of it: by the buyers' own count, and by the server's word."""

    sold: int
    statuses: dict[str, int]
    odd: list[str]
    level: dict[str, Any]
    faults: list[str]  # of the ledger: holes, promises beyond the stock

    @property
    def right(self) -> bool:
        """Every unit sold, none twice, and everybody else told so politely."""
        promised = self.level["reserved"] + self.level["allocated"]
        return self.sold == UNITS == promised and not self.odd and not self.faults


def repeal(dsn: str) -> None:
    """Take the law out of a database."""
    with psycopg.connect(dsn) as connection:
        for statement in LAW:
            connection.execute(statement.encode())


def carry_out(dsn: str, *, holds: bool, guard: str = "locked") -> Drop:
    """One drop on a fresh database with the schema."""
    found(dsn)
    with open_shop(dsn, PROCESSES, guard=guard) as shop:
        asyncio.run(_stock(shop))
        answers = _buyers(shop, holds)
        level, faults = asyncio.run(_look(shop))
    return Drop(answers["sold"], answers["statuses"], answers["odd"], level, faults)


async def _stock(shop: Shop) -> None:
    await Server(shop.ports[0], shop.api_key).post(
        "/v1/inventory-items", {"partNumber": PART, "quantity": UNITS}, "open"
    )


def _buyers(shop: Shop, holds: bool) -> dict[str, Any]:
    job = {"ports": shop.ports, "api_key": shop.api_key, "part": PART, "buyers": BUYERS, "holds": holds}
    command = [sys.executable, "-m", "tests.concurrency.buyers"]
    done = subprocess.run(
        command,
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment(),
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


async def _look(shop: Shop) -> tuple[dict[str, Any], list[str]]:
    server = Server(shop.ports[0], shop.api_key)
    levels = [level async for level in server.listed(f"/v1/inventory-levels?partNumber={PART}")]
    moves = [move async for move in server.listed(f"/v1/inventory-movements?partNumber={PART}&order=asc")]
    faults = [
        f"oversold at sequence {move['sequence']}"
        for move in moves
        if move["reserved"] + move["allocated"] > move["onHand"]
    ]
    if [move["sequence"] for move in moves] != list(range(1, len(moves) + 1)):
        faults.append("sequences have a hole or a repetition")
    positions = [json.loads(event)["position"] async for event in server.feed()]
    if positions != list(range(1, len(positions) + 1)):
        faults.append("positions have a hole or a repetition")
    return levels[0], faults


def main() -> int:
    """Drops in turn, plain and with holds that expire meanwhile. Exit code 1 if any went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.concurrency.drop", description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    print(described(), flush=True)
    wrong = 0
    with embedded_server() as database:
        for number in range(1, given.runs + 1):
            for holds in (False, True):
                drop = carry_out(
                    fresh_database(database, f"drop_{number}_{'holds' if holds else 'plain'}"), holds=holds
                )
                wrong += not drop.right
                name = "with holds" if holds else "plain"
                verdict = "right" if drop.right else f"WRONG {drop.odd[:2]} {drop.faults[:2]} {drop.level}"
                print(f"{number:3d} {name:10s} sold {drop.sold}, answers {drop.statuses}: {verdict}", flush=True)
    print(
        f"{2 * given.runs - wrong} of {2 * given.runs} drops sold exactly {UNITS} and refused everybody else with a 409"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
