"""R18, R19: events become deliveries, deliveries become attempts, and nothing is lost or sent to the wrong place."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from stockwire.delivery import rounds, worker
from stockwire.delivery.fetching import Fetching
from stockwire.delivery.settling import Settling
from stockwire.ledger import Ledger
from stockwire.store.database import Database
from tests.delivery.shop import DeliverySettings, PlainKeys, Receiver, Shop, answering, receiving, until


@pytest_asyncio.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    yield await Shop.open(database)


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as listening:
        yield listening


async def test_every_event_arrives_once_verified_and_byte_for_byte(shop: Shop, receiver: Receiver) -> None:
    await shop.webhook(receiver.address + "/hook?a=%7E")
    async with shop.delivering():
        ids = await shop.publish(300)
        await until(lambda: len(receiver.received) >= 300)
        await until(lambda: shop.statuses_are(delivered=300))
    assert sorted(receiver.ids) == sorted(ids)
    assert {body["id"] for body in receiver.verified()} == set(ids)
    stored = {str(row["id"]): row["body"] for row in await shop.fetch("SELECT id, body FROM events")}
    assert all(request.body.decode() == stored[request.id] for request in receiver.received)
    assert {request.path for request in receiver.received} == {"/hook?a=%7E"}
    one = receiver.received[0].headers
    assert one["content-type"] == "application/json"
    assert one["digitalriver-signature"].startswith(one["webhook-timestamp"] + ", ")
    attempts = await shop.fetch("SELECT verdict, why, status, number, peer FROM attempts")
    assert {tuple(row) for row in attempts} == {("delivered", None, 200, 1, "127.0.0.1")}
    assert len(attempts) == 300


async def test_deliveries_plus_filtered_are_all_events_r18(shop: Shop, receiver: Receiver) -> None:
    await shop.publish(3)
    everything = await shop.webhook(receiver.address + "/all")
    parts = await shop.webhook(receiver.address + "/part", settings={"filters": {"partNumbers": ["AAA"]}})
    stockouts = await shop.webhook(receiver.address + "/out", types=("inventory.out_of_stock", "reservation.*"))
    await shop.publish(4, part_number="AAA")
    await shop.publish(2, type_="inventory.out_of_stock")
    await shop.publish(1, type_="reservation.expired", part_number=None, fulfiller=None)
    late = await shop.webhook(receiver.address + "/late")
    async with shop.delivering():
        await shop.publish(5)
        await until(lambda: shop.statuses_are(delivered=12 + 4 + 3 + 5))
    rows = await shop.fetch(
        "SELECT endpoint_id, array_agg(position ORDER BY position) AS positions FROM deliveries GROUP BY 1"
    )
    assert {row["endpoint_id"]: row["positions"] for row in rows} == {
        everything: list(range(4, 16)),
        parts: [4, 5, 6, 7],
        stockouts: [8, 9, 10],
        late: list(range(11, 16)),
    }


async def test_a_webhook_is_not_told_about_itself(shop: Shop, receiver: Receiver) -> None:
    about = await shop.webhook(receiver.address + "/about")
    await shop.webhook(receiver.address + "/other")
    async with shop.delivering():
        await shop.publish(1, type_="webhook.disabled", part_number=None, fulfiller=None, about=str(about))
        await until(lambda: shop.statuses_are(delivered=1))
    assert [request.path for request in receiver.received] == ["/other"]


async def test_test_and_live_do_not_mix(shop: Shop, receiver: Receiver) -> None:
    live = Shop(shop.database, shop.store_id, live=True)
    await shop.webhook(receiver.address + "/test")
    await live.webhook(receiver.address + "/live")
    async with shop.delivering():
        await shop.publish(2)
        await live.publish(3)
        await until(lambda: shop.statuses_are(delivered=5))
    assert sorted(request.path for request in receiver.received) == ["/live"] * 3 + ["/test"] * 2


async def test_an_idle_worker_wakes_within_milliseconds(shop: Shop, receiver: Receiver) -> None:
    await shop.webhook(receiver.address)
    waits = []
    async with shop.delivering():
        await shop.publish(1)
        await until(lambda: receiver.received)
        for number in range(2, 12):
            await asyncio.sleep(0.05)
            began = asyncio.get_running_loop().time()
            await shop.publish(1)
            while len(receiver.received) < number:  # noqa: ASYNC110 - measured to the millisecond
                await asyncio.sleep(0.001)
            waits.append(asyncio.get_running_loop().time() - began)
    assert sorted(waits)[5] < 0.25, "the poll alone would take half a second on average"


async def test_without_notices_the_poll_finds_events(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def deaf(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("stockwire.delivery.wakeup.listen", deaf)
    await shop.webhook(receiver.address)
    async with shop.delivering():
        await asyncio.sleep(0.1)
        await shop.publish(3)
        await until(lambda: len(receiver.received) == 3, seconds=5)


async def test_edits_act_from_the_next_attempt(shop: Shop) -> None:
    async with receiving(answering(500)) as old, receiving() as new:
        webhook = await shop.webhook(old.address)
        async with shop.delivering():
            await shop.publish(1)
            await until(lambda: shop.scalar("SELECT count(*) FROM attempts"))
            await shop.execute("UPDATE endpoints SET address = $2 WHERE id = $1", webhook, new.address)
            await shop.make_due()
            await until(lambda: new.received)
    assert len(old.received) == 1


async def test_basic_authentication_and_custom_headers(shop: Shop, receiver: Receiver) -> None:
    credentials = {
        "authentication": {"username": "björn", "password": "open:sesame"},
        "headers": {"X-Shop": "acme-key-1", "user-agent": "ours"},
    }
    await shop.webhook(receiver.address, credentials=credentials)
    async with shop.delivering():
        await shop.publish(1)
        await until(lambda: receiver.received)
    headers = receiver.received[0].headers
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode() == "björn:open:sesame"
    assert (headers["x-shop"], headers["user-agent"]) == ("acme-key-1", "ours")
    assert [name.lower() for name, _ in receiver.received[0].raw_headers].count(b"user-agent") == 1


async def test_what_a_receiver_echoes_is_kept_without_our_secrets_r17(shop: Shop) -> None:
    async def echo(request: web.Request, _number: int) -> web.Response:
        headers = {
            name: value for name, value in request.headers.items() if name.lower() in ("x-shop", "authorization")
        }
        return web.Response(status=500, text=json.dumps(headers) + shown, headers={"X-Echo": request.headers["X-Shop"]})

    shown = "whsec_" + base64.b64encode(b"a secret of the tests, 32 bytes.").decode()
    async with receiving(echo) as receiver:
        await shop.webhook(
            receiver.address,
            credentials={
                "authentication": {"username": "u", "password": "open sesame"},
                "headers": {"X-Shop": "acme-key-1"},
            },
        )
        async with shop.delivering():
            await shop.publish(1)
            await until(lambda: shop.scalar("SELECT count(*) FROM attempts"))
    [row] = await shop.fetch("SELECT response_head, response_body FROM attempts")
    kept = row["response_head"] + row["response_body"]
    for secret in (b"acme-key-1", b"open sesame", shown.encode(), base64.b64encode(b"u:open sesame")):
        assert secret not in kept
    assert b"[hidden]" in row["response_head"]
    assert b"[hidden]" in row["response_body"]


async def test_rotation_signs_with_every_live_secret(shop: Shop, receiver: Receiver) -> None:
    old, new = ("whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
    webhook = await shop.webhook(receiver.address, secrets=(new, old))
    async with shop.delivering():
        await shop.publish(1)
        await until(lambda: receiver.received)
        receiver.verified(old)
        receiver.verified(new)
        await shop.execute("UPDATE endpoint_secrets SET expires_at = now() WHERE secret = $1", old.encode())
        receiver.received.clear()
        await shop.publish(1)
        await until(lambda: receiver.received)
    receiver.verified(new)
    assert receiver.received[0].headers["webhook-signature"].count("v1,") == 1
    assert webhook


async def test_nothing_is_sent_unsigned(shop: Shop, receiver: Receiver) -> None:
    await shop.webhook(receiver.address, secrets=())
    await shop.webhook(receiver.address + "/broken", secrets=("no secret at all",))
    async with shop.delivering():
        await shop.publish(1)
        await until(lambda: shop.scalar("SELECT count(*) = 2 FROM attempts"))
    assert receiver.received == []
    assert {row["why"] for row in await shop.fetch("SELECT why FROM attempts")} == {"no_secret", "secrets_not_readable"}


async def test_addresses_are_refused_at_sending_too_r22(shop: Shop, receiver: Receiver) -> None:
    await shop.webhook(receiver.address)
    await shop.webhook("http://169.254.169.254/latest/meta-data")
    await shop.webhook("http://localhost:" + receiver.address.rpartition(":")[2])
    async with shop.delivering(DeliverySettings(webhook_allow=())):
        await shop.publish(1)
        await until(lambda: shop.scalar("SELECT count(*) = 3 FROM attempts"))
    assert receiver.received == []
    rows = await shop.fetch("SELECT verdict, why, status FROM attempts")
    assert {tuple(row) for row in rows} == {("failed", "address_refused", None)}


async def test_clean_stop_gives_leases_back_and_loses_nothing(shop: Shop) -> None:
    async def slow(_request: web.Request, _number: int) -> web.Response:
        await asyncio.sleep(0.3)
        return web.Response()

    async with receiving(slow) as receiver:
        await shop.webhook(receiver.address, settings={"maxConcurrency": 2})
        async with shop.delivering() as stop:
            await shop.publish(40)
            await until(lambda: len(receiver.received) >= 2)
            stop.set()
        made = len(receiver.received)
        assert made < 20
        assert await shop.statuses() == {"delivered": made, "pending": 40 - made}, "what was in flight is settled"
        leased = "status = 'pending' AND (claim IS NOT NULL OR due_at > now())"
        assert await shop.scalar(f"SELECT count(*) FROM deliveries WHERE {leased}") == 0
        async with shop.delivering():
            await until(lambda: shop.statuses_are(delivered=40))
        assert len(receiver.received) == len(set(receiver.ids)) == 40


async def test_a_long_log_without_webhooks_costs_nothing_and_is_not_sent_later(shop: Shop, receiver: Receiver) -> None:
    await shop.publish(2_000)
    async with shop.delivering():
        await asyncio.sleep(0.3)
        await shop.webhook(receiver.address)
        await shop.publish(2)
        await until(lambda: len(receiver.received) == 2)
    assert await shop.statuses() == {"delivered": 2}


async def test_a_worker_that_lost_a_part_dies(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than sit there without settling; the supervisor starts another."""

    async def broken(_: Settling) -> None:
        raise RuntimeError("a surprise")

    monkeypatch.setattr(Settling, "run", broken)
    running = worker.run(shop.database, Ledger(shop.database), DeliverySettings(), PlainKeys(), asyncio.Event())
    with pytest.raises(RuntimeError, match="a surprise"):
        await asyncio.wait_for(running, 5)


async def test_a_worker_that_cannot_claim_is_not_ready(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R23: while due work of any ledger cannot be taken the role says so, and no longer once it can."""
    monkeypatch.setattr(rounds, "LATE_SECONDS", 1.5)
    claim = Fetching.claim
    broken = True

    async def claiming(fetching: Fetching, ledger: tuple[int, bool]) -> None:
        if broken:
            raise RuntimeError("a surprise")
        await claim(fetching, ledger)

    monkeypatch.setattr(Fetching, "claim", claiming)
    await shop.webhook(receiver.address)
    fares = rounds.Rounds()
    async with shop.delivering(fares=fares):
        await asyncio.sleep(2.2)
        assert fares.trouble() is None, "nothing is due"
        await shop.publish(200)  # more than a lane takes at once: the rest has to be claimed
        await until(lambda: fares.trouble() is not None)
        broken = False
        await until(lambda: fares.trouble() is None)
