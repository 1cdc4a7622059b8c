"""R22 and hard limits: one request against receivers that hang, drip, flood, lie and redirect."""

import asyncio
import resource
import time

import pytest
from aiohttp import web

from stockwire.address_guard import AddressGuard, AllowList, Target, read_address
from stockwire.delivery.client import READ_BYTES, Client, Exchange
from tests.delivery import hostile
from tests.delivery.shop import receiving

LOOPBACK = AllowList.of(["127.0.0.0/8", "::1"])


def target(address: str) -> Target:
    read = read_address(address)
    assert isinstance(read, Target)
    return read


async def post(
    address: str, *, guard: AddressGuard | None = None, seconds: float = 1.0, live: bool = False, body: bytes = b"{}"
) -> Exchange:
    client = Client(guard or AddressGuard(LOOPBACK))
    try:
        return await client.post(target(address), live, {"Content-Type": "application/json"}, body, seconds)
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("behaviour", "status", "why"),
    [
        (hostile.polite, 200, None),
        (hostile.hang, None, "timed_out"),
        (hostile.drip_head, None, "timed_out"),
        (hostile.drip_body, 200, None),  # the receiver has acknowledged; only its chatter is cut
        (hostile.drip_refusal, 500, None),
        (hostile.endless_body, 200, None),
        (hostile.endless_chunks, 200, None),
        (hostile.endless_headers, None, "bad_answer"),
        (hostile.one_endless_header, None, "bad_answer"),
        (hostile.endless_interim, None, "timed_out"),
        (hostile.bomb, 200, None),
        (hostile.garbage, None, "bad_answer"),
        (hostile.two_lengths, None, "bad_answer"),
        (hostile.odd_status, None, "bad_answer"),
        (hostile.hang_up, None, "broken_off"),
        (hostile.half_a_body, 500, None),
    ],
)
async def test_bounded_in_time_and_size(behaviour, status: int | None, why: str | None) -> None:
    async with hostile.behaving(behaviour) as server:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.monotonic()
        exchange = await post(server.address, seconds=1.0)
        took = time.monotonic() - began
        grown_kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (exchange.status, exchange.why) == (status, why)
    assert took < 5, "they would go on for ever"
    assert len(exchange.body) <= READ_BYTES
    assert server.sent < 20_000_000, "it may fill the sockets' buffers, not our memory"
    assert server.connections == server.requests == 1, "nothing is sent twice behind our back"
    assert behaviour is hostile.bomb or grown_kilobytes < 30_000  # the bomb is packed in this very process


async def test_a_compressed_answer_is_opened_up_to_the_cap() -> None:
    async with hostile.behaving(hostile.bomb) as server:
        exchange = await post(server.address, seconds=10.0)
    assert exchange.body == b"\0" * READ_BYTES


async def test_a_connection_is_kept_after_an_answer_and_not_after_a_cut() -> None:
    async with hostile.behaving(hostile.polite) as server:
        client = Client(AddressGuard(LOOPBACK))
        for _ in range(5):
            assert (await client.post(target(server.address), False, {}, b"{}", 1.0)).status == 200
        assert server.connections == 1
        await client.close()
    async with hostile.behaving(hostile.endless_body) as server:
        client = Client(AddressGuard(LOOPBACK))
        for _ in range(3):
            await client.post(target(server.address), False, {}, b"{}", 1.0)
        assert server.connections == 3
        await client.close()


async def test_nobody_listens() -> None:
    async with hostile.behaving(hostile.polite) as server:
        pass
    assert (await post(server.address)).why == "not_connected"


async def test_a_name_without_address() -> None:
    exchange = await post("https://no-such-host.invalid/", seconds=5)
    assert exchange.why in ("name_not_resolved", "timed_out")


async def test_plain_answer_to_tls() -> None:
    async with hostile.behaving(hostile.polite) as server:
        exchange = await post(f"https://127.0.0.1:{server.port}/")
    assert exchange.status is None
    assert exchange.why in ("tls_failed", "not_connected", "broken_off", "timed_out")


async def test_redirect_to_metadata_is_an_answer_like_any_other() -> None:
    async def redirect(_request: web.Request, _number: int) -> web.Response:
        return web.Response(status=307, headers={"Location": "http://169.254.169.254/latest/meta-data/"})

    async with receiving(redirect) as receiver:
        exchange = await post(receiver.address + "/")
    assert exchange.status == 307
    assert len(receiver.received) == 1


