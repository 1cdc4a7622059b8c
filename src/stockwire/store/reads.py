"""What the doors look at, on the read-only pool. Naming it for the wire is the doors' work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stockwire.store.database import Connection, Database
from stockwire.store.queries import load

items = load("read_items.sql")
promises = load("read_promises.sql")
events = load("read_events.sql")
service = load("reads.sql")
webhooks = load("read_webhooks.sql")


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[Connection]:
    """A connection on which several queries see the same state."""
    async with (
        database.reads.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


def after_prefix(prefix: str) -> str | None:
    """The first text, in order of code points, that no longer begins with `prefix`. None: there is none."""
    while prefix:
        following = ord(prefix[-1]) + 1
        if 0xD800 <= following <= 0xDFFF:
            following = 0xE000
        if following <= 0x10FFFF:
            return prefix[:-1] + chr(following)
        prefix = prefix[:-1]
    return None
