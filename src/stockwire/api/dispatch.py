"""From a request to its answer: route, key, role, query, body, handler. The one branch point of the doors."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import asyncpg

from stockwire import logs
from stockwire.api.auth import bearer, leaks_key
from stockwire.api.errors import Reply, refusals, refuse, unavailable
from stockwire.api.inbound import Gone, Receive, read_body, wrong_kind
from stockwire.api.request import Doors, Request, idempotency_key
from stockwire.api.route import Route, Streaming, Table
from stockwire.ledger.submission import Unavailable
from stockwire.store.database import UNREACHABLE, UnusableDatabase

log = logs.named("api")

Send = Callable[[dict[str, Any]], Awaitable[None]]
# (route, status, seconds) of each answer, for the metrics
Observe = Callable[[Route | None, int, float], None]

_DATABASE_AWAY: tuple[type[Exception], ...] = (
    *UNREACHABLE,
    UnusableDatabase,
    asyncpg.QueryCanceledError,
    asyncpg.ReadOnlySQLTransactionError,
)
_BODIES = ("POST", "PATCH")


class Api:
    """The ASGI application."""

    def __init__(self, doors: Doors, routes: Iterable[Route], observe: Observe) -> None:
        self._doors = doors
        self._table = Table(routes)
        self._observe = observe
        self._ids = (f"{os.getpid():x}-{time.time_ns() // 1_000_000:x}-{n:x}".encode() for n in itertools.count(1))

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        request_id = next(self._ids)
        found = self._table.find(scope["method"], scope["path"])
        route = None if isinstance(found, Reply) else found[0]
        reply = found if isinstance(found, Reply) else await self._guarded(found, scope, receive, request_id)
        if reply is None:
            return
        if isinstance(reply, Streaming):
            self._observe(route, 200, time.perf_counter() - begun)
            if scope["method"] != "HEAD":
                await _stream(reply, request_id, receive, send)
                return
            await reply.leave()
            reply = Reply(200, kind=reply.kind)
        headers = [
            (b"content-type", reply.kind),
            (b"content-length", b"%d" % len(reply.body)),
            (b"x-request-id", request_id),
            *reply.headers,
        ]
        await send(
            {"type": "http.response.start", "status": reply.status, "headers": headers[reply.status == 204 and 2 :]}
        )
        await send({"type": "http.response.body", "body": reply.body})
        self._observe(route, reply.status, time.perf_counter() - begun)

    async def _guarded(
        self, found: tuple[Route, tuple[str, ...]], scope: Any, receive: Receive, request_id: bytes
    ) -> Reply | Streaming | None:
        """The handler's answer, or what a failure becomes. None: nobody is there to be answered."""
        try:
            return await self._answer(*found, scope, receive)
        except Gone:
            return None
        except Unavailable as fault:
            return unavailable(fault.code, fault.message, fault.retry_after)
        except _DATABASE_AWAY as fault:
            log.warning("database_away", request=request_id.decode(), fault=type(fault).__name__)
            return unavailable("service_unavailable", "The database does not answer; nothing was done.", 1)
        except Exception:
            route = found[0]
            log.error(
                "request_failed", exc_info=True, request=request_id.decode(), route=f"{route.method} {route.path}"
            )
            return refuse(500, "internal_server_error", "The server failed; its log has the reason.")

    async def _answer(self, route: Route, path: tuple[str, ...], scope: Any, receive: Receive) -> Reply | Streaming:
        headers = dict(scope["headers"])
        request = Request(self._doors, scope, headers, path)
        query = scope["query_string"]
        if query and leaks_key(query):
            message = "An API key never goes into an address: send `Authorization: Bearer …`, and revoke this key."
            return refuse(400, "invalid_parameter", message)
        refusal = await self._refusal(route, request) if route.roles else None
        if refusal is not None:
            return refusal
        request.query = route.query.read(query)
        if type(request.query) is tuple:
            return refusals(request.query)
        if route.method in _BODIES:
            refusal = await self._take_body(route, request, receive)
            if refusal is not None:
                return refusal
        return await route.handler(request)

    async def _refusal(self, route: Route, request: Request) -> Reply | None:
        """401 and 403 (R9)."""
        key = bearer(request.headers.get(b"authorization"))
        caller = await self._doors.keys.caller(key) if key else None
        if caller is None:
            message = "Send a valid API key in the header `Authorization`, as `Bearer sk_…`."
            return refuse(401, "unauthorized", message, headers=((b"www-authenticate", b"Bearer"),))
        if caller.actor.role not in route.roles:
            return refuse(403, "forbidden", f"A key of role {caller.role} may not do this.")
        request.caller = caller
        return None

    async def _take_body(self, route: Route, request: Request, receive: Receive) -> Reply | None:
        key = idempotency_key(request)
        if isinstance(key, Reply):
            return key
        wrong = wrong_kind(request.headers)
        if wrong is not None:
            return wrong
        raw = await read_body(receive, request.headers)
        if isinstance(raw, Reply):
            return raw
        request.raw = raw
        if route.body is not None:
            request.body = route.body.read(b"{}" if route.body_optional and not raw else raw)
            if type(request.body) is tuple:
                return refusals(request.body)
        if key is not None:
            request.key = key
            request.fingerprint = fingerprint(request)
        return None


def fingerprint(request: Request) -> bytes:
    """What makes a repeat the same request: method, path and raw body (R12); and whose it is, where a key sees less.

    Else a fulfiller that guesses a key and body would be given the answer to a request that it may not make (R9).
    """
    own = request.caller.fulfiller
    head = f"{request.scope['method']} {request.scope['path']}\n" + ("" if own is None else f"{own}\n")
    return hashlib.sha256(head.encode() + request.raw).digest()


async def _stream(reply: Streaming, request_id: bytes, receive: Receive, send: Send) -> None:
    headers = [
        (b"content-type", reply.kind),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
        (b"x-request-id", request_id),
    ]
    leaving = asyncio.create_task(_until_gone(receive))
    try:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _copy(reply.chunks, leaving, send)
        await send({"type": "http.response.body", "body": b""})
    finally:
        leaving.cancel()
        await reply.leave()


async def _copy(chunks: AsyncIterator[bytes], leaving: asyncio.Task[None], send: Send) -> None:
    """Send what comes until it ends or the client has left."""
    while True:
        pending = asyncio.ensure_future(anext(chunks, None))
        try:
            await asyncio.wait({pending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not pending.done():
                pending.cancel()
        if leaving.done() or (chunk := pending.result()) is None:
            return
        await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
