"""A keep-alive HTTP/1.1 connection that costs its process little: client and server share the machine's cores.

It speaks just enough to talk to a server of ours: one request at a time, answers with a Content-Length.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

HEAD_END = b"\r\n\r\n"


class Reply(NamedTuple):
    """An answer: status, head as it came, body."""

    status: int
    head: bytes
    body: bytes

    @property
    def replayed(self) -> bool:
        """Whether it was the first answer to the idempotency key, given again (R12)."""
        return b"idempotent-replayed: true" in self.head.lower()


class Cut(ConnectionError):  # noqa: N818 - an event, not a mistake
    """The connection ended before the answer was whole: whether the request was carried out is not known."""


class Template:
    """A request but for its idempotency key. `request` puts one in."""

    __slots__ = ("_after", "_before", "_plain")

    def __init__(self, method: str, path: str, api_key: str, body: bytes | None = None) -> None:
        lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"authorization: Bearer {api_key}"]
        if body is not None:
            lines += ["content-type: application/json", f"content-length: {len(body)}"]
        head = "\r\n".join(lines).encode()
        self._before = head + b"\r\nidempotency-key: "
        self._after = HEAD_END + (body or b"")
        self._plain = head + self._after

    def request(self, key: bytes) -> bytes:
        """The bytes to send, under this idempotency key."""
        return self._before + key + self._after

    def plain(self) -> bytes:
        """The bytes to send, without a key."""
        return self._plain


class Connection(asyncio.Protocol):
    """Calls `answered(reply)` for each answer and `lost(fault)` once, when the connection has ended."""

    def __init__(self, answered: Callable[[Reply], None], lost: Callable[[Exception | None], None]) -> None:
        self._answered = answered
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._part = bytearray()
        self._whole = 0  # bytes of the answer under way; 0: its head has not come yet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lost(exc)

    def send(self, request: bytes) -> None:
        """Send one request; the next only after its answer."""
        if self._transport is None:
            raise Cut("the connection has ended")
        self._transport.write(request)

    def close(self) -> None:
        """End the connection; `lost` follows."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._part:
            self._part += data
            if len(self._part) < self._whole:
                return
            data = bytes(self._part)
        head_end = data.find(HEAD_END)
        whole = head_end + 4 + _length(data[:head_end].lower()) if head_end >= 0 else 0
        if head_end < 0 or len(data) < whole:
            self._whole = whole
            self._part = bytearray(data)
            return
        self._part.clear()
        self._whole = 0
        self._answered(Reply(int(data[9:12]), data[:head_end], data[head_end + 4 : whole]))


def _length(head: bytes) -> int:
    at = head.find(b"content-length:")
    if at < 0:
        return 0
    end = head.find(b"\r\n", at)
    return int(head[at + 15 : end if end >= 0 else None])


class Line:
    """A connection to await answers on: `await line.ask(request)`. Opens afresh after it was cut."""

    def __init__(self, host: str, port: int, *, timeout_seconds: float = 30.0) -> None:
        self._host = host
        self._port = port
        self._timeout_seconds = timeout_seconds
        self._connection: Connection | None = None
        self._waiting: asyncio.Future[Reply] | None = None

    async def open(self) -> None:
        """Connect now rather than with the first request. OSError: nobody listens."""
        connection = Connection(self._on_answer, lambda fault: self._on_lost(connection, fault))
        await asyncio.get_running_loop().create_connection(lambda: connection, self._host, self._port)
        self._connection = connection

    async def ask(self, request: bytes) -> Reply:
        """Send a request and wait for its answer. Cut, OSError, TimeoutError: what became of it is not known."""
        if self._connection is None:
            await self.open()
        assert self._connection is not None
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                self._connection.send(request)
                return await self._waiting
        except BaseException:
            self.abort()
            raise
        finally:
            self._waiting = None

    def abort(self) -> None:
        """Drop the connection; the next request opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def _on_answer(self, reply: Reply) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(reply)
        if b"connection: close" in reply.head.lower():
            self.abort()

    def _on_lost(self, connection: Connection, fault: Exception | None) -> None:
        if self._connection is not connection:  # given up before
            return
        self._connection = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Cut(str(fault or "closed by the server")))
