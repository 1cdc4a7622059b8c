"""Requests, and what to do when they fail.

A POST or PATCH carries an Idempotency-Key, and every repetition carries the same one: whether the first try arrived or
not, the change happens once (R12). That is why a lost connection may simply be tried again.
"""

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import aiohttp
import msgspec

from stockwire.client.errors import ApiError, Fault, refusal, unreachable

Query = Mapping[str, Any]

_chance = secrets.SystemRandom()
_encoder = msgspec.json.Encoder()
LARGEST_ANSWER_BYTES = 256 * 1024 * 1024


class Retries(NamedTuple):
    """How long to keep trying: at most `tries` requests, pauses doubling from `first_seconds` up to `most_seconds`.

    A `Retry-After` of the server is obeyed up to `patience_seconds`; a longer one is not waited for.
    """

    tries: int = 8
    first_seconds: float = 0.1
    most_seconds: float = 5.0
    patience_seconds: float = 60.0


@cache
def _decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(type_)


class Transport:
    """One server, one key, one pool of connections."""

    def __init__(self, url: str, key: str, *, retries: Retries, timeout_seconds: float, connections: int) -> None:
        self.url = url.rstrip("/")
        self._key = key
        self._retries = retries
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=min(10.0, timeout_seconds))
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self.repeated = 0
        """Requests that were sent again, for whoever wants to know how rough the road was."""

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
        self,
        method: str,
        path: str,
        answer: Any,
        *,
        query: Query | None = None,
        body: Any = None,
        key: str | None = None,
    ) -> Any:
        """Send, repeat while that may help, and decode the answer as `answer`; raises `ApiError`."""
        content = await self.send(method, path, query=query, body=body, key=key)
        if answer is None:
            return None
        try:
            return _decoder(answer).decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise ApiError(
                200, "unreadable_answer", (Fault("unreadable_answer", None, f"{method} {path}: {fault}"),)
            ) from fault

    async def send(
        self, method: str, path: str, *, query: Query | None = None, body: Any = None, key: str | None = None
    ) -> bytes:
        """The same, giving the answer's bytes."""
        headers = {}
        if method in ("POST", "PATCH"):
            headers["Idempotency-Key"] = key or uuid.uuid4().hex
        content = None if body is None else _encoder.encode(body)
        for tried in range(1, self._retries.tries + 1):
            result = await self._once(method, path, _texts(query), content, headers)
            if isinstance(result, bytes):
                return result
            pause = self._pause(result, tried)
            if pause is None:
                raise result.error
            self.repeated += 1
            await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")

    async def _once(
        self, method: str, path: str, query: list[tuple[str, str]], content: bytes | None, headers: dict[str, str]
    ) -> "bytes | Failure":
        try:
            async with self._open().request(
                method, self.url + path, params=query, data=content, headers=headers, allow_redirects=False
            ) as answer:
                return await _read(answer)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as why:
            return Failure(unreachable(self.url, why), True, None)

    def _pause(self, failure: "Failure", tried: int) -> float | None:
        """Seconds to wait before the next try; None: do not try again."""
        if not failure.worth_repeating or tried >= self._retries.tries:
            return None
        growing = min(self._retries.most_seconds, self._retries.first_seconds * 2 ** (tried - 1))
        # Half of the pause is left to chance, so that many clients that failed together do not come back together.
        pause = growing * (0.5 + 0.5 * _chance.random())
        asked = failure.retry_after_seconds or 0.0
        return None if asked > self._retries.patience_seconds else max(pause, asked)

    @asynccontextmanager
    async def streaming(
        self, path: str, query: Query, headers: dict[str, str], silence_seconds: float
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """An answer that goes on; a pause longer than `silence_seconds` counts as a lost connection."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=silence_seconds)
        async with self._open().get(
            self.url + path, params=_texts(query), headers=headers, timeout=timeout, allow_redirects=False
        ) as answer:
            if answer.status != 200:
                failure = await _read(answer)
                raise failure.error if isinstance(failure, Failure) else ApiError(answer.status, "unreadable_answer")
            yield answer.content

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {
                "Authorization": f"Bearer {self._key}",
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
            }
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=30.0),
                timeout=self._timeout,
                headers=headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                read_bufsize=256 * 1024,
            )
        return self._session


class Failure(NamedTuple):
    error: ApiError
    worth_repeating: bool
    retry_after_seconds: float | None


async def _read(answer: aiohttp.ClientResponse) -> "bytes | Failure":
    if (answer.content_length or 0) > LARGEST_ANSWER_BYTES:
        return Failure(
            ApiError(answer.status, "unreadable_answer", (Fault("too_large", None, "the answer is too large"),)),
            False,
            None,
        )
    content = await answer.read()
    if 200 <= answer.status < 300:
        return content
    error = refusal(answer.status, content, answer.headers.get("X-Request-Id"))
    return Failure(error, answer.status == 429 or answer.status >= 500, _seconds(answer.headers.get("Retry-After")))


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isascii() and header.isdigit() else None


def _texts(query: Query | None) -> list[tuple[str, str]]:
    """A query as text: what is None is left out, a list is repeated, truth values are lower case."""
    pairs: list[tuple[str, str]] = []
    for name, value in (query or {}).items():
        if isinstance(value, (list, tuple, set, frozenset)):
            pairs += [(name, _text(one)) for one in value]
        elif value is not None:
            pairs.append((name, _text(value)))
    return pairs


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)
