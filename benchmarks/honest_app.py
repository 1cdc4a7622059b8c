"""The yardstick: what a careful person writes in an afternoon. One transaction per request, `SELECT … FOR UPDATE`.

The same PostgreSQL, the same tables with their indexes, checks and triggers, the same rows for an order or a change as
Stockwire writes (level, movement, event with its body, order, line, kept answer), the same idempotency and the same
check of the API key. What it does not have to do: number events without gaps (a sequence numbers them), lock a ledger's
head, end holds. asyncpg with a pool of 16, whose statements are prepared once a connection.

`python -m benchmarks.honest_app --database ADDRESS --port PORT --api-key KEY [--writes one|each]`:
`each` writes table by table, as most people would; `one` writes all tables in one statement of 46 parameters.
"""

import argparse
import hashlib
import hmac
import json
import os
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import asyncpg
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.honest_sql import LOCK_ITEMS, READ_ANSWER, READ_KEY, TABLES, WRITE_ALL, WRITE_EACH
from stockwire.ids import Ids

POOL = 16
STORE, LIVE = 1, False
KEY_REMEMBERED_SECONDS = 1.0
UPDATED = "inventory.self_managed_updated"
encode = msgspec.json.Encoder().encode


class OrderLine(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """One line of an order."""

    part_number: str
    quantity: int


class OrderBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /v1/orders."""

    items: list[OrderLine]


class ChangeBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """POST /v1/inventory-changes, of type `adjust` only."""

    type: str
    part_number: str
    delta: int


class Step(NamedTuple):
    """What becomes of one item: its row as it was locked, and what is added to its numbers."""

    item: asyncpg.Record
    kind: str
    on_hand: int
    allocated: int


class Refused(Exception):  # noqa: N818 - an answer
    """409: less is there than was asked for."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


class HonestApp:
    """The whole application."""

    def __init__(self, dsn: str, api_key: str, writes: str) -> None:
        self._dsn = dsn
        self._expected = hashlib.sha256(api_key.encode()).digest()
        self._write = _write_all if writes == "one" else _write_each
        self._known_until: dict[bytes, float] = {}
        self._pool: asyncpg.Pool[asyncpg.Record]

    def asgi(self) -> Starlette:
        """The application that uvicorn serves."""
        routes = [
            Route("/v1/orders", self.place_order, methods=["POST"]),
            Route("/v1/inventory-changes", self.change, methods=["POST"]),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with asyncpg.create_pool(self._dsn, min_size=POOL, max_size=POOL) as self._pool:
            yield

    async def place_order(self, request: Request) -> Response:
        """An order without a hold, taken at once."""
        if not await self._allowed(request):
            return _error(401, "unauthorized")
        raw = await request.body()
        try:
            body = msgspec.json.decode(raw, type=OrderBody)
        except msgspec.MsgspecError:
            return _error(400, "bad_request")
        return await self._answered(request, raw, sorted((line.part_number, line.quantity) for line in body.items))

    async def change(self, request: Request) -> Response:
        """An `adjust`."""
        if not await self._allowed(request):
            return _error(401, "unauthorized")
        raw = await request.body()
        try:
            body = msgspec.json.decode(raw, type=ChangeBody)
        except msgspec.MsgspecError:
            return _error(400, "bad_request")
        return await self._answered(request, raw, [(body.part_number, body.delta)])

    async def _allowed(self, request: Request) -> bool:
        digest = hashlib.sha256(request.headers.get("authorization", "")[7:].encode()).digest()
        now = datetime.now(UTC).timestamp()
        if self._known_until.get(digest, 0.0) < now:
            stored = await self._pool.fetchval(READ_KEY, STORE, LIVE, digest)
            if stored is None or not hmac.compare_digest(stored, self._expected):
                return False
            self._known_until[digest] = now + KEY_REMEMBERED_SECONDS
        return True

    async def _answered(self, request: Request, raw: bytes, lines: Sequence[tuple[str, int]]) -> Response:
        key = request.headers["idempotency-key"]
        fingerprint = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + raw).digest()
        ordering = request.url.path == "/v1/orders"
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                kept = await connection.fetchrow(READ_ANSWER, STORE, LIVE, key)
                if kept is not None:
                    return _replayed(kept, fingerprint)
                status, body = await self._carry_out(connection, lines, ordering, key, fingerprint)
        except Refused as refused:
            return _error(409, "conflict", f"items[{refused.place}].quantity")
        return Response(body, status, media_type="application/json")

    async def _carry_out(
        self, connection: Any, lines: Sequence[tuple[str, int]], ordering: bool, key: str, fingerprint: bytes
    ) -> tuple[int, bytes]:
        found = await connection.fetch(LOCK_ITEMS, STORE, LIVE, [part for part, _ in lines])
        items = {row["part_number"]: row for row in found}
        now = datetime.now(UTC)
        steps = [_step(items[part], units, ordering, place) for place, (part, units) in enumerate(lines)]
        written = _Written(steps, ordering, now, fingerprint)
        status, body = (201, written.order_answer()) if ordering else (200, written.change_answer())
        rows = (*written.rows(), [(key, 0, fingerprint, status, False, body)])
        await self._write(connection, (STORE, LIVE, now), rows)
        return status, body


async def _write_each(connection: Any, where: tuple[Any, ...], rows: Sequence[list[Any]]) -> None:
    for statement, some in zip(WRITE_EACH, rows, strict=True):
        if len(some) == 1:
            await connection.execute(statement, *where, *some[0])
        elif some:
            await connection.executemany(statement, [(*where, *row) for row in some])


async def _write_all(connection: Any, where: tuple[Any, ...], rows: Sequence[list[Any]]) -> None:
    columns = [column for some, types in zip(rows, TABLES, strict=True) for column in _columns(some, len(types))]
    await connection.execute(WRITE_ALL, *where, *columns)


def _step(item: asyncpg.Record, units: int, ordering: bool, place: int) -> Step:
    free = item["on_hand"] - item["reserved"] - item["allocated"]
    if ordering:
        if units > free:
            raise Refused(place)
        return Step(item, "order", 0, units)
    if item["on_hand"] + units < 0 or (units < 0 and free + units < 0):
        raise Refused(place)
    return Step(item, "adjust", units, 0)


class _Written:
    """The rows of one request and its answer."""

    def __init__(self, steps: list[Step], ordering: bool, now: datetime, fingerprint: bytes) -> None:
        self._steps = steps
        self._ordering = ordering
        self._moment = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._now = now
        self._fingerprint = fingerprint
        self._ids = Ids(now)
        self._id = str(uuid.UUID(self._ids.next()))
        self._event_ids = [self._ids.next() for _ in steps]

    def rows(self) -> tuple[list[Any], ...]:
        """Levels, movements, events, orders and order lines, each in the order of its statement's columns."""
        levels, movements, events, lines = [], [], [], []
        for place, step in enumerate(self._steps):
            item, sequence = step.item, step.item["sequence"] + 1
            on_hand, allocated = item["on_hand"] + step.on_hand, item["allocated"] + step.allocated
            levels.append((item["id"], on_hand, allocated, sequence, sequence))
            deltas = (step.on_hand, 0, step.allocated, on_hand, item["reserved"], allocated)
            why = (self._id, None, None, "key:honest", self._now)
            movements.append((item["id"], sequence, self._ids.next(), step.kind, *deltas, *why))
            head = (item["position"], self._event_ids[place], UPDATED, item["id"])
            events.append((*head, item["part_number"], item["fulfiller"], self._event(place)))
            lines.append((self._id, item["id"], place, step.allocated, 0))
        orders = [(self._id, self._fingerprint, None, None)] if self._ordering else []
        return levels, movements, events, orders, lines if self._ordering else []

    def _event(self, place: int) -> str:
        step = self._steps[place]
        item, sequence = step.item, step.item["sequence"] + 1
        before = item["on_hand"] - item["reserved"] - item["allocated"]
        about = {
            "quantity": max(0, before + step.on_hand - step.allocated),
            "timestamp": self._moment[:-4] + "Z",
            "products": json.loads(item["products"]),
            "eventType": UPDATED,
            "partNumber": item["part_number"],
            "fulfiller": item["fulfiller"],
            "allowBackOrder": item["allow_back_order"],
            "inventoryManagement": "Self Managed",
            "inventoryItemId": str(item["id"]),
            "sequence": sequence,
            "previousSequence": item["published"],
            "onHand": item["on_hand"] + step.on_hand,
            "reserved": item["reserved"],
            "allocated": item["allocated"] + step.allocated,
            "backordered": 0,
            "cause": step.kind,
            "reason": None,
            "reference": None,
        }
        changed = {"allocated": item["allocated"]} if step.allocated else {"onHand": item["on_hand"]}
        event = {
            "id": self._event_ids[place],
            "type": UPDATED,
            "data": {"object": about, "previousAttributes": {"quantity": max(0, before), **changed}},
            "liveMode": LIVE,
            "createdTime": self._moment,
            "position": item["position"],
        }
        return encode(event).decode()

    def order_answer(self) -> bytes:
        """The order as placed."""
        lines = [
            {
                "inventoryItemId": str(step.item["id"]),
                "partNumber": step.item["part_number"],
                "fulfiller": step.item["fulfiller"],
                "quantity": step.allocated,
                "backordered": 0,
                "open": step.allocated,
                "shipped": 0,
                "cancelled": 0,
                "returned": 0,
                "unitPrice": None,
                "currency": None,
            }
            for step in self._steps
        ]
        times = {"createdTime": self._moment, "updatedTime": self._moment}
        plain = {"reservationId": None, "reference": None, "items": lines, "liveMode": LIVE}
        return encode({"id": self._id, "status": "allocated", **plain, **times})

    def change_answer(self) -> bytes:
        """The level as changed."""
        step = self._steps[0]
        item, on_hand = step.item, step.item["on_hand"] + step.on_hand
        free = on_hand - item["reserved"] - item["allocated"]
        level = {
            "inventoryItemId": str(item["id"]),
            "partNumber": item["part_number"],
            "locationId": item["fulfiller"],
            "available": free > 0,
            "availableQuantity": max(0, free),
            "availableTime": None,
            "onHand": on_hand,
            "reserved": item["reserved"],
            "allocated": item["allocated"],
            "backordered": 0,
            "sequence": item["sequence"] + 1,
            "liveMode": LIVE,
            "updatedTime": self._moment,
        }
        return encode({"id": self._id, "status": "applied", "level": level, "eventIds": self._event_ids})


def _columns(rows: list[Any], width: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) or [()] * width


def _replayed(kept: asyncpg.Record, fingerprint: bytes) -> Response:
    if kept["fingerprint"] != fingerprint:
        return _error(409, "conflict", "Idempotency-Key")
    headers = {"idempotent-replayed": "true"}
    return Response(kept["body"], kept["status"], headers, media_type="application/json")


def _error(status: int, kind: str, parameter: str | None = None) -> Response:
    errors = [{"code": kind, "parameter": parameter, "message": kind}]
    return Response(encode({"type": kind, "errors": errors}), status, media_type="application/json")


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser()
    for flag in ("--database", "--port", "--api-key"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--writes", choices=("one", "each"), default="one")
    parser.add_argument("--cpu", type=int)
    given = parser.parse_args()
    if given.cpu is not None:
        os.sched_setaffinity(0, {given.cpu})
    app = HonestApp(given.database, given.api_key, given.writes).asgi()
    uvicorn.run(app, host="127.0.0.1", port=int(given.port), loop="uvloop", http="httptools", log_level="warning")


if __name__ == "__main__":
    main()
