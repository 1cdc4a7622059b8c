"""The commands of one batch decided in order, each on what those before it left, and their answers kept (R11, R12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from asyncpg import Record

from stockwire import wire
from stockwire.domain import commands
from stockwire.domain.commands import Actor, Command
from stockwire.domain.decide import Outcome, decide, decide_row
from stockwire.domain.decision import Decision
from stockwire.domain.holding import expire
from stockwire.domain.refusals import Refused
from stockwire.ledger.answering import Shown, answer, item_result, row_result
from stockwire.ledger.journal import AnswerRow, Journal, Why
from stockwire.ledger.submission import Answer, Submission

KeyAndSlice = tuple[str, int]
_KEPT_REFUSALS = frozenset({404, 409, 422})


class Sealer(Protocol):
    """Encrypts what is stored and must not be read there."""

    def seal(self, plain: bytes) -> bytes: ...
    def open(self, sealed: bytes) -> bytes: ...


class Bench:
    """Decides one batch. `kept`: the rows of `answers` found under the batch's idempotency keys."""

    def __init__(self, journal: Journal, kept: Mapping[KeyAndSlice, Record], sealer: Sealer | None) -> None:
        self._journal = journal
        self._sealer = sealer
        self._kept: dict[KeyAndSlice, tuple[bytes, Answer]] = {}
        for key, row in kept.items():
            body = self._opened(row["body"]) if row["sealed"] else row["body"]
            self._kept[key] = row["fingerprint"], Answer(row["status"], body, replayed=True)

    def _opened(self, sealed: bytes) -> bytes:
        if self._sealer is None:
            raise RuntimeError("an answer is sealed and this process has no key ring")
        return self._sealer.open(sealed)

    def end_due_holds(self) -> None:
        """First of all, the holds whose time has come end, the earliest first (R4)."""
        journal = self._journal
        for reservation_id in journal.state.due:
            known = journal.state.reservations[reservation_id]
            ended = known._replace(status="expired", updated_at=journal.now)
            notice = wire.reservation(ended, journal.state.items, journal.live)
            why = Why(journal.ids.next(), commands.SYSTEM.name, reference=known.reference or known.id)
            journal.apply(expire(known, journal.now, notice), why)

    def answer(self, submission: Submission) -> Answer:
        """Carry one command out, or give the first answer to its idempotency key (R12)."""
        if submission.key is None:
            return _encoded(self._carry_out(submission.command, submission.actor))
        place = submission.key, submission.slice
        if place in self._kept:
            fingerprint, first = self._kept[place]
            return first if fingerprint == submission.fingerprint else _reused(submission.key)
        fresh = _encoded(self._carry_out(submission.command, submission.actor))
        if fresh.status < 300 or fresh.status in _KEPT_REFUSALS:
            self._keep(submission, fresh)
        return fresh

    def _keep(self, submission: Submission, fresh: Answer) -> None:
        assert submission.key is not None
        assert submission.fingerprint is not None
        sealed = submission.secret and fresh.status < 300
        if sealed and self._sealer is None:
            raise RuntimeError("an answer shows a secret and this process has no key ring")
        body = self._sealer.seal(fresh.body) if sealed and self._sealer else fresh.body
        self._journal.answers.append(
            AnswerRow(submission.key, submission.slice, submission.fingerprint, fresh.status, sealed, body)
        )
        replay = fresh._replace(replayed=True)
        self._kept[submission.key, submission.slice] = submission.fingerprint, replay

    def _carry_out(self, command: Command, actor: Actor) -> Shown:
        journal = self._journal
        if isinstance(command, commands.Changes):
            return self._changes(command, actor)
        if isinstance(command, commands.CreateItems):
            return self._new_items(command, actor)
        if isinstance(command, commands.ExpireDue):
            return 200, {"expired": len(journal.state.due)}
        outcome = decide(command, journal.state, actor, journal.now)
        change_id = journal.ids.next()
        event_ids = self._fold(outcome, _why(command, change_id, actor))
        return answer(command, outcome, journal, change_id, event_ids)

    def _fold(self, outcome: Outcome, why: Why) -> list[str]:
        if isinstance(outcome, Decision):
            return self._journal.apply(outcome, why)
        self._journal.note_shortages(outcome.shortages)
        return []

    def _changes(self, command: commands.Changes, actor: Actor) -> Shown:
        journal = self._journal
        saved = journal.save() if command.atomic else None
        results: list[dict[str, Any]] = []
        faults: list[Refused] = []
        for place, row in enumerate(command.rows, command.offset):
            outcome = self._row(row, f"changes[{place}].", actor)
            change_id = journal.ids.next()
            event_ids = self._fold(outcome, _why(row, change_id, actor))
            if isinstance(outcome, Refused):
                faults.append(outcome)
            results.append(row_result(outcome, journal, change_id, event_ids))
        if saved is not None and faults:
            journal.restore(saved)
            return _all_refused(faults)
        return 200, _summary(results)

    def _new_items(self, command: commands.CreateItems, actor: Actor) -> Shown:
        journal = self._journal
        results: list[dict[str, Any]] = []
        for place, row in enumerate(command.rows, command.offset):
            outcome = self._row(row, f"items[{place}].", actor)
            event_ids = self._fold(outcome, _why(row, journal.ids.next(), actor))
            results.append(item_result(outcome, journal, event_ids))
        return 200, _summary(results)

    def _row(self, row: Any, where: str, actor: Actor) -> Outcome:
        if isinstance(row, (commands.Change, commands.CreateItem)):
            return decide_row(row, where, self._journal.state, actor, self._journal.now)
        return Refused(row)


def _why(command: Any, change_id: str, actor: Actor) -> Why:
    if isinstance(command, commands.Change):
        return Why(change_id, actor.name, command.reason, command.reference, command.occurred_at)
    if isinstance(command, (commands.Reserve, commands.PlaceOrder)):
        return Why(change_id, actor.name, reference=command.reference or command.id)
    if isinstance(command, (commands.Ship, commands.Cancel, commands.Return)):
        return Why(change_id, actor.name, reference=command.order_id)
    if isinstance(command, commands.Release):
        return Why(change_id, actor.name, reference=command.reservation_id)
    return Why(change_id, actor.name)


def _encoded(shown: Shown) -> Answer:
    status, body = shown
    return Answer(status, b"" if body is None else wire.encode(body))


def _summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    counts = {"applied": 0, "unchanged": 0, "refused": 0}
    for result in results:
        counts[result["status"]] += 1
    return {"results": results, **counts}


def _all_refused(faults: list[Refused]) -> Shown:
    """One refusal refuses all: 400 where a row is wrong by itself, else 409."""
    refusals = [refusal for fault in faults for refusal in fault.refusals]
    status = 400 if wire.status_of(refusals) == 400 else 409
    return status, wire.errors(status, [wire.fault(refusal) for refusal in refusals])


def _reused(key: str) -> Answer:
    message = "This idempotency key was used with another request; a new request needs a new key."
    fault = {"code": "idempotency_key_reused", "parameter": "Idempotency-Key", "message": message}
    return Answer(409, wire.encode(wire.errors(409, [fault])))
