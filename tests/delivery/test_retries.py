"""R19: what is not acknowledged is tried again; what is gone or fails for days is switched off."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from stockwire.store.database import Database
from tests.delivery.shop import Receiver, Shop, answering, receiving, until


@pytest_asyncio.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    yield await Shop.open(database)


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as listening:
        yield listening


async def test_failures_wait_and_are_tried_again_with_the_same_id_and_bytes(shop: Shop) -> None:
    async def answer(_request: web.Request, number: int) -> web.Response:
        return web.Response(status=500 if number == 1 else 204, text="trouble" if number == 1 else None)

    async with receiving(answer) as receiver:
        await shop.webhook(receiver.address)
        async with shop.delivering():
            await shop.publish(1)
            await until(lambda: shop.scalar("SELECT count(*) FROM attempts"))
            [row] = await shop.fetch("SELECT status, attempts, claim, due_at - now() AS wait FROM deliveries")
            assert (row["status"], row["attempts"], row["claim"]) == ("pending", 1, None)
            assert 530 < row["wait"].total_seconds() < 665, "test mode: ten minutes, a tenth more or less"
            await shop.make_due()
            await until(lambda: shop.statuses_are(delivered=1))
        first, second = receiver.received
        assert (first.id, first.body) == (second.id, second.body)
        assert second.headers["webhook-signature"] != "" and receiver.verified()
    rows = await shop.fetch("SELECT number, verdict, why, status, response_body, next_at FROM attempts ORDER BY number")
    assert [tuple(row)[:5] for row in rows] == [
        (1, "failed", "status", 500, b"trouble"),
        (2, "delivered", None, 204, None),
    ]
    assert rows[0]["next_at"] is not None
    assert rows[1]["next_at"] is None


async def test_the_last_attempt_fails_the_delivery(shop: Shop) -> None:
    async with receiving(answering(503)) as receiver:
        await shop.webhook(receiver.address)
        async with shop.delivering():
            await shop.publish(1)
            for made in (1, 2):
                await until(
                    lambda made=made: shop.scalar(f"SELECT attempts = {made} AND claim IS NULL FROM deliveries")
                )
                await shop.make_due()
            await until(lambda: shop.statuses_are(failed=1))
    assert len(receiver.received) == 3


async def test_retry_after_is_obeyed(shop: Shop) -> None:
    async with receiving(answering(429, Retry_After="7200")) as receiver:
        await shop.webhook(receiver.address)
        async with shop.delivering():
            await shop.publish(1)
            await until(lambda: shop.scalar("SELECT count(*) FROM attempts"))
    assert await shop.scalar("SELECT extract(epoch FROM due_at - now()) BETWEEN 7190 AND 7200 FROM deliveries")


async def test_live_schedule_begins_with_seconds(database: Database) -> None:
    shop = await Shop.open(database, live=True)
    async with receiving(answering(500)) as receiver:
        await shop.webhook(receiver.address)
        async with shop.delivering():
            await shop.publish(1)
            await until(lambda: len(receiver.received) == 2, seconds=12)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_failures_and_are_not_followed(shop: Shop, receiver: Receiver, status: int) -> None:
    async with receiving(answering(status, Location=receiver.address + "/secret")) as redirecting:
        await shop.webhook(redirecting.address)
        async with shop.delivering():
            await shop.publish(1)
            await until(lambda: shop.scalar("SELECT count(*) FROM attempts"))
    assert receiver.received == []
    assert (await shop.fetch("SELECT verdict, status FROM attempts"))[0]["status"] == status


async def test_410_disables_at_once_and_cancels_what_is_pending_r19(shop: Shop) -> None:
    async def answer(_request: web.Request, number: int) -> web.Response:
        return web.Response(status=410 if number == 3 else 500)

    async with receiving(answer) as receiver, receiving() as other:
        gone = await shop.webhook(receiver.address, settings={"maxConcurrency": 1})
        await shop.webhook(other.address)
        async with shop.delivering():
            await shop.publish(3)
            await until(lambda: shop.scalar("SELECT NOT enabled FROM endpoints WHERE id = $1", gone))
            await until(lambda: shop.scalar("SELECT count(*) = 2 FROM deliveries WHERE status = 'cancelled'"))
            reason = await shop.scalar("SELECT status_reason FROM endpoints WHERE id = $1", gone)
            await until(lambda: len(other.received) == 4, seconds=5)  # webhook.disabled among them
            await shop.publish(2)
            await until(lambda: len(other.received) == 6)
    assert "410" in reason
    assert len(receiver.received) == 3
    assert [json.loads(request.body)["type"] for request in other.received].count("webhook.disabled") == 1
    assert await shop.statuses() == {"failed": 1, "cancelled": 2, "delivered": 6}


async def test_failing_for_days_disables_but_not_before_ten_failures_r19(shop: Shop) -> None:
    async with receiving(answering(500)) as receiver:
        webhook = await shop.webhook(receiver.address)
        async with shop.delivering():
            await shop.publish(5)
            await until(lambda: shop.scalar("SELECT failed_attempts = 5 FROM endpoint_health"))
            await shop.execute("UPDATE endpoint_health SET failing_since = now() - interval '121 hours'")
            await shop.publish(4)
            await until(lambda: shop.scalar("SELECT failed_attempts = 9 FROM endpoint_health"))
            assert await shop.scalar("SELECT enabled FROM endpoints WHERE id = $1", webhook)
            await shop.publish(1)
            await until(lambda: shop.scalar("SELECT NOT enabled FROM endpoints WHERE id = $1", webhook))


async def test_one_success_forgives(shop: Shop) -> None:
    async def answer(_request: web.Request, number: int) -> web.Response:
        return web.Response(status=200 if number == 6 else 500)

    async with receiving(answer) as receiver:
        await shop.webhook(receiver.address, settings={"maxConcurrency": 1})
        async with shop.delivering():
            await shop.publish(5)
            await until(lambda: shop.scalar("SELECT failed_attempts = 5 FROM endpoint_health"))
            await shop.publish(1)
            await until(
                lambda: shop.scalar("SELECT failed_attempts = 0 AND failing_since IS NULL FROM endpoint_health")
            )
    assert await shop.scalar("SELECT last_success_at IS NOT NULL FROM endpoint_health")


async def test_a_worker_that_died_before_it_could_disable_is_made_good(shop: Shop, receiver: Receiver) -> None:
    webhook = await shop.webhook(receiver.address)
    await shop.execute(
        "INSERT INTO endpoint_health (store_id, live, endpoint_id, start_position, last_attempt_at, failed_attempts,"
        " gone) VALUES ($1, $2, $3, 0, now(), 1, true)",
        *shop.ledger,
        webhook,
    )
    async with shop.delivering():
        await until(lambda: shop.scalar("SELECT NOT enabled FROM endpoints WHERE id = $1", webhook))


async def test_switched_on_again_it_gets_only_what_is_new_r19(shop: Shop) -> None:
    async with receiving(answering(500)) as receiver:
        webhook = await shop.webhook(receiver.address)
        async with shop.delivering():
            await shop.publish(3)
            await until(lambda: shop.scalar("SELECT count(*) = 3 FROM attempts"))
            # Off and on before anybody looked: the three wait for their second attempt.
            await shop.execute("UPDATE endpoints SET start_position = 3 WHERE id = $1", webhook)
            await shop.make_due()
            await until(lambda: shop.statuses_are(cancelled=3))
            await shop.publish(1)
            await until(lambda: len(receiver.received) == 4)
    assert await shop.scalar("SELECT failed_attempts = 1 AND start_position = 3 FROM endpoint_health")


async def test_deleted_webhook(shop: Shop) -> None:
    async with receiving(answering(500)) as receiver:
        await shop.webhook(receiver.address)
        async with shop.delivering():
            await shop.publish(3)
            await until(lambda: shop.scalar("SELECT count(*) = 3 FROM attempts"))
            await shop.execute("DELETE FROM endpoints")
            await until(lambda: shop.statuses_are(cancelled=3))
