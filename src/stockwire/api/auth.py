"""Who asks: API keys, looked up by digest and remembered for a second (R9, R17)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

from stockwire.domain.commands import Actor
from stockwire.ledger.submission import LedgerId
from stockwire.store import reads

if TYPE_CHECKING:
    from stockwire.store.database import Database

KEY = re.compile(rb"(?:sk|pk)_(test|live)_([a-z0-9]{1,32})_[0-9A-Za-z]{32}")
REMEMBERED_SECONDS = 1.0  # a revoked key works no longer than this, on any process
_MOST_REMEMBERED = 10_000


class Caller(NamedTuple):
    """Whose key it is: its ledger, what it may do, and as whom it is written down."""

    ledger: LedgerId
    actor: Actor
    store: str

    @property
    def role(self) -> str:
        """admin, operator, viewer, fulfiller or public."""
        return self.actor.role

    @property
    def fulfiller(self) -> str | None:
        """The only fulfiller whose things this key sees, None where it sees all."""
        return self.actor.fulfiller


class KeyRow(NamedTuple):
    """A key that is not revoked, as the database knows it."""

    key_id: str
    store_id: int
    role: str
    fulfiller: str | None
    digest: bytes


# (store name, live, SHA-256 of the key) -> its row, or None
LookUp = Callable[[str, bool, bytes], Awaitable[KeyRow | None]]


async def find_key(database: Database, store: str, live: bool, digest: bytes) -> KeyRow | None:
    """The key in the database, revoked ones left out."""
    row = await reads.service.key_row(database.reads, store, live, digest)
    return (
        None if row is None else KeyRow(str(row["id"]), row["store_id"], row["role"], row["fulfiller"], row["digest"])
    )


class Keys:
    """Callers by the key they send. A key that many requests send at once is asked for once."""

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._known: dict[bytes, tuple[float, Caller | None]] = {}
        self._asking: dict[bytes, asyncio.Task[Caller | None]] = {}

    async def caller(self, key: bytes) -> Caller | None:
        """The caller, or None for a key that is unknown, revoked or no key at all."""
        digest = hashlib.sha256(key).digest()
        known = self._known.get(digest)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        parsed = KEY.fullmatch(key)
        if parsed is None:
            return None
        asking = self._asking.get(digest)
        if asking is None:
            asking = asyncio.create_task(self._ask(parsed[2].decode(), parsed[1] == b"live", digest))
            self._asking[digest] = asking
            asking.add_done_callback(lambda _: self._asking.pop(digest, None))
        return await asyncio.shield(asking)

    async def _ask(self, store: str, live: bool, digest: bytes) -> Caller | None:
        asked_at = time.monotonic()
        row = await self._look_up(store, live, digest)
        caller = None
        if row is not None and hmac.compare_digest(row.digest, digest):
            actor = Actor(f"key:{row.key_id}", row.role, row.fulfiller)
            caller = Caller(LedgerId(row.store_id, live), actor, store)
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[digest] = (asked_at + REMEMBERED_SECONDS, caller)
        return caller


def bearer(header: bytes | None) -> bytes | None:
    """The key of an `Authorization: Bearer …` header."""
    if header is None or header[:7].lower() != b"bearer ":
        return None
    return header[7:].strip()


_SECRET_IN_QUERY = re.compile(rb"sk_(?:test|live)_[a-z0-9]{1,32}_[0-9A-Za-z]{8,}")


def leaks_key(query: bytes) -> bool:
    """Whether a query string holds a secret key: it would stand in every log on the way (R17)."""
    return _SECRET_IN_QUERY.search(unquote_to_bytes(query)) is not None
