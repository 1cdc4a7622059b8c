"""What must be right before a server works: schema, key ring, and in an empty embedded database a store (R17)."""

from __future__ import annotations

import asyncio
import json
import sys

from stockwire import private_file
from stockwire.config import Settings, WrongSetting
from stockwire.logs import named
from stockwire.sealing import CannotOpen, KeyRing, own_key
from stockwire.store import keys, migrate
from stockwire.store.database import Connection, Database
from stockwire.store.queries import load

log = named("first_start")
_sql = load("keys.sql")

FIRST_KEYS = "first-keys.json"
FIRST_STORE = "main"
FIRST_ROLES = ("admin", "operator", "viewer", "public")
_KNOWN_TEXT = b"stockwire"
_LOCK = migrate.LOCK + 1  # one start at a time; the migration within it has its own process and lock
_PATIENCE = "120s"  # for another process's first start


async def prepare(database: Database, settings: Settings) -> KeyRing:
    """Check or, embedded, bring up to date; the key ring.

    WrongSchema: the database is older or newer than the code. WrongSetting: the key does not fit the database.
    """
    connection = await database.connect()
    try:
        await connection.execute(f"SET lock_timeout = '{_PATIENCE}'; SET statement_timeout = '{_PATIENCE}'")
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK, timeout=130)
        version = await migrate.version_of(connection)
        if settings.embedded and version != migrate.expected():
            migrate.refuse_newer(version)
            await _migrate(database.dsn)
            version = await migrate.version_of(connection)
        migrate.check(version)
        ring = await key_ring(connection, settings)
        if settings.embedded and await keys.count_stores(connection) == 0:
            await _first_store(connection, settings)
        return ring
    finally:
        await connection.close()  # the lock goes with it


async def _migrate(dsn: str) -> None:
    """In a process of its own: what it imports is large and needed once."""
    code = "import sys; from stockwire.store import migrate; migrate.upgrade(sys.stdin.read())"
    process = await asyncio.create_subprocess_exec(sys.executable, "-P", "-c", code, stdin=asyncio.subprocess.PIPE)
    await process.communicate(dsn.encode())
    if process.returncode != 0:
        raise migrate.WrongSchema("the migration failed; its error stands above")


async def key_ring(connection: Connection, settings: Settings, *, make: bool = True) -> KeyRing:
    """The keys given, or an embedded database's own, which is made only while nothing is sealed yet.

    WrongSetting: they do not open what the database keeps sealed. With `make` false nothing is written.
    """
    sealed = await _sql.read_check(connection)
    known = settings.secret_key
    if settings.embedded and not known:
        known = (own_key(settings.data_dir, make=make and sealed is None),)
    ring = KeyRing(known)
    if sealed is None and make:
        await _sql.write_check(connection, ring.seal(_KNOWN_TEXT))
    elif sealed is not None:
        _check(ring, sealed)
    return ring


def _check(ring: KeyRing, sealed: bytes) -> None:
    try:
        ring.open(sealed)
    except CannotOpen:
        raise WrongSetting("secret_key", "is not the key that this database's secrets are encrypted with") from None


async def _first_store(connection: Connection, settings: Settings) -> None:
    """The file is written before the keys count: a crash between leaves no key that nobody knows."""
    async with connection.transaction():
        await keys.create_store(connection, FIRST_STORE)
        made = [await keys.create_key(connection, FIRST_STORE, role, name="first start") for role in FIRST_ROLES]
        shown = {"store": FIRST_STORE, "liveMode": False, "keys": [{"role": key.role, "key": key.key} for key in made]}
        path = settings.data_dir / FIRST_KEYS
        private_file.write(path, json.dumps(shown, indent=2).encode() + b"\n")
    log.info("first_keys_made", store=FIRST_STORE, file=path)
    if sys.stdout.isatty():
        lines = [f"  {key.role:9} {key.key}" for key in made]
        lines.insert(0, f"\nThe first keys of store `{FIRST_STORE}` (test mode), also in {path}:")
        sys.stdout.write("\n".join(lines) + "\n")
