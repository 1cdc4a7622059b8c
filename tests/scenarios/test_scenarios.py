"""Plays every scenario beside this file through the rules and the journal, on a clock that moves when a row says so.

A scenario is a title, which names its rule, and rows of up to four columns:

    what is asked | numbers after it | what happened | what the answer shows

The numbers are on hand, reserved, allocated, quantity (what may be sold) and backordered; `+n` behind them is what
counts and policy edits excuse (none is written: nothing is excused). What happened: the events in the order of their
positions, `moved` (told to nobody), `unchanged`, or `refused` with the codes; a row that says nothing prepares the
next and is not refused. With several items everything is said with the item's name.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stockwire.domain.stock import lawful
from stockwire.ledger.submission import Answer, Submission
from tests.scenarios.words import actor_of, command_of, duration_of, full_name
from tests.shops.in_memory import TICK, ShopInMemory

FOLDER = Path(__file__).parent
WORDS = {
    "inventory.self_managed_updated": "updated",
    "inventory.fulfiller_managed_updated": "reported",
    "inventory.low_stock": "low",
    "inventory.out_of_stock": "out",
    "inventory.back_in_stock": "back",
    "inventory.backorder_updated": "backorder",
    "inventory.item_created": "created",
    "inventory.item_updated": "edited",
    "inventory.item_deleted": "deleted",
    "reservation.expired": "expired",
}


class Row(NamedTuple):
    line: int
    asked: str
    numbers: str
    happened: str
    shown: str


def scenarios() -> list[Any]:
    """Every scenario as a test, named by its file and title."""
    return [
        pytest.param(rows, id=f"{path.stem}: {title}")
        for path in sorted(FOLDER.glob("*.txt"))
        for title, rows in _read(path)
    ]


def _read(path: Path) -> list[tuple[str, list[Row]]]:
    found: list[tuple[str, list[Row]]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            found.append((line, []))
        else:
            columns = [" ".join(column.split()) for column in line.split("|")]
            found[-1][1].append(Row(number, *columns, *[""] * (4 - len(columns))))
    return found


class Play:
    """One scenario under way."""

    def __init__(self) -> None:
        self.shop = ShopInMemory()
        self.item_ids: dict[str, str] = {}

    def row(self, row: Row) -> None:
        """One row, with everything it says."""
        if row.asked.startswith("wait"):
            self._wait(row.asked)
        else:
            self._asked(row)
        for said in filter(None, row.numbers.split(", ")):
            self._numbers(said)
        for level in self.shop.state.levels.values():
            assert lawful(level), level

    def _asked(self, row: Row) -> None:
        found = re.fullmatch(r"(?:\[(.*)\] )?(.*)", row.asked)
        assert found
        before = len(self.shop.events())
        moved = len(self.shop.movements())
        submission = Submission(command_of(found[2], self.item_ids), actor_of(found[1]))
        (answer,) = self.shop.submit(submission)
        self._remember()
        happened = self._happened(answer, self.shop.events(before), len(self.shop.movements()) - moved)
        if row.happened:
            assert happened == row.happened
        assert row.happened or "refused" not in happened, happened
        if row.shown:
            assert self._shown(json.loads(answer.body)) == row.shown

    def _wait(self, text: str) -> None:
        """`wait 60s`, `wait until r1 ends`, `wait until just before r1 ends`: the next row happens then."""
        if found := re.fullmatch(r"wait until (just before )?(\S+) ends", text):
            end = self.shop.state.reservations[found[2]].expires_at
            self.shop.now = end - (2 * TICK if found[1] else TICK)
        else:
            self.shop.now += duration_of(text.removeprefix("wait "))

    def _remember(self) -> None:
        for item in self.shop.state.items.values():
            self.item_ids[f"{item.part_number}@{item.fulfiller}"] = item.id

    def _name(self, part: str, fulfiller: str) -> str:
        """As short as the scenario leaves it clear."""
        several = sum(name.startswith(f"{part}@") for name in self.item_ids) > 1
        return f"{part}@{fulfiller}" if several else part

    def _numbers(self, said: str) -> None:
        words = said.split()
        name = words.pop(0) if not words[0].isdigit() else next(iter(self.item_ids))
        level = self.shop.state.levels[self.item_ids[full_name(name)]]
        found = [level.on_hand, level.reserved, level.allocated, level.available, level.backordered]
        excused = [f"+{level.excused}"] if level.excused else []
        assert [str(number) for number in found] + excused == words, name

    def _happened(self, answer: Answer, events: list[dict[str, Any]], moves: int) -> str:
        if answer.status >= 400:
            codes = [fault["code"] for fault in json.loads(answer.body)["errors"]]
            return ", ".join([*self._told(events), f"refused {' '.join(codes)}"])
        return ", ".join(self._told(events)) or ("moved" if moves else "unchanged")

    def _told(self, events: list[dict[str, Any]]) -> list[str]:
        """Events of one thing at one sequence side by side, others behind a comma."""
        groups: list[tuple[Any, list[str]]] = []
        for event in events:
            about = event["data"]["object"]
            word = WORDS[event["type"]]
            if word == "expired":
                groups.append((None, [about["id"], word]))
                continue
            label = [self._name(about["partNumber"], about["fulfiller"])] if len(self.item_ids) > 1 else []
            key = about["inventoryItemId"], about["sequence"], about["cause"]
            if groups and groups[-1][0] == key:
                groups[-1][1].append(word)
            else:
                groups.append((key, [*label, word]))
        return [" ".join(words) for _, words in groups]

    def _shown(self, body: dict[str, Any]) -> str:
        """Of a reservation or an order its status and lines; of a refusal its faults with what can be had."""
        if "errors" in body:
            return ", ".join(f"{fault['parameter']} {fault.get('available', '')}".strip() for fault in body["errors"])
        if "items" not in body:
            return str(body["status"])
        return f"{body['status']}: {', '.join(self._shown_line(line) for line in body['items'])}"

    def _shown_line(self, line: dict[str, Any]) -> str:
        behind = f" ({line['backordered']} behind)" if line["backordered"] else ""
        done = [f"{line[name]} {name}" for name in ("shipped", "cancelled", "returned") if line.get(name)]
        name = self._name(line["partNumber"], line["fulfiller"])
        return " ".join([f"{line['quantity']} {name}{behind}", *done])


@pytest.mark.parametrize("rows", scenarios())
def test_scenario(rows: list[Row]) -> None:
    play = Play()
    for row in rows:
        try:
            play.row(row)
        except AssertionError as fault:
            raise AssertionError(f"line {row.line}: {row.asked}\n{fault}") from fault


def test_every_scenario_names_its_rule() -> None:
    titles = [title for path in FOLDER.glob("*.txt") for title, _ in _read(path)]
    assert len(titles) == len(set(titles))
    assert not [title for title in titles if not re.match(r"R\d+ \w", title)]


def test_the_rules_that_scenarios_are_for_are_covered() -> None:
    titles = [title for path in FOLDER.glob("*.txt") for title, _ in _read(path)]
    assert {title.split()[0] for title in titles} >= {"R1", "R2", "R3", "R4", "R7", "R8", "R9", "R10"}
