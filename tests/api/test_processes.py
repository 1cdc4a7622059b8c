"""Several API processes behind one socket (R16, R25): streams hear of every process's commits, counts are shared."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.engines import private_folder
from tests.harness import Server

VIEWERS = 50


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with private_folder() as folder, Server(folder / "data", "--workers", "2") as running:
        yield running


def connect(server: Server) -> aiohttp.ClientSession:
    """Every request on a connection of its own, so that both processes are asked."""
    headers = {"Authorization": f"Bearer {server.keys['admin']}"}
    return aiohttp.ClientSession(server.url, headers=headers, connector=aiohttp.TCPConnector(force_close=True, limit=0))


def spent(pids: list[int]) -> float:
    """Processor seconds of these processes."""
    fields = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids)
    return sum(int(field[11]) + int(field[12]) for field in fields) / 100


async def first_event(answer: aiohttp.ClientResponse) -> bytes:
    async for line in answer.content:
        if line.startswith(b"data: "):
            return line
    raise AssertionError("the stream ended")


async def test_both_processes_answer_and_either_tells_of_both(server: Server) -> None:
    assert len(server.pids("api")) == 2
    async with connect(server) as session:
        for _ in range(40):
            async with session.get("/v1/orders/none") as answer:
                assert answer.status == 404
        counts = set()
        for _ in range(10):
            async with session.get("/metrics") as answer:
                text = await answer.text()
            line = re.search(r'request_seconds_count\{method="GET",route="/v1/orders/{id}",status="404"\} (\S+)', text)
            assert line is not None
            counts.add(float(line[1]))
    assert counts == {40.0}


async def test_every_stream_hears_of_every_commit_and_idle_ones_cost_nothing(server: Server) -> None:
    """50 viewers of one store over two processes: under 1 % of a core together, and each is told of each change."""
    async with connect(server) as session:
        part: dict[str, Any] = {"partNumber": "viewed", "quantity": 5}
        async with session.post("/v1/inventory-items", json=part) as made:
            assert made.status == 201
        streams = [await session.get("/v1/events/stream") for _ in range(VIEWERS)]
        try:
            await asyncio.sleep(1.5)
            begun, before = time.monotonic(), spent(server.pids("api"))
            await asyncio.sleep(5)
            share = (spent(server.pids("api")) - before) / (time.monotonic() - begun)
            for number in range(2):
                told = [asyncio.create_task(first_event(stream)) for stream in streams]
                await asyncio.sleep(0.05)
                change = {"type": "adjust", "partNumber": "viewed", "delta": 1}
                begun = time.monotonic()
                async with session.post("/v1/inventory-changes", json=change) as answer:
                    assert answer.status == 200, number
                found = await asyncio.wait_for(asyncio.gather(*told), 10)
                assert len(set(found)) == 1
        finally:
            for stream in streams:
                stream.close()
    assert share < 0.01, f"{share:.2%} of a core"


async def test_a_server_that_stops_lets_its_streams_go_at_once(server: Server) -> None:
    async with connect(server) as session:
        streams = [await session.get("/v1/events/stream") for _ in range(5)]
        begun = time.monotonic()
        stopping = asyncio.create_task(asyncio.to_thread(server.stop))
        for stream in streams:
            await asyncio.wait_for(drained(stream), 5)
        ended = time.monotonic() - begun
        await stopping
    assert ended < 3


async def drained(stream: aiohttp.ClientResponse) -> None:
    try:
        async for _ in stream.content:
            pass
    except aiohttp.ClientError:
        pass
