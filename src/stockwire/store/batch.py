"""What a batch says to the database (R6). Only the ledger imports this: nothing else writes stock or events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any, NamedTuple

import asyncpg
from asyncpg import Record

from stockwire.store.database import Connection
from stockwire.store.queries import load

_sql = load("batch.sql")

Columns = list[Sequence[Any]]

COPY_FROM_ROWS = 200  # beyond this, COPY takes half the time of arrays
_COPIED = {
    "movements": [
        "item_id",
        "sequence",
        "id",
        "type",
        "on_hand_delta",
        "reserved_delta",
        "allocated_delta",
        "on_hand",
        "reserved",
        "allocated",
        "change_id",
        "reason",
        "reference",
        "actor",
        "occurred_at",
    ],
    "events": ["position", "id", "type", "item_id", "part_number", "fulfiller", "body"],
}


async def begin(connection: Connection, store_id: int, live: bool) -> None:
    """Begin a batch: the head's lock, and nothing read in the statement that waited for it."""
    await connection.execute(
        "BEGIN ISOLATION LEVEL READ COMMITTED; "
        f"SELECT FROM ledgers WHERE store_id = {int(store_id)} AND live = {bool(live)} FOR UPDATE"
    )


async def commit(connection: Connection) -> None:
    """Make the batch true."""
    await connection.execute("COMMIT")


async def rollback(connection: Connection) -> None:
    """Leave no trace of the batch."""
    await connection.execute("ROLLBACK")


class Trace(NamedTuple):
    """What only this batch can have written: one row that is enough to know it by, the other columns null."""

    now: datetime
    item_id: str | None = None
    movement_id: str | None = None
    key: str | None = None
    slice: int | None = None
    audit_id: str | None = None
    reservation_id: str | None = None
    order_id: str | None = None

    @property
    def lasting(self) -> bool:
        """Whether nothing writes the row again, so that its absence tells as well."""
        return self.reservation_id is None and self.order_id is None


async def outcome_of(connection: Connection, xid: str, store_id: int, live: bool, trace: Trace | None) -> str | None:
    """`committed`, `aborted`, `in progress`, or None where nobody can tell (R13).

    A server that crashed gives the numbers of the transactions that it lost to new ones. So a number from the future
    was lost, and one that is committed is the batch's only if a row of the batch is there. A batch without a trace
    refused everything: its answers are true either way.
    """
    try:
        outcome: str | None = await connection.fetchval("SELECT pg_xact_status($1::text::xid8)", xid)
    except asyncpg.InvalidParameterValueError:
        return "aborted"
    if outcome in ("aborted", "in progress") or trace is None:
        return outcome
    if await connection.fetchval(_sql.find_trace.sql, store_id, live, *trace):
        return "committed"
    return "aborted" if outcome == "committed" and trace.lasting else None


async def look_at_tables(connection: Connection) -> None:
    """Let the planner see what the tables have become, instead of within minutes by itself."""
    await connection.execute(
        "ANALYZE items, item_products, levels, movements, events, answers,"
        " reservations, reservation_lines, orders, order_lines"
    )


class Batch:
    """The statements of one batch of one ledger, on one connection."""

    def __init__(self, connection: Connection, store_id: int, live: bool) -> None:
        self._connection = connection
        self._ledger = (store_id, live)

    async def head(self, keys: Sequence[tuple[str, int]]) -> list[Record]:
        """The head and the time; in each row an answer that is kept under one of the keys (key, slice)."""
        wanted = [key for key, _ in keys], [part for _, part in keys]
        rows: list[Record] = await self._connection.fetch(_sql.load_head.sql, *self._ledger, *wanted)
        return rows

    async def parts_of(self, ids: Sequence[str], products: Sequence[str], references: Sequence[str]) -> list[str]:
        """Part numbers of items named by id, product or external reference."""
        rows = await self._connection.fetch(_sql.name_parts.sql, *self._ledger, ids, products, references)
        return [row["part_number"] for row in rows]

    async def items(self, now: datetime, parts: Sequence[str]) -> list[Record]:
        """The items of the parts, with levels and due reservations."""
        rows: list[Record] = await self._connection.fetch(_sql.load_parts.sql, *self._ledger, now, parts)
        return rows

    async def reservations(self, ids: Sequence[str]) -> list[Record]:
        """The reservations with their lines: a row a line."""
        rows: list[Record] = await self._connection.fetch(_sql.load_reservations.sql, *self._ledger, ids)
        return rows

    async def orders(self, ids: Sequence[str]) -> list[Record]:
        """The orders with their lines: a row a line."""
        rows: list[Record] = await self._connection.fetch(_sql.load_orders.sql, *self._ledger, ids)
        return rows

    async def due(self, now: datetime, most: int) -> list[str]:
        """Ids of reservations whose time has come."""
        rows = await self._connection.fetch(_sql.load_due.sql, *self._ledger, now, most)
        return [row["reservation_id"] for row in rows]

    async def endpoints(self) -> tuple[list[Record], list[Record]]:
        """Every endpoint and every secret of the ledger."""
        endpoints = await self._connection.fetch(_sql.load_endpoints.sql, *self._ledger)
        return endpoints, await self._connection.fetch(_sql.load_secrets.sql, *self._ledger)

    async def write(self, now: datetime, position: int, columns: dict[str, Columns]) -> None:
        """Everything that the batch changes. `columns`: the arrays of each part that has rows, by its name."""
        parts = columns.get
        if items := parts("items"):
            await self._do(_sql.write_items, items)
            await self._do(_sql.forget_products, [items[0]])
        if products := parts("products"):
            await self._do(_sql.write_products, products)
        for name, table_columns in _COPIED.items():
            if len(columns[name][0]) > COPY_FROM_ROWS:
                await self._copy(name, table_columns, columns[name], now)
                columns[name] = [()] * len(columns[name])
        core = [column for name in ("levels", "movements", "events", "answers") for column in columns[name]]
        await self._do(_sql.write_batch, [now, position, *core])
        if reservations := parts("reservations"):
            await self._do(_sql.write_reservations, reservations)
            await self._do(_sql.write_reservation_lines, columns["reservation_lines"])
        if orders := parts("orders"):
            await self._do(_sql.write_orders, [*orders, *columns["order_lines"]])
        if shortages := parts("shortages"):
            await self._do(_sql.write_shortages, [now, *shortages])
        if audit := parts("audit"):
            await self._do(_sql.write_audit, [now, *audit])

    async def write_endpoint(self, endpoint: Sequence[Any], secrets: Iterable[Sequence[Any]]) -> None:
        """One endpoint as it is now, with its secrets."""
        await self._do(_sql.write_endpoint, endpoint)
        await self._do(_sql.forget_secrets, [endpoint[0]])
        for secret in secrets:
            await self._do(_sql.write_secret, [endpoint[0], *secret])

    async def forget_endpoints(self, ids: Sequence[str]) -> None:
        """Endpoints that are deleted."""
        await self._do(_sql.forget_endpoints, [ids])

    async def _copy(self, table: str, table_columns: Sequence[str], columns: Columns, now: datetime) -> None:
        rows = zip(repeat(self._ledger[0]), repeat(self._ledger[1]), *columns, repeat(now), strict=False)
        names = ["store_id", "live", *table_columns, "created_at"]
        await self._connection.copy_records_to_table(table, records=rows, columns=names)

    async def _do(self, query: Any, values: Sequence[Any]) -> None:
        await self._connection.execute(query.sql, *self._ledger, *values)
