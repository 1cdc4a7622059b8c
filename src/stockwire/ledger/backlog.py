"""Commands that wait for their batch: first come, first served, bounded in number, bytes and time (R11, R13)."""

from __future__ import annotations

import asyncio
from collections import deque

from stockwire.ledger.submission import Answer, Submission, Unavailable

MOST_COMMANDS = 10_000  # of a process
MOST_BYTES = 64 << 20
BATCH_LINES = 1_000
BATCH_BYTES = 4 << 20
PATIENCE_SECONDS = 5.0  # from arrival to the batch's begin


class Pending:
    """A command that waits, and the future that its asker awaits."""

    __slots__ = ("arrived", "future", "submission")

    def __init__(self, submission: Submission, loop: asyncio.AbstractEventLoop) -> None:
        self.submission = submission
        self.arrived = loop.time()
        self.future: asyncio.Future[Answer] = loop.create_future()

    def answer(self, answer: Answer) -> None:
        """Answer, unless nobody waits any more (R13 e)."""
        if not self.future.done():
            self.future.set_result(answer)

    def fail(self, fault: Unavailable) -> None:
        """Say that it was not decided."""
        if not self.future.done():
            self.future.set_exception(fault)


class Allowance:
    """How much all the backlogs of a process may hold together."""

    def __init__(self) -> None:
        self.commands = 0
        self.bytes = 0

    def admit(self, submission: Submission) -> bool:
        """Count a command in, if there is room."""
        if self.commands >= MOST_COMMANDS or self.bytes + submission.size > MOST_BYTES:
            return False
        self.commands += 1
        self.bytes += submission.size
        return True

    def leave(self, submission: Submission) -> None:
        """Count a command out: it is answered."""
        self.commands -= 1
        self.bytes -= submission.size


class Backlog:
    """The waiting commands of one ledger."""

    def __init__(self) -> None:
        self._waiting: deque[Pending] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, pending: Pending) -> bool:
        return pending in self._waiting

    def add(self, pending: Pending) -> None:
        """At the end of the queue."""
        self._waiting.append(pending)

    def put_back(self, taken: list[Pending]) -> None:
        """At the front, in their order: their batch left no trace."""
        self._waiting.extendleft(reversed(taken))

    def take(self) -> list[Pending]:
        """The commands of the next batch: as many as its bounds allow, at least one if any waits."""
        taken: list[Pending] = []
        lines = size = 0
        while self._waiting:
            submission = self._waiting[0].submission
            lines += submission.weight
            size += submission.size
            if taken and (lines > BATCH_LINES or size > BATCH_BYTES):
                break
            taken.append(self._waiting.popleft())
        return taken

    def drop_overdue(self, now: float) -> list[Pending]:
        """Those that have waited too long for their batch to begin."""
        overdue: list[Pending] = []
        while self._waiting and now - self._waiting[0].arrived > PATIENCE_SECONDS:
            overdue.append(self._waiting.popleft())
        return overdue
