"""A real server over a real ledger, in the test's own process and loop, and a small client that asks it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import socket
import string
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp

from stockwire.api.server import serve
from stockwire.config import Settings
from stockwire.ledger import Ledger
from stockwire.sealing import KeyRing
from stockwire.store.database import Database

ROLES = ("admin", "operator", "viewer", "fulfiller", "public")
OWN, OTHER = "main", "depot"
RING = KeyRing(["a key ring of the tests, 32 long and more"])


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def codes(self) -> list[str]:
        """Codes of a refusal's faults, in order."""
        return [fault["code"] for fault in self.body["errors"]]

    @property
    def faults(self) -> list[tuple[str, str | None]]:
        return [(fault["code"], fault["parameter"]) for fault in self.body["errors"]]


class Shop:
    """One store of a running server: `ask` with the key of a role; everything answered is kept in `seen`."""

    def __init__(self, address: tuple[str, int], name: str, store_id: int, database: Database) -> None:
        self.address = address
        self.name = name
        self.store_id = store_id
        self.database = database
        self.keys: dict[str, str] = {}
        self.seen: list[tuple[str, str, Answered]] = []
        self.session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str | None = "admin",
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answered:
        """One request; `raw` sends bytes as they are."""
        sent = {} if role is None else {"Authorization": f"Bearer {self.keys[role]}"}
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if content is not None:
            sent["Content-Type"] = "application/json"
        assert self.session is not None
        async with self.session.request(
            method, self.url + path, data=content, headers=sent | (headers or {}), allow_redirects=False
        ) as answer:
            found = Answered(answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.read())
        self.seen.append((method, path, found))
        return found

    async def get(self, path: str, **kwargs: Any) -> Answered:
        return await self.ask("GET", path, **kwargs)

    async def post(self, path: str, body: Any = None, **kwargs: Any) -> Answered:
        return await self.ask("POST", path, body, **kwargs)

    async def item(self, part: str, quantity: int = 0, **fields: Any) -> dict[str, Any]:
        """A new item, as the server answers it."""
        answer = await self.post("/v1/inventory-items", {"partNumber": part, "quantity": quantity, **fields})
        assert answer.status == 201, answer.raw
        made: dict[str, Any] = answer.body
        return made

    async def level(self, item_id: str, **query: str) -> dict[str, Any]:
        more = "".join(f"&{name}={value}" for name, value in query.items())
        answer = await self.get(f"/v1/inventory-levels?inventoryItemIds={item_id}{more}")
        assert answer.status == 200, answer.raw
        found: dict[str, Any] = answer.body["data"][0]
        return found


async def open_store(database: Database, live: bool = False) -> tuple[str, int, dict[str, str]]:
    """A store with a key of every role; the `fulfiller` key is of the fulfiller OTHER."""
    name = "".join(secrets.choice(string.ascii_lowercase) for _ in range(10))
    async with database.work.acquire() as connection, connection.transaction():
        store_id = await connection.fetchval(
            "INSERT INTO stores (name, own_fulfiller) VALUES ($1, $2) RETURNING store_id", name, OWN
        )
        await connection.execute("INSERT INTO ledgers (store_id, live) VALUES ($1, false), ($1, true)", store_id)
        keys = {role: await _key(connection, name, store_id, role, live) for role in ROLES}
    return name, store_id, keys


async def _key(connection: Any, store: str, store_id: int, role: str, live: bool) -> str:
    prefix = f"{'pk' if role == 'public' else 'sk'}_{'live' if live else 'test'}_{store}_"
    key = prefix + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(32))
    await connection.execute(
        "INSERT INTO keys (store_id, live, role, fulfiller, prefix, last_four, digest) VALUES ($1,$2,$3,$4,$5,$6,$7)",
        store_id,
        live,
        role,
        OTHER if role == "fulfiller" else None,
        prefix,
        key[-4:],
        hashlib.sha256(key.encode()).digest(),
    )
    return key


@asynccontextmanager
async def running(database: Database, ledger: Any, settings: Settings | None = None) -> AsyncIterator[tuple[str, int]]:
    """The address of a server that stops when the block ends."""
    sock = socket.create_server(("127.0.0.1", 0))
    address = sock.getsockname()
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(database, ledger, settings or Settings(), RING, sock, stop))
    try:
        yield address
    finally:
        stop.set()
        await asyncio.wait_for(serving, 15)


@asynccontextmanager
async def open_shop(database: Database) -> AsyncIterator[Shop]:
    """A store on a server of its own."""
    ledger = Ledger(database, RING)
    name, store_id, keys = await open_store(database)
    async with running(database, ledger) as address, aiohttp.ClientSession() as session:
        shop = Shop(address, name, store_id, database)
        shop.keys, shop.session = keys, session
        yield shop
    await ledger.close()
