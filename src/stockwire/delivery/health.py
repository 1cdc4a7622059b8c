"""How endpoints fare, and switching off those that said 410 or failed for days (R19).

Delivery writes its own notes; the switch itself is a command of the store's ledger, as every change of an endpoint
is (R28).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Protocol
from uuid import UUID

from stockwire import logs
from stockwire.delivery.attempt import Attempted
from stockwire.domain.attempts import Verdict, should_disable
from stockwire.domain.commands import SYSTEM, DisableEndpoint
from stockwire.ledger import Answer, LedgerId, Submission, Unavailable
from stockwire.store import deliveries
from stockwire.store.database import UNREACHABLE, Pool, plain
from stockwire.store.deliveries import Failing, HealthNote, Ledger

GONE = "The address answered 410 Gone."
LOOK_SECONDS = 60.0
FAILED_FOR_DAYS = "The address has not acknowledged anything for 120 hours."

log = logs.named("delivery")

Failings = list[tuple[Ledger, Failing]]


class LedgerDoor(Protocol):
    """What takes commands."""

    async def submit(self, ledger: LedgerId, submission: Submission, /) -> Answer: ...


def notes(attempts: Sequence[Attempted]) -> list[HealthNote]:
    """What a batch of attempts of one ledger says of each endpoint, in the order of their ids."""
    by_endpoint: dict[UUID, list[Attempted]] = {}
    for attempted in attempts:
        by_endpoint.setdefault(attempted.endpoint.id, []).append(attempted)
    return [_note(id_, by_endpoint[id_]) for id_ in sorted(by_endpoint)]


def _note(endpoint_id: UUID, attempts: Sequence[Attempted]) -> HealthNote:
    acknowledged = [a.started_at for a in attempts if a.settlement.verdict is Verdict.DELIVERED]
    success_at = max(acknowledged, default=None)
    failed = [
        a.started_at
        for a in attempts
        if a.settlement.verdict is not Verdict.DELIVERED and (success_at is None or a.started_at > success_at)
    ]
    return HealthNote(
        endpoint_id=endpoint_id,
        start_position=max(a.endpoint.subscription.start_position for a in attempts),
        attempt_at=max(a.started_at for a in attempts),
        success_at=success_at,
        failing_since=min(failed, default=None),
        failures=len(failed),
        gone=any(a.settlement.verdict is Verdict.GONE for a in attempts),
    )


class Watch:
    """Switches off what is due for it, beside the worker: a ledger that does not answer holds up nothing else."""

    def __init__(self, pool: Pool, door: LedgerDoor) -> None:
        self._pool = pool
        self._door = door
        self._found: Failings = []
        self._wake = asyncio.Event()

    def found(self, failing: Failings) -> None:
        """Take endpoints that a batch of attempts found failing."""
        due = [(ledger, endpoint) for ledger, endpoint in failing if _is_due(endpoint)]
        if due:
            self._found += due
            self._wake.set()

    async def run(self) -> None:
        """Watch until cancelled. Now and then everything is looked at: a worker may have died before it could tell."""
        while True:
            found, self._found = self._found, []
            try:
                async with self._pool.acquire() as connection:
                    found += await deliveries.failing(connection)
                await disable_failing(self._door, found)
            except UNREACHABLE as fault:
                log.warning("health_unreachable", fault=plain(fault))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS)
            self._wake.clear()


def _is_due(endpoint: Failing) -> bool:
    return should_disable(endpoint.gone, endpoint.failing_seconds, endpoint.failed_attempts)


async def disable_failing(door: LedgerDoor, failing: Iterable[tuple[Ledger, Failing]]) -> None:
    """Switch off those that are due for it. What the ledger cannot take now is found again by the next look."""
    due = {(ledger, endpoint.endpoint_id): endpoint for ledger, endpoint in failing if _is_due(endpoint)}
    for (ledger, _), endpoint in due.items():
        await _disable(door, ledger, endpoint)


async def _disable(door: LedgerDoor, ledger: Ledger, endpoint: Failing) -> None:
    command = DisableEndpoint(str(endpoint.endpoint_id), GONE if endpoint.gone else FAILED_FOR_DAYS)
    try:
        answer = await door.submit(LedgerId(*ledger), Submission(command, SYSTEM))
    except Unavailable as fault:
        log.warning("webhook_not_disabled", webhook=endpoint.endpoint_id, code=fault.code)
        return
    log.info(
        "webhook_disabled",
        store=ledger[0],
        live=ledger[1],
        webhook=endpoint.endpoint_id,
        reason=command.reason,
        failed_attempts=endpoint.failed_attempts,
        status=answer.status,
    )
