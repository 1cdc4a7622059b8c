"""What the client sends, when it sends it again, and what it makes of the answers."""

import asyncio
import time

import pytest
from aiohttp import web

from stockwire.client import ApiError, Change, Line, NewItem, Retries, Stockwire
from tests.client.fake_server import hangs_up, says, serving

QUICK = Retries(tries=4, first_seconds=0.001, most_seconds=0.01, patience_seconds=1.5)
ORDER = {"id": "o1", "status": "allocated", "items": [{"inventoryItemId": "i1", "quantity": 2, "color": "new"}], "x": 1}


def error(kind: str, code: str = "whatever", parameter: str | None = None) -> dict[str, object]:
    return {"type": kind, "errors": [{"code": code, "parameter": parameter, "message": f"it is {code}"}]}


async def test_a_write_is_sent_again_with_the_same_key_until_it_is_answered() -> None:
    async with (
        serving(hangs_up, says(500, error("internal_server_error")), says(503), says(201, ORDER)) as fake,
        Stockwire(fake.url, "sk_test_x", retries=QUICK) as shop,
    ):
        order = await shop.orders.create([Line(part_number="A", quantity=2)], order_id="o1")
    keys = {seen["headers"]["Idempotency-Key"] for seen in fake.seen}
    assert (order.id, order.items[0].quantity) == ("o1", 2)
    assert (len(fake.seen), len(keys), shop.transport.repeated) == (4, 1, 3)
    assert {seen["body"] for seen in fake.seen} == {b'{"id":"o1","items":[{"quantity":2,"partNumber":"A"}]}'}
    assert fake.seen[0]["headers"]["Authorization"] == "Bearer sk_test_x"


async def test_two_writes_have_two_keys_and_a_read_has_none() -> None:
    async with (
        serving(says(201, ORDER), says(201, ORDER), says(200, ORDER)) as fake,
        Stockwire(fake.url, "k", retries=QUICK) as shop,
    ):
        await shop.orders.create([])
        await shop.orders.create([])
        await shop.orders.get("o1")
    keys = [seen["headers"].get("Idempotency-Key") for seen in fake.seen]
    assert keys[0] != keys[1]
    assert keys[2] is None


async def test_retry_after_is_waited_for() -> None:
    async with (
        serving(says(429, error("too_many_requests"), Retry_After="1"), says(200, ORDER)) as fake,
        Stockwire(fake.url, "k", retries=QUICK) as shop,
    ):
        before = time.monotonic()
        await shop.orders.get("o1")
    assert time.monotonic() - before >= 1.0


async def test_a_retry_after_beyond_patience_is_not_waited_for() -> None:
    async with (
        serving(says(503, error("service_unavailable"), Retry_After="3600")) as fake,
        Stockwire(fake.url, "k", retries=QUICK) as shop,
    ):
        with pytest.raises(ApiError) as refused:
            await shop.orders.get("o1")
    assert (refused.value.status, len(fake.seen)) == (503, 1)


async def test_a_refusal_is_not_repeated_and_says_everything() -> None:
    body = {
        "type": "conflict",
        "errors": [
            {"code": "out_of_inventory", "parameter": "items[0].quantity", "message": "2 left", "available": 2},
            {"code": "out_of_inventory", "parameter": "items[3].quantity", "message": "none left"},
        ],
    }
    async with (
        serving(says(409, body, X_Request_Id="r-17")) as fake,
        Stockwire(fake.url, "k", retries=QUICK) as shop,
    ):
        with pytest.raises(ApiError) as caught:
            await shop.orders.create([Line(part_number="A", quantity=9)])
    refused = caught.value
    assert (refused.status, refused.type, refused.request_id, len(fake.seen)) == (409, "conflict", "r-17", 1)
    assert [fault.parameter for fault in refused.errors] == ["items[0].quantity", "items[3].quantity"]
    assert refused.has("out_of_inventory")
    assert refused.errors[0].facts == {"available": 2}
    assert "none left" in str(refused)


async def test_it_gives_up_after_its_tries_with_the_last_answer() -> None:
    failures = [says(500, error("internal_server_error"))] * 9
    async with serving(*failures) as fake, Stockwire(fake.url, "k", retries=QUICK) as shop:
        with pytest.raises(ApiError) as caught:
            await shop.orders.get("o1")
    assert (caught.value.status, len(fake.seen)) == (500, 4)


async def test_a_server_that_is_not_there_is_an_api_error_too() -> None:
    async with serving() as fake:
        url = fake.url
    async with Stockwire(url, "k", retries=QUICK) as shop:
        with pytest.raises(ApiError, match="unreachable") as caught:
            await shop.me()
    assert caught.value.status == 0


