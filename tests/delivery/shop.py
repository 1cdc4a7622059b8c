"""A store with webhooks and published events, and a receiver that behaves as told."""

import asyncio
import base64
import contextlib
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import standardwebhooks
from aiohttp import web

from stockwire.delivery import worker
from stockwire.delivery.rounds import Rounds
from stockwire.ledger import Ledger
from stockwire.store.database import Database

SECRET = "whsec_" + base64.b64encode(b"a secret of the tests, 32 bytes.").decode()


class PlainKeys:
    """Stored secrets are not what these tests are about."""

    def open(self, sealed: bytes, /) -> bytes:
        return sealed


@dataclass(frozen=True)
class DeliverySettings:
    webhook_allow: tuple[str, ...] = ("127.0.0.0/8", "::1")
    egress_proxy: str | None = None


@dataclass
class Shop:
    """One ledger. Events are published straight into its log, as a batch of the real ledger leaves them."""

    database: Database
    store_id: int
    live: bool

    @classmethod
    async def open(cls, database: Database, name: str = "acme", live: bool = False) -> "Shop":
        async with database.work.acquire() as connection:
            store_id = await connection.fetchval(
                "INSERT INTO stores (name, own_fulfiller) VALUES ($1, 'Main') RETURNING store_id", name
            )
            await connection.execute("INSERT INTO ledgers (store_id, live) VALUES ($1, false), ($1, true)", store_id)
        return cls(database, store_id, live)

    @property
    def ledger(self) -> tuple[int, bool]:
        return self.store_id, self.live

    async def webhook(
        self,
        address: str,
        types: tuple[str, ...] = ("*",),
        secrets: tuple[str, ...] = (SECRET,),
        settings: dict[str, Any] | None = None,
        credentials: dict[str, Any] | None = None,
    ) -> uuid.UUID:
        """A webhook that begins at the head; of the secrets the first is the newest."""
        id_ = uuid.uuid4()
        async with self.database.work.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO endpoints (store_id, live, id, address, types, enabled, start_position, settings,"
                " credentials, created_at, updated_at) SELECT $1, $2, $3, $4, $5, true, position, $6, $7, now(), now()"
                " FROM ledgers WHERE store_id = $1 AND live = $2 FOR UPDATE",  # as the ledger, which makes them (R28)
                *self.ledger,
                id_,
                address,
                list(types),
                json.dumps(settings or {}),
                None if credentials is None else json.dumps(credentials).encode(),
            )
            for age, secret in enumerate(secrets):
                await connection.execute(
                    "INSERT INTO endpoint_secrets (store_id, live, endpoint_id, id, secret, created_at)"
                    " VALUES ($1, $2, $3, gen_random_uuid(), $4, now() - make_interval(secs => $5))",
                    *self.ledger,
                    id_,
                    secret.encode(),
                    age,
                )
        return id_

    async def publish(self, count: int = 1, type_: str = "inventory.self_managed_updated", **fields: Any) -> list[str]:
        """Append events in one transaction and say so, as the ledger does. Gives their ids."""
        ids = [str(uuid.uuid4()) for _ in range(count)]
        part, fulfiller = fields.get("part_number", "CCC"), fields.get("fulfiller", "Main")
        about = fields.get("about", "item")
        async with self.database.work.acquire() as connection:
            async with connection.transaction():
                head = await connection.fetchval(
                    "SELECT position FROM ledgers WHERE store_id = $1 AND live = $2 FOR UPDATE", *self.ledger
                )
                positions = list(range(head + 1, head + count + 1))
                bodies = [
                    json.dumps(
                        {
                            "id": id_,
                            "type": type_,
                            "data": {"object": {"id": about}},
                            "position": position,
                            "note": "Zürich",
                        },
                        ensure_ascii=False,
                    )
                    for id_, position in zip(ids, positions, strict=True)
                ]
                await connection.execute(
                    "INSERT INTO events (store_id, live, position, id, type, part_number, fulfiller, created_at, body)"
                    " SELECT $1, $2, e.position, e.id, $3, $4, $5, now(), e.body"
                    " FROM unnest($6::bigint[], $7::uuid[], $8::text[]) AS e(position, id, body)",
                    *self.ledger,
                    type_,
                    part,
                    fulfiller,
                    positions,
                    ids,
                    bodies,
                )
                await connection.execute(
                    "UPDATE ledgers SET position = $3 WHERE store_id = $1 AND live = $2", *self.ledger, head + count
                )
            await connection.execute(
                "SELECT pg_notify('stockwire_events', $1)", f"{self.store_id}:{int(self.live)}:{head + count}"
            )
        return ids

    async def statuses(self) -> Counter[str]:
        """Deliveries by status."""
        rows = await self.fetch("SELECT status, count(*) FROM deliveries GROUP BY status")
        return Counter({row["status"]: row["count"] for row in rows})

    async def fetch(self, sql: str, *values: Any) -> list[Any]:
        async with self.database.work.acquire() as connection:
            return await connection.fetch(sql, *values)

    async def execute(self, sql: str, *values: Any) -> None:
        async with self.database.work.acquire() as connection:
            await connection.execute(sql, *values)

    async def scalar(self, sql: str, *values: Any) -> Any:
        async with self.database.work.acquire() as connection:
            return await connection.fetchval(sql, *values)

    async def statuses_are(self, **expected: int) -> bool:
        return await self.statuses() == Counter(expected)

    async def make_due(self) -> None:
        """Let what waits for its next attempt be due now."""
        await self.execute("UPDATE deliveries SET due_at = now() WHERE status = 'pending' AND claim IS NULL")

    @contextlib.asynccontextmanager
    async def delivering(
        self, settings: DeliverySettings | None = None, keyring: Any = None, fares: Rounds | None = None
    ) -> AsyncIterator[asyncio.Event]:
        """A worker runs in this process; it stops cleanly at the end."""
        stop = asyncio.Event()
        ledger = Ledger(self.database)
        running = asyncio.create_task(
            worker.run(self.database, ledger, settings or DeliverySettings(), keyring or PlainKeys(), stop, fares)
        )
        try:
            yield stop
        finally:
            stop.set()
            await asyncio.wait_for(running, 20)
            await ledger.close()


