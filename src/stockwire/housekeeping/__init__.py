"""Periodic jobs: one file each with `run_once`, one line in the table below."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from stockwire.housekeeping import audit_ledgers, expire_holds, prune_answers, prune_deliveries, prune_events
from stockwire.ledger import Ledger
from stockwire.logs import named
from stockwire.store.database import UNREACHABLE, Database

log = named("housekeeping")


class Job(NamedTuple):
    """A periodic job. `run_once` does one small round and says whether there is more to do at once."""

    name: str
    every_seconds: float
    run_once: Callable[[Database, Ledger], Awaitable[bool]]


JOBS = (
    Job("expire_holds", 0.4, expire_holds.run_once),  # a hold's units are free at its instant; its event within 1 s
    Job("prune_answers", 600, prune_answers.run_once),
    Job("prune_events", 600, prune_events.run_once),
    Job("prune_deliveries", 600, prune_deliveries.run_once),
    Job("audit_ledgers", 3600, audit_ledgers.run_once),
)


class JobTimes:
    """When each job last finished: what `/readyz` of this role answers from (R23)."""

    def __init__(self) -> None:
        self._finished = dict.fromkeys((job.name for job in JOBS), time.monotonic())  # as if all had, at the start

    def finished(self, name: str) -> None:
        """Note that a job finished now."""
        self._finished[name] = time.monotonic()

    def late(self) -> list[str]:
        """Names of the jobs that finished longer ago than three of their intervals and five seconds."""
        now = time.monotonic()
        return [job.name for job in JOBS if now - self._finished[job.name] > 3 * job.every_seconds + 5]

    def trouble(self) -> str | None:
        """Why the role is not ready, None if it is."""
        late = self.late()
        return f"Jobs have not finished in time: {', '.join(late)}." if late else None


async def run(database: Database, ledger: Ledger, stop: asyncio.Event, times: JobTimes | None = None) -> None:
    """Run every job on time until `stop` is set. A job that fails is logged and tried again at its next time."""
    times = times or JobTimes()
    rounds = [asyncio.create_task(_keep_running(job, database, ledger, times), name=job.name) for job in JOBS]
    await stop.wait()
    for task in rounds:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*rounds, return_exceptions=True)


async def _keep_running(job: Job, database: Database, ledger: Ledger, times: JobTimes) -> None:
    while True:
        more = False
        try:
            more = await job.run_once(database, ledger)
            times.finished(job.name)
        except UNREACHABLE as fault:
            log.warning("job_unreachable", job=job.name, fault=type(fault).__name__)
        except Exception:
            log.error("job_failed", exc_info=True, job=job.name)
        if not more:
            await asyncio.sleep(job.every_seconds)
