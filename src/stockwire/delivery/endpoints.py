"""An endpoint as its attempts need it: opened secrets, headers, limits. Read at every fan-out and claim."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from stockwire import logs
from stockwire.address_guard import Refused, Target, read_address
from stockwire.delivery.client import DEFAULT_HEADERS
from stockwire.delivery.signing import SigningSecret
from stockwire.domain.subscriptions import (
    DEFAULT_CONCURRENCY,
    DEFAULT_TIMEOUT_SECONDS,
    HIGHEST_CONCURRENCY,
    LONGEST_TIMEOUT_SECONDS,
    SHORTEST_TIMEOUT_SECONDS,
    Subscription,
)
from stockwire.store.deliveries import EndpointRow

SHORTEST_HIDDEN = 4  # a shorter credential would blot out half of every excerpt
NO_SECRET, NOT_READABLE = "no_secret", "secrets_not_readable"

log = logs.named("delivery")


class KeyRing(Protocol):
    """What opens stored secrets."""

    def open(self, sealed: bytes, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A subscriber. `hidden` are credentials that must not stand in anything that is kept of an answer."""

    id: UUID
    live: bool
    subscription: Subscription
    target: Target | Refused
    fault: str | None  # why nothing can be sent to it
    secrets: tuple[SigningSecret, ...]
    headers: Mapping[str, str]
    hidden: tuple[bytes, ...]
    timeout_seconds: float
    concurrency: int


class Endpoints:
    """Reads endpoint rows, opening what is sealed only when a row changed."""

    def __init__(self, keyring: KeyRing) -> None:
        self._keyring = keyring
        self._known: dict[tuple[bool, UUID], tuple[EndpointRow, Endpoint]] = {}

    def read(self, live: bool, rows: Iterable[EndpointRow]) -> dict[UUID, Endpoint]:
        """The endpoints of one ledger by id."""
        return {row.id: self._one(live, row) for row in rows}

    def _one(self, live: bool, row: EndpointRow) -> Endpoint:
        known = self._known.get((live, row.id))
        if known is None or known[0] != row:
            known = (row, opened(live, row, self._keyring))
            self._known[live, row.id] = known
        return known[1]


def opened(live: bool, row: EndpointRow, keyring: KeyRing) -> Endpoint:
    """The endpoint of a row. One whose secrets do not open fails visibly, attempt by attempt, and harms no other."""
    settings = json.loads(row.settings)
    secrets, headers, hidden, fault = _opened_secrets(row, keyring)
    timeout = float(settings.get("timeoutSeconds") or DEFAULT_TIMEOUT_SECONDS)
    concurrency = int(settings.get("maxConcurrency") or DEFAULT_CONCURRENCY)
    return Endpoint(
        id=row.id,
        live=live,
        subscription=_subscription(row, settings),
        target=read_address(row.address),
        fault=fault,
        secrets=secrets,
        headers=_with_defaults(headers),
        hidden=hidden,
        timeout_seconds=min(max(timeout, SHORTEST_TIMEOUT_SECONDS), LONGEST_TIMEOUT_SECONDS),
        concurrency=min(max(concurrency, 1), HIGHEST_CONCURRENCY),
    )


Secrets = tuple[tuple[SigningSecret, ...], dict[str, str], tuple[bytes, ...], str | None]


def _opened_secrets(row: EndpointRow, keyring: KeyRing) -> Secrets:
    """Signing secrets, headers, what of them is hidden, and why it cannot be sent to (or None)."""
    try:
        secrets = tuple(SigningSecret.of(keyring.open(sealed).decode()) for sealed in row.secrets)
        headers, hidden = _credentials(row, keyring)
    except Exception:
        log.error("webhook_not_readable", webhook=row.id, exc_info=True)
        return (), {}, (), NOT_READABLE
    return secrets, headers, (*hidden, *(secret.shown for secret in secrets)), None if secrets else NO_SECRET


def _subscription(row: EndpointRow, settings: Mapping[str, Any]) -> Subscription:
    filters = settings.get("filters") or {}
    return Subscription(
        endpoint_id=str(row.id),
        start_position=row.start_position,
        types=row.types,
        fulfillers=frozenset(filters.get("fulfillers") or ()),
        part_numbers=frozenset(filters.get("partNumbers") or ()),
    )


def _credentials(row: EndpointRow, keyring: KeyRing) -> tuple[dict[str, str], tuple[bytes, ...]]:
    """Headers to send, and the values in them that are secrets."""
    if row.credentials is None:
        return {}, ()
    stored = json.loads(keyring.open(row.credentials))
    headers: dict[str, str] = dict(stored.get("headers") or {})
    hidden = [value.encode() for value in headers.values()]
    basic = stored.get("authentication")
    if basic:
        pair = base64.b64encode(f"{basic['username']}:{basic['password']}".encode())
        headers["Authorization"] = f"Basic {pair.decode()}"
        hidden += [pair, basic["password"].encode()]
    return headers, tuple(value for value in hidden if len(value) >= SHORTEST_HIDDEN)


def _with_defaults(given: Mapping[str, str]) -> dict[str, str]:
    names = {name.lower() for name in given}
    return {name: value for name, value in DEFAULT_HEADERS.items() if name.lower() not in names} | dict(given)