@dataclass
class Received:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    raw_headers: tuple[tuple[bytes, bytes], ...]

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


Answering = Callable[[web.Request, int], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    """A real server on loopback. `answer(request, n)` decides on the n-th request (from 1); by default 200."""

    answer: Answering | None = None
    received: list[Received] = field(default_factory=list)
    address: str = ""
    busy: int = 0
    busiest: int = 0

    @property
    def ids(self) -> list[str]:
        return [request.id for request in self.received]

    def verified(self, secret: str = SECRET) -> list[dict[str, Any]]:
        """Every body, after the public verifier accepted its signature."""
        return [standardwebhooks.Webhook(secret).verify(r.body, r.headers) for r in self.received]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path_qs, headers, body, request.raw_headers))
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            return await self.answer(request, len(self.received)) if self.answer else web.Response(text="thank you")
        finally:
            self.busy -= 1


@contextlib.asynccontextmanager
async def receiving(answer: Answering | None = None) -> AsyncIterator[Receiver]:
    """A receiver that listens until the end."""
    receiver = Receiver(answer)
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", receiver.handle)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def answering(status: int, **headers: str) -> Answering:
    """Always this status."""

    async def answer(_request: web.Request, _number: int) -> web.StreamResponse:
        return web.Response(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


async def until(condition: Callable[[], Any], seconds: float = 15.0) -> None:
    """Wait until the condition (plain or awaitable) holds."""
    async with asyncio.timeout(seconds):
        while True:
            result = condition()
            if asyncio.iscoroutine(result):
                result = await result
            if result:
                return
            await asyncio.sleep(0.02)
