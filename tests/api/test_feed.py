"""The feed and its stream (R16): nothing is missed, a cursor always says where to go on, and watching is cheap."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from stockwire.api import stream
from stockwire.store.database import Database
from tests.api.server import OTHER, Shop, open_shop


async def change(shop: Shop, part: str = "A", delta: int = 1) -> None:
    answer = await shop.post("/v1/inventory-changes", {"type": "adjust", "partNumber": part, "delta": delta})
    assert answer.status == 200, answer.raw


async def test_the_feed_tells_every_event_in_order(shop: Shop) -> None:
    await shop.item("A", 5)
    for _ in range(5):
        await change(shop)
    page = (await shop.get("/v1/events?after=0&limit=3&order=asc")).body
    assert [event["position"] for event in page["data"]] == [1, 2, 3]
    assert (page["nextAfter"], page["headPosition"], page["hasMore"]) == (3, 7, True)
    rest = (await shop.get(f"/v1/events?after=3&limit=100&feedId={page['feedId']}")).body
    assert [event["position"] for event in rest["data"]] == [4, 5, 6, 7]
    assert (rest["nextAfter"], rest["hasMore"]) == (7, False)
    end = (await shop.get("/v1/events?after=7")).body
    assert (end["data"], end["nextAfter"], end["hasMore"]) == ([], 7, False)


async def test_an_event_has_the_same_bytes_wherever_it_is_read(shop: Shop) -> None:
    await shop.item("A", 5)
    (listed,) = [e for e in (await shop.get("/v1/events")).body["data"] if e["type"].startswith("inventory.self")]
    one = (await shop.get(f"/v1/events/{listed['id']}")).raw
    assert one in (await shop.get("/v1/events")).raw
    assert one in (await shop.get("/v1/events?after=0")).raw
    async with watching(shop, "?after=0") as messages:
        found = [data async for _, data in some(messages, 2)]
    assert one in found


async def test_filters_do_not_renumber_and_next_after_moves_on_without_a_hit(shop: Shop) -> None:
    await shop.item("A", 5)
    await shop.item("B", 5)
    for _ in range(4):
        await change(shop, "B")
    page = (await shop.get("/v1/events?after=0&partNumber=A")).body
    assert [event["position"] for event in page["data"]] == [1, 2]
    assert (page["nextAfter"], page["hasMore"]) == (8, False)
    none = (await shop.get("/v1/events?after=0&type=reservation.*")).body
    assert (none["data"], none["nextAfter"], none["hasMore"]) == ([], 8, False)
    created = (await shop.get("/v1/events?after=0&types=inventory.item_created")).body
    assert [event["position"] for event in created["data"]] == [1, 3]


async def test_a_page_examines_a_bounded_stretch(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stockwire.api.events.EXAMINED", 3)
    await shop.item("A", 5)
    for _ in range(5):
        await change(shop)
    page = (await shop.get("/v1/events?after=0&type=reservation.expired")).body
    assert (page["data"], page["nextAfter"], page["hasMore"]) == ([], 3, True)


async def test_the_list_is_newest_first_and_filtered(shop: Shop) -> None:
    await shop.item("A", 2)
    await shop.item("B", 2)
    await change(shop, "A", -2)
    events = (await shop.get("/v1/events?limit=100")).body["data"]
    assert [event["position"] for event in events] == [6, 5, 4, 3, 2, 1]
    for query, positions in {
        "partNumber=A": [6, 5, 2, 1],
        "type=inventory.out_of_stock": [6],
        "type=inventory.item_*": [3, 1],
        "types=inventory.item_created,inventory.out_of_stock": [6, 3, 1],
        "type=inventory.*&limit=2": [6, 5],
        f"startingAfter={events[1]['id']}&limit=2": [4, 3],
        f"endingBefore={events[2]['id']}": [6, 5],
        "createdTime[lt]=2020-01-01T00:00:00Z": [],
    }.items():
        found = (await shop.get(f"/v1/events?{query}")).body["data"]
        assert [event["position"] for event in found] == positions, query


async def test_a_cursor_below_what_is_kept_is_410(shop: Shop) -> None:
    await shop.item("A", 5)
    await shop.database.work.execute("UPDATE ledgers SET pruned_to = 1 WHERE store_id = $1", shop.store_id)
    for path in ("/v1/events?after=0", "/v1/events/stream?after=0"):
        answer = await shop.get(path)
        assert (answer.status, answer.codes, answer.body["errors"][0]["oldestPosition"]) == (
            410,
            ["position_expired"],
            2,
        )
    assert (await shop.get("/v1/events?after=1")).status == 200


async def test_a_cursor_of_another_feed_is_409(shop: Shop) -> None:
    await shop.item("A", 5)
    for path in (f"/v1/events?after=0&feedId={uuid4()}", "/v1/events?after=99", "/v1/events/stream?after=99",
                 f"/v1/events/stream?feedId={uuid4()}"):  # fmt: skip
        answer = await shop.get(path)
        assert (answer.status, answer.codes) == (409, ["feed_changed"]), path


# ---- the stream


@asynccontextmanager
async def watching(shop: Shop, query: str = "", role: str = "admin", **headers: str) -> AsyncIterator[Any]:
    """The messages of a stream."""
    sent = {"Authorization": f"Bearer {shop.keys[role]}", **{k.replace("_", "-"): v for k, v in headers.items()}}
    assert shop.session is not None
    async with shop.session.get(f"{shop.url}/v1/events/stream{query}", headers=sent) as answer:
        assert answer.status == 200, await answer.read()
        assert answer.headers["Content-Type"] == "text/event-stream"
        yield _messages(answer.content)


async def _messages(content: aiohttp.StreamReader) -> AsyncIterator[tuple[int, bytes]]:
    """Id and data of each message; data is empty for a sign of life."""
    found, data = 0, b""
    async for line in content:
        name, _, value = line.rstrip(b"\n").partition(b": ")
        if name == b"id":
            found = int(value)
        elif name == b"data":
            data = value
        elif not line.strip():
            yield found, data
            data = b""


async def some(messages: AsyncIterator[tuple[int, bytes]], count: int) -> AsyncIterator[tuple[int, bytes]]:
    """So many messages with data."""
    async with asyncio.timeout(10):
        async for message in messages:
            if message[1]:
                yield message
                count -= 1
            if not count:
                return


async def test_the_stream_tells_what_happens_from_now_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "POLL_SECONDS", 4.0)
    await shop.item("A", 5)
    async with watching(shop) as messages:
        assert await anext(messages) == (2, b"")
        await change(shop)
        (found,) = [message async for message in some(messages, 1)]  # since then it listens
        begun = time.monotonic()
        await change(shop)
        (after,) = [message async for message in some(messages, 1)]
        assert time.monotonic() - begun < 3, "a notice wakes the stream, not the poll"
    assert (found[0], after[0]) == (3, 4)
    assert json.loads(found[1])["position"] == 3


async def test_the_stream_resumes_behind_the_last_id(shop: Shop) -> None:
    await shop.item("A", 5)
    for _ in range(5):
        await change(shop)
    async with watching(shop, Last_Event_ID="3") as messages:
        await change(shop)
        assert [position async for position, _ in some(messages, 5)] == [4, 5, 6, 7, 8]
    async with watching(shop, "?after=1", Last_Event_ID="6") as messages:
        assert [position async for position, _ in some(messages, 2)] == [7, 8]


async def test_a_long_history_is_told_without_a_hole(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the tail keeps, read in pages while more happens."""
    monkeypatch.setattr(stream, "KEPT_EVENTS", 5)
    monkeypatch.setattr(stream, "PAGE", 3)
    await shop.item("A", 5)
    for _ in range(20):
        await change(shop)
    async with watching(shop, "?after=0") as messages:
        writing = asyncio.create_task(_changes(shop, 5))
        assert [position async for position, _ in some(messages, 27)] == list(range(1, 28))
        await writing


