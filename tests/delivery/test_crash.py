"""R18, R19: killed workers lose nothing; stale workers write nothing; several workers share the work."""

import asyncio
import contextlib
import os
import signal
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from aiohttp import web

from stockwire.delivery import lanes
from stockwire.store import deliveries
from stockwire.store.database import Database
from tests.delivery.shop import Shop, receiving, until

ROOT = Path(__file__).parents[2]


@pytest_asyncio.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    yield await Shop.open(database)


@contextlib.asynccontextmanager
async def worker_process(dsn: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker in its own process; whatever is left of it is killed at the end."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.delivery.worker_process",
        dsn,
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 20) == b"ready\n"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_kill_9_loses_nothing_and_doubles_at_most_what_was_in_flight(shop: Shop, dsn: str) -> None:
    kills, each = 4, 400
    in_flight = 0
    expected: list[str] = []

    async def answer(_request: web.Request, _number: int) -> web.Response:
        await asyncio.sleep(0.01)
        return web.Response()

    async with receiving(answer) as receiver:
        webhooks = [await shop.webhook(f"{receiver.address}/{n}") for n in range(3)]
        for _ in range(kills):
            seen = len(receiver.received)
            async with worker_process(dsn) as process:
                expected += await shop.publish(each)
                await until(lambda seen=seen: len(receiver.received) > seen + 60)
                process.send_signal(signal.SIGKILL)
                await process.wait()
            await asyncio.sleep(0.1)
            known = Counter((request.path, request.id) for request in receiver.received[seen:])
            open_now = await shop.fetch(
                "SELECT d.endpoint_id, e.id FROM deliveries d JOIN events e USING (store_id, live, position)"
                " WHERE d.status = 'pending' AND d.claim IS NOT NULL"
            )
            unsettled = sum((f"/{webhooks.index(row['endpoint_id'])}", str(row["id"])) in known for row in open_now)
            assert 0 < unsettled <= 3 * 8 + 64, "in flight at the kill: each webhook's eight, and a batch being settled"
            in_flight += unsettled
            # The dead worker's leases end (in life: by themselves, within half a minute).
            await shop.execute("UPDATE deliveries SET due_at = now() WHERE status = 'pending'")
        async with worker_process(dsn):
            await until(lambda: shop.statuses_are(delivered=kills * each * 3), seconds=40)
    arrived = Counter((request.path, request.id) for request in receiver.received)
    assert set(arrived) == {(f"/{n}", id_) for n in range(3) for id_ in expected}, "lost nothing"
    doubled = sum(count - 1 for count in arrived.values())
    assert doubled <= in_flight
    stored = {str(row["id"]): row["body"].encode() for row in await shop.fetch("SELECT id, body FROM events")}
    assert all(request.body == stored[request.id] for request in receiver.received), "a repeat has the same bytes"


async def test_leases_end_by_themselves(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "WAITING_SECONDS", 0.2)
    monkeypatch.setattr(lanes, "SETTLING_SECONDS", 0.1)
    async with receiving() as receiver:
        await shop.webhook(receiver.address, settings={"timeoutSeconds": 1})
        await shop.publish(5)
        # A worker that fanned out, claimed, and died before it sent anything.
        async with shop.database.work.acquire() as connection, connection.transaction():
            cursor_made = await deliveries.open_fan_out(connection, shop.ledger)
            assert cursor_made
            [row], _ = await deliveries.endpoints(connection, shop.ledger)
            new = [deliveries.NewDelivery(row.id, position, uuid.uuid4(), 2.0) for position in range(1, 6)]
            assert await deliveries.fan_out(connection, shop.ledger, 5, uuid.uuid4(), new) == 5
        async with shop.delivering():
            await asyncio.sleep(1)
            assert receiver.received == []
            await until(lambda: shop.statuses_are(delivered=5), seconds=5)
    assert len(receiver.received) == 5


async def claimed(connection: asyncpg.Connection, shop: Shop, lease_seconds: float) -> list[deliveries.Claimed]:
    [row], _ = await deliveries.endpoints(connection, shop.ledger)
    wanted = [deliveries.Wanted(row.id, row.start_position, 10, lease_seconds)]
    return await deliveries.claim(connection, shop.ledger, uuid.uuid4(), wanted)


def verdict(held: deliveries.Claimed) -> deliveries.Settled:
    return deliveries.Settled(
        held.endpoint_id,
        held.position,
        held.claim,
        "delivered",
        None,
        datetime.now(UTC),
        "delivered",
        None,
        200,
        "127.0.0.1",
        1,
        2,
        3,
        None,
        None,
    )


@pytest_asyncio.fixture
async def due(shop: Shop) -> Shop:
    """A shop with one delivery that is due."""
    await shop.webhook("http://127.0.0.1:9/")
    await shop.publish(1)
    async with shop.database.work.acquire() as connection:
        await deliveries.open_fan_out(connection, shop.ledger)
        [row], _ = await deliveries.endpoints(connection, shop.ledger)
        new = [deliveries.NewDelivery(row.id, 1, uuid.uuid4(), None)]
        await deliveries.fan_out(connection, shop.ledger, 1, uuid.uuid4(), new)
    return shop


