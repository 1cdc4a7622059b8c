"""One serial ledger: positions and sequences without a hole, a clock that never falls, whoever writes (R2, R5, R6)."""

from __future__ import annotations

import asyncio
import json
import random

from stockwire.domain.commands import Changes, Command, Release
from stockwire.ledger import Ledger
from stockwire.store.database import Database
from tests.ledger.conftest import Shop, change, order, reserve


async def traffic(shop: Shop, dsn: str, rounds: int = 60) -> None:
    """Two writers over separate pools, everything at once, refusals and broken commands between."""
    other = await Database.open(dsn)
    rival = Ledger(other)
    dice = random.Random(7)
    try:
        for n in range(rounds):
            commands: list[Command] = [
                order(f"o{n}", dice.randint(1, 3)),
                reserve(f"r{n}", dice.randint(1, 3), "CUP"),
                Release(f"r{n - 1}"),
                change("receive", dice.randint(1, 4)),
                change("set", dice.randint(0, 5), "CUP"),
                change("receive", 1, reference="\0") if n % 10 == 0 else change("adjust", -1),
                Changes((change("set", n % 3), change("adjust", -99), change("set", 1, "CUP"))),
            ]
            dice.shuffle(commands)
            writers = [dice.choice((shop.ledger, rival)) for _ in commands]
            asked = (shop.ask(command, by=by) for command, by in zip(commands, writers, strict=True))
            await asyncio.gather(*asked)
    finally:
        await rival.close()
        await other.close()


async def test_nothing_has_a_hole(shop: Shop, dsn: str) -> None:
    await shop.item("MUG", 20, allow_back_order=True, back_order_limit=5)
    await shop.item("CUP", 20, low_stock_threshold=3)
    await traffic(shop, dsn)
    positions = await shop.positions()
    assert len(positions) > 200
    assert positions == list(range(1, len(positions) + 1))
    head = (await shop.fetch("SELECT position FROM ledgers WHERE store_id = $1 AND live = $2"))[0]
    assert head["position"] == positions[-1]
    await sequences_have_no_hole(shop)
    await sums_are_levels(shop)
    await chains_are_whole(shop)
    await time_rises(shop)
    await ids_are_all_different(shop)


async def sequences_have_no_hole(shop: Shop) -> None:
    rows = await shop.fetch(
        "SELECT item_id, array_agg(sequence ORDER BY id) AS sequences FROM movements"
        " WHERE store_id = $1 AND live = $2 GROUP BY item_id"
    )
    for row in rows:
        assert row["sequences"] == list(range(1, len(row["sequences"]) + 1)), "and ids rise as sequences do"


async def sums_are_levels(shop: Shop) -> None:
    rows = await shop.fetch(
        "SELECT l.on_hand - sum(m.on_hand_delta) AS h, l.reserved - sum(m.reserved_delta) AS r,"
        " l.allocated - sum(m.allocated_delta) AS a, l.sequence - count(*) AS s"
        " FROM levels l JOIN movements m USING (store_id, live, item_id) WHERE store_id = $1 AND live = $2"
        " GROUP BY item_id, l.on_hand, l.reserved, l.allocated, l.sequence"
    )
    assert [tuple(row) for row in rows] == [(0, 0, 0, 0)] * 2


async def chains_are_whole(shop: Shop) -> None:
    """R2: whoever holds `previousSequence` has missed nothing; companions follow one another at once."""
    held: dict[str, int] = {}
    before = ""
    for row in await shop.fetch("SELECT body FROM events WHERE store_id = $1 AND live = $2 ORDER BY position"):
        about = json.loads(row["body"])["data"]["object"]
        item, sequence = about["inventoryItemId"], about["sequence"]
        if about["eventType"].startswith("inventory.item_"):
            assert sequence == held.get(item, 0)
        elif sequence == held.get(item):
            assert before == item, "a companion stands beside the event it goes with"
        else:
            assert about["previousSequence"] == held.get(item, 0)
            held[item] = sequence
        before = item


async def time_rises(shop: Shop) -> None:
    rows = await shop.fetch("SELECT created_at FROM events WHERE store_id = $1 AND live = $2 ORDER BY position")
    times = [row["created_at"] for row in rows]
    assert times == sorted(times)


async def ids_are_all_different(shop: Shop) -> None:
    rows = await shop.fetch(
        "SELECT id::text FROM events WHERE store_id = $1 AND live = $2"
        " UNION ALL SELECT id::text FROM movements WHERE store_id = $1 AND live = $2"
        " UNION ALL SELECT DISTINCT change_id::text FROM movements WHERE store_id = $1 AND live = $2"
        " UNION ALL SELECT id::text FROM audit_log WHERE store_id = $1 AND live = $2"
    )
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)


async def test_ledger_time_never_falls_though_the_clock_does(shop: Shop) -> None:
    """R5: the head remembers its last time; a clock set back an hour stands still, a microsecond a batch."""
    await shop.item()
    await shop.fetch(
        "UPDATE ledgers SET committed_at = statement_timestamp() + interval '1 hour' WHERE store_id = $1 AND live = $2"
    )
    ahead = (await shop.fetch("SELECT committed_at FROM ledgers WHERE store_id = $1 AND live = $2"))[0][0]
    for _ in range(3):
        await shop.ask(change("receive", 1))
    rows = await shop.fetch("SELECT created_at, id FROM movements WHERE store_id = $1 AND live = $2 ORDER BY sequence")
    assert [(row["created_at"] - ahead).microseconds for row in rows] == [1, 2, 3]
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)


async def test_a_batch_begins_after_the_lock_it_waited_for(shop: Shop) -> None:
    """R5: its time is that of the statement after the lock, so it is not earlier than what it waited for."""
    await shop.item(quantity=5)
    connection = await shop.database.connect()
    try:
        await connection.execute("BEGIN")
        await connection.execute("SELECT FROM ledgers WHERE store_id = $1 AND live = $2 FOR UPDATE", *shop.id)
        asked = asyncio.create_task(shop.ask(order("o1")))
        await asyncio.sleep(0.3)
        released = await connection.fetchval("SELECT clock_timestamp()")
        await connection.execute("COMMIT")
        await asked
    finally:
        await connection.close()
    (row,) = await shop.fetch("SELECT created_at FROM orders WHERE store_id = $1 AND live = $2")
    assert row["created_at"] > released


async def test_a_rivals_commit_is_seen_by_the_batch_that_waited_for_it(shop: Shop) -> None:
    """R6: a plan made before the lock would sell the rival's units again."""
    item = await shop.item(quantity=1)
    rival = shop.writer()
    for n in range(50):
        answers = await asyncio.gather(shop.ask(order(f"a{n}")), shop.ask(order(f"b{n}"), by=rival))
        assert sorted(answer.status for answer in answers) == [201, 409]
        await shop.ask(change("receive", 1))
    assert await shop.level(item) == (51, 0, 50)
