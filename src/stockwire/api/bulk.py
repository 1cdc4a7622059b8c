"""Requests of many rows: read row by row, submitted in slices, answered as one (R11).

A row that is wrong by itself is that row's refusal. While a slice is being committed the next one is read.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

from stockwire.api.dispatch import fingerprint
from stockwire.api.errors import Header, Reply, refusals, unavailable
from stockwire.api.faults import Pairs, Walk
from stockwire.api.request import REPLAYED, Request
from stockwire.api.strict_json import LARGEST_WALK, UNREADABLE, Faults, Shape, first_fault, pairs_of
from stockwire.domain.commands import Command
from stockwire.domain.refusals import Reason, Refusal
from stockwire.ledger.submission import Answer, Submission, Unavailable

MOST_ROWS = 10_000
MOST_ATOMIC = 1_000
SLICE_ROWS = 500
MOST_ROW_FAULTS = 10


class Many(NamedTuple):
    """The rows of a request, still bytes. `careful`: they may hold what msgspec overlooks (R14)."""

    rows: list[msgspec.Raw]
    atomic: bool
    careful: bool


class OneOrMany:
    """A body that is one row, or an object with a list of rows under `name`."""

    def __init__(self, one: Any, name: str, envelope: type[msgspec.Struct], documented: type[msgspec.Struct]) -> None:
        self.type = (one, documented)
        self.one: Shape[Any] = Shape(one)
        self._row: Shape[Any] = Shape(one, MOST_ROW_FAULTS)
        self._name = name
        self._mark = f'"{name}"'.encode()
        self._envelope = Walk(envelope)
        self._decode = msgspec.json.Decoder(envelope).decode

    def read(self, raw: bytes) -> Any | Many | Faults:
        """One parsed row, or the unread rows, or every fault of what is around them."""
        if self._mark not in raw:
            return self.one.read(raw)
        try:
            envelope = self._decode(raw)
        except UNREADABLE as fault:
            return (first_fault(fault),) if len(raw) > LARGEST_WALK else self._refused(raw)
        top, repeated = _keys(raw)
        if top is None or len(set(top)) != len(top):
            return self._refused(raw)
        return Many(getattr(envelope, self._name), getattr(envelope, "atomic", False), repeated or b"\\" in raw)

    def _refused(self, raw: bytes) -> Any | Faults:
        pairs = pairs_of(raw)
        if isinstance(pairs, Refusal):
            return (pairs,)
        if isinstance(pairs, Pairs) and self._name not in dict(pairs):
            return self.one.read(raw)
        _, faults = self._envelope(pairs, "")
        return tuple(faults) or (Refusal(Reason.INVALID_FORMAT, "", "The body is not JSON: a row cannot be read."),)

    def row(self, raw: msgspec.Raw, many: Many, place: int) -> Any:
        """One parsed row, or every fault of it with its place in the request."""
        if not many.careful:
            try:
                return self._row.decode(raw)
            except UNREADABLE:
                pass
        return self._row.read(bytes(raw), f"{self._name}[{place}].")


def _keys(raw: bytes) -> tuple[list[str] | None, bool]:
    """The keys of the outermost object, and whether any object of the body has a key twice. None: it cannot be read."""
    repeated = False
    outermost: list[tuple[str, Any]] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        nonlocal repeated, outermost
        if len(dict(pairs)) != len(pairs):
            repeated = True
        outermost = pairs  # objects are closed from the inside out

    try:
        json.JSONDecoder(object_pairs_hook=note).decode(raw.decode())
    except (ValueError, RecursionError):
        return None, False
    return [name for name, _ in outermost], repeated


async def submit_slices(request: Request, slices: Iterator[Command], rows: int) -> Reply:
    """Submit the slices in turn, each under its number, and merge their answers.

    A long request without a key is given one: were it cut short, a repeat under it goes on after the last slice that
    was committed.
    """
    headers: tuple[Header, ...] = ()
    if request.key is None and rows > SLICE_ROWS:
        request.key = str(uuid4())
        request.fingerprint = fingerprint(request)
        headers = ((b"idempotency-key", request.key.encode()),)
    try:
        answers = await _submitted(request, slices, rows)
    except Unavailable as fault:
        reply = unavailable(fault.code, fault.message, fault.retry_after)
        return reply._replace(headers=headers + reply.headers)
    if all(answer.replayed for answer in answers):
        headers += (REPLAYED,)
    if answers[-1].status != 200 or len(answers) == 1:
        return Reply(answers[-1].status, answers[-1].body, headers)
    return Reply(200, _merged(answers), headers)


async def _submitted(request: Request, slices: Iterator[Command], rows: int) -> list[Answer]:
    """Answers of the slices up to the first that was not carried out."""
    answers: list[Answer] = []
    command: Command | None = next(slices)
    row_bytes = len(request.raw) // rows + 1
    while command is not None:
        weight = len(command.rows)  # type: ignore[union-attr]
        submission = Submission(
            command,
            request.caller.actor,
            request.key,
            len(answers),
            request.fingerprint,
            weight,
            weight * row_bytes,
        )
        deciding = asyncio.create_task(request.doors.ledger.submit(request.caller.ledger, submission))
        await asyncio.sleep(0)  # let it reach the queue before the next slice is read
        command = next(slices, None)
        answers.append(await deciding)
        if answers[-1].status != 200:
            break
    return answers


_answer = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _merged(answers: list[Answer]) -> bytes:
    """One answer: the results joined as they are, the counts summed."""
    parts = [_answer(answer.body) for answer in answers]
    results = b",".join(bytes(part.pop("results"))[1:-1] for part in parts)
    counts = {name: sum(int(bytes(part[name])) for part in parts) for name in parts[0]}
    return b'{"results":[' + results + b"]," + msgspec.json.encode(counts)[1:]


def too_many_at_once(name: str) -> Reply:
    """422 for an atomic request that is too long for one batch."""
    message = f"`{name}` of an atomic request has at most {MOST_ATOMIC} entries."
    return refusals((Refusal(Reason.LIMIT_EXCEEDED, name, message),))
