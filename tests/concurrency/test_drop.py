"""100 units, 2,000 buyers, 4 API processes: exactly 100 are sold. Without the head's lock (R6) it is not so."""

import asyncio

from benchmarks.subjects import fresh_database
from stockwire.store.embedded import Embedded
from tests.concurrency.drop import UNITS, carry_out, repeal


async def test_a_drop_sells_every_unit_once(dsn: str) -> None:
    drop = await asyncio.to_thread(carry_out, dsn, holds=False)
    assert drop.right, drop
    assert drop.statuses["409"] == 2_000 - UNITS


async def test_a_drop_with_holds_that_expire_meanwhile(dsn: str) -> None:
    """Carts are filled, forgotten, and bought too late: what expires is sold to somebody else (R4, R7)."""
    drop = await asyncio.to_thread(carry_out, dsn, holds=True)
    assert drop.right, drop


async def test_without_lock_and_law_the_same_drop_oversells(engine: Embedded) -> None:
    """The danger: what the two tests above would miss if processes decided beside each other (R6).

    A busy machine may happen to run the processes one after another; then it is tried again.
    """
    for attempt in range(4):
        dsn = fresh_database(engine, f"lawless_{attempt}")
        repeal(dsn)
        drop = await asyncio.to_thread(carry_out, dsn, holds=False, guard="unlocked")
        if drop.sold > UNITS:
            return
    raise AssertionError(f"nothing was oversold without lock and law: {drop}")


async def test_without_the_lock_the_law_of_the_schema_still_stands(dsn: str) -> None:
    """A second writer cannot oversell either (R1): its stale batch is refused by the tables."""
    drop = await asyncio.to_thread(carry_out, dsn, holds=False, guard="unlocked")
    assert drop.sold <= UNITS
    assert drop.level["reserved"] + drop.level["allocated"] == drop.sold
