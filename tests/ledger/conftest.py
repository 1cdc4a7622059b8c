"""A store on a fresh real database, and short words for what the tests ask of its ledger."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from stockwire.domain import commands
from stockwire.domain.commands import Actor, Command, ItemRef, Line
from stockwire.ledger import Answer, Ledger, LedgerId, Submission
from stockwire.store.database import Database
from tests.shops.on_database import new_store

ADMIN = Actor("key:tests", "admin")


class Shop:
    """One store, its test ledger, and as many writers as a test wants: each is what a process would be."""

    def __init__(self, database: Database, ledger_id: LedgerId) -> None:
        self.database = database
        self.id = ledger_id
        self.writers: list[Ledger] = []
        self.ledger = self.writer()

    def writer(self, **how: Any) -> Ledger:
        """One more writer of the same ledger."""
        self.writers.append(Ledger(self.database, **how))
        return self.writers[-1]

    async def ask(self, command: Command, key: str | None = None, *, by: Ledger | None = None, **more: Any) -> Answer:
        """A command to the first writer, or to another."""
        return await (by or self.ledger).submit(self.id, submission(command, key, **more))

    async def body(self, command: Command, key: str | None = None) -> Any:
        """What a command that succeeds shows."""
        answer = await self.ask(command, key)
        assert answer.status < 300, answer
        return json.loads(answer.body) if answer.body else None

    async def item(self, part: str = "MUG", quantity: int = 0, **policy: Any) -> str:
        """A new item; its id."""
        made = await self.body(commands.CreateItem(str(uuid.uuid4()), part, quantity=quantity, **policy))
        return str(made["id"])

    async def fetch(self, statement: str, *values: Any) -> list[Any]:
        """Rows of this ledger: the statement's first two parameters are its store and mode."""
        async with self.database.work.acquire() as connection:
            return list(await connection.fetch(statement, *self.id, *values))

    async def level(self, item_id: str) -> tuple[int, int, int]:
        """On hand, reserved, allocated."""
        row = (await self.fetch("SELECT * FROM levels WHERE store_id = $1 AND live = $2 AND item_id = $3", item_id))[0]
        return row["on_hand"], row["reserved"], row["allocated"]

    async def positions(self) -> list[int]:
        """Of every event."""
        rows = await self.fetch("SELECT position FROM events WHERE store_id = $1 AND live = $2 ORDER BY position")
        return [row["position"] for row in rows]

    async def count(self, table: str) -> int:
        """Rows of a table that are this ledger's."""
        rows = await self.fetch(f"SELECT count(*) AS n FROM {table} WHERE store_id = $1 AND live = $2")
        return int(rows[0]["n"])


def submission(command: Command, key: str | None = None, *, body: str | None = None, **more: Any) -> Submission:
    """As the doors make it: the fingerprint is that of the request's bytes."""
    fingerprint = hashlib.sha256((body or repr(command)).encode()).digest() if key else None
    return Submission(command, ADMIN, key=key, fingerprint=fingerprint, **more)


def change(kind: str, amount: int, part: str = "MUG", **more: Any) -> commands.Change:
    """A change of the part at the store's own fulfiller."""
    return commands.Change(kind, ItemRef(part_number=part), amount, **more)


def order(id_: str, quantity: int = 1, part: str = "MUG") -> commands.PlaceOrder:
    """An order of one line."""
    return commands.PlaceOrder(id_, (Line(ItemRef(part_number=part), quantity),), hashlib.sha256(id_.encode()).digest())


def reserve(id_: str, quantity: int = 1, part: str = "MUG", seconds: int = 900) -> commands.Reserve:
    """A reservation of one line."""
    return commands.Reserve(id_, (Line(ItemRef(part_number=part), quantity),), seconds, b"x" * 32)


@pytest_asyncio.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    """An empty store."""
    opened = Shop(database, await new_store(database))
    try:
        yield opened
    finally:
        await asyncio.gather(*(writer.close() for writer in opened.writers))
