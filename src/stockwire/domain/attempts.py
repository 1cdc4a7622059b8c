"""What an attempt means for its delivery: settle it, try again later, or give it up (R19). Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

# Seconds to wait after the previous attempt. The first attempt waits for nothing.
LIVE_WAITS: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 72_000)
TEST_WAITS: Final = (600, 7_200)
JITTER: Final = 0.1
LONGEST_SECONDS: Final = 72 * 3_600  # from the first attempt to the last
LONGEST_RETRY_AFTER_SECONDS: Final = 24 * 3_600

DISABLED_AFTER_SECONDS: Final = 120 * 3_600  # without one 2xx
DISABLED_AFTER_FAILURES: Final = 10

GONE: Final = 410
SLOW_DOWN: Final = (429, 503)  # the answers whose Retry-After is obeyed


class Verdict(StrEnum):
    """What one attempt came to."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"


class Status(StrEnum):
    """Where a delivery stands after an attempt. What is cancelled is cancelled without one (R19)."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Outcome(NamedTuple):
    """What came back from one attempt: the HTTP status, or None if no answer came, and the seconds it asked to wait."""

    status: int | None
    retry_after_seconds: float | None = None


class Progress(NamedTuple):
    """How far a delivery is: attempts made, this one included, and seconds from the first attempt to now."""

    attempts: int
    elapsed_seconds: float


class Settlement(NamedTuple):
    """What is written after an attempt. `wait_seconds` is None unless the delivery stays pending."""

    verdict: Verdict
    status: Status
    wait_seconds: float | None


def verdict_of(status: int | None) -> Verdict:
    """Only 2xx acknowledges. A redirect is a failure like any other."""
    if status is not None and 200 <= status < 300:
        return Verdict.DELIVERED
    return Verdict.GONE if status == GONE else Verdict.FAILED


def settle(outcome: Outcome, progress: Progress, live: bool, jitter: float) -> Settlement:
    """Decide what becomes of a delivery. `jitter` lies in [-1, 1] and is drawn by the caller."""
    verdict = verdict_of(outcome.status)
    if verdict is Verdict.DELIVERED:
        return Settlement(verdict, Status.DELIVERED, None)
    wait = None if verdict is Verdict.GONE else wait_seconds(outcome, progress, live, jitter)
    return Settlement(verdict, Status.FAILED if wait is None else Status.PENDING, wait)


def wait_seconds(outcome: Outcome, progress: Progress, live: bool, jitter: float) -> float | None:
    """Seconds until the next attempt, or None if that was the last. Never earlier than the receiver asked for."""
    waits = LIVE_WAITS if live else TEST_WAITS
    if progress.attempts > len(waits):
        return None
    asked = asked_seconds(outcome)
    left = LONGEST_SECONDS - progress.elapsed_seconds
    if left <= 0 or asked > left:
        return None
    planned = waits[progress.attempts - 1] * (1 + JITTER * jitter)
    return min(max(planned, asked), left)


def asked_seconds(outcome: Outcome) -> float:
    """What the receiver asked for, where that is obeyed: on 429 and 503, at most a day."""
    if outcome.status not in SLOW_DOWN or outcome.retry_after_seconds is None:
        return 0.0
    return min(max(outcome.retry_after_seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def should_disable(gone: bool, failing_seconds: float | None, failed_attempts: int) -> bool:
    """Whether an endpoint is switched off: it said 410, or it failed for days with enough attempts to tell."""
    if gone:
        return True
    return (
        failing_seconds is not None
        and failing_seconds >= DISABLED_AFTER_SECONDS
        and failed_attempts >= DISABLED_AFTER_FAILURES
    )
