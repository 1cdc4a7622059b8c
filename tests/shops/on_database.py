"""A shop on a real database: two writers, as two processes would be, that take turns; they can be restarted."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable
from typing import Any

from stockwire.ledger import Answer, Ledger, LedgerId, Submission
from stockwire.store.database import Database
from stockwire.store.keys import create_store

_numbers = itertools.count(1)


async def new_store(database: Database, own_fulfiller: str = "main") -> LedgerId:
    """A store with its two ledgers; the test ledger's id."""
    async with database.work.acquire() as connection:
        return LedgerId(await create_store(connection, f"shop{next(_numbers)}", own_fulfiller), False)


class ShopOnDatabase:
    """One store's test ledger, written by two Ledger objects over separate pools. Synchronous, with its own loop."""

    def __init__(self, dsn: str, own_fulfiller: str = "main") -> None:
        self.runner = asyncio.Runner()
        self.dsn = dsn
        self._own_fulfiller = own_fulfiller
        self._databases: list[Database] = []
        self.writers: list[Ledger] = []
        self._turn = itertools.cycle((0, 1))
        self.run(self._open())
        self.open_store()

    def run(self, awaitable: Awaitable[Any]) -> Any:
        """Wait for something on the shop's loop."""

        async def awaited() -> Any:
            return await awaitable

        return self.runner.run(awaited())

    async def _open(self) -> None:
        self._databases = [await Database.open(self.dsn) for _ in range(2)]
        self.writers = [Ledger(database) for database in self._databases]

    def open_store(self) -> None:
        """Go on with a new, empty store."""
        self.ledger = self.run(new_store(self._databases[0], self._own_fulfiller))

    def restart(self) -> None:
        """Stop one of the writers and start another in its place."""

        async def again(place: int) -> None:
            await self.writers[place].close()
            self.writers[place] = Ledger(self._databases[place])

        self.run(again(next(self._turn)))

    def submit(self, *submissions: Submission) -> list[Answer]:
        """Ask one writer, as fast as it can be asked: usually one batch."""
        writer = self.writers[next(self._turn)]
        return self._answers([writer.submit(self.ledger, submission) for submission in submissions])

    def submit_to_both(self, submission: Submission) -> list[Answer]:
        """The same to both writers at once."""
        return self._answers([writer.submit(self.ledger, submission) for writer in self.writers])

    def submit_spread(self, submissions: list[Submission]) -> list[Answer]:
        """Each to one of the writers, all at once."""
        writers = itertools.cycle(self.writers)
        return self._answers([next(writers).submit(self.ledger, submission) for submission in submissions])

    def _answers(self, asked: list[Awaitable[Answer]]) -> list[Answer]:
        async def gathered() -> list[Answer]:
            return list(await asyncio.gather(*asked))

        answers: list[Answer] = self.run(gathered())
        return answers

    def advance(self, seconds: float) -> None:
        """Let time pass for what waits for a time: every hold ends that much earlier."""
        self._execute("UPDATE reservation_lines SET expires_at = expires_at - make_interval(secs => $3)", seconds)
        self._execute(
            "UPDATE reservations SET expires_at = expires_at - make_interval(secs => $3),"
            " created_at = created_at - make_interval(secs => $3)",
            seconds,
        )

    def _execute(self, statement: str, *values: Any) -> None:
        async def executed() -> None:
            async with self._databases[0].work.acquire() as connection:
                await connection.execute(f"{statement} WHERE store_id = $1 AND live = $2", *self.ledger, *values)

        self.run(executed())

    def _fetch(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        async def fetched() -> list[dict[str, Any]]:
            async with self._databases[0].work.acquire() as connection:
                return [dict(row) for row in await connection.fetch(statement, *self.ledger, *values)]

        rows: list[dict[str, Any]] = self.run(fetched())
        return rows

    def levels(self) -> dict[str, dict[str, Any]]:
        """Counters as written, by item id; deleted items are not shown."""
        rows = self._fetch(
            "SELECT l.*, greatest(0, on_hand - reserved - allocated) AS quantity,"
            " greatest(0, reserved + allocated - on_hand) AS backordered"
            " FROM levels l JOIN items i ON i.store_id = l.store_id AND i.live = l.live AND i.id = l.item_id"
            " WHERE l.store_id = $1 AND l.live = $2 AND i.deleted_at IS NULL"
        )
        return {str(row["item_id"]): row for row in rows}

    def movements(self, after: int = 0) -> list[dict[str, Any]]:
        """Rows of the ledger in the order they were written, from the `after`-th on."""
        rows = self._fetch("SELECT * FROM movements WHERE store_id = $1 AND live = $2 ORDER BY id OFFSET $3", after)
        return [{**row, "item_id": str(row["item_id"]), "change_id": str(row["change_id"])} for row in rows]

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """Published events above a position."""
        rows = self._fetch(
            "SELECT position, body FROM events WHERE store_id = $1 AND live = $2 AND position > $3 ORDER BY position",
            after,
        )
        return [json.loads(row["body"]) for row in rows]

    def close(self) -> None:
        """Stop the writers and give the connections back."""

        async def closed() -> None:
            for writer in self.writers:
                await writer.close()
            for database in self._databases:
                await database.close()

        self.run(closed())
        self.runner.close()
