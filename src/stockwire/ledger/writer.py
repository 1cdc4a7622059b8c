"""Group commit: one batch at a time for each ledger, and recovery from what a database can do meanwhile (R6, R13)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import asyncpg

from stockwire import wire
from stockwire.domain.state import State
from stockwire.ledger.backlog import Allowance, Backlog, Pending
from stockwire.ledger.deciding import Bench, Sealer
from stockwire.ledger.journal import Journal
from stockwire.ledger.loading import load_state
from stockwire.ledger.needs import Needs
from stockwire.ledger.rows import trace_of, write
from stockwire.ledger.submission import Answer, LedgerId, Unavailable
from stockwire.logs import named
from stockwire.store import batch as steps
from stockwire.store.batch import Batch, Trace
from stockwire.store.database import UNREACHABLE, Connection, Database

log = named("ledger")

ASK_SECONDS = 5.0  # how long the outcome of a lost commit is asked for
BATCHES_A_TURN = 50  # on one connection, before another ledger may have it
PAUSE_SECONDS = 0.1  # between tries to reach a database that is away

# What the server says when it has no room, is going away, or was told to give up: the same command may succeed later.
_PASSING: tuple[type[Exception], ...] = (
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
)


class _Done(NamedTuple):
    """A batch that is decided and written, not yet committed."""

    answers: list[tuple[Pending, Answer]]
    xid: str
    trace: Trace | None
    position: int
    empty: bool


class Writer:
    """The batches of one ledger in this process. Other processes' writers wait for the same head lock."""

    def __init__(
        self,
        ledger: LedgerId,
        database: Database,
        allowance: Allowance,
        sealer: Sealer | None,
        committed: Callable[[LedgerId, int], None],
    ) -> None:
        self._ledger = ledger
        self._named: dict[str, Any] = {"store": ledger.store_id, "live": ledger.live}
        self._database = database
        self._allowance = allowance
        self._sealer = sealer
        self._committed = committed
        self._task: asyncio.Task[None] | None = None
        self.backlog = Backlog()

    def add(self, pending: Pending) -> None:
        """Queue a command; a batch begins at once if none is under way."""
        self.backlog.add(pending)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"ledger {self._ledger}")

    def drop_overdue(self, now: float) -> None:
        """Answer those whose batch has not begun in time."""
        for pending in self.backlog.drop_overdue(now):
            self._fail(pending, Unavailable("service_unavailable", "The ledger is busy or away; nothing was changed."))

    async def finish(self) -> None:
        """Wait until nothing waits."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        try:
            while self.backlog:
                await self._serve()
        finally:
            self._task = None

    async def _serve(self) -> None:
        """Some batches on one connection, unless nothing waits or the connection is lost before."""
        try:
            async with self._database.ledger.acquire() as connection:
                for _ in range(BATCHES_A_TURN):
                    if not self.backlog:
                        return
                    await self._one_batch(connection)
        except UNREACHABLE as fault:
            log.warning("ledger_unreachable", **self._named, fault=type(fault).__name__)
            await asyncio.sleep(PAUSE_SECONDS)
        except Exception:
            log.error("ledger_fault", exc_info=True, **self._named)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _one_batch(self, connection: Connection) -> None:
        await steps.begin(connection, *self._ledger)
        self.drop_overdue(asyncio.get_running_loop().time())
        taken = self.backlog.take()  # after the lock: what arrived while it was waited for joins this batch
        if not taken:
            await steps.rollback(connection)
            return
        try:
            await self._carry_out(connection, taken)
        except Exception:
            self._forget_nobody(taken)
            raise

    def _forget_nobody(self, taken: list[Pending]) -> None:
        """Whoever of a batch is neither answered nor waiting again is told; nobody waits for ever."""
        for pending in taken:
            if not pending.future.done() and pending not in self.backlog:
                self._fail(pending, _unknown())

    async def _carry_out(self, connection: Connection, taken: list[Pending]) -> None:
        """Decide, write, commit, answer. The head is locked."""
        done: _Done | None = None
        try:
            done = await self._decide_and_write(connection, taken)
            await (steps.rollback(connection) if done.empty else steps.commit(connection))
        except UNREACHABLE as fault:
            if done is None and _of_our_making(fault, connection):
                await self._after_fault(connection, taken, fault)
                return
            await self._after_loss(taken, done)
            raise
        except Exception as fault:
            await self._after_fault(connection, taken, fault)
            return
        self._answer(done)

    async def _decide_and_write(self, connection: Connection, taken: list[Pending]) -> _Done:
        batch = Batch(connection, *self._ledger)
        keyed = [(pending.submission.key, pending.submission.slice) for pending in taken if pending.submission.key]
        rows = await batch.head(keyed)
        head = rows[0]
        kept = {(row["key"], row["slice"]): row for row in rows if row["key"] is not None}
        needs = Needs()
        for pending in taken:
            if (pending.submission.key, pending.submission.slice) not in kept:
                needs.add(pending.submission.command)
        state = State(head["own_fulfiller"], head["position"])
        await load_state(batch, state, needs, head["now"])
        journal = Journal(state, head["now"], self._ledger.live)
        bench = Bench(journal, kept, self._sealer)
        bench.end_due_holds()
        answers = [(pending, bench.answer(pending.submission)) for pending in taken]
        if not journal.empty:
            await write(journal, batch)
        return _Done(answers, head["xid"], trace_of(journal), journal.state.position, journal.empty)

    def _answer(self, done: _Done) -> None:
        for pending, answer in done.answers:
            self._allowance.leave(pending.submission)
            pending.answer(answer)
        if not done.empty:
            self._committed(self._ledger, done.position)

    def _fail(self, pending: Pending, fault: Unavailable) -> None:
        self._allowance.leave(pending.submission)
        pending.fail(fault)

    async def _after_fault(self, connection: Connection, taken: list[Pending], fault: Exception) -> None:
        """The batch left no trace. One broken command must not harm the others: each runs alone (R13 a)."""
        try:
            await steps.rollback(connection)
        except Exception:
            self.backlog.put_back(taken)
            raise
        if len(taken) == 1:
            self._give_up(taken[0], fault)
            return
        log.warning("batch_split", **self._named, commands=len(taken), fault=type(fault).__name__)
        for place, pending in enumerate(taken):
            try:
                await self._alone(connection, pending)
            except Exception:
                self.backlog.put_back(taken[place + 1 :])
                raise

    async def _alone(self, connection: Connection, pending: Pending) -> None:
        try:
            await steps.begin(connection, *self._ledger)
        except Exception:
            self.backlog.put_back([pending])
            raise
        await self._carry_out(connection, [pending])

    def _give_up(self, pending: Pending, fault: Exception) -> None:
        if isinstance(fault, _PASSING):
            log.error("ledger_refused", **self._named, fault=type(fault).__name__)
            message = "The database cannot take changes now; nothing was changed."
            self._fail(pending, Unavailable("service_unavailable", message))
            return
        name = type(pending.submission.command).__name__
        log.error("command_failed", exc_info=fault, command=name, store=self._ledger.store_id, live=self._ledger.live)
        self._allowance.leave(pending.submission)
        error = {"code": "internal_error", "parameter": None, "message": "This failed; nothing was changed."}
        pending.answer(Answer(500, wire.encode(wire.errors(500, [error]))))

    async def _after_loss(self, taken: list[Pending], done: _Done | None) -> None:
        """The connection is gone. Before COMMIT was sent nothing was changed; after, only the server knows (R13 b)."""
        outcome = "aborted" if done is None or done.empty else await self._outcome_of(done)
        log.warning("commit_lost", **self._named, outcome=outcome, commands=len(taken))
        if outcome == "committed" and done is not None:
            self._answer(done)
        elif outcome == "aborted":
            self.backlog.put_back(taken)
        else:
            for pending in taken:
                self._fail(pending, _unknown())

    async def _outcome_of(self, done: _Done) -> str | None:
        """What became of a batch: asked until the server knows it, for some seconds. None: nobody can tell."""
        deadline = asyncio.get_running_loop().time() + ASK_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            try:
                async with asyncio.timeout_at(deadline):
                    outcome = await self._ask(done)
            except Exception as fault:  # whatever it is, those who wait for this batch must be answered
                log.warning("outcome_not_told", **self._named, fault=type(fault).__name__)
                outcome = "in progress"
            if outcome != "in progress":
                return outcome
            await asyncio.sleep(PAUSE_SECONDS)
        return None

    async def _ask(self, done: _Done) -> str | None:
        connection = await self._database.connect()
        try:
            return await steps.outcome_of(connection, done.xid, *self._ledger, done.trace)
        finally:
            await connection.close()


def _unknown() -> Unavailable:
    message = "The outcome is unknown: send the same request again with the same Idempotency-Key."
    return Unavailable("outcome_unknown", message)


def _of_our_making(fault: Exception, connection: Connection) -> bool:
    """Whether the driver refused what it was given, though the connection is there: a loss has the same class."""
    return isinstance(fault, asyncpg.InterfaceError) and _is_there(connection)


def _is_there(connection: Connection) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # it went back to its pool when it was closed
        return False
