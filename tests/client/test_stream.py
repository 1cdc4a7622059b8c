"""The live stream: read, lose the connection, go on behind the last position (R16)."""

import asyncio

import pytest
from aiohttp import web

from stockwire.client import ApiError, Stockwire
from stockwire.client.sse import Message, Messages
from tests.client.fake_server import Answering, hangs_up, says, serving


def streams(*lines: str) -> Answering:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write("".join(line + "\n" for line in lines).encode())
        return response

    return answer


def event(position: int) -> tuple[str, str, str]:
    data = f'{{"id":"e{position}","type":"t","data":{{"object":{{}}}},"position":{position}}}'
    return f"id: {position}", f"data: {data}", ""


async def test_a_broken_stream_resumes_behind_the_last_position_even_if_that_was_a_sign_of_life() -> None:
    async with (
        serving(streams(*event(4), "id: 6", "", *event(7)[:1]), hangs_up, says(503), streams(*event(7))) as fake,
        Stockwire(fake.url, "k") as shop,
    ):
        seen = []
        async with asyncio.timeout(10):
            async for one in shop.events.stream(after=3, types=["inventory.*", "webhook.*"]):
                seen.append(one.position)
                if one.position == 7:
                    break
    assert seen == [4, 7]
    assert [request["headers"].get("Last-Event-ID") for request in fake.seen] == ["3", "6", "6", "6"]
    assert fake.seen[0]["query"] == {"types": "inventory.*,webhook.*"}


async def test_a_refusal_ends_the_stream() -> None:
    body = {"type": "gone", "errors": [{"code": "position_expired", "message": "too old"}]}
    async with serving(says(410, body)) as fake, Stockwire(fake.url, "k") as shop:
        with pytest.raises(ApiError, match="too old"):
            async for _ in shop.events.stream(after=1):
                pass


def test_lines_become_messages() -> None:
    messages = Messages()
    given = [": hello", "", "id: 5", "", "id:6", "event: x", "data: a", "data:  b", "retry: 5", "", ""]
    assert [message for line in given if (message := messages.line(line))] == [
        Message("5", None, None),
        Message("6", "x", "a\n b"),
    ]
