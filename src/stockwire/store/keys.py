"""Stores and API keys (R17). A key is `sk_test_<store>_<32 random characters>`; only its digest is kept."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import string
from typing import Any, NamedTuple

from stockwire.ids import Ids
from stockwire.store.database import Connection
from stockwire.store.queries import load

_sql = load("keys.sql")

ROLES = ("admin", "operator", "viewer", "fulfiller", "public")
STORE_NAME = re.compile(r"[a-z0-9]{1,32}")
_LETTERS = string.ascii_letters + string.digits
_RANDOM_LETTERS = 32
_OPERATOR = "person:command-line"


class Unusable(ValueError):  # noqa: N818 - said to the person who asked
    """A store or key that cannot be made or found as asked; the text says why."""


class NewKey(NamedTuple):
    """A key as it is shown once."""

    id: str
    store: str
    live: bool
    role: str
    fulfiller: str | None
    name: str
    key: str


async def create_store(connection: Connection, name: str, own_fulfiller: str | None = None) -> int:
    """A store with its two ledgers; its id. Its own fulfiller is called like the store unless named."""
    if not STORE_NAME.fullmatch(name):
        raise Unusable("a store's name is 1 to 32 lower-case letters and digits: it stands in every key")
    own = own_fulfiller or name
    if not 1 <= len(own) <= 100 or not own.isprintable():
        raise Unusable("a fulfiller's name is 1 to 100 printable characters")
    async with connection.transaction():
        store_id: int | None = await _sql.create_store(connection, name, own)
        if store_id is None:
            raise Unusable(f"there is a store {name} already")
        await _sql.create_ledgers(connection, store_id)
    return store_id


async def create_key(
    connection: Connection, store: str, role: str, *, live: bool = False, fulfiller: str | None = None, name: str = ""
) -> NewKey:
    """A key of a store. A `fulfiller` key is bound to one fulfiller, the others to none."""
    if role not in ROLES:
        raise Unusable(f"a key's role is one of {', '.join(ROLES)}")
    if (role == "fulfiller") != (fulfiller is not None):
        raise Unusable("a fulfiller is named for a key of role fulfiller, and for no other")
    store_id = await _store_id(connection, store)
    prefix = f"{'pk' if role == 'public' else 'sk'}_{'live' if live else 'test'}_{store}_"
    async with connection.transaction():
        while True:
            key = prefix + "".join(secrets.choice(_LETTERS) for _ in range(_RANDOM_LETTERS))
            digest = hashlib.sha256(key.encode()).digest()
            key_id = await _sql.create_key(connection, store_id, live, role, fulfiller, name, prefix, key[-4:], digest)
            if key_id is not None:
                break
        await _note(connection, store_id, live, "key.create", str(key_id), {"role": role})
    return NewKey(str(key_id), store, live, role, fulfiller, name, key)


async def revoke_key(connection: Connection, store: str, named: str) -> dict[str, Any]:
    """End the key with this id or these last four characters; it is refused everywhere within seconds."""
    store_id = await _store_id(connection, store)
    async with connection.transaction():
        rows = await _sql.revoke_key(connection, store_id, named)
        if not rows:
            raise Unusable(f"the store {store} has no key {named}")
        await _note(connection, store_id, rows[0]["live"], "key.revoke", str(rows[0]["id"]), {})
    return dict(rows[0])


async def _store_id(connection: Connection, store: str) -> int:
    row = await _sql.find_store(connection, store)
    if row is None:
        raise Unusable(f"there is no store {store}: `stockwire stores list` names them")
    store_id: int = row["store_id"]
    return store_id


async def _note(
    connection: Connection, store_id: int, live: bool, action: str, subject: str, details: dict[str, Any]
) -> None:
    line = Ids(await _sql.now(connection)).next()
    await _sql.note_key(connection, store_id, live, line, _OPERATOR, action, subject, json.dumps(details))


async def stores(connection: Connection) -> list[dict[str, Any]]:
    """Every store."""
    return [dict(row) for row in await _sql.list_stores(connection)]


async def keys(connection: Connection, store: str | None = None) -> list[dict[str, Any]]:
    """The keys of one store or of all, without what would open a door."""
    return [dict(row) for row in await _sql.list_keys(connection, store)]


async def count_stores(connection: Connection) -> int:
    """How many stores there are."""
    count: int = await _sql.count_stores(connection)
    return count
