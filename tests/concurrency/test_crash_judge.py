"""Can the judge of the crash harness be fooled? Each witness is spoiled in turn (R27)."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.crash.journal import Answered, Sent, Writer
from tests.crash.judge import Check, Judge, account_of, again
from tests.crash.receiver import Arrival

PART = "P-1"
ORDER = {"id": "o-1", "reference": "buy", "items": [{"partNumber": PART, "quantity": 2}]}


def movement(
    sequence: int, kind: str, reference: str, on_hand: int, allocated: int, *, added: int = 0, taken: int = 0
) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "type": kind,
        "reference": reference,
        "onHand": on_hand,
        "reserved": 0,
        "allocated": allocated,
        "onHandDelta": added,
        "reservedDelta": 0,
        "allocatedDelta": taken,
    }


def event(position: int) -> bytes:
    return json.dumps({"id": f"e-{position}", "type": "inventory.self_managed_updated", "position": position}).encode()


class Told:
    """What a server says, made up: 10 units opened, 2 sold, 3 added, 1 sale refused."""

    def __init__(self) -> None:
        self.levels: list[dict[str, Any]] = [{"partNumber": PART, "onHand": 13, "reserved": 0, "allocated": 2}]
        self.moves = [
            movement(1, "opening", "", 10, 0, added=10),
            movement(2, "order", "buy", 10, 2, taken=2),
            movement(3, "adjust", "add", 13, 2, added=3),
        ]
        self.orders: list[dict[str, Any]] = [ORDER]
        self.events = [event(1), event(2), event(3)]

    async def when_quiet(self, _parts: list[str], _seconds: float) -> list[dict[str, Any]]:
        return self.levels

    async def listed(self, path: str) -> AsyncIterator[dict[str, Any]]:
        for one in self.orders if "orders" in path else self.moves:
            yield one

    async def feed(self) -> AsyncIterator[bytes]:
        for one in self.events:
            yield one


def arrivals(told: Told) -> list[Arrival]:
    return [
        Arrival(float(number), json.loads(raw)["id"], hashlib.sha256(raw).digest(), "")
        for number, raw in enumerate(told.events)
    ]


def answered(operation: str, status: int, body: Any) -> Answered:
    return Answered(1.0, operation, 1, status, False, msgspec.Raw(json.dumps(body).encode()))


def written(folder: Path, *more: Sent | Answered) -> Path:
    """A journal of what the made-up server was asked."""
    path = folder / "journal"
    path.unlink(missing_ok=True)
    writer = Writer(path)
    for line in (
        Sent(0.0, "buy", 1, "/v1/orders", 0, ""),
        answered("buy", 201, ORDER),
        Sent(0.0, "add", 1, "/v1/inventory-changes", 3, ""),
        answered("add", 200, {"level": {"partNumber": PART}}),
        Sent(0.0, "greed", 1, "/v1/orders", 0, ""),
        answered("greed", 409, {}),
        *more,
    ):
        writer.note(line)
    return path


async def wrong(journal: Path, told: Told, arrived: list[Arrival]) -> set[str]:
    judge = Judge(told, account_of(journal, 10, [PART]), [PART])  # type: ignore[arg-type]
    checks: list[Check] = await judge.checks(arrived, 1)
    return {check.what for check in checks if check.wrong}


async def test_the_judge_is_content_with_what_adds_up(tmp_path: Path) -> None:
    told = Told()
    assert await wrong(written(tmp_path), told, arrivals(told)) == set()


LOST, TWICE = "acknowledged changes in the ledger (lost)", "changes applied once (twice)"
SUMS, ORDERS = "sums of the answers are the levels", "orders answered are orders placed"
SEQUENCES, POSITIONS = "sequences without a hole, never oversold", "positions without a hole"
RECEIVED, SETTLED, ONE = "events at the receiver, byte for byte", "requests settled", "one answer for each key"


def _lose(told: Told) -> None:
    del told.moves[2]
    told.levels[0]["onHand"] = 10


def _double(told: Told) -> None:
    told.moves.append(movement(4, "adjust", "add", 16, 2, added=3))
    told.levels[0]["onHand"] = 16


def _refused_and_done(told: Told) -> None:
    told.moves.append(movement(4, "order", "greed", 13, 4, taken=2))
    told.levels[0]["allocated"] = 4


def _oversell(told: Told) -> None:
    told.moves[1:] = [
        movement(2, "order", "buy", 10, 12, taken=12),
        movement(3, "adjust", "add", 13, 12, added=3),
    ]


def _another_order(told: Told) -> None:
    told.orders.append({"id": "o-2", "reference": "buy"})


def _skip_position(told: Told) -> None:
    told.events[1] = event(7)


def _skip_sequence(told: Told) -> None:
    told.moves[2]["sequence"] = 4


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (_lose, {LOST, SUMS}),
        (_double, {TWICE, SUMS}),
        (_refused_and_done, {TWICE, SUMS}),
        (_oversell, {SEQUENCES}),
        (_another_order, {ORDERS}),
        (_skip_position, {POSITIONS}),
        (_skip_sequence, {SEQUENCES}),
    ],
)
async def test_the_judge_sees_a_server_that_errs(tmp_path: Path, spoil: Any, found: set[str]) -> None:
    told = Told()
    spoil(told)
    assert await wrong(written(tmp_path), told, arrivals(told)) == found


async def test_the_judge_sees_what_the_receiver_lacks_and_what_is_changed(tmp_path: Path) -> None:
    told = Told()
    there = arrivals(told)
    assert await wrong(written(tmp_path), told, there[1:]) == {RECEIVED}
    assert await wrong(written(tmp_path), told, [*there[1:], there[0]._replace(digest=b"")]) >= {RECEIVED}
    assert await wrong(written(tmp_path), told, [*there, there[0]._replace(event_id="made up")]) >= {RECEIVED}


async def test_the_judge_sees_keys_that_were_never_or_twice_answered(tmp_path: Path) -> None:
    told = Told()
    unsettled = written(tmp_path, Sent(2.0, "hang", 1, "/v1/orders", 0, ""))
    assert await wrong(unsettled, told, arrivals(told)) == {SETTLED}
    twice = written(tmp_path, answered("greed", 409, {}))
    assert await wrong(twice, told, arrivals(told)) == {ONE}


def test_a_delivery_may_come_again_only_around_a_signal() -> None:
    first, later = Arrival(10.0, "e", b"", ""), Arrival(14.0, "e", b"", "")
    assert not again([first, later], [12.0])[0].wrong
    assert again([first, later], [12.0])[1] == {12.0: 1}
    assert again([first, later], [])[0].wrong
    assert again([first, later], [20.0])[0].wrong
    assert again([first, later], [3.0])[0].wrong
