"""GET /healthz and /readyz: is the process alive, and does it do the work of its role (R23)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

import asyncpg

from stockwire import logs
from stockwire.api.errors import Reply, ok
from stockwire.api.metrics import queues_of
from stockwire.api.request import Request
from stockwire.store import reads
from stockwire.store.database import UNREACHABLE, Database, UnusableDatabase, plain

log = logs.named("api")

LATE_SECONDS = 60.0  # of a delivery: from here it is called late
_REMEMBERED_SECONDS = 1.0  # anybody may ask; the database is asked this often at most
_PATIENCE_SECONDS = 5.0
# Why a role's work is not done, None if it is.
Trouble = Callable[[], str | None]

_AWAY: tuple[type[Exception], ...] = (*UNREACHABLE, UnusableDatabase, asyncpg.PostgresError)


async def alive(_request: Request) -> Reply:
    """The process answers."""
    return ok({"status": "ok"})


class Readiness:
    """Whether the process can do its work.

    `api`: whether a batch could commit, found out by a commit that is written to disk and changes nothing. How late
    deliveries are is told beside it and decides nothing: webhook trouble never stops selling. Other roles say
    themselves what troubles them.
    """

    def __init__(self, database: Database, others: Mapping[str, Trouble] | None = None) -> None:
        self.role = ",".join(others) if others else "api"
        self._database = database
        self._others = others or {}
        self._asked_at = 0.0
        self._reason: str | None = None
        self.late_seconds = 0.0  # of the oldest delivery that is due
        self._asking: asyncio.Task[str | None] | None = None

    async def reason(self) -> str | None:
        """Why not, None if it could."""
        if time.monotonic() - self._asked_at > _REMEMBERED_SECONDS:
            self._asking = self._asking or asyncio.create_task(self._ask())
            self._reason = await asyncio.shield(self._asking)
        return self._reason

    async def _ask(self) -> str | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                if not self._others:
                    await reads.service.commit_mark(self._database.work)
                queues = await queues_of(self._database)
                self.late_seconds = max((row["oldest_due_seconds"] or 0.0 for row in queues), default=0.0)
        except _AWAY as fault:
            log.warning("not_ready", fault=plain(fault))
            return "The database does not answer." if self._others else "The database cannot commit."
        else:
            return next(filter(None, (trouble() for trouble in self._others.values())), None)
        finally:
            self._asked_at = time.monotonic()
            self._asking = None


async def ready(request: Request) -> Reply:
    """Whether this process can do its work."""
    readiness = request.doors.readiness
    reason = await readiness.reason()
    late = readiness.late_seconds
    about = {"role": readiness.role, "deliveries": {"late": late > LATE_SECONDS, "oldestDueSeconds": round(late, 1)}}
    if reason is None:
        return ok({"status": "ready", "reason": None, **about})
    return ok({"status": "unready", "reason": reason, **about}, 503)