async def _changes(shop: Shop, count: int) -> None:
    for _ in range(count):
        await change(shop)


async def test_filters_and_a_fulfillers_key_bound_the_stream(shop: Shop) -> None:
    await shop.item("A", 5)
    await shop.item("B", 5, fulfiller=OTHER)
    for query, role, positions in (
        ("?after=0&partNumber=B", "viewer", [3, 4]),
        ("?after=0&type=inventory.item_created", "viewer", [1, 3]),
        ("?after=0", "fulfiller", [3, 4]),
    ):
        async with watching(shop, query, role) as messages:
            assert [position async for position, _ in some(messages, 2)] == positions


async def test_a_silent_stream_shows_life_and_its_cursor(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stream.HEARTBEAT_SECONDS == 15
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.3)
    await shop.item("A", 5)
    async with watching(shop, "?type=reservation.expired") as messages, asyncio.timeout(5):
        assert await anext(messages) == (2, b"")
        for _ in range(3):
            await change(shop)
        life = [await anext(messages) for _ in range(3)]
    assert {data for _, data in life} == {b""}
    assert life[-1][0] == 5, "what no filter lets through moves the cursor all the same"


async def test_a_lost_notice_costs_a_poll(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream.Tails, "_noticed", lambda *_: None)
    await shop.item("A", 5)
    async with watching(shop) as messages:
        await change(shop)
        assert [position async for position, _ in some(messages, 1)] == [3]


