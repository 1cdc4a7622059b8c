"""Two events as existing consumers know them, published by the system they were integrated with: ours parse the same.

The same change gives the same JSON apart from ids, times and the keys that were added since.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest

from stockwire.domain.commands import Actor, Change, CreateItem, ItemRef, Line, PlaceOrder
from stockwire.domain.stock import Product
from stockwire.ledger.submission import Submission
from tests.shops.in_memory import ShopInMemory

EDITED = json.loads("""
{"id":"daee8406-0d87-4c42-aced-18c6fa74584d","type":"inventory.self_managed_updated",
 "data":{"object":{"quantity":1,"timestamp":"2024-02-06T03:07:00.384Z",
   "products":[{"externalReferenceId":null,"productId":"15116720197"}],
   "eventType":"inventory.self_managed_updated","partNumber":"CCC","fulfiller":"DR globalTech",
   "allowBackOrder":false,"inventoryManagement":"Self Managed"},
  "previousAttributes":{"quantity":0}},
 "liveMode":false,"createdTime":"2024-02-06T09:07:01.726302Z"}
""")
SOLD_OUT = json.loads("""
{"id":"cda6bf91-96e6-463b-959b-8e82dd81addd","type":"inventory.out_of_stock",
 "data":{"object":{"quantity":0,"timestamp":"2024-01-30T08:49:44.331Z",
   "products":[{"externalReferenceId":null,"productId":"15116720197"}],
   "eventType":"inventory.out_of_stock","partNumber":"CCC","fulfiller":"DR globalTech",
   "allowBackOrder":false,"inventoryManagement":"Self Managed"},
  "previousAttributes":{"quantity":1}},
 "liveMode":false,"createdTime":"2024-01-30T14:49:45.55875Z"}
""")

ADMIN = Actor("key:tests", "admin")
PART = ItemRef(part_number="CCC")
MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
MICROSECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Store:
    """A store of one part number, and the events since it was opened."""

    def __init__(self, quantity: int) -> None:
        self.shop = ShopInMemory("DR globalTech")
        product = Product("15116720197")
        self.ask(CreateItem(str(uuid.UUID(int=5)), "CCC", products=(product,), quantity=quantity))
        self.opened = len(self.shop.events())

    def ask(self, command: Any) -> None:
        (answer,) = self.shop.submit(Submission(command, ADMIN))
        assert answer.status < 300, answer

    def set(self, quantity: int) -> None:
        self.ask(Change("set", PART, quantity))

    def events(self, event_type: str) -> list[dict[str, Any]]:
        return [event for event in self.shop.events(self.opened) if event["type"] == event_type]


def edited() -> dict[str, Any]:
    store = Store(0)
    store.set(1)
    return store.events("inventory.self_managed_updated")[0]


def sold_out() -> dict[str, Any]:
    store = Store(1)
    store.ask(PlaceOrder("o-1", (Line(PART, 1),), b"x" * 32))
    return store.events("inventory.out_of_stock")[0]


PAIRS = [pytest.param(EDITED, edited, id="edited by hand"), pytest.param(SOLD_OUT, sold_out, id="sold out by an order")]


def without_ids_and_times(event: dict[str, Any]) -> dict[str, Any]:
    about = {**event["data"]["object"], "timestamp": ""}
    return {**event, "id": "", "createdTime": "", "data": {**event["data"], "object": about}}


def known_part(ours: Any, known: Any) -> Any:
    """Ours without the keys that were added since."""
    return {key: known_part(ours[key], known[key]) for key in known} if isinstance(known, dict) else ours


@pytest.mark.parametrize(("published", "change"), PAIRS)
def test_the_same_change_gives_the_same_event(published: dict[str, Any], change: Any) -> None:
    assert known_part(without_ids_and_times(change()), published) == without_ids_and_times(published)


@pytest.mark.parametrize(("published", "change"), PAIRS)
def test_known_keys_come_first_and_in_their_order(published: dict[str, Any], change: Any) -> None:
    event = change()
    assert list(event)[: len(published)] == list(published)
    assert list(event["data"]) == list(published["data"])
    about, known = event["data"]["object"], published["data"]["object"]
    assert list(about)[:8] == list(known)
    assert list(about["products"][0]) == list(known["products"][0])
    assert next(iter(event["data"]["previousAttributes"])) == "quantity"


@pytest.mark.parametrize(("published", "change"), PAIRS)
def test_values_have_the_known_types(published: dict[str, Any], change: Any) -> None:
    event = change()
    for ours, known in ((event, published), (event["data"]["object"], published["data"]["object"])):
        assert {key: type(ours[key]) for key in known} == {key: type(known[key]) for key in known}
    assert MILLISECONDS.fullmatch(event["data"]["object"]["timestamp"])
    assert MICROSECONDS.fullmatch(event["createdTime"])
    assert str(uuid.UUID(event["id"])) == event["id"]
    assert event["createdTime"] >= event["data"]["object"]["timestamp"][:-1], "one clock for both"


def test_down_up_and_down_again_are_three_true_and_different_events() -> None:
    store = Store(5)
    for quantity in (0, 10, 0):
        store.set(quantity)
    events = store.events("inventory.self_managed_updated")
    told = [(event["data"]["previousAttributes"]["quantity"], event["data"]["object"]["quantity"]) for event in events]
    assert told == [(5, 0), (0, 10), (10, 0)]
    assert len({event["id"] for event in events}) == 3
    chain = [(event["data"]["object"]["previousSequence"], event["data"]["object"]["sequence"]) for event in events]
    assert chain == [(1, 2), (2, 3), (3, 4)]


def test_an_event_is_bytes_that_were_fixed_at_its_commit() -> None:
    """What is stored for 10 still says 10 when the quantity is 0 again."""
    store = Store(0)
    store.set(10)
    before = json.dumps(store.events("inventory.self_managed_updated")[0])
    store.set(0)
    assert json.dumps(store.events("inventory.self_managed_updated")[0]) == before


def test_text_of_any_language_passes_unescaped() -> None:
    store = Store(0)
    store.ask(Change("set", PART, 3, reason="été – 在庫"))
    assert "été – 在庫" in store.shop.journal.events[0].body
