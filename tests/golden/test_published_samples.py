"""The two published samples of the inventory events: the same change gives the same JSON, apart from ids, times and
the keys that were added."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from stockwire.domain.commands import Actor, Change, CreateItem, ItemRef, Line, PlaceOrder
from stockwire.domain.stock import Product
from stockwire.ledger import Answer, Ledger, LedgerId, Submission
from stockwire.store.database import Database
from tests.delivery.shop import Shop, receiving, until
from tests.shops.on_database import new_store

FOLDER = Path(__file__).parent
ITEM_ID = "01900000-0000-7000-8000-000000000001"
CCC = ItemRef(part_number="CCC")
WHO = Actor("key:golden", "operator")
ENVELOPE = ["id", "type", "data", "liveMode", "createdTime"]
ADDED_TO_PREVIOUS = {"onHand", "allocated"}  # beside `quantity`, where they changed
VARYING = ("id", "createdTime")


class Merchant:
    """The store of the samples, over the real ledger."""

    def __init__(self, database: Database, ledger: Ledger, store: LedgerId) -> None:
        self.database = database
        self.store = store
        self._ledger = ledger

    async def ask(self, command: Any) -> Answer:
        answer = await self._ledger.submit(self.store, Submission(command, WHO))
        assert answer.status < 300, answer.body
        return answer

    async def open(self, quantity: int) -> None:
        """The item of the samples with its opening stock."""
        await self.ask(CreateItem(ITEM_ID, "CCC", products=(Product("15116720197"),), quantity=quantity))

    async def set(self, quantity: int) -> None:
        await self.ask(Change("set", CCC, quantity))

    async def bodies(self) -> list[str]:
        """The texts of the events table, in order of position."""
        async with self.database.reads.acquire() as connection:
            rows = await connection.fetch(
                "SELECT body FROM events WHERE store_id = $1 AND live = $2 ORDER BY position", *self.store
            )
        return [row["body"] for row in rows]

    async def last(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads((await self.bodies())[-1])
        return event


@pytest_asyncio.fixture
async def merchant(database: Database) -> AsyncIterator[Merchant]:
    ledger = Ledger(database)
    yield Merchant(database, ledger, await new_store(database, "DR globalTech"))
    await ledger.close()


def sample(name: str) -> dict[str, Any]:
    published: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return published


def without_ids_and_times(event: dict[str, Any]) -> dict[str, Any]:
    bare = {key: value for key, value in event.items() if key not in VARYING}
    about = {key: value for key, value in event["data"]["object"].items() if key != "timestamp"}
    return {**bare, "data": {**event["data"], "object": about}}


def without_added_keys(event: dict[str, Any], published: dict[str, Any]) -> dict[str, Any]:
    """The event as an existing consumer sees it; every key that is left out must be one that the contract adds."""
    about, previous = event["data"]["object"], event["data"]["previousAttributes"]
    assert list(event) == [*ENVELOPE, "position"]
    assert list(event["data"]) == ["object", "previousAttributes"]
    assert next(iter(previous)) == "quantity"
    assert set(previous) - {"quantity"} <= ADDED_TO_PREVIOUS
    known = {key: about[key] for key in published["data"]["object"]}
    data = {"object": known, "previousAttributes": {"quantity": previous["quantity"]}}
    return {**{key: event[key] for key in ENVELOPE}, "data": data}


def same(event: dict[str, Any], published: dict[str, Any]) -> None:
    found = without_ids_and_times(without_added_keys(event, published))
    assert json.dumps(found) == json.dumps(without_ids_and_times(published)), "also in the order of the keys"
    first_keys = list(event["data"]["object"])[:8]
    assert first_keys == list(published["data"]["object"]), "the first eight keys stand first, in the sample's order"


async def test_a_merchants_edit_gives_the_published_sample(merchant: Merchant) -> None:
    """`inventory.self_managed_updated`, the quantity set from 0 to 1."""
    await merchant.open(0)
    await merchant.set(1)
    told = [json.loads(body) for body in await merchant.bodies()]
    assert [event["type"] for event in told][-2:] == ["inventory.self_managed_updated", "inventory.back_in_stock"]
    same(told[-2], sample("self_managed_updated"))


async def test_the_last_unit_bought_gives_the_published_sample(merchant: Merchant) -> None:
    """`inventory.out_of_stock`, 1 to 0 by a customer's order, right after the `*_updated` of the same movement."""
    await merchant.open(1)
    await merchant.ask(PlaceOrder("order-1", (Line(CCC, 1),), b"order-1"))
    updated, out = [json.loads(body) for body in (await merchant.bodies())[-2:]]
    assert updated["type"] == "inventory.self_managed_updated"
    same(out, sample("out_of_stock"))
    companions = [{**event["data"]["object"], "eventType": ""} for event in (updated, out)]
    assert companions[0] == companions[1], "R2: the same object apart from eventType"
    assert updated["data"]["previousAttributes"] == out["data"]["previousAttributes"] == {"quantity": 1, "allocated": 0}


