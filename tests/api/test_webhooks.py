"""Webhooks over HTTP (R14, R19, R22), their deliveries, and what is never shown."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from stockwire.config import Settings
from stockwire.delivery import worker
from stockwire.ledger import Ledger
from stockwire.store.database import Database
from tests.api import documented
from tests.api.server import RING, Shop, open_shop, open_store, running
from tests.delivery.shop import DeliverySettings, receiving, until

ADDRESS = "https://93.184.215.14/hook"  # a global address, so that nothing here depends on names
PASSWORD, HEADER_VALUE = "open sesame", "acme-key-1"


async def made(shop: Shop, **fields: Any) -> dict[str, Any]:
    answer = await shop.post("/v1/webhooks", {"address": ADDRESS, "types": ["inventory.*"], **fields})
    assert answer.status == 201, answer.raw
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.body
    return found


async def test_create_answers_the_webhook_and_its_first_secret(shop: Shop) -> None:
    webhook = await made(shop, description="orders", filters={"partNumbers": ["CCC"]}, timeoutSeconds=3)
    assert len(base64.b64decode(webhook["secret"].removeprefix("whsec_"))) == 32
    assert webhook["enabled"] is True
    assert (webhook["status"], webhook["pending"], webhook["liveMode"]) == ("healthy", 0, False)
    assert (webhook["timeoutSeconds"], webhook["maxConcurrency"], webhook["ordering"]) == (3, 8, "unordered")
    again = (await shop.get(f"/v1/webhooks/{webhook['id']}")).body
    assert again == {name: value for name, value in webhook.items() if name != "secret"}


async def test_the_same_address_with_the_same_types_is_409_with_the_id(shop: Shop) -> None:
    first = await made(shop, types=["inventory.*", "reservation.expired"])
    answer = await shop.post("/v1/webhooks", {"address": ADDRESS, "types": ["reservation.expired", "inventory.*"]})
    assert (answer.status, answer.codes) == (409, ["already_exists"])
    assert first["id"] in answer.body["errors"][0]["message"]
    await made(shop, types=["inventory.*"])


async def test_a_repeat_with_the_same_key_gives_the_same_secret_and_it_lies_sealed(shop: Shop) -> None:
    sent = {"address": ADDRESS, "types": ["*"]}
    first, second = [await shop.post("/v1/webhooks", sent, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert first.raw == second.raw
    assert second.headers["idempotent-replayed"] == "true"
    async with shop.database.work.acquire() as connection:
        tables = ["answers", "endpoint_secrets", "endpoints", "audit_log"]
        written = [str(await connection.fetch(f"SELECT t::text FROM {table} t")) for table in tables]
        bodies = await connection.fetch("SELECT body FROM answers UNION ALL SELECT secret FROM endpoint_secrets")
    stored = "".join(written).encode() + b"".join(row[0] for row in bodies)
    assert first.body["secret"].removeprefix("whsec_").encode() not in stored


async def test_fifty_are_enough(shop: Shop) -> None:
    for n in range(50):
        await made(shop, address=f"{ADDRESS}/{n}")
    answer = await shop.post("/v1/webhooks", {"address": ADDRESS, "types": ["*"]})
    assert (answer.status, answer.codes) == (422, ["limit_exceeded"])


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({"address": None}, [("invalid_parameter", "address")]),
        ({"address": "x" * 2049}, [("limit_exceeded", "address")]),
        ({"types": []}, [("invalid_parameter", "types")]),
        ({"types": ["inventory.nothing"]}, [("invalid_parameter", "types[0]")]),
        ({"types": ["*", "nothing.*", "inv*"]}, [("invalid_parameter", "types[1]"), ("invalid_parameter", "types[2]")]),
        ({"colour": 1}, [("unknown_parameter", "colour")]),
        ({"timeoutSeconds": 31}, [("limit_exceeded", "timeoutSeconds")]),
        ({"maxConcurrency": 0}, [("invalid_parameter", "maxConcurrency")]),
        ({"authentication": {"userName": "u"}}, [("missing_parameter", "authentication.password")]),
        ({"authentication": {"password": "p"}}, [("missing_parameter", "authentication.userName")]),
        (
            {"authentication": {"userName": "u", "username": "u", "password": "p"}},
            [("invalid_parameter", "authentication.username")],
        ),
        ({"authentication": {"username": "a:b", "password": "p"}}, [("invalid_parameter", "authentication.username")]),
        ({"headers": {"Host": "x"}}, [("invalid_parameter", "headers.Host")]),
        ({"headers": {"X-A": "a\r\nB: c"}}, [("invalid_format", "headers.X-A"), ("invalid_format", "headers.X-A")]),
        ({"headers": {"X-A": "é"}}, [("invalid_format", "headers.X-A")]),
        ({"headers": {"X A": "a"}}, [("invalid_format", "headers.X A")]),
        ({"headers": {"X-A": "a", "x-a": "b"}}, [("invalid_parameter", "headers.x-a")]),
        ({"headers": {f"X-{n}": "a" for n in range(21)}}, [("limit_exceeded", "headers")]),
        (
            {"headers": {"Authorization": "Bearer x"}, "authentication": {"username": "u", "password": "p"}},
            [("invalid_parameter", "headers.Authorization")],
        ),
        (
            {"ordering": "sideways", "transportType": "PIGEON"},
            [("invalid_parameter", "ordering"), ("invalid_parameter", "transportType")],
        ),
    ],
)  # fmt: skip
async def test_bad_bodies_name_every_fault(shop: Shop, fields: dict[str, Any], faults: list[tuple[str, str]]) -> None:
    answer = await shop.post("/v1/webhooks", {"address": ADDRESS, "types": ["*"], **fields})
    assert answer.status in (400, 422)
    assert sorted(answer.faults) == sorted(faults)
    assert (await shop.get("/v1/webhooks")).body["data"] == []


RESERVED = """Host Content-Type content-length Transfer-Encoding Connection TE Trailer Upgrade Expect
Proxy-Authorization Cookie webhook-id Webhook-Signature stockwire-replay DigitalRiver-Signature Accept-Encoding"""


@pytest.mark.parametrize("name", RESERVED.split())
async def test_reserved_headers_r22(shop: Shop, name: str) -> None:
    answer = await shop.post("/v1/webhooks", {"address": ADDRESS, "types": ["*"], "headers": {name: "x"}})
    assert (answer.status, answer.faults) == (400, [("invalid_parameter", f"headers.{name}")])


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8080/", "http://localhost:8080/", "http://[::1]/", "http://169.254.169.254/", "http://10.0.0.1/",
        "https://user:pass@93.184.215.14/", "http://2130706433/", "https://93.184.215.14:22/", "ftp://93.184.215.14/",
        "not an address", "http://[::ffff:169.254.169.254]/",
    ],
)  # fmt: skip
async def test_hostile_addresses_are_refused_when_made_and_when_edited_r22(shop: Shop, address: str) -> None:
    answer = await shop.post("/v1/webhooks", {"address": address, "types": ["*"]})
    assert (answer.status, answer.faults) == (400, [("invalid_parameter", "address")])
    webhook = await made(shop)
    answer = await shop.ask("PATCH", f"/v1/webhooks/{webhook['id']}", {"address": address})
    assert (answer.status, answer.faults) == (400, [("invalid_parameter", "address")])
    assert (await shop.get(f"/v1/webhooks/{webhook['id']}")).body["address"] == ADDRESS


async def test_list_search_and_page(shop: Shop) -> None:
    assert (await shop.get("/v1/webhooks")).body == {"data": [], "hasMore": False}
    ids = [(await made(shop, address=f"{ADDRESS}/{n}", description=f"Number {n}"))["id"] for n in range(5)]
    quiet = (await made(shop, types=["reservation.expired"], enabled=False))["id"]
    newest = [quiet, *reversed(ids)]

    async def found(query: str) -> list[str]:
        return [webhook["id"] for webhook in (await shop.get("/v1/webhooks?" + query)).body["data"]]

    assert await found("") == newest
    assert await found("limit=2") == newest[:2]
    assert await found(f"limit=2&startingAfter={newest[1]}") == newest[2:4]
    assert await found(f"limit=2&endingBefore={newest[4]}") == newest[2:4]
    assert await found(f"endingBefore={newest[2]}") == newest[:2]
    assert await found("q=number%203") == [ids[3]]
    assert await found("q=/4") == [ids[4]]
    assert await found(f"q={quiet[-8:]}") == [quiet]
    assert await found("enabled=false") == [quiet]
    assert await found("type=reservation.expired") == [quiet]
    assert await found("types=reservation.expired,inventory.*&limit=100") == newest
    assert (await shop.get("/v1/webhooks?limit=5")).body["hasMore"] is True
    assert (await shop.get(f"/v1/webhooks?limit=5&startingAfter={newest[0]}")).body["hasMore"] is False
    assert (await shop.get("/v1/webhooks?type=a&types=b")).status == 400


async def test_edit_keeps_what_is_absent_and_clears_what_is_null(shop: Shop) -> None:
    webhook = await made(
        shop,
        description="one",
        timeoutSeconds=5,
        filters={"fulfillers": ["Main"]},
        authentication={"userName": "u", "password": PASSWORD},
        headers={"X-Shop": HEADER_VALUE},
    )
    path = f"/v1/webhooks/{webhook['id']}"
    edited = (await shop.ask("PATCH", path, {"description": "two", "filters": None})).body
    assert (edited["description"], edited["filters"], edited["timeoutSeconds"]) == ("two", None, 5)
    assert edited["authentication"] == {"userName": "u"}
    assert edited["headers"] == {"X-Shop": None}
    cleared = {"authentication": None, "timeoutSeconds": None, "description": None}
    edited = (await shop.ask("PATCH", path, cleared)).body
    assert (edited["authentication"], edited["timeoutSeconds"], edited["description"]) == (None, 10, "")
    assert edited["headers"] == {"X-Shop": None}
    shown = (await shop.get(path)).body
    assert shown | {"updatedTime": None} == edited | {"updatedTime": None}
    answer = await shop.ask("PATCH", path, {"headers": {"Authorization": "x"}})
    assert answer.status == 200
    answer = await shop.ask("PATCH", path, {"authentication": {"userName": "u", "password": "p"}})
    assert answer.faults == [("invalid_parameter", "headers.Authorization")]


async def test_off_on_and_gone(shop: Shop) -> None:
    webhook = await made(shop)
    path = f"/v1/webhooks/{webhook['id']}"
    off = (await shop.ask("PATCH", path, {"enabled": False})).body
    assert (off["enabled"], off["status"], off["statusReason"]) == (False, "disabled", "switched off")
    on = (await shop.ask("PATCH", path, {"enabled": True})).body
    assert (on["enabled"], on["status"], on["statusReason"]) == (True, "healthy", None)
    assert (await shop.ask("DELETE", path)).status == 204
    for answer in (await shop.get(path), await shop.ask("DELETE", path), await shop.ask("PATCH", path, {})):
        assert (answer.status, answer.codes) == (404, ["not_found"])


async def test_secrets_are_shown_on_request_and_that_is_noted(shop: Shop) -> None:
    webhook = await made(shop)
    path = f"/v1/webhooks/{webhook['id']}/secrets"
    answer = await shop.get(path)
    assert answer.headers["cache-control"] == "no-store"
    assert [entry["secret"] for entry in answer.body["data"]] == [webhook["secret"]]
    entries = (await shop.get("/v1/audit-log")).body["data"]
    assert "webhook.reveal_secrets" in [entry["action"] for entry in entries]


async def test_rotation_keeps_the_old_secret_for_a_while_and_at_most_five(shop: Shop) -> None:
    webhook = await made(shop)
    path = f"/v1/webhooks/{webhook['id']}/secrets"
    first = await shop.post(path, {"expirePreviousInHours": 24})
    assert first.status == 201
    assert first.headers["cache-control"] == "no-store"
    live = (await shop.get(path)).body["data"]
    assert [entry["secret"] for entry in live] == [first.body["secret"], webhook["secret"]]
    assert [entry["expiresTime"] is None for entry in live] == [True, False]
    for _ in range(3):
        assert (await shop.post(path, {})).status == 201
    answer = await shop.post(path, {})
    assert (answer.status, answer.codes) == (422, ["limit_exceeded"])
    last = (await shop.post(path, {"expirePreviousInHours": 0})).body
    assert [entry["secret"] for entry in (await shop.get(path)).body["data"]] == [last["secret"]]
    assert (await shop.post(path, {"expirePreviousInHours": 2})).status == 400


@pytest.mark.parametrize("role", ["viewer", "operator", "fulfiller"])
async def test_who_may_what_r9(shop: Shop, role: str) -> None:
    webhook = await made(shop)
    path = f"/v1/webhooks/{webhook['id']}"
    seeing = 403 if role == "fulfiller" else 200
    for read in ("/v1/webhooks", path, "/v1/deliveries", "/v1/safelist"):
        assert (await shop.get(read, role=role)).status == seeing
    assert (await shop.get(path + "/secrets", role=role)).status == 403
    assert (await shop.post(path + "/secrets", {}, role=role)).status == 403
    assert (await shop.post("/v1/webhooks", {"address": ADDRESS, "types": ["*"]}, role=role)).status == 403
    assert (await shop.ask("PATCH", path, {"enabled": False}, role=role)).status == 403
    assert (await shop.ask("DELETE", path, role=role)).status == 403


async def test_passwords_and_header_values_are_never_shown_r17(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    webhook = await made(shop, authentication={"userName": "u", "password": PASSWORD}, headers={"X-Shop": HEADER_VALUE})
    path = f"/v1/webhooks/{webhook['id']}"
    await shop.ask("PATCH", path, {"description": "x", "authentication": {"userName": "v", "password": PASSWORD}})
    for address in ("/v1/webhooks", path, "/v1/audit-log", "/v1/events", path + "/secrets"):
        await shop.get(address)
    async with shop.database.work.acquire() as connection:
        tables = ["endpoints", "audit_log", "answers", "events"]
        stored = "".join([str(await connection.fetch(f"SELECT * FROM {table}")) for table in tables])
    said = b"".join(answer.raw for _, _, answer in shop.seen).decode() + stored + "".join(capfd.readouterr())
    assert PASSWORD not in said
    assert HEADER_VALUE not in said


async def test_safelist_says_what_the_server_was_told(database: Database) -> None:
    ledger = Ledger(database, RING)
    _, _, keys = await open_store(database)
    settings = Settings(egress_addresses=("198.51.100.7/32",))
    async with running(database, ledger, settings) as address, open_shop(database) as shop:
        shop.address, shop.keys = address, keys
        assert (await shop.get("/v1/safelist")).body == {"addresses": ["198.51.100.7/32"]}
    await ledger.close()


@pytest_asyncio.fixture
async def sending(database: Database) -> AsyncIterator[Shop]:
    """A shop whose webhooks may go to this machine, with a delivery worker beside it."""
    ledger = Ledger(database, RING)
    name, store_id, keys = await open_store(database)
    stop = asyncio.Event()
    delivering = asyncio.create_task(worker.run(database, ledger, DeliverySettings(), RING, stop))
    async with (
        running(database, ledger, Settings(webhook_allow=("127.0.0.0/8",))) as address,
        open_shop(database) as shop,
    ):
        shop.address, shop.keys, shop.name, shop.store_id = address, keys, name, store_id
        yield shop
        stop.set()
        await asyncio.wait_for(delivering, 20)
        for method, path, answer in shop.seen:
            documented.hold(method, path, answer.status, answer.headers, answer.raw)
    await ledger.close()


async def test_from_a_change_of_stock_to_a_verified_webhook(sending: Shop) -> None:
    """The whole way: HTTP in, ledger, log, fan-out, signature, HTTP out, delivery log."""
    async with receiving() as receiver:
        webhook = await made(
            sending,
            address=receiver.address,
            types=["inventory.out_of_stock", "inventory.self_managed_updated"],
            authentication={"userName": "u", "password": PASSWORD},
        )
        await sending.item("CCC", 2)
        answer = await sending.post("/v1/inventory-changes", {"type": "set", "partNumber": "CCC", "quantity": 0})
        await until(lambda: len(receiver.received) == 3)
        types = sorted(body["type"] for body in receiver.verified(webhook["secret"]))
        assert types == ["inventory.out_of_stock", *["inventory.self_managed_updated"] * 2]
        for request in receiver.received:
            event = await sending.get(f"/v1/events/{request.id}")
            assert event.raw == request.body
            assert request.headers["authorization"] == "Basic " + base64.b64encode(f"u:{PASSWORD}".encode()).decode()
        assert set(answer.body["eventIds"]) <= set(receiver.ids)

        async def all_delivered() -> bool:
            listed = (await sending.get(f"/v1/deliveries?webhookId={webhook['id']}&limit=100")).body["data"]
            return [delivery["status"] for delivery in listed] == ["delivered"] * 3

        await until(all_delivered)
        listed = (await sending.get("/v1/deliveries")).body["data"]
        assert [delivery["position"] for delivery in listed] == sorted((d["position"] for d in listed), reverse=True)
        one = (await sending.get(f"/v1/deliveries/{listed[0]['id']}")).body
        [attempt] = one["attempts"]
        assert (attempt["verdict"], attempt["status"], attempt["peer"], attempt["number"]) == (
            "delivered", 200, "127.0.0.1", 1,
        )  # fmt: skip
        assert attempt["responseBody"] == "thank you"
        shown = (await sending.get(f"/v1/webhooks/{webhook['id']}")).body
        await until(lambda: _last_success(sending, webhook["id"]))
        assert shown["pending"] == 0


async def _last_success(shop: Shop, id_: str) -> bool:
    return (await shop.get(f"/v1/webhooks/{id_}")).body["lastSuccessTime"] is not None


async def test_delivery_log_filters_and_pages(sending: Shop) -> None:
    async with receiving() as first, receiving() as second:
        one = await made(sending, address=first.address, types=["*"])
        two = await made(sending, address=second.address, types=["inventory.out_of_stock"])
        await sending.item("AAA", 5)
        for quantity in (0, 5, 0, 5, 0):
            await sending.post("/v1/inventory-changes", {"type": "set", "partNumber": "AAA", "quantity": quantity})
        await until(lambda: len(second.received) == 3)

        async def all_settled() -> bool:
            return (await sending.get("/v1/deliveries?status=pending")).body["data"] == []

        await until(all_settled)

        async def ids(query: str) -> list[str]:
            return [d["id"] for d in (await sending.get(f"/v1/deliveries?limit=1000&{query}")).body["data"]]

        everything = await ids("")
        of_one, of_two = await ids(f"webhookId={one['id']}"), await ids(f"webhookId={two['id']}")
        assert sorted(of_one + of_two) == sorted(everything)
        assert len(of_two) == 3
        assert await ids("status=failed") == []
        stockouts = await ids("type=inventory.out_of_stock")
        assert len(stockouts) == 6
        assert await ids("type=inventory.*") == everything
        assert set(await ids(f"type=inventory.out_of_stock&webhookId={one['id']}")) == set(stockouts) - set(of_two)
        event = (await sending.get(f"/v1/deliveries/{of_two[0]}")).body["eventId"]
        about = await ids(f"eventId={event}")
        assert len(about) == 2
        assert of_two[0] in about
        assert await ids(f"eventId={event}&webhookId={two['id']}") == [of_two[0]]
        for query, whole in (("", everything), (f"webhookId={one['id']}&", of_one), (f"eventId={event}&", about)):
            middle = len(whole) // 2
            after = await sending.get(f"/v1/deliveries?{query}limit=1&startingAfter={whole[middle - 1]}")
            assert [d["id"] for d in after.body["data"]] == [whole[middle]]
            before = await sending.get(f"/v1/deliveries?{query}limit=1&endingBefore={whole[middle]}")
            assert [d["id"] for d in before.body["data"]] == [whole[middle - 1]]
    assert (await sending.get("/v1/deliveries/nonsense")).status == 404
    assert (await sending.get("/v1/deliveries?type=nonsense")).status == 400


async def test_stores_do_not_see_each_other(shop: Shop, database: Database) -> None:
    webhook = await made(shop)
    async with open_shop(database) as other:
        assert (await other.get("/v1/webhooks")).body["data"] == []
        for method, path in [("GET", ""), ("DELETE", ""), ("GET", "/secrets")]:
            answer = await other.ask(method, f"/v1/webhooks/{webhook['id']}{path}")
            assert (answer.status, answer.codes) == (404, ["not_found"])
