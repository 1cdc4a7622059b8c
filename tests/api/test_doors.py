"""What happens before the ledger is asked: paths, keys, headers; and what its failures become. No database needed."""

from __future__ import annotations

import asyncio
import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from stockwire.api import auth
from stockwire.api.peer import Peer, peer_of
from stockwire.config import Settings
from stockwire.ledger import Answer, Unavailable
from tests.api.stub import CHANGE, KEY, StubDatabase, StubLedger, line_to, post, stub_server

CHANGES = "/v1/inventory-changes"


async def exchange(data: bytes, ledger: StubLedger | None = None, database: StubDatabase | None = None) -> Any:
    async with stub_server(ledger, database) as address, line_to(address) as line:
        await line.send(data)
        return await line.answer()


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def codes(body: bytes) -> list[str]:
    return [fault["code"] for fault in json.loads(body)["errors"]]


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/", "/v1/orders/", "/v1/orders//cancel", "/v1/orders/a/b/c", "/v1/orders/%00", "/V1/orders"],
)
async def test_an_unknown_path_is_404(path: str) -> None:
    status, _, body = await exchange(get(path))
    assert (status, codes(body)) == (404, ["not_found"])


async def test_a_known_path_with_another_method_is_405_and_says_which() -> None:
    status, headers, body = await exchange(get("/v1/orders/1/cancel"))
    assert (status, codes(body), headers[b"allow"]) == (405, ["method_not_allowed"], b"POST")


@pytest.mark.parametrize(
    "header",
    [
        "X-Nothing: 1",
        "Authorization: Basic abc",
        "Authorization: Bearer",
        f"Authorization: {KEY}",
        "Authorization: Bearer nonsense",
        f"Authorization: Bearer {KEY}x",
        f"Authorization: Bearer {KEY[:-1]}x",
        f"Authorization: Bearer {KEY.replace('acme', 'other')}",
        f"Authorization: Bearer {KEY.replace('test', 'live')}",
    ],
)
async def test_no_key_or_a_wrong_one_is_401(header: str) -> None:
    status, headers, body = await exchange(get("/v1/me", header))
    assert (status, codes(body), headers[b"www-authenticate"]) == (401, ["unauthorized"], b"Bearer")
    assert b"sk_" not in body.replace(b"Bearer sk_", b"")
    assert "in the header `Authorization`, as `Bearer sk_…`".encode() in body  # advice that hides no part of itself