async def test_the_contracts_own_example_two_to_fifty(merchant: Merchant) -> None:
    """A merchant edits 2 to 50; every key of the published example, in its order, and no other."""
    await merchant.open(2)
    await merchant.ask(Change("set", CCC, 50, reason="restock"))
    event = await merchant.last()
    about = event["data"]["object"]
    assert event["data"]["previousAttributes"] == {"quantity": 2, "onHand": 2}
    assert list(about)[8:] == [
        *("inventoryItemId", "sequence", "previousSequence", "onHand", "reserved", "allocated", "backordered"),
        *("cause", "reason", "reference"),
    ]
    assert {key: about[key] for key in list(about)[8:]} == {
        **{"inventoryItemId": ITEM_ID, "sequence": 2, "previousSequence": 1},
        **{"onHand": 50, "reserved": 0, "allocated": 0, "backordered": 0},
        **{"cause": "set", "reason": "restock", "reference": None},
    }
    assert about["timestamp"] == event["createdTime"][:23] + "Z", "true UTC, to the millisecond"


async def test_there_and_back_is_three_true_events(merchant: Merchant) -> None:
    """0 → 10 → 0 → 10 says three times what was, never the last state thrice."""
    await merchant.open(0)
    for quantity in (10, 0, 10):
        await merchant.set(quantity)
    told = [json.loads(body) for body in await merchant.bodies()]
    updates = [event for event in told if event["type"] == "inventory.self_managed_updated"]
    shown = [
        (event["data"]["previousAttributes"]["quantity"], event["data"]["object"]["quantity"]) for event in updates
    ]
    assert shown == [(0, 10), (10, 0), (0, 10)]
    chain = [(event["data"]["object"]["previousSequence"], event["data"]["object"]["sequence"]) for event in updates]
    assert chain == [(0, 1), (1, 2), (2, 3)]
    assert len({event["id"] for event in told}) == len(told)
    assert [event["type"] for event in told[1:]] == [
        *("inventory.self_managed_updated", "inventory.back_in_stock"),
        *("inventory.self_managed_updated", "inventory.out_of_stock"),
        *("inventory.self_managed_updated", "inventory.back_in_stock"),
    ]


async def test_a_delivery_carries_the_bytes_of_the_table(merchant: Merchant) -> None:
    """R26: the bytes are fixed when the change commits."""
    outside = Shop(merchant.database, *merchant.store)
    async with receiving() as receiver:
        await outside.webhook(receiver.address)
        await merchant.open(1)
        await merchant.ask(PlaceOrder("Bestellung:1", (Line(CCC, 1),), b"o", reference="Zürich – größer <1>"))
        stored = [body.encode() for body in await merchant.bodies()]
        async with outside.delivering():
            await until(lambda: len(receiver.received) >= len(stored))
    assert sorted(request.body for request in receiver.received) == sorted(stored)