async def test_a_viewer_that_falls_behind_is_let_go(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEPT_EVENTS", 3)
    item = await shop.item("A", 5)
    head = await shop.database.reads.fetchval(
        "SELECT position FROM ledgers WHERE store_id = $1 AND NOT live", shop.store_id
    )
    tail = stream.Tail(shop.database, stream.LedgerId(shop.store_id, False), head)
    viewer = stream.Viewer(None, tail, head, stream.Wanted(None, [], None, None))  # type: ignore[arg-type]
    messages = viewer.messages()
    assert await anext(messages) == b"id: 2\n\n"
    for _ in range(5):
        await shop.post("/v1/inventory-changes", {"type": "adjust", "inventoryItemId": item["id"], "delta": 1})
    tail.notify()
    async with asyncio.timeout(5):
        assert [message async for message in messages] == []
    assert len(tail.kept) == 3
    await tail.close()


async def test_streams_are_bounded(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_STREAMS", 1)
    async with watching(shop) as messages:
        await anext(messages)
        refused = await shop.get("/v1/events/stream")
        assert (refused.status, refused.codes) == (429, ["too_many_streams"])
        assert int(refused.headers["retry-after"]) > 0
    await asyncio.sleep(0.2)
    async with watching(shop) as messages:
        assert (await anext(messages))[0] == 0


async def test_a_viewer_that_asked_for_more_before_it_left_is_let_go(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that waits behind the stream on its connection must not hide that the connection is gone."""
    monkeypatch.setattr(stream, "MOST_STREAMS", 1)
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.05)
    key = shop.keys["viewer"]
    asked = f"GET /v1/events/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection(*shop.address)
    writer.write(asked)
    assert b" 200 " in await reader.readline()
    writer.write(asked)
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()
    for _ in range(50):
        if await opens(shop):
            return
        await asyncio.sleep(0.1)
    pytest.fail("the stream of a client that left holds its place")


async def opens(shop: Shop) -> bool:
    """Whether there is room for another viewer."""
    assert shop.session is not None
    headers = {"Authorization": f"Bearer {shop.keys['viewer']}"}
    async with shop.session.get(shop.url + "/v1/events/stream", headers=headers) as answer:
        return answer.status == 200


async def test_streams_end_at_once_when_the_server_stops(database: Database) -> None:
    async with open_shop(database) as shop:
        opened = watching(shop)
        messages = await opened.__aenter__()
        await anext(messages)
        begun = time.monotonic()
    assert time.monotonic() - begun < 3


async def test_fifty_idle_viewers_cost_next_to_nothing(shop: Shop) -> None:
    """One read a second for all of them. Processor time is this process's own, which is client and server."""
    await shop.item("A", 5)
    async with asyncio.TaskGroup() as group:
        ready = [asyncio.Event() for _ in range(50)]
        watchers = [group.create_task(_idle(shop, event)) for event in ready]
        await asyncio.gather(*(event.wait() for event in ready))
        begun, spent = time.monotonic(), time.process_time()
        await asyncio.sleep(4)
        share = (time.process_time() - spent) / (time.monotonic() - begun)
        for watcher in watchers:
            watcher.cancel()
    assert share < 0.01 * 1.5, share  # the pytest process's own loop is in it


async def _idle(shop: Shop, ready: asyncio.Event) -> None:
    async with watching(shop) as messages:
        await anext(messages)
        ready.set()
        async for _ in messages:
            pass


async def test_a_head_request_opens_no_stream(shop: Shop) -> None:
    answer = await asyncio.wait_for(shop.ask("HEAD", "/v1/events/stream"), 5)
    assert (answer.status, answer.headers["content-type"], answer.raw) == (200, "text/event-stream", b"")
    shop.seen.clear()
