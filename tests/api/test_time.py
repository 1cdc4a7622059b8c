"""Reads of holds whose time has come, and of the past (R4). No sweeper runs here: nothing ends a hold but a batch."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.api.server import Shop

LINE = {"partNumber": "A"}


async def now(shop: Shop) -> str:
    async with shop.database.work.acquire() as connection:
        at = await connection.fetchval("SELECT clock_timestamp()")
    return str(at.isoformat()).replace("+00:00", "Z")


async def hold(shop: Shop, quantity: int, seconds: int) -> str:
    body = {"items": [{**LINE, "quantity": quantity}], "expiresInSeconds": seconds}
    answer = await shop.post("/v1/reservations", body)
    assert answer.status == 201, answer.raw
    return str(answer.body["id"])


async def test_an_ended_hold_gives_its_units_back_before_anybody_writes_it(shop: Shop) -> None:
    item = await shop.item("A", 10)
    name = await hold(shop, 4, 1)
    during = await shop.level(item["id"])
    assert (during["reserved"], during["availableQuantity"]) == (4, 6)
    await asyncio.sleep(1.1)
    after = await shop.level(item["id"])
    assert (after["reserved"], after["availableQuantity"], after["sequence"]) == (0, 10, during["sequence"])
    read = (await shop.get(f"/v1/inventory-items/{item['id']}")).body
    assert (read["reserved"], read["quantity"], read["sequence"]) == (0, 10, during["sequence"])
    assert (await shop.get(f"/v1/reservations/{name}")).body["status"] == "expired"
    assert (await shop.get("/v1/reservations")).body["data"][0]["status"] == "expired"
    told = (await shop.get(f"/v1/inventory-items/{item['id']}/explain")).body
    assert told["reserved"] == {"units": 0, "data": [], "hasMore": False}
    assert len((await shop.get("/v1/inventory-movements?partNumber=A")).body["data"]) == 2
    assert (await shop.get("/v1/inventory-levels?available=true")).body["data"] == [after]


async def test_at_answers_what_a_read_answered_then(shop: Shop) -> None:
    """Before, during and after a hold, with its end unwritten and written."""
    item = await shop.item("A", 10, allowBackOrder=False)
    read: list[tuple[str, dict[str, Any]]] = []

    async def note() -> None:
        read.append((await now(shop), await shop.level(item["id"])))

    async def compare() -> None:
        for at, level in read:
            assert await shop.level(item["id"], at=at) == level

    await note()
    await hold(shop, 4, 1)
    await hold(shop, 3, 1)
    lasting = await hold(shop, 1, 600)
    await note()
    await shop.post("/v1/orders", {"items": [{**LINE, "quantity": 1}], "id": "o"})
    await note()
    await compare()
    await asyncio.sleep(1.1)
    await note()  # two holds have ended, unwritten
    await compare()
    await shop.post("/v1/inventory-changes", {"type": "adjust", **LINE, "delta": 5})  # writes their ends first
    await note()
    await compare()
    await shop.ask("DELETE", f"/v1/reservations/{lasting}")
    await shop.post("/v1/orders/o/shipments")
    await note()
    await compare()
    assert [level["availableQuantity"] for _, level in read] == [10, 2, 1, 8, 13, 14]
    whole = (await shop.get(f"/v1/inventory-levels?at={read[0][0]}")).body["data"]
    assert [level["inventoryItemId"] for level in whole] == [item["id"]]


async def test_before_an_item_was_made_there_is_no_level(shop: Shop) -> None:
    before = await now(shop)
    item = await shop.item("A", 10)
    assert (await shop.get(f"/v1/inventory-levels?at={before}")).body["data"] == []
    told = (await shop.get(f"/v1/inventory-items/{item['id']}/explain?at={before}")).body
    assert (told["level"], told["movements"]) == (None, [])


async def test_explain_names_what_stood_behind_the_numbers_then_and_now(shop: Shop) -> None:
    item = await shop.item("A", 10)
    kept = await hold(shop, 2, 600)
    gone = await hold(shop, 3, 600)
    await shop.post("/v1/orders", {"id": "old", "items": [{**LINE, "quantity": 2}], "reference": "web-1"})
    await shop.post("/v1/orders/old/shipments", {"items": [{**LINE, "quantity": 1}]})
    then = await now(shop)
    await shop.ask("DELETE", f"/v1/reservations/{gone}")
    await shop.post("/v1/orders", {"id": "taken", "reservationId": kept})
    await shop.post("/v1/orders/old/cancel")

    async def explained(query: str) -> tuple[dict[str, int], dict[str, int], dict[str, Any]]:
        told = (await shop.get(f"/v1/inventory-items/{item['id']}/explain{query}")).body
        holds = {row["reservationId"]: row["quantity"] for row in told["reserved"]["data"]}
        orders = {row["orderId"]: row["open"] for row in told["allocated"]["data"]}
        assert (sum(holds.values()), sum(orders.values())) == (told["reserved"]["units"], told["allocated"]["units"])
        return holds, orders, told

    holds, orders, told = await explained(f"?at={then}")
    assert (holds, orders) == ({kept: 2, gone: 3}, {"old": 1})
    assert told["level"]["onHand"] == 9
    assert [line["type"] for line in told["movements"]] == ["ship", "order", "reserve", "reserve", "opening"]
    holds, orders, told = await explained("")
    assert (holds, orders) == ({}, {"taken": 2})
    assert told["level"]["sequence"] == told["movements"][0]["sequence"]
