"""What a table of rows cannot say: times and ids of movements and events, and requests of many rows."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from stockwire import wire
from stockwire.domain.commands import Actor, Change, Changes, Command, ItemRef
from stockwire.ledger.submission import Answer, Submission
from tests.scenarios.words import command_of
from tests.shops.in_memory import TICK, ShopInMemory

OPERATOR = Actor("key:operator", "operator")
MUG = ItemRef(part_number="MUG")


@pytest.fixture
def shop() -> ShopInMemory:
    """Ten mugs here and ten in the east."""
    opened = ShopInMemory()
    say(opened, "item MUG 10")
    say(opened, "item MUG@east 10")
    return opened


def ask(shop: ShopInMemory, command: Command) -> Answer:
    (answer,) = shop.submit(Submission(command, OPERATOR))
    return answer


def say(shop: ShopInMemory, text: str) -> Any:
    names = {f"{item.part_number}@{item.fulfiller}": item.id for item in shop.state.items.values()}
    answer = ask(shop, command_of(text, names))
    return json.loads(answer.body) if answer.body else None


def free(shop: ShopInMemory) -> list[int]:
    return [level["quantity"] for level in shop.levels().values()]


def test_an_ended_hold_counts_from_its_expiry_r4(shop: ShopInMemory) -> None:
    """The movement and its event say when the units came free, the batch when that was written."""
    say(shop, "hold r1 for 60s: 4 MUG@main")
    ends = shop.state.reservations["r1"].expires_at
    shop.now = ends + timedelta(hours=1)
    say(shop, "set MUG to 2")
    expired, changed = shop.movements()[-2:]
    assert [row["type"] for row in (expired, changed)] == ["expire", "set"]
    assert (expired["occurred_at"], changed["occurred_at"]) == (ends, shop.now)
    updated, ended, updated_again = shop.events()[-3:]
    assert [event["type"] for event in (updated, ended)] == ["inventory.self_managed_updated", "reservation.expired"]
    assert updated["data"]["object"]["timestamp"] == wire.moment_ms(ends)
    assert updated_again["data"]["object"]["timestamp"] == wire.moment_ms(shop.now)
    assert {event["createdTime"] for event in (updated, ended, updated_again)} == {wire.moment(shop.now)}
    assert ended["data"]["object"]["status"] == "expired"
    assert updated["data"]["object"]["cause"] == "expire"


def test_a_client_may_say_when_it_happened_but_not_in_the_future_r10(shop: ShopInMemory) -> None:
    """occurredTime is information: it moves no event's time."""
    earlier = shop.now - timedelta(days=3)
    ask(shop, Change("receive", MUG, 1, occurred_at=earlier))
    assert shop.movements()[-1]["occurred_at"] == earlier
    assert shop.events()[-1]["data"]["object"]["timestamp"] == wire.moment_ms(shop.now)
    ask(shop, Change("receive", MUG, 1, occurred_at=shop.now + timedelta(days=3)))
    assert shop.movements()[-1]["occurred_at"] == shop.now


def test_both_sides_of_a_transfer_are_one_change_r1(shop: ShopInMemory) -> None:
    answer = say(shop, "transfer 4 MUG to east")
    source, target = shop.movements()[-2:]
    assert source["change_id"] == target["change_id"] == answer["id"]
    assert (source["on_hand_delta"], target["on_hand_delta"]) == (-4, 4)
    assert [answer[name]["availableQuantity"] for name in ("level", "toLevel")] == [6, 14]
    assert answer["eventIds"] == [event["id"] for event in shop.events()[-2:]]


def test_a_movement_that_is_told_to_nobody_leaves_the_chain_whole_r2(shop: ShopInMemory) -> None:
    """previousSequence is the sequence that published before, so a shipment in between is no gap."""
    say(shop, "order o1: 3 MUG@main")
    say(shop, "ship o1")
    say(shop, "set MUG to 1")
    chain = [
        (event["data"]["object"]["previousSequence"], event["data"]["object"]["sequence"])
        for event in shop.events()
        if event["type"].endswith("_updated") and event["data"]["object"]["fulfiller"] == "main"
    ]
    assert chain == [(0, 1), (1, 2), (2, 4)]
    assert [row["sequence"] for row in shop.movements() if row["type"] == "ship"] == [3]


