"""One POST to an address that a user chose: vetted, pinned, bounded in time and size. No redirects.

aiohttp asks its resolver for names only, so literal addresses are vetted here, and the peer of every connection once
more before a byte is written to it.
"""

from __future__ import annotations

import asyncio
import socket
import time
import zlib
from collections.abc import Coroutine, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from stockwire.address_guard import AddressGuard, AddressRefused, Refused, Target

READ_BYTES = 64 * 1024  # of a body, both as received and after decompression
IDLE_CONNECTION_SECONDS = 1.5  # common servers keep theirs 2 or 5 s; a request into a closing one fails for nothing
RESOLVED_SECONDS = 10
DEFAULT_HEADERS = {"Content-Type": "application/json", "User-Agent": "Stockwire/1", "Accept-Encoding": "identity"}
# What went wrong, in words that are stored with the attempt and that people search for.
TIMED_OUT, ADDRESS_REFUSED, NOT_RESOLVED = "timed_out", "address_refused", "name_not_resolved"
NOT_CONNECTED, TLS_FAILED, BROKEN_OFF, BAD_ANSWER = "not_connected", "tls_failed", "broken_off", "bad_answer"


@dataclass(slots=True)
class Exchange:
    """What came of one request. `status` is None if no answer came; then `why` says what went wrong instead."""

    started: float  # time.monotonic()
    status: int | None = None
    why: str | None = None
    peer: str | None = None
    connected: float | None = None
    answered: float | None = None
    ended: float = 0.0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    def header(self, name: bytes) -> str | None:
        """The first value of a response header; `name` in lower case."""
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == name), None)


# The exchange that the running task is about: the request that sends it is made deep inside aiohttp.
_current: ContextVar[Exchange] = ContextVar("exchange")


class Client:
    """Sends requests over kept connections. Create and close it inside a running event loop."""

    def __init__(self, guard: AddressGuard, proxy: str | None = None) -> None:
        """With a `proxy` every request goes to it; names are vetted all the same, but it is the proxy that connects."""
        self._guard = guard
        self._proxy = proxy
        # A connection that was made for test mode is not reused by live mode without encryption, where less is allowed.
        self._sessions = {listed: _session(guard, listed, proxy) for listed in (False, True)}

    async def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()

    async def post(
        self, target: Target, live: bool, headers: Mapping[str, str], body: bytes, timeout_seconds: float
    ) -> Exchange:
        """POST these bytes. Everything, the answer's body included, takes at most `timeout_seconds`. Does not raise."""
        must_be_listed = live and not target.encrypted
        exchange = Exchange(time.monotonic())
        if target.literal is not None and self._guard.refusal(target.literal, target.host, must_be_listed):
            exchange.why = ADDRESS_REFUSED
        else:
            await _within(timeout_seconds, self._send(target, must_be_listed, headers, body, exchange), exchange)
        exchange.ended = time.monotonic()
        return exchange

    async def _send(
        self, target: Target, must_be_listed: bool, headers: Mapping[str, str], body: bytes, exchange: Exchange
    ) -> None:
        if self._proxy is not None and target.literal is None:
            found = await self._guard.resolve(target.host, target.port, must_be_listed)
            if isinstance(found, Refused):
                raise AddressRefused(found.reason)
        await _exchange(self._sessions[must_be_listed], target, headers, body, exchange)


async def _within(timeout_seconds: float, sending: Coroutine[Any, Any, None], exchange: Exchange) -> None:
    try:
        async with asyncio.timeout(timeout_seconds):
            await sending
    except Exception as fault:
        # A status that arrived stands: the receiver has decided, only its body was not worth the wait.
        if exchange.status is None:
            exchange.why = _what_went_wrong(fault)


