"""Each check of the reconciliation passes on a true story and fails when one witness says something else (R27)."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from stockwire.client import Level
from stockwire.client.shapes import Movement
from stockwire.replay.evidence import Sum, Told, add_up, heard, told
from stockwire.replay.journal import Fact, Opened, Ordered, OrderLineFact, Received, WrittenOff
from stockwire.replay.reconciling import Server, books, reconcile


def event(position: int, quantity: int, before: int, sequence: int, previous: int, cause: str) -> Told:
    body = {
        "id": f"e{position}",
        "type": "inventory.self_managed_updated",
        "data": {
            "object": {
                "quantity": quantity,
                "inventoryItemId": "i",
                "sequence": sequence,
                "previousSequence": previous,
                "cause": cause,
                "backordered": 0,
            },
            "previousAttributes": {"quantity": before},
        },
        "position": position,
    }
    return told(json.dumps(body).encode())


@dataclass
class Story:
    """10 bought, 4 sold of which 1 was cancelled and 2 shipped, 1 of these returned; 3 received; 2 written off."""

    facts: list[Fact] = field(
        default_factory=lambda: [
            Opened("i", "P", 10),
            Ordered("o", "allocated", [OrderLineFact("i", 4, 0, 0, 0)]),
            Ordered("o", "partially_shipped", [OrderLineFact("i", 4, 2, 1, 1)]),
            Received("i", 3, "restock"),
            WrittenOff("i", 2),
        ]
    )
    heard: list[Told] = field(
        default_factory=lambda: [
            event(1, 10, 0, 1, 0, "opening"),
            event(2, 6, 10, 2, 1, "order"),
            event(3, 7, 6, 3, 2, "cancel"),
            event(4, 8, 7, 5, 3, "return"),  # 4 is the shipment, which publishes nothing
            event(5, 11, 8, 6, 5, "receive"),
            event(6, 9, 11, 7, 6, "adjust"),
        ]
    )
    level: Level = field(
        default_factory=lambda: Level(inventory_item_id="i", on_hand=10, allocated=1, available_quantity=9)
    )
    sum: Sum = field(default_factory=lambda: Sum(10, 0, 1, 7, 0))
    published: dict[str, Told] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.published = {one.id: one for one in self.heard}

    def differences(self) -> set[str]:
        checks = reconcile(books(self.facts), self.heard, Server({"i": self.level}, {"i": self.sum}, self.published))
        return {check.what.split(":")[0].split(" ")[0] for check in checks if check.different}


def test_a_true_story_has_no_differences_and_a_repeated_delivery_does_no_harm() -> None:
    story = Story()
    story.heard.append(story.heard[2])
    assert story.differences() == set()


def lose(story: Story) -> None:
    del story.heard[2]


def alter(story: Story) -> None:
    story.heard[2] = story.heard[2]._replace(digest=hashlib.sha256(b"other").digest())


def invent(story: Story) -> None:
    story.heard.append(story.heard[2]._replace(id="unknown", type="reservation.expired"))


def skip(story: Story) -> None:
    story.heard[1] = story.heard[1]._replace(previous_sequence=0)


def hole(story: Story) -> None:
    story.published["e9"] = story.published["e6"]._replace(id="e9", position=9, type="inventory.item_updated")
    story.heard.append(story.published["e9"])


def oversell(story: Story) -> None:
    story.facts.append(Ordered("p", "allocated", [OrderLineFact("i", 10, 0, 0, 0)]))


def promise_without_stock(story: Story) -> None:
    story.heard[2] = story.heard[2]._replace(backordered=1)


def miscount(story: Story) -> None:
    story.facts.append(Received("i", 1, "restock"))


def fall_behind(story: Story) -> None:
    story.level.available_quantity = 8


def break_ledger(story: Story) -> None:
    story.sum = story.sum._replace(broken=1)


def unbalance_ledger(story: Story) -> None:
    story.sum = story.sum._replace(on_hand=11)


def sell_unheard(story: Story) -> None:
    story.heard[1] = story.heard[1]._replace(cause="adjust")


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lose, {"lost", "broken"}),
        (alter, {"altered"}),
        (invent, {"altered"}),
        (skip, {"broken"}),
        (hole, {"holes"}),
        (oversell, {"oversold", "units", "stock"}),
        (promise_without_stock, {"oversold"}),
        (miscount, {"stock"}),
        (fall_behind, {"quantity"}),
        (break_ledger, {"ledger"}),
        (unbalance_ledger, {"ledger"}),
        (sell_unheard, {"units"}),
    ],
)
def test_each_witness_that_says_something_else_is_found(spoil: Callable[[Story], None], found: set[str]) -> None:
    story = Story()
    spoil(story)
    assert story.differences() == found


def movement(**numbers: Any) -> Movement:
    return Movement(id="m", inventory_item_id="i", type="x", **numbers)


def test_movements_add_up_and_a_line_that_does_not_follow_is_counted() -> None:
    first = movement(sequence=1, on_hand_delta=10, on_hand=10)
    second = movement(sequence=2, on_hand_delta=-2, allocated_delta=3, on_hand=8, allocated=3)
    assert add_up([first, second]) == Sum(8, 0, 3, 2, 0)
    assert add_up([second]).broken == 1
    assert add_up([first, movement(sequence=3, on_hand_delta=1, on_hand=11)]).broken == 1


def test_the_receivers_file_is_read_without_a_line_that_is_still_being_written() -> None:
    body = msgspec.json.encode({"id": "e", "type": "t", "data": {"object": {}}, "position": 1})
    (only,) = heard([body + b"\n", body[:9]])
    assert (only.id, only.digest) == ("e", hashlib.sha256(body).digest())
