"""GET /healthz and /readyz: is the process alive, and could it commit (R23)."""

from __future__ import annotations

import asyncio
import logging
import time

import asyncpg

from stockwire.api.errors import Reply, ok
from stockwire.api.request import Request
from stockwire.store import reads
from stockwire.store.database import UNREACHABLE, Database, UnusableDatabase, plain

log = logging.getLogger(__name__)

_REMEMBERED_SECONDS = 1.0  # anybody may ask; the database is asked this often at most
_PATIENCE_SECONDS = 5.0
_AWAY: tuple[type[Exception], ...] = (*UNREACHABLE, UnusableDatabase, asyncpg.PostgresError)


async def alive(_request: Request) -> Reply:
    """The process answers."""
    return ok({"status": "ok"})


class Readiness:
    """Whether a batch could commit: found out by a commit that is written to disk and changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked_at = 0.0
        self._reason: str | None = None
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
                await reads.service.commit_mark(self._database.work)
        except _AWAY as fault:
            log.warning("event=not_ready fault=%s", type(fault).__name__)
            return plain(fault)
        else:
            return None
        finally:
            self._asked_at = time.monotonic()
            self._asking = None


async def ready(request: Request) -> Reply:
    """Whether this process can do its work."""
    reason = await request.doors.readiness.reason()
    if reason is None:
        return ok({"status": "ready", "role": "api", "reason": None})
    return ok({"status": "unready", "role": "api", "reason": "The database cannot commit."}, 503)
