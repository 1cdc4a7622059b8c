"""What a connection may do, one test per limit (R15). Bare sockets: no client library keeps the rules for us."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from stockwire.api import inbound, protocol
from stockwire.ledger import Answer
from tests.api.stub import CHANGE, Line, StubLedger, line_to, post, stub_server

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
CHANGES = "/v1/inventory-changes"


def refused(body: bytes) -> str:
    said = json.loads(body)
    assert said.keys() == {"type", "errors"}
    code: str = said["errors"][0]["code"]
    return code


async def test_one_connection_serves_many_requests() -> None:
    async with stub_server() as address, line_to(address) as line:
        for _ in range(3):
            await line.send(GET + b"\r\n")
            status, headers, body = await line.answer()
            assert (status, body) == (200, b'{"status":"ok"}')
            assert headers[b"x-request-id"]
        await line.send((GET + b"\r\n") * 3)
        assert [(await line.answer())[0] for _ in range(3)] == [200, 200, 200]


async def test_an_answer_does_not_wait_for_an_acknowledgement() -> None:
    """Head and body are two writes: with Nagle's algorithm the second waits 40 ms for the first."""
    async with stub_server() as address, line_to(address) as line:
        begun = asyncio.get_running_loop().time()
        for _ in range(20):
            await line.send(GET + b"\r\n")
            await line.answer()
        assert asyncio.get_running_loop().time() - begun < 0.4


async def test_a_head_over_32_kib_is_431_and_its_end_is_not_waited_for() -> None:
    async with stub_server() as address, line_to(address) as line:
        await line.send(GET)
        sent = 0
        with pytest.raises((ConnectionError, TimeoutError)):
            while sent < 4_000_000:
                await line.send(b"X-%d: %s\r\n" % (sent, b"x" * 4000))
                sent += 4000
                if line.reader.at_eof() or getattr(line.reader, "_buffer", b""):
                    break
                await asyncio.sleep(0)
            raise ConnectionError
        status, headers, body = await line.answer()
        assert (status, refused(body)) == (431, "request_header_fields_too_large")
        assert headers[b"connection"] == b"close"
        assert sent < 1_000_000


async def test_a_whole_head_over_32_kib_in_one_piece_is_431() -> None:
    async with stub_server() as address, line_to(address) as line:
        await line.send(GET + b"X: " + b"x" * 40_000 + b"\r\n\r\n")
        status, _, body = await line.answer()
        assert (status, refused(body)) == (431, "request_header_fields_too_large")
        assert await line.closed() == b""


async def test_a_long_address_counts_as_head() -> None:
    async with stub_server() as address, line_to(address) as line:
        await line.send(b"GET /healthz?" + b"x" * 33_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await line.answer())[0] == 431


async def test_a_head_just_below_the_limit_is_taken() -> None:
    async with stub_server() as address, line_to(address) as line:
        await line.send(GET + b"X: " + b"x" * 32_000 + b"\r\n\r\n")
        assert (await line.answer())[0] == 200


async def test_a_large_body_behind_a_small_head_is_no_large_head() -> None:
    async with stub_server() as address, line_to(address) as line:
        body = CHANGE[:-1] + b" " * 100_000 + b"}"
        for _ in range(2):
            await line.send(post(CHANGES, body))
            assert (await line.answer())[0] == 200


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.3)


def test_the_times_are_those_of_the_rule() -> None:
    times = protocol.HEAD_SECONDS, protocol.BODY_SECONDS, protocol.KEEP_ALIVE_SECONDS
    assert times == (10, 30, 65)
    assert (protocol.LARGEST_HEAD, inbound.LARGEST_BODY) == (32 * 1024, 8 * 1024 * 1024)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("begun", [b"", b"G", GET, b"\r\n"])
async def test_a_head_must_be_complete_in_time(begun: bytes) -> None:
    async with stub_server() as address, line_to(address) as line:
        if begun:
            await line.send(begun)
        status, _, body = await line.answer(2)
        assert (status, refused(body)) == (400, "request_timeout")
        await line.closed(3)


@pytest.mark.usefixtures("quick")
async def test_a_head_that_trickles_is_not_given_more_time() -> None:
    async with stub_server() as address, line_to(address) as line:
        trickling = asyncio.create_task(trickle(line, GET + b"X-Long: " + b"x" * 1000))
        assert (await line.answer(2))[0] == 400
        trickling.cancel()