async def test_a_slow_answer_counts_as_none_and_the_write_is_repeated_with_its_key() -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1)
        return web.json_response(ORDER)

    async with (
        serving(slow, says(200, ORDER)) as fake,
        Stockwire(fake.url, "k", retries=QUICK, timeout_seconds=0.2) as shop,
    ):
        await shop.orders.ship("o1")
    assert fake.seen[0]["headers"]["Idempotency-Key"] == fake.seen[1]["headers"]["Idempotency-Key"]


@pytest.mark.parametrize("status", [301, 302, 404, 502])
async def test_an_answer_from_something_else_is_named_as_such(status: int) -> None:
    async def proxy(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="<html>moved</html>", headers={"Location": "http://192.0.2.1/"})

    async with serving(*[proxy] * 4) as fake, Stockwire(fake.url, "k", retries=QUICK) as shop:
        with pytest.raises(ApiError) as caught:
            await shop.me()
    assert (caught.value.status, caught.value.type) == (status, "unreadable_answer")


async def test_a_nonsense_success_is_an_api_error() -> None:
    async with serving(says(200, ["?"])) as fake, Stockwire(fake.url, "k", retries=QUICK) as shop:
        with pytest.raises(ApiError, match="unreadable_answer"):
            await shop.orders.get("o1")


async def test_a_patch_tells_absent_from_null() -> None:
    item = {"id": "i/1", "partNumber": "A", "fulfiller": "F"}
    async with serving(says(200, item)) as fake, Stockwire(fake.url, "k", retries=QUICK) as shop:
        await shop.items.update("i/1", back_order_limit=None, allow_back_order=True)
    assert fake.seen[0]["body"] == b'{"allowBackOrder":true,"backOrderLimit":null}'
    assert fake.seen[0]["path"] == "/v1/inventory-items/i%2F1"


async def test_changes_and_items_leave_out_what_was_not_given() -> None:
    async with (
        serving(says(200, {"status": "applied"}), says(200, {"results": [{"status": "refused"}]})) as fake,
        Stockwire(fake.url, "k", retries=QUICK) as shop,
    ):
        await shop.changes.apply(Change(type="set", part_number="A", quantity=0))
        made = await shop.items.create_many([NewItem(part_number="A", quantity=5)])
    assert fake.seen[0]["body"] == b'{"type":"set","partNumber":"A","quantity":0}'
    assert fake.seen[1]["body"] == b'{"items":[{"partNumber":"A","quantity":5}]}'
    assert made.results[0].status == "refused"


async def test_a_listing_walks_all_pages_and_stops() -> None:
    rows = [{"inventoryItemId": f"i{n}", "partNumber": f"P{n}"} for n in range(5)]
    async with (
        serving(
            says(200, {"data": rows[:2], "hasMore": True}),
            says(200, {"data": rows[2:4], "hasMore": True}),
            says(200, {"data": rows[4:], "hasMore": False}),
        ) as fake,
        Stockwire(fake.url, "k", retries=QUICK) as shop,
    ):
        parts = [level.part_number async for level in shop.levels.list(available=True)]
    assert parts == ["P0", "P1", "P2", "P3", "P4"]
    assert [seen["query"].get("startingAfter") for seen in fake.seen] == [None, "i1", "i3"]
    assert fake.seen[0]["query"] == {"limit": "1000", "available": "true"}


async def test_the_feed_goes_on_from_next_after_even_when_a_page_is_empty() -> None:
    event = {"id": "e", "type": "inventory.x", "data": {"object": {}}, "position": 3}
    pages = [
        {"data": [], "hasMore": True, "nextAfter": 2, "feedId": "f"},
        {"data": [event], "hasMore": False, "nextAfter": 3, "feedId": "f"},
    ]
    async with (
        serving(*[says(200, page) for page in pages]) as fake,
        Stockwire(fake.url, "k", retries=QUICK) as shop,
    ):
        assert [event.position async for event in shop.events.feed()] == [3]
    assert fake.seen[1]["query"] == {"after": "2", "order": "asc", "limit": "1000", "feedId": "f"}


def test_a_missing_address_or_key_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STOCKWIRE_URL", raising=False)
    monkeypatch.delenv("STOCKWIRE_KEY", raising=False)
    with pytest.raises(ValueError, match="STOCKWIRE_URL"):
        Stockwire()
    with pytest.raises(ValueError, match="STOCKWIRE_KEY"):
        Stockwire("http://127.0.0.1:1")