async def _exchange(
    session: aiohttp.ClientSession, target: Target, headers: Mapping[str, str], body: bytes, exchange: Exchange
) -> None:
    _current.set(exchange)
    response = await session.post(target.url, data=body, headers=headers, allow_redirects=False)
    try:
        exchange.answered = time.monotonic()
        if not 100 <= response.status <= 999:
            exchange.why = BAD_ANSWER
            return
        exchange.status = response.status
        exchange.headers = response.raw_headers
        raw = await _read_some(response, exchange)
        exchange.body = _decompressed(raw, response.headers.get("Content-Encoding", ""))
    finally:
        if response.content.at_eof():
            response.release()  # the connection is fit for the next request
        else:
            response.close()


async def _read_some(response: aiohttp.ClientResponse, exchange: Exchange) -> bytes:
    """The body up to READ_BYTES; what arrived before the time was up is kept."""
    read = bytearray()
    while len(read) < READ_BYTES:
        chunk = await response.content.readany()
        if not chunk:
            break
        read += chunk
        exchange.body = bytes(read[:READ_BYTES])
    return exchange.body


def _decompressed(raw: bytes, encoding: str) -> bytes:
    """At most READ_BYTES of what `raw` holds. We ask for plain bodies; some servers compress all the same."""
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        return raw
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(raw, READ_BYTES)
    except zlib.error:
        return raw


def _what_went_wrong(fault: Exception) -> str:
    if any(isinstance(cause, AddressRefused) for cause in (fault, fault.__cause__, getattr(fault, "os_error", None))):
        return ADDRESS_REFUSED
    for kind, why in _WORDS:
        if isinstance(fault, kind):
            return why
    return BAD_ANSWER


_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, TIMED_OUT),
    (aiohttp.ClientConnectorDNSError, NOT_RESOLVED),
    (socket.gaierror, NOT_RESOLVED),
    (aiohttp.ClientSSLError, TLS_FAILED),
    (aiohttp.ClientConnectorError, NOT_CONNECTED),
    (aiohttp.ServerDisconnectedError, BROKEN_OFF),
    (aiohttp.ClientOSError, BROKEN_OFF),
    (aiohttp.ClientPayloadError, BROKEN_OFF),
)


def _session(guard: AddressGuard, must_be_listed: bool, proxy: str | None) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        # The proxy's own name is the operator's, not a user's: it is not vetted.
        resolver=_GuardedResolver(guard, must_be_listed) if proxy is None else aiohttp.ThreadedResolver(),
        limit=0,  # bounded by the worker, for each endpoint
        keepalive_timeout=IDLE_CONNECTION_SECONDS,
        ttl_dns_cache=RESOLVED_SECONDS,
    )

    return aiohttp.ClientSession(
        connector=connector,
        request_class=aiohttp.ClientRequest if proxy is not None else _vetted_request(guard, must_be_listed),
        proxy=proxy,
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        max_line_size=4_096,
        max_field_size=8_190,
        max_headers=100,
        read_bufsize=16 * 1024,
    )


class _GuardedResolver(AbstractResolver):
    """Gives the connector vetted addresses only; it connects to one of exactly these."""

    def __init__(self, guard: AddressGuard, must_be_listed: bool) -> None:
        self._guard = guard
        self._must_be_listed = must_be_listed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._guard.resolve(host, port, self._must_be_listed)
        if isinstance(found, Refused):
            raise AddressRefused(found.reason)
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in found
        ]

    async def close(self) -> None:
        pass


def _vetted_request(guard: AddressGuard, must_be_listed: bool) -> type[aiohttp.ClientRequest]:
    class VettedRequest(aiohttp.ClientRequest):
        """Looks at whom the connection really leads to before anything is written to it."""

        async def send(self, conn: Any) -> aiohttp.ClientResponse:
            exchange = _current.get()
            exchange.peer = conn.transport.get_extra_info("peername")[0]
            exchange.connected = time.monotonic()
            reason = guard.refusal(ip_address(exchange.peer), self.url.raw_host or "", must_be_listed)
            if reason is not None:
                raise AddressRefused(reason)
            return await super().send(conn)

    return VettedRequest
