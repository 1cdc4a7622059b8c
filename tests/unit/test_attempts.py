"""R19: what an attempt means for its delivery."""

import itertools

import pytest

from stockwire.domain import attempts
from stockwire.domain.attempts import Outcome, Progress, Settlement, Status, Verdict

HOUR = 3_600.0


def settled(
    status: int | None, made: int, *, elapsed: float = 0.0, live: bool = True, retry_after: float | None = None
):
    return attempts.settle(Outcome(status, retry_after), Progress(made, elapsed), live, jitter=0.0)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_acknowledges(status: int) -> None:
    assert settled(status, 1) == Settlement(Verdict.DELIVERED, Status.DELIVERED, None)


@pytest.mark.parametrize(
    "status", [None, 100, 199, 300, 301, 302, 307, 308, 400, 401, 403, 404, 409, 429, 500, 503, 599]
)
def test_everything_else_is_tried_again(status: int | None) -> None:
    assert settled(status, 1) == Settlement(Verdict.FAILED, Status.PENDING, 5)


def test_410_ends_the_delivery() -> None:
    assert settled(410, 1) == Settlement(Verdict.GONE, Status.FAILED, None)


def waits(live: bool, jitter: float) -> list[float]:
    """The waits of a delivery that always fails, each attempt taking no time."""
    found: list[float] = []
    for made in itertools.count(1):
        wait = attempts.settle(Outcome(500), Progress(made, sum(found)), live, jitter).wait_seconds
        if wait is None:
            return found
        found.append(wait)
    raise AssertionError


def test_live_schedule() -> None:
    assert waits(live=True, jitter=0) == [5, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 20 * HOUR]


def test_test_mode_tries_three_times() -> None:
    assert waits(live=False, jitter=0) == [600, 2 * HOUR]


@pytest.mark.parametrize("jitter", [-1.0, -0.5, 0.3, 1.0])
def test_jitter_is_a_tenth_and_the_last_attempt_is_within_72_hours(jitter: float) -> None:
    found = waits(live=True, jitter=jitter)
    assert len(found) == 9
    assert sum(found) <= 72 * HOUR
    plain = waits(live=True, jitter=0)
    assert found[:8] == pytest.approx([planned * (1 + jitter / 10) for planned in plain[:8]])
    assert found[8] <= plain[8] * 1.1


def test_slow_attempts_do_not_push_the_last_beyond_72_hours() -> None:
    assert settled(500, 9, elapsed=71 * HOUR).wait_seconds == HOUR
    assert settled(500, 9, elapsed=72 * HOUR).status is Status.FAILED


@pytest.mark.parametrize(("status", "obeyed"), [(429, True), (503, True), (500, False), (302, False)])
def test_retry_after_is_obeyed_where_it_means_slow_down(status: int, obeyed: bool) -> None:
    assert settled(status, 1, retry_after=90).wait_seconds == (90 if obeyed else 5)


def test_retry_after_never_shortens_the_schedule_and_is_capped_at_a_day() -> None:
    assert settled(429, 2, retry_after=1).wait_seconds == 300
    assert settled(429, 1, retry_after=10**12).wait_seconds == 24 * HOUR
    assert settled(429, 1, retry_after=float("inf")).wait_seconds == 24 * HOUR
    assert settled(429, 1, retry_after=-7).wait_seconds == 5


def test_never_earlier_than_asked_even_at_the_end() -> None:
    assert settled(429, 5, elapsed=70 * HOUR, retry_after=3 * HOUR).status is Status.FAILED


@pytest.mark.parametrize(
    ("gone", "failing_seconds", "failures", "disabled"),
    [
        (True, None, 0, True),
        (False, None, 0, False),
        (False, 120 * HOUR, 10, True),
        (False, 120 * HOUR - 1, 1000, False),
        (False, 500 * HOUR, 9, False),
    ],
)
def test_when_an_endpoint_is_switched_off(
    gone: bool, failing_seconds: float | None, failures: int, disabled: bool
) -> None:
    assert attempts.should_disable(gone, failing_seconds, failures) is disabled