async def test_the_key_comes_before_the_body() -> None:
    """R12: who may not ask learns nothing of what was wrong with the request."""
    status, _, body = await exchange(b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{")
    assert (status, codes(body)) == (401, ["unauthorized"])


async def test_a_key_is_asked_for_once_a_second_however_many_send_it() -> None:
    database = StubDatabase()
    async with stub_server(database=database) as address:

        async def ask() -> int:
            async with line_to(address) as line:
                await line.send(post(CHANGES, CHANGE))
                return (await line.answer())[0]

        assert set(await asyncio.gather(*(ask() for _ in range(20)))) == {200}
        assert database.reads.asked == 1


async def test_a_revoked_key_works_no_longer_than_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """R17 asks for 5 s."""
    assert auth.REMEMBERED_SECONDS == 1
    monkeypatch.setattr(auth, "REMEMBERED_SECONDS", 0.2)
    database = StubDatabase()
    async with stub_server(database=database) as address, line_to(address) as line:
        await line.send(post(CHANGES, CHANGE))
        assert (await line.answer())[0] == 200
        database.reads.revoked = True
        await asyncio.sleep(0.25)
        await line.send(post(CHANGES, CHANGE))
        assert (await line.answer())[0] == 401


@pytest.mark.parametrize("query", [f"key={KEY}", f"x={KEY[:-10]}", "apiKey=" + KEY.replace("test", "live"),
                                   "key=" + KEY.replace("_", "%5f")])  # fmt: skip
async def test_a_key_in_an_address_is_refused_and_not_repeated(query: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        status, _, body = await exchange(get(f"/v1/me?{query}", f"Authorization: Bearer {KEY}"))
    assert (status, codes(body)) == (400, ["invalid_parameter"])
    assert b"kkkk" not in body
    assert "kkkk" not in caplog.text


async def test_an_unknown_parameter_in_the_query_is_an_error() -> None:
    status, _, body = await exchange(post(CHANGES + "?colour=red", CHANGE))
    assert (status, codes(body)) == (400, ["unknown_parameter"])


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\xe9", "a\tb"])
async def test_an_idempotency_key_is_printable_and_short(key: str) -> None:
    ledger = StubLedger()
    sent = post(CHANGES, CHANGE, "Idempotency-Key: @").replace(b"@", key.encode("latin-1"))
    status, _, body = await exchange(sent, ledger)
    assert (status, codes(body), ledger.asked) == (400, ["invalid_parameter"], [])


async def test_two_idempotency_keys_are_none() -> None:
    status, _, body = await exchange(post(CHANGES, CHANGE, "Idempotency-Key: a", "Idempotency-Key: b"))
    assert (status, codes(body)) == (400, ["invalid_parameter"])


async def test_the_fingerprint_is_of_method_path_and_raw_body() -> None:
    """R12."""
    ledger = StubLedger()
    async with stub_server(ledger) as address, line_to(address) as line:
        for body in (CHANGE, CHANGE, CHANGE.replace(b",", b", ")):
            await line.send(post(CHANGES, body, "Idempotency-Key: k"))
            await line.answer()
        await line.send(post(CHANGES, CHANGE))
        await line.answer()
    first, again, other, without = ledger.asked
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.fingerprint is not None and len(first.fingerprint) == 32
    assert (first.key, without.key, without.fingerprint) == ("k", None, None)


async def test_a_replayed_answer_says_so() -> None:
    async def replay(*_: Any) -> Answer:
        return Answer(409, b'{"type":"conflict","errors":[]}', replayed=True)

    status, headers, body = await exchange(post(CHANGES, CHANGE, "Idempotency-Key: k"), StubLedger(replay))
    assert (status, headers[b"idempotent-replayed"], body) == (409, b"true", b'{"type":"conflict","errors":[]}')


@pytest.mark.parametrize("code", ["service_unavailable", "outcome_unknown"])
async def test_a_ledger_that_cannot_decide_is_503(code: str) -> None:
    async def away(*_: Any) -> Answer:
        raise Unavailable(code, "not now", 7)

    status, headers, body = await exchange(post(CHANGES, CHANGE), StubLedger(away))
    assert (status, codes(body), headers[b"retry-after"]) == (503, [code], b"7")


async def test_a_database_that_is_away_is_503() -> None:
    database = StubDatabase()
    database.reads.fault = ConnectionRefusedError(111, "refused")
    status, headers, body = await exchange(get("/v1/me", f"Authorization: Bearer {KEY}"), database=database)
    assert (status, codes(body)) == (503, ["service_unavailable"])
    assert headers[b"retry-after"] == b"1"


async def test_a_fault_of_the_server_is_500_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*_: Any) -> Answer:
        raise RuntimeError("the password is hunter2")

    status, headers, body = await exchange(post(CHANGES, CHANGE), StubLedger(broken))
    assert (status, codes(body)) == (500, ["internal_server_error"])
    assert b"hunter2" not in body
    (record,) = [record for record in caplog.records if record.getMessage() == "request_failed"]
    assert record.facts["request"] == headers[b"x-request-id"].decode()  # type: ignore[attr-defined]


async def test_every_answer_has_an_id_of_its_own() -> None:
    async with stub_server() as address, line_to(address) as line:
        ids = set()
        for data in (get("/healthz"), get("/nothing"), get("/v1/me"), post(CHANGES, CHANGE), b"nonsense\r\n\r\n"):
            await line.send(data)
            ids.add((await line.answer())[1][b"x-request-id"])
        assert len(ids) == 5


async def test_metrics_are_for_a_key_or_this_machine() -> None:
    assert (await exchange(get("/metrics")))[0] == 200
    assert (await exchange(get("/metrics", f"Authorization: Bearer {KEY}")))[0] == 200
    assert (await exchange(get("/metrics", "Authorization: Bearer nonsense")))[0] == 401
    assert (await exchange(get("/metrics", "X-Forwarded-For: 127.0.0.1")))[0] == 401
    assert (await exchange(get("/metrics").replace(b"localhost", b"rebound.example")))[0] == 401


TEN = ("10.0.0.0/8",)


class Seen:
    """As much of a request as tells who sent it."""

    def __init__(self, client: str, host: str, trusted: tuple[str, ...] = (), **headers: str) -> None:
        self.scope = {"client": (client, 1234)}
        self.headers = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        self.headers[b"host"] = host.encode()
        self.doors = SimpleNamespace(settings=Settings(trusted_proxies=trusted))


@pytest.mark.parametrize(
    ("seen", "address", "host"),
    [
        (Seen("127.0.0.1", "localhost:8080"), "127.0.0.1", "localhost"),
        (Seen("::1", "[::1]:8080"), "::1", "::1"),
        (Seen("10.0.0.9", "[fd00::5]"), "10.0.0.9", "fd00::5"),
        (Seen("127.0.0.1", "localhost", x_forwarded_for="10.1.1.1"), None, "localhost"),
        (Seen("127.0.0.1", "localhost", x_real_ip="10.1.1.1"), None, "localhost"),
        (Seen("10.0.0.9", "a", TEN, x_forwarded_for="203.0.113.7", x_forwarded_host="shop:443"), "203.0.113.7", "shop"),
        (Seen("10.0.0.9", "a", TEN, x_forwarded_for="127.0.0.1, 203.0.113.7, 10.0.0.1"), "203.0.113.7", "a"),
        (Seen("10.0.0.9", "a", TEN, x_forwarded_for="nonsense"), None, "a"),
        (Seen("192.0.2.1", "a", TEN, x_forwarded_for="127.0.0.1", x_forwarded_host="localhost"), None, "a"),
    ],
)  # fmt: skip
def test_only_a_trusted_proxy_is_believed(seen: Any, address: str | None, host: str) -> None:
    """R25: what stands before the first hop that is not ours, anybody may have written."""
    peer = peer_of(seen)
    assert (None if peer.address is None else str(peer.address), peer.host) == (address, host)
    assert peer.on_this_machine is (address in ("127.0.0.1", "::1") and host in ("localhost", "::1"))


async def test_a_browser_is_served_under_known_names_only() -> None:
    """R15: a page of somebody else must not reach this server under its own name."""
    for host, status in (("localhost", 200), ("127.0.0.1:80", 200), ("[::1]:80", 200), ("rebound.example", 400)):
        assert (await exchange(get("/docs").replace(b"localhost", host.encode())))[0] == status
    named = Peer(None, "shop.example")
    assert named.asked_for(("shop.example",)) and not named.asked_for(())
