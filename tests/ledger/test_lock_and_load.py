"""Why a batch locks first and reads in another statement: without either, the last unit is sold twice (R6).

The unguarded variants live here and nowhere else. Two writers, one unit, one idempotency key.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable

import pytest

from stockwire.domain.commands import CreateItem
from stockwire.ledger import Answer, Ledger, Unavailable
from stockwire.store import batch
from stockwire.store.batch import Batch
from stockwire.store.database import Connection, Database
from tests.ledger.conftest import Shop, change, order

ROUNDS = 60


async def without_a_lock(connection: Connection, _store_id: int, _live: bool) -> None:
    """Reads what nobody keeps others from changing."""
    await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")


def no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two batches read the same."""
    monkeypatch.setattr(batch, "begin", without_a_lock)


def keys_in_the_statement_that_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement's snapshot is older than the lock it waits for: it does not see the rival's kept answers."""
    monkeypatch.setattr(batch, "begin", without_a_lock)
    monkeypatch.setattr(batch._sql.load_head, "sql", batch._sql.load_head.sql + " FOR UPDATE OF h")


def stock_in_the_statement_that_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for stock: it was read before the rival's commit, though the lock was granted after it."""
    monkeypatch.setattr(batch, "begin", without_a_lock)
    locked = "WITH locked AS MATERIALIZED (SELECT FROM ledgers WHERE store_id = $1 AND live = $2 FOR UPDATE)"
    read = f"{locked} SELECT stock.* FROM ({batch._sql.load_parts.sql}) AS stock CROSS JOIN locked"
    monkeypatch.setattr(batch._sql.load_parts, "sql", read)


def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch takes long enough between reading and writing for a rival to come in between."""
    write = Batch.write

    async def later(self: Batch, *what: object) -> None:
        await asyncio.sleep(0.002)
        await write(self, *what)  # type: ignore[arg-type]

    monkeypatch.setattr(Batch, "write", later)


class Race:
    """Rounds of one unit for two buyers, and of one key sent twice; what went wrong is counted."""

    def __init__(self, shop: Shop, rival: Ledger) -> None:
        self.shop = shop
        self.rival = rival
        self.sold_twice = 0
        self.changed_twice = 0
        self.faults = 0

    async def run(self, rounds: int = ROUNDS) -> None:
        """Sell the last unit of a new item in each round; then the same key to both."""
        for n in range(rounds):
            part = f"MUG-{n}"
            made = await self.shop.ask(CreateItem(str(uuid.uuid4()), part, quantity=1))
            if made.status != 201:  # a stale batch put the head back: the next position is taken
                self.faults += 1
                return
            buyers = await self._both(order(f"a{n}", 1, part), order(f"b{n}", 1, part))
            self.sold_twice += [answer.status for answer in buyers].count(201) == 2
            pair = await self._both(change("receive", 1, part), change("receive", 1, part), f"key-{n}")
            self.changed_twice += [answer.replayed for answer in pair].count(False) == 2
            self.faults += sum(answer.status == 500 for answer in (*buyers, *pair)) + 4 - len(buyers) - len(pair)

    async def _both(self, one: object, other: object, key: str | None = None) -> list[Answer]:
        outcomes = await asyncio.gather(
            self.shop.ask(one, key),  # type: ignore[arg-type]
            self.shop.ask(other, key, by=self.rival),  # type: ignore[arg-type]
            return_exceptions=True,
        )
        assert all(isinstance(outcome, (Answer, Unavailable)) for outcome in outcomes)
        return [outcome for outcome in outcomes if isinstance(outcome, Answer)]

    async def oversold(self) -> int:
        """Items whose movements, summed, promise more than there is: the answers' truth, whatever `levels` says."""
        rows = await self.shop.fetch(
            "SELECT item_id FROM movements WHERE store_id = $1 AND live = $2 AND type IN ('opening', 'order')"
            " GROUP BY item_id HAVING sum(allocated_delta) > sum(on_hand_delta)"
        )
        return len(rows)


@pytest.fixture
async def race(shop: Shop, dsn: str) -> AsyncIterator[Race]:
    database = await Database.open(dsn)
    rival = Ledger(database)
    yield Race(shop, rival)
    await rival.close()
    await database.close()


async def test_with_the_lock_the_last_unit_is_sold_once(race: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    slowly(monkeypatch)
    await race.run()
    assert (race.sold_twice, race.changed_twice, race.faults) == (0, 0, 0)
    assert await race.oversold() == 0


VARIANTS = [no_lock, keys_in_the_statement_that_locks, stock_in_the_statement_that_locks]


@pytest.mark.parametrize("weaken", VARIANTS)
async def test_without_it_the_race_is_lost(
    race: Race, monkeypatch: pytest.MonkeyPatch, weaken: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """What is stale is sold again, or a unique key stops it at the last moment as a fault: the rules did not."""
    slowly(monkeypatch)
    weaken(monkeypatch)
    await race.run(30)
    assert race.sold_twice + race.changed_twice + race.faults > 0


async def without_unique_keys(race: Race) -> None:
    """Positions, sequences and answers may come twice: what the schema's keys had caught comes to light."""
    for table in ("movements", "events", "answers"):
        await race.shop.database.work.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey CASCADE")


@pytest.mark.parametrize("weaken", [no_lock, stock_in_the_statement_that_locks])
async def test_without_it_units_are_oversold(
    race: Race, monkeypatch: pytest.MonkeyPatch, weaken: Callable[[pytest.MonkeyPatch], None]
) -> None:
    await without_unique_keys(race)
    slowly(monkeypatch)
    weaken(monkeypatch)
    await race.run(30)
    assert race.sold_twice > 0
    assert await race.oversold() > 0


@pytest.mark.parametrize("weaken", [no_lock, keys_in_the_statement_that_locks])
async def test_without_it_one_key_changes_twice(
    race: Race, monkeypatch: pytest.MonkeyPatch, weaken: Callable[[pytest.MonkeyPatch], None]
) -> None:
    await without_unique_keys(race)
    slowly(monkeypatch)
    weaken(monkeypatch)
    await race.run(30)
    assert race.changed_twice > 0
