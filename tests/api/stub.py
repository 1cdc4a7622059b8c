"""A server whose ledger and database are stand-ins: for what never reaches them, and for failures on demand."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from stockwire.ledger import Answer, LedgerId, Submission
from tests.api.server import running

KEY = "sk_test_acme_" + "k" * 32
Deciding = Callable[[LedgerId, Submission], Awaitable[Answer]]


async def accepted(_ledger: LedgerId, _submission: Submission) -> Answer:
    return Answer(200, b'{"ok":true}')


class StubLedger:
    """Notes what it is asked and answers as `decide` says."""

    def __init__(self, decide: Deciding = accepted) -> None:
        self.decide = decide
        self.asked: list[Submission] = []

    async def submit(self, ledger: LedgerId, submission: Submission) -> Answer:
        self.asked.append(submission)
        return await self.decide(ledger, submission)


class StubPool:
    """Knows one key, of an admin, and counts how often it is asked; `fault` is raised instead where it is set."""

    def __init__(self) -> None:
        self.asked = 0
        self.revoked = False
        self.fault: Exception | None = None
        self.rows: list[dict[str, Any]] = []

    async def fetchrow(self, _sql: str, store: str, live: bool, digest: bytes) -> dict[str, Any] | None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        if self.revoked or (store, live, digest) != ("acme", False, hashlib.sha256(KEY.encode()).digest()):
            return None
        return {"id": "1", "store_id": 1, "role": "admin", "fulfiller": None, "digest": digest}

    async def fetch(self, _sql: str) -> list[dict[str, Any]]:
        if self.fault is not None:
            raise self.fault
        return self.rows

    async def fetchval(self, _sql: str) -> str:
        if self.fault is not None:
            raise self.fault
        return "0/0"


class StubDatabase:
    def __init__(self) -> None:
        self.reads = StubPool()
        self.work = self.reads


@asynccontextmanager
async def stub_server(
    ledger: StubLedger | None = None, database: StubDatabase | None = None
) -> AsyncIterator[tuple[str, int]]:
    async with running(database or StubDatabase(), ledger or StubLedger()) as address:  # type: ignore[arg-type]
        yield address


class Line:
    """A bare connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, seconds: float = 5.0) -> tuple[int, dict[bytes, bytes], bytes]:
        """Status, headers and body of the next answer."""
        async with asyncio.timeout(seconds):
            head = await self.reader.readuntil(b"\r\n\r\n")
            status_line, *lines = head.decode().split("\r\n")
            headers = dict(line.encode().split(b": ", 1) for line in lines if line)
            body = await self.reader.readexactly(int(headers.get(b"content-length", b"0")))
        return int(status_line.split()[1]), headers, body

    async def closed(self, seconds: float = 5.0) -> bytes:
        """What still comes until the server closes."""
        async with asyncio.timeout(seconds):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


@asynccontextmanager
async def line_to(address: tuple[str, int]) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()


def post(path: str, body: bytes, *headers: str) -> bytes:
    """The bytes of a POST with the stub's key."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {KEY}", *headers]
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


CHANGE = b'{"type":"set","partNumber":"A","quantity":5}'
