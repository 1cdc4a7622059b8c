"""Commands that wait: patience, bounds, and callers who go away (R11, R13 c, d, e)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stockwire.domain.commands import Changes
from stockwire.ledger import Ledger, Unavailable, backlog
from stockwire.store.batch import Batch
from stockwire.store.database import SESSION, Database
from tests.ledger.conftest import Shop, change, order, submission
from tests.shops.on_database import new_store


@asynccontextmanager
async def head_locked(shop: Shop) -> AsyncIterator[None]:
    """Another session holds the ledger's head."""
    connection = await shop.database.connect()
    await connection.execute("SET idle_in_transaction_session_timeout = 0")
    await connection.execute("BEGIN")
    await connection.execute("SELECT FROM ledgers WHERE store_id = $1 AND live = $2 FOR UPDATE", *shop.id)
    try:
        yield
    finally:
        await connection.close()


async def test_what_cannot_begin_in_five_seconds_is_refused_and_not_run(shop: Shop) -> None:
    item = await shop.item(quantity=10)
    async with head_locked(shop):
        begun = time.monotonic()
        faults = await asyncio.gather(*(shop.ask(order(f"o{n}"), f"k{n}") for n in range(3)), return_exceptions=True)
        waited = time.monotonic() - begun
    assert [fault.code for fault in faults if isinstance(fault, Unavailable)] == ["service_unavailable"] * 3
    assert 5 <= waited < 6
    assert await shop.count("orders") == 0, "what was refused has not been run"
    again = await shop.ask(order("o1"), "k1")
    assert (again.status, again.replayed) == (201, False), "the ledger goes on when the head is free; a 503 is not kept"
    assert await shop.level(item) == (10, 0, 1)


async def test_what_arrives_while_the_lock_is_waited_for_joins_the_batch(shop: Shop) -> None:
    await shop.item(quantity=10)
    async with head_locked(shop):
        first = asyncio.create_task(shop.ask(order("o1")))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(shop.ask(order("o2")))
        await asyncio.sleep(0.1)
    assert [answer.status for answer in await asyncio.gather(first, second)] == [201, 201]
    rows = await shop.fetch("SELECT DISTINCT created_at FROM orders WHERE store_id = $1 AND live = $2")
    assert len(rows) == 1, "one batch, one time"


