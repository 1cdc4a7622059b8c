"""Who may ask what (R9): a cell for every role and route, made from the table of routes.

A cell that is allowed gets past the door (it may then be 404 or 400: the path names nothing); one that is not, 403.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from stockwire.api.route import Route
from stockwire.api.routes import ROUTES
from stockwire.store.database import Database
from tests.api.server import OTHER, ROLES, Shop, open_shop

CLOSED = [route for route in ROUTES if route.roles]

# R9 in other words than the table's: what each role may, by method and beginning of the path. Anything else is 403.
SEES = ("/v1/inventory-items", "/v1/inventory-levels", "/v1/inventory-movements", "/v1/events")
STOCK = ("/v1/inventory-changes", "/v1/reservations", "/v1/orders")


def may(role: str, route: Route) -> bool:
    path, reading = route.path, route.method == "GET"
    if role == "admin":
        return True
    if role == "operator":
        return (reading and not path.endswith("/secrets")) or path.startswith(STOCK) or path.endswith("/redeliver")
    if role == "viewer":
        return reading and not path.endswith("/secrets")
    if role == "fulfiller":
        return path == "/v1/inventory-changes" or (reading and path.startswith(SEES) and not path.endswith("/explain"))
    return False


@pytest_asyncio.fixture
async def shops(database: Database) -> AsyncIterator[Shop]:
    async with open_shop(database) as opened:
        yield opened


async def test_every_cell_of_the_table(shops: Shop) -> None:
    wrong = []
    for route in CLOSED:
        path = route.path.replace("{id}", str(uuid4()))
        if path.endswith("/stream"):
            path += "?feedId=" + str(uuid4())
        for role in (*ROLES, None):
            answer = await shops.ask(route.method, path, {} if route.body is not None else None, role=role)
            past = answer.status not in (401, 403)
            expected = role is not None and may(role, route)
            if past is not expected or (role is None and answer.status != 401):
                wrong.append((role, route.method, route.path, answer.status))
    assert not wrong
    assert len(CLOSED) >= 30


async def test_a_fulfiller_sees_its_own_alone(shop: Shop) -> None:
    ours = await shop.item("A", 5)
    theirs = await shop.item("A", 7, fulfiller=OTHER, inventoryManagement="Fulfiller Managed")

    async def seen(path: str) -> list[str]:
        answer = await shop.get(path, role="fulfiller")
        assert answer.status == 200, answer.raw
        return [row.get("inventoryItemId") or row.get("id") for row in answer.body["data"]]

    assert await seen("/v1/inventory-items") == [theirs["id"]]
    assert await seen("/v1/inventory-items?q=A") == [theirs["id"]]
    assert await seen("/v1/inventory-items?fulfiller=main") == []
    assert await seen(f"/v1/inventory-items?ids={ours['id']},{theirs['id']}") == [theirs["id"]]
    assert await seen("/v1/inventory-levels") == [theirs["id"]]
    assert await seen(f"/v1/inventory-levels?at={theirs['createdTime']}") == [theirs["id"]]
    assert await seen("/v1/inventory-movements?partNumber=A") == [theirs["id"]]
    assert await seen(f"/v1/inventory-movements?inventoryItemId={ours['id']}") == []
    assert await seen("/v1/inventory-movements?partNumber=A&fulfiller=main") == []
    assert (await shop.get(f"/v1/inventory-items/{ours['id']}", role="fulfiller")).status == 404
    assert (await shop.get(f"/v1/inventory-items/{theirs['id']}", role="fulfiller")).status == 200


async def test_a_fulfiller_sees_its_own_events_alone(shop: Shop) -> None:
    await shop.item("A", 5)
    await shop.item("A", 7, fulfiller=OTHER, inventoryManagement="Fulfiller Managed")
    everything = (await shop.get("/v1/events?limit=100")).body["data"]
    for path in ("/v1/events?limit=100", "/v1/events?after=0"):
        found = (await shop.get(path, role="fulfiller")).body["data"]
        assert len(found) == 2
        assert {event["data"]["object"]["fulfiller"] for event in found} == {OTHER}
    for event in everything:
        allowed = event["data"]["object"]["fulfiller"] == OTHER
        answer = await shop.get(f"/v1/events/{event['id']}", role="fulfiller")
        assert answer.status == (200 if allowed else 404)


async def test_who_may_change_fulfiller_managed_stock(shop: Shop) -> None:
    ours = await shop.item("A", 5)
    theirs = await shop.item("A", 7, fulfiller=OTHER, inventoryManagement="Fulfiller Managed")

    async def change(role: str, item: str, **more: str) -> tuple[int, list[str]]:
        body = {"type": "adjust", "inventoryItemId": item, "delta": 1, **more}
        answer = await shop.post("/v1/inventory-changes", body, role=role)
        return answer.status, [] if answer.status == 200 else answer.codes

    assert await change("fulfiller", theirs["id"]) == (200, [])
    assert await change("fulfiller", ours["id"]) == (404, ["not_found"])
    assert await change("operator", ours["id"]) == (200, [])
    assert await change("operator", theirs["id"]) == (409, ["not_self_managed"])
    assert await change("operator", theirs["id"], reason="because") == (409, ["not_self_managed"])
    assert await change("admin", theirs["id"]) == (409, ["not_self_managed"])
    assert await change("admin", theirs["id"], reason="because") == (200, [])


async def test_a_fulfiller_is_not_given_the_answer_to_anothers_request(shop: Shop) -> None:
    """R9 holds under R12 too: who guesses a key and a body learns no more than by asking afresh."""
    item = await shop.item("A", 5)
    body = {"type": "adjust", "inventoryItemId": item["id"], "delta": 1}
    for role, status in (("operator", 200), ("fulfiller", 409), ("operator", 200)):
        answer = await shop.post("/v1/inventory-changes", body, role=role, headers={"Idempotency-Key": "guessed"})
        assert answer.status == status
        if role == "fulfiller":
            assert answer.codes == ["idempotency_key_reused"]
    assert (await shop.level(item["id"]))["onHand"] == 6


@pytest.mark.parametrize("spelled", ["\u0661" * 32, "+" + "1" * 31, " " + "1" * 31, "1_" * 15 + "11"])
async def test_an_id_of_other_digits_names_nothing(shop: Shop, spelled: str) -> None:
    answer = await shop.post("/v1/inventory-changes", {"type": "set", "inventoryItemId": spelled, "quantity": 1})
    assert (answer.status, answer.codes) == (404, ["not_found"])


async def test_another_store_or_mode_is_another_world(database: Database) -> None:
    """404, not 403: what is not there for this key is not there."""
    async with open_shop(database) as one, open_shop(database) as other:
        item = await one.item("A", 5)
        order = (await one.post("/v1/orders", {"items": [{"partNumber": "A", "quantity": 1}]})).body
        event = (await one.get("/v1/events")).body["data"][0]
        for path in (f"/v1/inventory-items/{item['id']}", f"/v1/orders/{order['id']}", f"/v1/events/{event['id']}"):
            assert (await one.get(path)).status == 200
            assert (await other.get(path)).status == 404
        assert (await other.get("/v1/events")).body["data"] == []
        change = {"type": "set", "inventoryItemId": item["id"], "quantity": 1}
        assert (await other.post("/v1/inventory-changes", change)).status == 404
        assert (await other.post(f"/v1/orders/{order['id']}/cancel", {})).status == 404


async def test_me_says_whose_key_it_is(shop: Shop) -> None:
    me = (await shop.get("/v1/me", role="viewer")).body
    assert (me["store"], me["role"], me["liveMode"], me["ownFulfiller"]) == (shop.name, "viewer", False, "main")
    assert me["key"]["lastFour"] == shop.keys["viewer"][-4:]
    assert shop.keys["viewer"] not in str(me)