async def test_no_cookie_and_no_proxy_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    async def cookie(_request: web.Request, _number: int) -> web.Response:
        return web.Response(headers={"Set-Cookie": "a=b"})

    async with receiving(cookie) as receiver:
        client = Client(AddressGuard(LOOPBACK))
        for _ in range(2):
            assert (await client.post(target(receiver.address), False, {}, b"{}", 1.0)).status == 200
        await client.close()
    assert all("cookie" not in request.headers for request in receiver.received)
    assert receiver.received[0].headers["host"] == receiver.address.removeprefix("http://")


class Rebinding:
    """Names that change their address between two look-ups."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return list(self.answers[min(self.asked, len(self.answers)) - 1])


async def test_rebinding_is_defeated() -> None:
    """The name is global when the webhook is made and leads to this machine when it is sent to, and the other way."""
    async with receiving() as receiver:
        address = f"http://rebinding.example.com:{receiver.address.rpartition(':')[2]}/"
        names = Rebinding(("93.184.215.14",), ("127.0.0.1",))
        guard = AddressGuard(AllowList(), names.resolve)
        assert await guard.vet(address, live=False) is None
        assert (await post(address, guard=guard)).why == "address_refused"
        both = Rebinding(("127.0.0.1", "93.184.215.14"))
        assert (await post(address, guard=AddressGuard(AllowList(), both.resolve))).why == "address_refused"
        assert receiver.received == []


async def test_the_connection_goes_to_the_vetted_address_and_keeps_the_name() -> None:
    async with receiving() as receiver:
        port = receiver.address.rpartition(":")[2]
        # Vetted once, for this very connection; a second look-up would lead elsewhere.
        names = Rebinding(("127.0.0.1",), ("10.0.0.1",))
        guard = AddressGuard(AllowList.of(["127.0.0.0/8"]), names.resolve)
        exchange = await post(f"http://pinned.example.com:{port}/", guard=guard)
    assert (exchange.status, exchange.peer, names.asked) == (200, "127.0.0.1", 1)
    assert receiver.received[0].headers["host"] == f"pinned.example.com:{port}"


async def test_the_peer_is_looked_at_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the resolver's check were missing: the open socket is vetted too."""
    async with receiving() as receiver:
        address = f"http://slipped.example.com:{receiver.address.rpartition(':')[2]}/"
        guard = AddressGuard(AllowList(), Rebinding(("127.0.0.1",)).resolve)

        async def unvetted(host: str, port: int, must_be_listed: bool) -> object:
            from ipaddress import ip_address

            return (ip_address("127.0.0.1"),)

        monkeypatch.setattr(guard, "resolve", unvetted)
        assert (await post(address, guard=guard)).why == "address_refused"
        assert receiver.received == []


async def test_live_mode_without_tls_only_where_listed() -> None:
    async with receiving() as receiver:
        assert (await post(receiver.address + "/", live=True)).status == 200
        names = AddressGuard(AllowList.of(["hooks.example.com"]), Rebinding(("127.0.0.1",)).resolve)
        port = receiver.address.rpartition(":")[2]
        assert (await post(f"http://hooks.example.com:{port}/", live=True, guard=names)).status == 200
        other = await post(f"http://other.example.com:{port}/", live=True, guard=names)
        assert other.why == "address_refused"
        assert len(receiver.received) == 2


async def test_names_that_hang_do_not_hold_up_others() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        if host.startswith("slow"):
            await asyncio.sleep(30)
        return ["127.0.0.1"]

    async with receiving() as receiver:
        port = receiver.address.rpartition(":")[2]
        client = Client(AddressGuard(AllowList.of(["127.0.0.0/8"]), resolve))
        slow = [
            asyncio.create_task(client.post(target(f"http://slow{n}.example.com/"), False, {}, b"{}", 1.0))
            for n in range(50)
        ]
        await asyncio.sleep(0.05)
        quick = await client.post(target(f"http://quick.example.com:{port}/"), False, {}, b"{}", 1.0)
        assert quick.status == 200
        assert quick.ended - quick.started < 0.5
        assert {exchange.why for exchange in await asyncio.gather(*slow)} == {"timed_out"}
        await client.close()


async def test_the_egress_proxy_gets_every_request_and_names_are_vetted_all_the_same() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.215.14"] if host == "hooks.example.com" else ["10.0.0.1"]

    async with receiving() as proxy:
        client = Client(AddressGuard(AllowList(), resolve), proxy=proxy.address)
        sent = await client.post(target("http://hooks.example.com/a"), False, {"X-A": "b"}, b"{}", 1.0)
        refused = await client.post(target("http://inside.example.com/a"), False, {}, b"{}", 1.0)
        literal = await client.post(target("http://10.0.0.1/"), False, {}, b"{}", 1.0)
        await client.close()
    assert (sent.status, refused.why, literal.why) == (200, "address_refused", "address_refused")
    [request] = proxy.received
    assert request.headers["host"] == "hooks.example.com"
