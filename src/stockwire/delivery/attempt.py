"""One attempt, as a straight pipe: sign, send, judge; and what is kept of it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from stockwire import logs
from stockwire.address_guard import Refused
from stockwire.delivery.client import ADDRESS_REFUSED, Client, Exchange
from stockwire.delivery.endpoints import Endpoint
from stockwire.delivery.signing import signature_headers
from stockwire.domain.attempts import Outcome, Progress, Settlement, Verdict, settle
from stockwire.store.deliveries import Claimed, Ledger, Settled

NOT_ACKNOWLEDGED = "status"
KEPT_BYTES = 2_048  # of an answer's head, and of its body
HIDDEN = b"[hidden]"

log = logs.named("delivery")


class DatabaseClock:
    """The database's time (R5), carried on by this process's monotonic clock between two readings."""

    def __init__(self) -> None:
        self._read = datetime.now(UTC)  # until the first reading
        self._at = time.monotonic()

    def set(self, now: datetime) -> None:
        """Take a reading that has just arrived."""
        self._read, self._at = now, time.monotonic()

    def now(self) -> datetime:
        """The database's time now, as well as we know it."""
        return self._read + timedelta(seconds=time.monotonic() - self._at)


@dataclass(frozen=True, slots=True)
class Attempted:
    """A finished attempt and what becomes of its delivery."""

    delivery: Claimed
    endpoint: Endpoint
    started_at: datetime
    exchange: Exchange
    settlement: Settlement

    @property
    def number(self) -> int:
        return self.delivery.attempts + 1

    @property
    def why(self) -> str | None:
        """Why it failed, or None where it was acknowledged."""
        if self.settlement.verdict is Verdict.DELIVERED:
            return None
        return self.exchange.why or NOT_ACKNOWLEDGED

    @property
    def connect_micros(self) -> int | None:
        return self._micros(self.exchange.connected)

    @property
    def first_byte_micros(self) -> int | None:
        return self._micros(self.exchange.answered)

    @property
    def total_micros(self) -> int:
        return self._micros(self.exchange.ended) or 0

    def _micros(self, end: float | None) -> int | None:
        """From the start to `end`, a reading of the monotonic clock."""
        return None if end is None else int((end - self.exchange.started) * 1_000_000)


async def make(delivery: Claimed, endpoint: Endpoint, client: Client, clock: DatabaseClock) -> Attempted:
    """Make one attempt. Does not raise; takes at most the endpoint's timeout."""
    started_at = clock.now()
    exchange = await _send(delivery, endpoint, client, started_at)
    return Attempted(delivery, endpoint, started_at, exchange, _judge(delivery, endpoint, exchange, clock.now()))


async def _send(delivery: Claimed, endpoint: Endpoint, client: Client, started_at: datetime) -> Exchange:
    if isinstance(endpoint.target, Refused):
        return _unsent(ADDRESS_REFUSED)
    if endpoint.fault is not None:
        return _unsent(endpoint.fault)
    signature = signature_headers(
        endpoint.secrets, str(delivery.event_id), int(started_at.timestamp()), delivery.body, delivery.attempts + 1
    )
    headers = {**endpoint.headers, **signature}
    return await client.post(endpoint.target, endpoint.live, headers, delivery.body, endpoint.timeout_seconds)


def _unsent(why: str) -> Exchange:
    now = time.monotonic()
    return Exchange(now, why=why, ended=now)


def _judge(delivery: Claimed, endpoint: Endpoint, exchange: Exchange, now: datetime) -> Settlement:
    asked = retry_after_seconds(exchange.header(b"retry-after"), now) if exchange.headers else None
    elapsed = (now - delivery.first_attempt_at).total_seconds() if delivery.first_attempt_at else 0.0
    return settle(
        Outcome(exchange.status, asked),
        Progress(delivery.attempts + 1, elapsed),
        endpoint.live,
        random.uniform(-1, 1),  # noqa: S311 - jitter spreads load; nothing is guessed from it
    )


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """A `Retry-After` value, a number of seconds or an HTTP date, in seconds from `now`; None if it is neither."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def record(attempted: Attempted) -> Settled:
    """The attempt as it is written."""
    delivery, exchange, settlement = attempted.delivery, attempted.exchange, attempted.settlement
    return Settled(
        endpoint_id=delivery.endpoint_id,
        position=delivery.position,
        claim=delivery.claim,
        status=settlement.status.value,
        wait_seconds=settlement.wait_seconds,
        started_at=attempted.started_at,
        verdict=settlement.verdict.value,
        why=attempted.why,
        http_status=exchange.status,
        peer=exchange.peer,
        connect_micros=attempted.connect_micros,
        first_byte_micros=attempted.first_byte_micros,
        total_micros=attempted.total_micros,
        head=_excerpt(_head(exchange), attempted.endpoint.hidden),
        body=_excerpt(exchange.body, attempted.endpoint.hidden),
    )


def _head(exchange: Exchange) -> bytes:
    return b"".join(b"%s: %s\n" % pair for pair in exchange.headers)


def _excerpt(raw: bytes, hidden: Iterable[bytes]) -> bytes | None:
    """The beginning of what a receiver answered, without the credentials it may have echoed (R17)."""
    if not raw:
        return None
    beginning = raw[: 3 * KEPT_BYTES]  # what a cut may have spared stands behind what is kept
    for secret in hidden:
        beginning = beginning.replace(secret, HIDDEN)
    # Latin-1 gives every byte back as it was, whatever the body's own encoding is.
    return logs.redact(beginning.decode("latin-1")).encode("latin-1")[:KEPT_BYTES]


def tell(ledger: Ledger, attempted: Attempted) -> None:
    """The one wide line of an attempt."""
    delivery, exchange, settlement = attempted.delivery, attempted.exchange, attempted.settlement
    log.info(
        "attempt",
        store=ledger[0],
        live=ledger[1],
        webhook=delivery.endpoint_id,
        delivery=delivery.id,
        event_id=delivery.event_id,
        type=delivery.event_type,
        position=delivery.position,
        attempt=attempted.number,
        verdict=settlement.verdict.value,
        status=exchange.status,
        why=attempted.why,
        peer=exchange.peer,
        connect_micros=attempted.connect_micros,
        first_byte_micros=attempted.first_byte_micros,
        total_micros=attempted.total_micros,
        wait_seconds=None if settlement.wait_seconds is None else round(settlement.wait_seconds),
    )
