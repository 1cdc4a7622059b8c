"""Refusals of the doors themselves, in the contract's shape, and the answer that every handler gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from stockwire import wire
from stockwire.domain.refusals import Refusal
from stockwire.logs import redact

Header = tuple[bytes, bytes]

# What a door refuses before the ledger is asked; the rest of the codes are `domain.refusals.Reason`.
DOOR_CODES: dict[str, str] = {
    "unauthorized": "No API key was sent, or one that is not known or was revoked.",
    "method_not_allowed": "The path exists, the method does not; `Allow` names those that do.",
    "payload_too_large": "The body is over 8 MiB.",
    "unsupported_media_type": "The body is not `application/json`, or is compressed.",
    "request_header_fields_too_large": "The request line and headers are over 32 KiB.",
    "request_timeout": "The head or the body of the request did not arrive in time.",
    "too_many_streams": "The store has as many event streams open as it may.",
    "position_expired": "The feed no longer holds events from there; begin at `oldestPosition`.",
    "feed_changed": "The ledger was restored from a backup: the cursor is of another feed.",
    "idempotency_key_reused": "The key was used for another request.",
    "service_unavailable": "The server cannot decide now; nothing was done. Try again after `Retry-After`.",
    "outcome_unknown": "The connection to the database broke while committing; repeat with the same Idempotency-Key.",
    "internal_server_error": "The server failed; the request id finds the reason in its log.",
}


class Reply(NamedTuple):
    """Status, final bytes and headers beyond those that every answer has. `kind` is the body's media type."""

    status: int
    body: bytes = b""
    headers: tuple[Header, ...] = ()
    kind: bytes = b"application/json"


def ok(value: Any, status: int = 200) -> Reply:
    """A JSON answer."""
    return Reply(status, wire.encode(value))


def refuse(
    status: int, code: str, message: str, parameter: str | None = None, headers: tuple[Header, ...] = (), **facts: Any
) -> Reply:
    """A refusal with one fault."""
    fault = {"code": code, "parameter": parameter, "message": redact(message), **facts}
    return Reply(status, wire.encode(wire.errors(status, [fault])), headers)


def not_found(message: str, parameter: str | None = None) -> Reply:
    """404: what was named is not there, or not for this key to see."""
    return refuse(404, "not_found", message, parameter)


def refusals(faults: Sequence[Refusal]) -> Reply:
    """The answer to faults found at the door."""
    status, body = wire.refusals(faults)
    return Reply(status, wire.encode(body))


def unavailable(code: str, message: str, retry_after: int) -> Reply:
    """503 with `Retry-After` in seconds."""
    return refuse(503, code, message, headers=((b"retry-after", b"%d" % retry_after),))
