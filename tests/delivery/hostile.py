"""Receivers that no library would write: raw sockets that drip, flood, hang and lie."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

OK = b"HTTP/1.1 200 OK\r\n"


@dataclass
class Hostile:
    """A listening server; `sent` counts the bytes that it could get rid of, `connections` those that were opened."""

    address: str = ""
    port: int = 0
    sent: int = 0
    connections: int = 0
    requests: int = 0


@contextlib.asynccontextmanager
async def behaving(behaviour: Callable[["Hostile", asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[Hostile]:
    """A server that reads a request's head and then behaves."""
    server = Hostile()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                server.requests += 1
                await behaviour(server, writer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    server.address = f"http://127.0.0.1:{server.port}/"
    try:
        yield server
    finally:
        listening.close()


async def _write(server: Hostile, writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
    server.sent += len(data)


async def hang(_server: Hostile, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def drip_head(server: Hostile, writer: asyncio.StreamWriter) -> None:
    for byte in OK + b"X-Slow: " + b"a" * 100_000:
        await _write(server, writer, bytes([byte]))
        await asyncio.sleep(0.1)


async def drip_body(server: Hostile, writer: asyncio.StreamWriter) -> None:
    await _write(server, writer, OK + b"Content-Length: 100000\r\n\r\n")
    while True:
        await _write(server, writer, b"a")
        await asyncio.sleep(0.1)


async def drip_refusal(server: Hostile, writer: asyncio.StreamWriter) -> None:
    await _write(server, writer, b"HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n")
    while True:
        await _write(server, writer, b"a")
        await asyncio.sleep(0.1)


async def endless_body(server: Hostile, writer: asyncio.StreamWriter) -> None:
    await _write(server, writer, OK + b"Content-Length: 10000000000\r\n\r\n")
    while True:
        await _write(server, writer, b"a" * 65_536)


async def endless_chunks(server: Hostile, writer: asyncio.StreamWriter) -> None:
    await _write(server, writer, OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        await _write(server, writer, b"1000\r\n" + b"a" * 4096 + b"\r\n")


async def endless_headers(server: Hostile, writer: asyncio.StreamWriter) -> None:
    await _write(server, writer, OK)
    while True:
        await _write(server, writer, b"X-More: " + b"a" * 1_000 + b"\r\n")


async def one_endless_header(server: Hostile, writer: asyncio.StreamWriter) -> None:
    await _write(server, writer, OK + b"X-Long: ")
    while True:
        await _write(server, writer, b"a" * 65_536)


async def endless_interim(server: Hostile, writer: asyncio.StreamWriter) -> None:
    while True:
        await _write(server, writer, b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


async def bomb(server: Hostile, writer: asyncio.StreamWriter) -> None:
    packed = gzip.compress(b"\0" * 60_000_000, 9)  # 58 kB
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    await _write(server, writer, head + packed)


async def garbage(server: Hostile, writer: asyncio.StreamWriter) -> None:
    await _write(server, writer, b"\x16\x03\x01\x02 this is not HTTP\r\n\r\n")


async def two_lengths(server: Hostile, writer: asyncio.StreamWriter) -> None:
    await _write(server, writer, OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nab")


async def odd_status(server: Hostile, writer: asyncio.StreamWriter) -> None:
    await _write(server, writer, b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n")


async def hang_up(_server: Hostile, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def half_a_body(server: Hostile, writer: asyncio.StreamWriter) -> None:
    await _write(server, writer, b"HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nhalf")
    writer.close()


async def polite(server: Hostile, writer: asyncio.StreamWriter) -> None:
    await _write(server, writer, OK + b"Content-Length: 2\r\n\r\nok")