async def trickle(line: Line, data: bytes) -> None:
    for byte in data:
        await line.send(bytes([byte]))
        await asyncio.sleep(0.02)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("noise", [b"\r\n", b"G"])
async def test_the_second_head_must_be_complete_in_time_too(noise: bytes) -> None:
    async with stub_server() as address, line_to(address) as line:
        await line.send(GET + b"\r\n")
        assert (await line.answer())[0] == 200
        trickling = asyncio.create_task(trickle(line, noise * 100))
        await line.closed(3)
        trickling.cancel()


@pytest.mark.usefixtures("quick")
async def test_a_body_must_be_complete_in_time() -> None:
    ledger = StubLedger()
    async with stub_server(ledger) as address, line_to(address) as line:
        await line.send(post(CHANGES, CHANGE[:10], f"Content-Length: {len(CHANGE)}"))
        status, _, body = await line.answer(2)
        assert (status, refused(body)) == (400, "request_timeout")
        await line.closed(3)
    assert not ledger.asked


@pytest.mark.usefixtures("quick")
async def test_a_slow_ledger_is_not_a_slow_client() -> None:
    async def slowly(*_: Any) -> Answer:
        await asyncio.sleep(0.8)
        return Answer(200, b"{}")

    async with stub_server(StubLedger(slowly)) as address, line_to(address) as line:
        await line.send(post(CHANGES, CHANGE))
        assert (await line.answer(3))[0] == 200


async def test_an_announced_body_over_8_mib_is_413() -> None:
    async with stub_server() as address, line_to(address) as line:
        await line.send(post(CHANGES, b"", f"Content-Length: {9 * 2**20}", "Expect: 100-continue"))
        status, headers, body = await line.answer()
        assert (status, refused(body)) == (413, "payload_too_large")
        assert headers[b"connection"] == b"close"


async def test_a_client_that_sends_before_it_reads_learns_413_too() -> None:
    async with stub_server() as address, line_to(address) as line:
        await line.send(post(CHANGES, b" " * (9 * 2**20)))
        assert (await line.answer())[0] == 413


async def test_a_chunked_body_over_8_mib_is_413(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbound, "_SWALLOWED_SECONDS", 0.3)
    async with stub_server() as address, line_to(address) as line:
        await line.send(post(CHANGES, b"", "Transfer-Encoding: chunked"))
        chunk = b"%x\r\n%s\r\n" % (2**20, b" " * 2**20)
        for _ in range(9):
            await line.send(chunk)
        status, _, body = await line.answer()
        assert (status, refused(body)) == (413, "payload_too_large")


async def test_a_body_of_8_mib_is_taken() -> None:
    async with stub_server() as address, line_to(address) as line:
        await line.send(post(CHANGES, CHANGE[:-1].ljust(8 * 2**20 - 1) + b"}"))
        assert (await line.answer())[0] == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, identity"])
async def test_a_compressed_body_is_415(encoding: str) -> None:
    async with stub_server() as address, line_to(address) as line:
        await line.send(post(CHANGES, CHANGE, f"Content-Encoding: {encoding}"))
        status, _, body = await line.answer()
        assert (status, refused(body)) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "application/json; charset=latin-1"]
)
async def test_another_kind_of_body_is_415(kind: str) -> None:
    async with stub_server() as address, line_to(address) as line:
        await line.send(post(CHANGES, CHANGE, f"Content-Type: {kind}"))
        assert (await line.answer())[0] == 415


