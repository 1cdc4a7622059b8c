"""Bodies of requests: bounded, whole, and of the right kind (R15)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from stockwire.api.errors import Reply, refuse

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

LARGEST_BODY = 8 * 1024 * 1024
# A client that is sending reads no answer: what is too large is swallowed for a while before it is told so.
_SWALLOWED_BYTES = 4 * LARGEST_BODY
_SWALLOWED_SECONDS = 5.0
_CLOSE = ((b"connection", b"close"),)


class Gone(Exception):  # noqa: N818 - nothing failed, nobody is there
    """The client left before its request was whole."""


def wrong_kind(headers: dict[bytes, bytes]) -> Reply | None:
    """415 for a body that is not plain JSON."""
    encoding = headers.get(b"content-encoding", b"identity")
    if encoding.strip().lower() not in (b"identity", b""):
        message = "Bodies are taken uncompressed."
        return refuse(415, "unsupported_media_type", message, "Content-Encoding", _CLOSE)
    kind = headers.get(b"content-type")
    if kind is None or kind == b"application/json" or not _has_body(headers):
        return None
    name, _, charset = kind.lower().partition(b";")
    if name.strip() == b"application/json" and charset.strip() in (b"", b"charset=utf-8", b'charset="utf-8"'):
        return None
    message = "Bodies are JSON in UTF-8: send `Content-Type: application/json`."
    return refuse(415, "unsupported_media_type", message, "Content-Type", _CLOSE)


def _has_body(headers: dict[bytes, bytes]) -> bool:
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


async def read_body(receive: Receive, headers: dict[bytes, bytes]) -> bytes | Reply:
    """The whole body, or 413. `Gone` if the client leaves; how long it may take is the protocol's affair."""
    length = headers.get(b"content-length")
    if length is not None and int(length) > LARGEST_BODY:
        return await _refused(receive, headers)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    body: bytes = message["body"]
    if not message["more_body"]:
        return body if len(body) <= LARGEST_BODY else _too_large()
    return await _rest(receive, bytearray(body), headers)


async def _rest(receive: Receive, body: bytearray, headers: dict[bytes, bytes]) -> bytes | Reply:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body += message["body"]
        if len(body) > LARGEST_BODY:
            return await _refused(receive, headers) if message["more_body"] else _too_large()
        if not message["more_body"]:
            return bytes(body)


def _too_large() -> Reply:
    return refuse(413, "payload_too_large", f"A body has at most {LARGEST_BODY} bytes.", None, _CLOSE)


async def _refused(receive: Receive, headers: dict[bytes, bytes]) -> Reply:
    if headers.get(b"expect", b"").lower() != b"100-continue":
        await _swallow(receive)
    return _too_large()


async def _swallow(receive: Receive) -> None:
    swallowed, until = 0, time.monotonic() + _SWALLOWED_SECONDS
    while swallowed < _SWALLOWED_BYTES:
        try:
            message = await asyncio.wait_for(receive(), until - time.monotonic())
        except TimeoutError:
            return
        if message["type"] == "http.disconnect":
            raise Gone
        swallowed += len(message["body"])
        if not message["more_body"]:
            return
