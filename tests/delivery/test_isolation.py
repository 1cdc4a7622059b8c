"""A webhook that hangs, drips or dies never delays another (R19)."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from stockwire.delivery import worker
from stockwire.store.database import Database
from tests.delivery import hostile
from tests.delivery.shop import Receiver, Shop, receiving, until


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of a test nobody waits for those who hang."""
    monkeypatch.setattr(worker, "STOP_SECONDS", 0.2)


@pytest_asyncio.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    yield await Shop.open(database)


class Waits:
    """Seconds from publishing to arrival, for each event."""

    def __init__(self) -> None:
        self.published: dict[str, float] = {}
        self.waits: list[float] = []

    async def answer(self, request: web.Request, _number: int) -> web.Response:
        began = self.published.get(request.headers["webhook-id"])
        if began is not None:
            self.waits.append(time.monotonic() - began)
        return web.Response()

    async def publish(self, shop: Shop, batches: int) -> None:
        for _ in range(batches):
            began = time.monotonic()
            for id_ in await shop.publish(2):
                self.published[id_] = began
            await asyncio.sleep(0.01)

    def slowest_but_one_percent(self) -> float:
        return sorted(self.waits)[int(len(self.waits) * 0.99) - 1]


async def healthy_waits(shop: Shop, *sick: str) -> float:
    waits = Waits()
    async with receiving(waits.answer) as receiver:
        await shop.webhook(receiver.address + "/healthy")
        for address in sick:
            await shop.webhook(address)
        async with shop.delivering():
            await shop.publish(1)
            await until(lambda: receiver.received)
            waits.published.clear()
            await waits.publish(shop, 100)
            await until(lambda: len(receiver.received) == 201)
    return waits.slowest_but_one_percent()


async def test_sick_webhooks_do_not_delay_a_healthy_one(shop: Shop) -> None:
    async with contextlib.AsyncExitStack() as stack:
        behaviours = [hostile.hang, hostile.drip_body, hostile.drip_head, hostile.endless_body, hostile.endless_headers]
        sick = [await stack.enter_async_context(hostile.behaving(behaviour)) for behaviour in behaviours]
        wait = await healthy_waits(shop, *[server.address for server in sick])
        assert all(server.connections for server in sick)
    assert wait < 3, "every sick webhook holds its places for ten seconds"


async def test_however_full_the_worker_is_each_webhook_has_a_place(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MOST_IN_FLIGHT", 10)
    async with hostile.behaving(hostile.hang) as hanging:
        wait = await healthy_waits(shop, *[f"{hanging.address}{n}" for n in range(10)])
    assert wait < 3


async def test_at_most_the_agreed_requests_at_once(shop: Shop) -> None:
    async def slow(_request: web.Request, _number: int) -> web.Response:
        await asyncio.sleep(0.02)
        return web.Response()

    async with receiving(slow) as eight, receiving(slow) as three:
        await shop.webhook(eight.address)
        await shop.webhook(three.address, settings={"maxConcurrency": 3})
        async with shop.delivering():
            await shop.publish(100)
            await until(lambda: shop.statuses_are(delivered=200))
    assert (eight.busiest, three.busiest) == (8, 3)


async def test_a_hanging_webhook_gets_fewer_tries_at_once_and_recovers(shop: Shop) -> None:
    sick = True

    async def answer(_request: web.Request, _number: int) -> web.Response:
        if sick:
            await asyncio.sleep(3)
        return web.Response()

    def made(receiver: Receiver, least: int) -> bool:
        return len(receiver.received) >= least

    async with receiving(answer) as receiver:
        await shop.webhook(receiver.address, settings={"timeoutSeconds": 1})
        async with shop.delivering():
            await shop.publish(40)
            await until(lambda: made(receiver, 8))
            await until(lambda: made(receiver, 9))
            await asyncio.sleep(0.5)
            assert receiver.busy + len(receiver.received) < 8 + 8
            sick = False
            await until(lambda: shop.scalar("SELECT count(*) >= 28 FROM deliveries WHERE status = 'delivered'"))
    rows = await shop.fetch("SELECT why, count(*) FROM attempts GROUP BY why")
    assert {row["why"] for row in rows} == {None, "timed_out"}
