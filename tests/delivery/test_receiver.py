"""The example receiver as a process of its own: it believes signed requests only and writes them down as they came."""

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest_asyncio

from stockwire.delivery.signing import SigningSecret, signature_headers
from stockwire.store.database import Database
from tests.delivery.shop import SECRET, Shop, until

SCRIPT = Path(__file__).parents[2] / "examples" / "receiver.py"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def example(out: Path) -> AsyncIterator[str]:
    """The receiver, and where it listens."""
    port = free_port()
    arguments = ["--port", str(port), "--out", str(out), "--secret", SECRET, "--quiet"]
    process = await asyncio.create_subprocess_exec(sys.executable, str(SCRIPT), *arguments)
    try:
        await until(lambda: _listens(port))
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


def signed(body: bytes, at: float | None = None) -> dict[str, str]:
    timestamp = int(time.time() if at is None else at)
    return signature_headers([SigningSecret.of(SECRET)], "e1", timestamp, body, 1)


async def test_believes_only_what_is_signed_and_new(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    body = '{"id":"e1","town":"Zürich"}'.encode()
    async with example(tmp_path / "out") as address:
        for headers, sent, status in [
            (signed(body), body, 204),
            (signed(body), body + b" ", 401),
            (signed(body, time.time() - 301), body, 401),
            (signed(body, time.time() + 301), body, 401),
            ({}, body, 401),
            (signed(body) | {"webhook-signature": "v1,AAAA v2,x"}, body, 401),
            (signed(body) | {"webhook-id": "e2"}, body, 401),
            (signed(body) | {"webhook-signature": "v1,AAAA " + signed(body)["webhook-signature"]}, body, 204),
        ]:
            async with session.post(address, data=sent, headers=headers) as response:
                assert response.status == status
    assert (tmp_path / "out").read_bytes() == 2 * (body + b"\n")


async def test_receives_from_a_real_worker(database: Database, tmp_path: Path) -> None:
    shop = await Shop.open(database)
    async with example(tmp_path / "out") as address:
        await shop.webhook(address)
        async with shop.delivering():
            await shop.publish(50)
            await until(lambda: shop.statuses_are(delivered=50))
    stored = [row["body"].encode() for row in await shop.fetch("SELECT body FROM events")]
    assert sorted((tmp_path / "out").read_bytes().splitlines()) == sorted(stored)
