"""A shop without a database: the rules, the journal and the bench of one ledger over plain Python, batch by batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from stockwire.domain.commands import ExpireDue, ItemRef
from stockwire.domain.state import State
from stockwire.ledger.deciding import Bench
from stockwire.ledger.journal import Journal
from stockwire.ledger.needs import Needs
from stockwire.ledger.submission import Answer, Submission

START = datetime(2026, 2, 6, 9, 0, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)


class ShopInMemory:
    """One store's test ledger. Its clock stands still until it is moved; each batch is a microsecond later."""

    def __init__(self, own_fulfiller: str = "main", start: datetime = START) -> None:
        self.state = State(own_fulfiller)
        self.now = start
        self.journal = Journal(self.state, self.now, live=False)
        self.shortages: dict[str, int] = {}
        self._kept: dict[tuple[str, int], dict[str, Any]] = {}
        self._movements: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def submit(self, *submissions: Submission) -> list[Answer]:
        """Carry commands out as one batch."""
        self.now += TICK
        fresh = [s for s in submissions if s.key is None or (s.key, s.slice) not in self._kept]
        self.state.due = self._due(fresh)
        journal = self.journal = Journal(self.state, self.now, live=False)
        bench = Bench(journal, self._kept, None)  # type: ignore[arg-type]
        bench.end_due_holds()
        answers = [bench.answer(submission) for submission in submissions]
        self._write(journal)
        return answers

    def _write(self, journal: Journal) -> None:
        self.state = journal.state
        self._movements += [row._asdict() for row in journal.movements]
        self._events += [json.loads(row.body) for row in journal.events]
        for item_id, (units, _) in journal.shortages.items():
            self.shortages[item_id] = self.shortages.get(item_id, 0) + units
        for answer in journal.answers:
            self._kept[answer.key, answer.slice] = answer._asdict()

    def _due(self, submissions: Sequence[Submission]) -> list[str]:
        """The due holds on everything that the commands name, the earliest first (R4)."""
        needs = Needs()
        for submission in submissions:
            needs.add(submission.command)
        if any(isinstance(submission.command, ExpireDue) for submission in submissions):
            parts = set(self.state.by_part)
        else:
            parts = self._parts(needs)
        due = [
            hold
            for hold in self.state.reservations.values()
            if hold.status == "reserved"
            and hold.expires_at <= self.now
            and (hold.id in needs.reservations or parts & {self._part(line.item_id) for line in hold.lines})
        ]
        return [hold.id for hold in sorted(due, key=lambda hold: (hold.expires_at, hold.id))]

    def _part(self, item_id: str) -> str:
        return self.state.items[item_id].part_number

    def _parts(self, needs: Needs) -> set[str]:
        ids = {id_ for id_ in needs.ids if id_ in self.state.items}
        for hold_id in needs.reservations & self.state.reservations.keys():
            ids |= {line.item_id for line in self.state.reservations[hold_id].lines}
        for order_id in needs.orders & self.state.orders.keys():
            ids |= {line.item_id for line in self.state.orders[order_id].lines}
        named = [ItemRef(product_id=product) for product in needs.products]
        named += [ItemRef(external_reference_id=reference) for reference in needs.references]
        ids |= {item.id for ref in named for item in self.state.named(ref)}
        return needs.parts | {self._part(item_id) for item_id in ids}

    def levels(self) -> dict[str, dict[str, Any]]:
        """Counters as written, by item id; deleted items are not shown."""
        return {
            id_: {**level._asdict(), "quantity": level.available, "backordered": level.backordered}
            for id_, level in self.state.levels.items()
            if not self.state.items[id_].deleted
        }

    def movements(self, after: int = 0) -> list[dict[str, Any]]:
        """Rows of the ledger in the order they were written, from the `after`-th on."""
        return self._movements[after:]

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """Published events above a position."""
        return self._events[after:]

    def close(self) -> None:
        """Nothing to give back."""
