"""One broken command harms nobody: the others of its batch are carried out (R13 a)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from stockwire.domain import changes, commands
from stockwire.domain.commands import Changes, Command
from stockwire.domain.stock import LARGEST
from stockwire.ledger import Answer
from tests.ledger.conftest import Shop, change, order

BROKEN: dict[str, Command] = {
    "refused by the database's encoding": change("receive", 1, reference="a\0b"),
    "refused by the driver before it is sent": change("receive", 1, reference=5),
    "too large for the driver": change("count", 2**70),
    "refused by a CHECK": change("count", LARGEST + 1),
    "refused by a CHECK of another table": order("x" * 65),
    "not to be encoded as JSON": change("receive", 1, reference="\ud800"),
    "a long request with one such row": Changes((*[change("receive", 1)] * 300, change("receive", 1, reference="\0"))),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_only_the_broken_command_fails(shop: Shop, broken: Command) -> None:
    item = await shop.item(quantity=100)
    begun = time.monotonic()
    asked: list[Command] = [order("o1"), order("o2"), broken, order("o3"), order("o4", 500)]
    answers = await asyncio.gather(*(shop.ask(command) for command in asked))
    assert [answer.status for answer in answers] == [201, 201, 500, 201, 409]
    assert time.monotonic() - begun < 2, "and nobody waits for it"
    assert b"internal_error" in answers[2].body
    assert await shop.level(item) == (100, 0, 3)
    assert await shop.count("orders") == 3
    assert await shop.positions() == list(range(1, 6)), "the failed attempt left no hole"


async def test_a_fault_in_the_rules_themselves(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.item(quantity=10)
    monkeypatch.setitem(changes._RULES, "count", _divide_by_zero)
    answers = await asyncio.gather(*(shop.ask(c) for c in (order("o1"), change("count", 1), order("o2"))))
    assert [answer.status for answer in answers] == [201, 500, 201]


async def test_what_the_driver_refuses_is_not_taken_for_a_lost_connection(shop: Shop) -> None:
    """It has the same class of fault; taken for a loss, the batch would be run again until nobody has patience."""
    item = await shop.item(quantity=5)
    begun = time.monotonic()
    without_lines = commands.PlaceOrder("o", (), b"x" * 32)  # gives the statement too few columns
    assert (await shop.ask(without_lines)).status == 500
    assert (await shop.ask(order("o1"))).status == 201
    assert time.monotonic() - begun < 2
    assert await shop.level(item) == (5, 0, 1)


def _divide_by_zero(_target: Any) -> None:
    raise ZeroDivisionError


async def test_what_a_broken_command_says_tells_nothing_of_the_inside(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    await shop.item(quantity=1)
    answer = await shop.ask(change("receive", 1, reference="a\0b"))
    assert answer.status == 500
    assert b"reference" not in answer.body
    assert b"0x00" not in answer.body


FULL = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER no_room BEFORE INSERT ON movements FOR EACH ROW EXECUTE FUNCTION no_room();
"""


async def test_a_database_without_room_is_said_to_be_away_and_not_broken(shop: Shop) -> None:
    """What passes by itself is 503: the same request may succeed later. Refusals need no room and are still given."""
    item = await shop.item(quantity=10)
    await shop.database.work.execute(FULL)
    asked = [shop.ask(order(f"o{n}", 1 if n else 99)) for n in range(3)]
    refusal, *faults = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(refusal, Answer)
    assert refusal.status == 409
    assert [getattr(fault, "code", fault) for fault in faults] == ["service_unavailable"] * 2
    await shop.database.work.execute("DROP TRIGGER no_room ON movements")
    assert (await shop.ask(order("o1"))).status == 201
    assert await shop.level(item) == (10, 0, 1)