async def stale_settles(due: Shop) -> tuple[int, int]:
    """A worker claims, its lease ends, another claims; then the first settles, then the second."""
    async with due.database.work.acquire() as connection:
        [first] = await claimed(connection, due, lease_seconds=0.05)
        assert await claimed(connection, due, lease_seconds=30) == [], "leased"
        await asyncio.sleep(0.1)
        [second] = await claimed(connection, due, lease_seconds=30)
        return (
            await deliveries.settle(connection, due.ledger, [verdict(first)]),
            await deliveries.settle(connection, due.ledger, [verdict(second)]),
        )


async def test_a_stale_worker_settles_nothing(due: Shop) -> None:
    assert await stale_settles(due) == (0, 1)
    assert await due.scalar("SELECT count(*) FROM attempts") == 1


async def test_without_the_token_it_would(due: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = "AND d.claim = g.claim"
    assert guard in deliveries.SQL.settle.sql
    monkeypatch.setattr(deliveries.SQL.settle, "sql", deliveries.SQL.settle.sql.replace(guard, ""))
    assert await stale_settles(due) == (1, 1)


async def test_two_workers_share_and_double_nothing(shop: Shop, dsn: str) -> None:
    async with receiving() as receiver:
        for n in range(5):
            await shop.webhook(f"{receiver.address}/{n}")
        async with worker_process(dsn), worker_process(dsn):
            expected = []
            for _ in range(20):
                expected += await shop.publish(20)
                await asyncio.sleep(0.02)
            await until(lambda: shop.statuses_are(delivered=5 * 400), seconds=30)
    arrived = Counter((request.path, request.id) for request in receiver.received)
    assert set(arrived) == {(f"/{n}", id_) for n in range(5) for id_ in expected}
    assert set(arrived.values()) == {1}


async def test_twenty_percent_failing_all_arrive(database: Database) -> None:
    shop = await Shop.open(database, live=True)
    failed: set[str] = set()

    async def answer(request: web.Request, _number: int) -> web.Response:
        id_ = request.headers["webhook-id"]
        fails = int(id_[:8], 16) % 5 == 0 and id_ not in failed
        failed.add(id_) if fails else None
        return web.Response(status=500 if fails else 200)

    async with receiving(answer) as receiver:
        await shop.webhook(receiver.address)
        async with shop.delivering():
            ids = await shop.publish(500)
            await until(lambda: shop.statuses_are(delivered=500), seconds=20)
    assert len(receiver.received) == 500 + len(failed)
    assert 50 < len(failed) < 150
    assert set(receiver.ids) == set(ids)


async def test_webhooks_made_while_events_flow_begin_exactly_at_their_position_r28(shop: Shop) -> None:
    """Fan-out reads the head before the endpoints; the other way round this loses the first events of a new webhook."""
    async with receiving() as receiver, contextlib.AsyncExitStack() as stack:
        await shop.webhook(receiver.address + "/first")
        for _ in range(2):
            await stack.enter_async_context(shop.delivering())

        async def publishing() -> None:
            for _ in range(150):
                await shop.publish(3)

        flowing = asyncio.create_task(publishing())
        for n in range(25):
            await asyncio.sleep(0.01)
            await shop.webhook(f"{receiver.address}/{n}")
        await flowing
        starts = {
            row["id"]: row["start_position"] for row in await shop.fetch("SELECT id, start_position FROM endpoints")
        }
        await until(lambda: shop.statuses_are(delivered=sum(450 - start for start in starts.values())), seconds=40)
    rows = await shop.fetch("SELECT endpoint_id, array_agg(position ORDER BY position) AS p FROM deliveries GROUP BY 1")
    got = {row["endpoint_id"]: row["p"] for row in rows}
    assert got == {id_: list(range(start + 1, 451)) for id_, start in starts.items() if start < 450}
    assert len(set(starts.values())) > 5


@pytest.mark.parametrize("head_first", [True, False])
async def test_why_the_head_is_read_before_the_endpoints(shop: Shop, head_first: bool) -> None:
    """Between the two a webhook is made and an event follows. Read the other way round, the event is lost."""

    async def meanwhile() -> None:
        await shop.webhook("http://127.0.0.1:9/")
        await shop.publish(1)

    async with shop.database.work.acquire() as connection:
        await deliveries.open_fan_out(connection, shop.ledger)
        if head_first:
            cursor = await deliveries.take_fan_out(connection, shop.ledger)
            await meanwhile()
            endpoints, _ = await deliveries.endpoints(connection, shop.ledger)
        else:
            endpoints, _ = await deliveries.endpoints(connection, shop.ledger)
            await meanwhile()
            cursor = await deliveries.take_fan_out(connection, shop.ledger)
    assert cursor is not None
    passed_over = cursor.head == 1 and not endpoints
    assert passed_over is not head_first