@pytest.mark.parametrize("header", ["Content-Type: application/json; charset=UTF-8", "Content-Encoding: identity"])
async def test_plain_json_is_taken(header: str) -> None:
    async with stub_server() as address, line_to(address) as line:
        await line.send(post(CHANGES, CHANGE, header))
        assert (await line.answer())[0] == 200


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        post(CHANGES, CHANGE, "Content-Length: 1", "Transfer-Encoding: chunked"),
        post(CHANGES, CHANGE, "Content-Length: 10", "Content-Length: 20"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_no_http_is_400(data: bytes) -> None:
    async with stub_server() as address, line_to(address) as line:
        await line.send(data)
        status, _, body = await line.answer()
        assert (status, refused(body)) == (400, "invalid_format")
        await line.closed()


async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stockwire.api.server.most_connections", lambda: 2)
    async with stub_server() as address, line_to(address) as first, line_to(address) as second:
        for line in (first, second):
            await line.send(GET + b"\r\n")
            assert (await line.answer())[0] == 200
        async with line_to(address) as third:
            status, headers, body = await third.answer()
            assert (status, refused(body)) == (503, "service_unavailable")
            assert headers[b"retry-after"] == b"1"
        first.writer.close()
        await asyncio.sleep(0.1)
        async with line_to(address) as fourth:
            await fourth.send(GET + b"\r\n")
            assert (await fourth.answer())[0] == 200


async def test_a_client_that_hangs_up_takes_nothing_back() -> None:
    """R13 (e): what reached the ledger is decided, whoever still listens."""
    done = asyncio.Event()

    async def slowly(*_: Any) -> Answer:
        await asyncio.sleep(0.3)
        done.set()
        return Answer(200, b"{}")

    async with stub_server(StubLedger(slowly)) as address:
        async with line_to(address) as line:
            await line.send(post(CHANGES, CHANGE))
            await asyncio.sleep(0.1)
        await asyncio.wait_for(done.wait(), 2)


async def test_a_refused_request_leaves_the_connection_usable() -> None:
    async with stub_server() as address, line_to(address) as line:
        await line.send(b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        assert (await line.answer())[0] == 401
        await line.send(post(CHANGES, b"{"))
        assert (await line.answer())[0] == 400
        await line.send(post(CHANGES, CHANGE))
        assert (await line.answer())[0] == 200


async def test_head_is_get_without_a_body() -> None:
    async with stub_server() as address, line_to(address) as line:
        await line.send(b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + GET + b"\r\n")
        head = await line.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert (await line.answer())[2] == b'{"status":"ok"}'


CHUNKED = ("Transfer-Encoding: chunked",)
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
WHOLE_CHUNK = b"%x\r\n%s\r\n0\r\n" % (len(CHANGE), CHANGE)


@pytest.mark.parametrize("trailer", [b"Authorization: Bearer x", b"Idempotency-Key: other", b"Content-Encoding: gzip"])
async def test_a_trailer_does_not_speak_for_the_head(trailer: bytes) -> None:
    """What stands behind the body comes after the head was judged, by this server and by proxies before it."""
    ledger = StubLedger()
    async with stub_server(ledger) as address, line_to(address) as line:
        body = WHOLE_CHUNK + trailer + b"\r\n\r\n"
        await line.send(post(CHANGES, body, *CHUNKED, "Idempotency-Key: mine"))
        assert (await line.answer())[0] == 200
        assert [asked.key for asked in ledger.asked] == ["mine"]


@pytest.mark.parametrize(
    ("begun", "more"),
    [(WHOLE_CHUNK, b"X: x\r\n" * 1000), (WHOLE_CHUNK + b"X: ", b"x" * 6000), (b"1;", b"x" * 6000)],
    ids=["trailers", "one trailer", "chunk extension"],
)
async def test_what_is_no_body_in_a_bodys_place_is_bounded(begun: bytes, more: bytes) -> None:
    async with stub_server() as address, line_to(address) as line:
        await line.send(post(CHANGES, begun, *CHUNKED))
        sent = 0
        while sent < 4_000_000 and not line.reader.at_eof() and not getattr(line.reader, "_buffer", b""):
            await line.send(more)
            sent += len(more)
            await asyncio.sleep(0)
        status, _, body = await line.answer()
        assert (status, refused(body)) == (431, "request_header_fields_too_large")
        assert sent < 1_000_000


@pytest.mark.parametrize("split", [0, 1, 20], ids=["with its head", "a byte apart", "apart"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_an_offer_to_upgrade_is_passed_over_and_the_body_is_read(split: int, framing: str) -> None:
    """Some clients offer HTTP/2 with every plain request; their bodies are bodies and never the next request."""
    offer = OFFER.decode().split("\r\n")[:-1]
    body, how = (CHANGE, ()) if framing == "length" else (WHOLE_CHUNK + b"\r\n", CHUNKED)
    ledger = StubLedger()
    async with stub_server(ledger) as address, line_to(address) as line:
        for _ in range(2):
            whole = post(CHANGES, body, *offer, *how) + GET + OFFER + b"\r\n" + GET + b"\r\n"
            cut = whole.index(b"\r\n\r\n") + 4 + split
            await line.send(whole[:cut])
            await asyncio.sleep(0.02 if split else 0)
            await line.send(whole[cut:])
            assert [(await line.answer())[0] for _ in range(3)] == [200, 200, 200]
    assert len(ledger.asked) == 2