def test_companions_say_the_same_r2(shop: ShopInMemory) -> None:
    say(shop, "edit MUG: low=4")
    say(shop, "set MUG to 0")
    told = shop.events()[-3:]
    assert [event["position"] for event in told] == list(range(told[0]["position"], told[0]["position"] + 3))
    assert len({json.dumps({**event["data"]["object"], "eventType": ""}) for event in told}) == 1
    assert len({json.dumps(event["data"]["previousAttributes"]) for event in told}) == 1
    assert all(event["data"]["object"]["eventType"] == event["type"] for event in told)


def test_rows_apply_in_order_and_see_those_before_r11(shop: ShopInMemory) -> None:
    rows = (
        Change("adjust", MUG, -10, expected_quantity=10),
        Change("adjust", MUG, -1),
        Change("receive", MUG, 4, expected_quantity=0),
        Change("set", MUG, 4),
    )
    said = json.loads(ask(shop, Changes(rows, offset=500)).body)
    assert [result["status"] for result in said["results"]] == ["applied", "refused", "applied", "unchanged"]
    assert [said[name] for name in ("applied", "unchanged", "refused")] == [2, 1, 1]
    assert said["results"][1]["error"]["errors"][0]["parameter"] == "changes[501].delta"
    assert free(shop) == [4, 10]
    assert len({row["change_id"] for row in shop.movements()[-2:]}) == 2, "each row is a change of its own"


def test_one_refusal_refuses_all_of_an_atomic_request_r11(shop: ShopInMemory) -> None:
    """And leaves no trace: the next event has the next position, the next movement the next sequence."""
    say(shop, "hold r1 for 60s: 4 MUG@main")
    shop.advance(60)
    before = len(shop.movements())
    rows = (Change("set", MUG, 1), Change("adjust", MUG, -2), Change("set", MUG, 3, expected_quantity=2))
    refused = ask(shop, Changes(rows, atomic=True))
    assert refused.status == 409
    assert [fault["code"] for fault in json.loads(refused.body)["errors"]] == ["below_promised", "stale_quantity"]
    assert free(shop) == [10, 10]
    assert [row["type"] for row in shop.movements()[before:]] == ["expire"], (
        "the hold that was due has ended all the same"
    )
    assert ask(shop, Changes(rows[:1], atomic=True)).status == 200
    assert free(shop) == [1, 10]
    assert [event["position"] for event in shop.events()] == list(range(1, len(shop.events()) + 1))
    assert [row["sequence"] for row in shop.movements() if row["item_id"] == shop.movements()[0]["item_id"]] == [
        1,
        2,
        3,
        4,
    ]


def test_a_refused_atomic_request_leaves_its_batch_alone_r13(shop: ShopInMemory) -> None:
    """Commands before and after it in the same batch stand."""
    broken = Changes((Change("set", MUG, 1), Change("adjust", MUG, -99)), atomic=True)
    commands = (Change("receive", MUG, 1), broken, Change("receive", MUG, 1))
    answers = shop.submit(*(Submission(command, OPERATOR) for command in commands))
    assert [answer.status for answer in answers] == [200, 409, 200]
    assert free(shop) == [12, 10]


def test_the_hold_counts_at_its_last_microsecond_r4(shop: ShopInMemory) -> None:
    say(shop, "hold r1 for 60s: 10 MUG@main")
    shop.now = shop.state.reservations["r1"].expires_at - 2 * TICK
    assert say(shop, "order o1: 1 MUG@main")["errors"][0]["code"] == "out_of_inventory"
    assert say(shop, "order o1: 1 MUG@main")["status"] == "allocated"
