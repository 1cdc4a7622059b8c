"""Receiving webhooks: is this really from my Stockwire, and what does it say?

Signatures follow Standard Webhooks: HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`, keyed with the bytes
that stand base64-encoded behind `whsec_`.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping

import msgspec

from stockwire.client.shapes import Event

PREFIX = "whsec_"


class VerificationError(ValueError):
    """The request is not to be believed; the text says why. Answer it with 400 or 401 and do nothing."""


def verify_webhook(
    body: bytes | str,
    headers: Mapping[str, str],
    secrets: str | Iterable[str],
    tolerance_seconds: int = 300,
) -> Event:
    """Check a webhook request and give back its event.

    `body` must be the exact bytes received; `headers` may be in any case; `secrets` is one secret or several (during a
    rotation any of them may have signed). A timestamp further than `tolerance_seconds` from this machine's clock is
    refused, so that a recorded request cannot be sent again later. Raises `VerificationError`, and `ValueError` for a
    secret that is none.
    """
    content = body.encode() if isinstance(body, str) else body
    verify_signature(content, headers, secrets, tolerance_seconds, now=time.time())
    try:
        return msgspec.json.decode(content, type=Event)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise VerificationError(f"signed, but not an event: {fault}") from fault


def verify_signature(
    body: bytes, headers: Mapping[str, str], secrets: str | Iterable[str], tolerance_seconds: int, now: float
) -> None:
    """Raise `VerificationError` unless a signature is right for one of the secrets; `now` is in Unix seconds."""
    lowered = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp, signatures = (
        _header(lowered, f"webhook-{name}") for name in ("id", "timestamp", "signature")
    )
    _within(timestamp, tolerance_seconds, now)
    keys = _keys(secrets)
    signed = b"%s.%s.%s" % (message_id.encode(), timestamp.encode(), body)
    right = [hmac.new(key, signed, hashlib.sha256).digest() for key in keys]
    # Every pair is compared, so that the time taken does not tell which secret or signature was right.
    matches = [hmac.compare_digest(given, expected) for given in _given(signatures) for expected in right]
    if not any(matches):
        raise VerificationError("no signature matches")


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise VerificationError(f"no {name} header")
    return value


def _within(timestamp: str, tolerance_seconds: int, now: float) -> None:
    # Only plain ASCII digits: int() would take "１２" and "1_0", which were never signed as such.
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
        raise VerificationError("webhook-timestamp is not a number of seconds")
    if abs(now - int(timestamp)) > tolerance_seconds:
        raise VerificationError("webhook-timestamp is too far from this machine's clock")


def _keys(secrets: str | Iterable[str]) -> list[bytes]:
    keys = [_key(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise ValueError("give at least one webhook secret")
    return keys


def _key(secret: str) -> bytes:
    text = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("a webhook secret is whsec_ and base64; this one is not")
    return key


def _given(signatures: str) -> list[bytes]:
    """The v1 signatures of the header; other versions and broken entries are passed over."""
    entries = [entry.partition(",") for entry in signatures.split()]
    return [digest for version, _, text in entries if version == "v1" and (digest := _digest(text))]


def _digest(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