async def test_a_process_that_was_stopped_runs_nothing_that_has_waited_too_long(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R6: it wakes with the lock granted at last, and no time to sweep between."""
    monkeypatch.setattr("stockwire.ledger._SWEEP_SECONDS", 60)
    monkeypatch.setattr(backlog, "PATIENCE_SECONDS", 0.3)
    item = await shop.item(quantity=10)
    async with head_locked(shop):
        asked = asyncio.create_task(shop.ask(order("o1")))
        await asyncio.sleep(0.1)
        time.sleep(0.4)  # noqa: ASYNC251 - nothing in this process moves
    with pytest.raises(Unavailable):
        await asked
    assert await shop.level(item) == (10, 0, 0)


async def test_a_writer_that_stalls_in_its_batch_delays_the_store_by_seconds_and_changes_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R6: the server ends its session after 3 s; when it wakes, what it read is worthless and is read again."""
    item = await shop.item(quantity=1)
    load, stalled = Batch.items, asyncio.Event()

    async def stalling(self: Batch, *asked: Any) -> Any:
        rows = await load(self, *asked)
        if not stalled.is_set():
            stalled.set()
            await asyncio.sleep(4)
        return rows

    monkeypatch.setattr(Batch, "items", stalling)
    sleeper = asyncio.create_task(shop.ask(order("asleep")))
    await stalled.wait()
    begun = time.monotonic()
    assert (await shop.ask(order("awake"), by=shop.writer())).status == 201
    assert time.monotonic() - begun < 4
    assert (await sleeper).status == 409, "the unit is gone"
    assert await shop.level(item) == (1, 0, 1)


async def test_a_lock_that_times_out_leaves_a_usable_ledger(
    shop: Shop, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statement that waits for the head gives up before the caller does; its connection is used again."""
    item = await shop.item(quantity=10)
    monkeypatch.setitem(SESSION, "lock_timeout", "200ms")
    database = await Database.open(dsn)
    rival = Ledger(database)
    try:
        async with head_locked(shop):
            asked = asyncio.create_task(shop.ask(order("o1"), by=rival))
            await asyncio.sleep(0.7)
        assert (await asked).status == 201
    finally:
        await rival.close()
        await database.close()
    assert await shop.level(item) == (10, 0, 1)


async def test_the_backlog_is_bounded_in_number(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.item(quantity=1_000)
    monkeypatch.setattr(backlog, "MOST_COMMANDS", 50)
    outcomes = await asyncio.gather(*(shop.ask(order(f"o{n}")) for n in range(60)), return_exceptions=True)
    faults = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
    assert len(faults) == 10
    assert {(fault.code, fault.retry_after) for fault in faults} == {("service_unavailable", 1)}
    assert (await shop.ask(order("later"))).status == 201, "room comes back with every answer"


async def test_the_backlog_is_bounded_in_bytes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.item(quantity=1_000)
    monkeypatch.setattr(backlog, "MOST_BYTES", 1_000)
    asked = (shop.ask(order(f"o{n}"), size=300) for n in range(5))
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(outcome, Unavailable) for outcome in outcomes) == 2


async def test_room_comes_back_after_every_kind_of_answer(shop: Shop) -> None:
    """Served, refused, broken, cancelled: nothing is counted twice and nothing is forgotten."""
    await shop.item(quantity=1)
    await asyncio.gather(*(shop.ask(c) for c in (order("o1"), order("o2", 9), change("receive", 1, reference="\0"))))
    gone = asyncio.create_task(shop.ask(order("o3"), size=100))
    await asyncio.sleep(0)
    gone.cancel()
    await shop.ask(change("receive", 1))
    allowance = shop.ledger._allowance
    assert (allowance.commands, allowance.bytes) == (0, 0)


async def test_batches_are_bounded_by_lines_and_not_by_requests(shop: Shop) -> None:
    """R11: 1,000 lines a batch, and always at least one command."""
    await shop.item()
    rows = Changes(tuple(change("receive", 1) for _ in range(500)))
    long = [shop.ask(rows, weight=500) for _ in range(5)]
    await asyncio.gather(*long, shop.ask(Changes(rows.rows * 3), weight=1_500))
    batches = await shop.fetch(
        "SELECT count(*) AS n FROM movements WHERE store_id = $1 AND live = $2 GROUP BY created_at ORDER BY n"
    )
    assert [row["n"] for row in batches] == [500, 1_000, 1_000, 1_500]


async def test_a_caller_that_hangs_up_does_not_take_its_command_back(shop: Shop) -> None:
    item = await shop.item(quantity=10)
    async with head_locked(shop):
        asked = asyncio.create_task(shop.ask(order("o1")))
        beside = asyncio.create_task(shop.ask(order("o2")))
        await asyncio.sleep(0.05)
        asked.cancel()
        await asyncio.sleep(0.05)
    assert (await beside).status == 201
    assert asked.cancelled()
    assert await shop.level(item) == (10, 0, 2)


async def test_closing_finishes_what_waits_and_takes_nothing_more(shop: Shop) -> None:
    item = await shop.item(quantity=10)
    asked = [asyncio.create_task(shop.ask(order(f"o{n}"))) for n in range(5)]
    await asyncio.sleep(0)
    await shop.ledger.close()
    assert [answer.status for answer in await asyncio.gather(*asked)] == [201] * 5
    with pytest.raises(Unavailable):
        await shop.ask(order("late"))
    assert await shop.level(item) == (10, 0, 5)


async def test_a_busy_store_leaves_room_for_another(shop: Shop, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More busy ledgers than connections: each gets its turn."""
    monkeypatch.setattr(backlog, "BATCH_LINES", 10)  # something always waits for the next batch
    await shop.item(quantity=10**9)
    database = await Database.open(dsn, sizes=(1, 2, 2))
    quiet, ledger = await new_store(database), Ledger(database)
    busy = [asyncio.create_task(_without_pause(ledger, shop, n)) for n in range(40)]
    try:
        await asyncio.sleep(0.3)
        begun = time.monotonic()
        answer = await ledger.submit(quiet, submission(change("set", 1)))
        assert answer.status == 404
        assert time.monotonic() - begun < 2
    finally:
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        await ledger.close()
        await database.close()


async def _without_pause(ledger: Ledger, shop: Shop, buyer: int) -> None:
    for n in range(10**6):
        await shop.ask(order(f"b{buyer}-{n}"), by=ledger)
