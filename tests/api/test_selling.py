"""Reservations, orders, items and changes over HTTP: the statuses and shapes that a client meets."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.api.server import OTHER, Shop

A = {"partNumber": "A", "quantity": 1}


async def test_a_reservation_from_birth_to_order(shop: Shop) -> None:
    item = await shop.item("A", 5)
    held = await shop.post("/v1/reservations", {"items": [A, A], "reference": "cart", "metadata": {"k": "v"}})
    assert held.status == 201
    assert [(line["inventoryItemId"], line["quantity"]) for line in held.body["items"]] == [(item["id"], 2)]
    path = f"/v1/reservations/{held.body['id']}"
    assert (await shop.get(path)).body == held.body
    longer = await shop.post(f"{path}/extend", {"expiresInSeconds": 3600})
    assert longer.status == 200 and longer.body["expiresTime"] > held.body["expiresTime"]
    order = await shop.post("/v1/orders", {"reservationId": held.body["id"]})
    assert (order.status, order.body["status"], order.body["reservationId"]) == (201, "allocated", held.body["id"])
    assert (await shop.get(path)).body["status"] == "ordered"
    assert (await shop.ask("DELETE", path)).status == 409
    assert (await shop.post("/v1/orders", {"reservationId": held.body["id"]})).codes == ["invalid_state"]
    assert (await shop.level(item["id"]))["availableQuantity"] == 3


async def test_a_client_chosen_id_is_one_object(shop: Shop) -> None:
    """R7: the same body again is the object as it is now; another body is 409."""
    await shop.item("A", 5)
    for kind in ("reservations", "orders"):
        body = {"id": f"my-{kind}:1", "items": [A]}
        first = await shop.post(f"/v1/{kind}", body)
        again = await shop.post(
            f"/v1/{kind}", raw=b'{"items": [{"quantity": 1.0, "partNumber": "A"}], "id": "my-%s:1"}' % kind.encode()
        )
        other = await shop.post(f"/v1/{kind}", {**body, "items": [{**A, "quantity": 2}]})
        assert (first.status, again.status, other.status, other.codes) == (201, 200, 409, ["already_exists"])
        assert again.body == first.body


async def test_a_short_basket_holds_nothing_and_names_every_short_line(shop: Shop) -> None:
    a, b = await shop.item("A", 1), await shop.item("B", 1)
    lines = [{**A, "quantity": 2}, {"partNumber": "B", "quantity": 1}, {"partNumber": "C", "quantity": 1}]
    unknown = await shop.post("/v1/reservations", {"items": lines})
    assert unknown.status == 404
    lines[1:] = [{"inventoryItemId": b["id"], "quantity": 3}]
    short = await shop.post("/v1/reservations", {"items": lines})
    assert (short.status, short.faults) == (
        409,
        [("out_of_inventory", "items[0].quantity"), ("out_of_inventory", "items[1].quantity")],
    )
    assert (await shop.level(a["id"]))["reserved"] == (await shop.level(b["id"]))["reserved"] == 0


async def test_an_order_shipped_cancelled_and_returned(shop: Shop) -> None:
    item = await shop.item("A", 10)
    line = {**A, "quantity": 5, "unitPrice": "2.55", "currency": "GBP"}
    order = (await shop.post("/v1/orders", {"id": "o", "items": [line], "reference": "web"})).body
    assert (order["items"][0]["unitPrice"], order["items"][0]["currency"]) == ("2.55", "GBP")
    steps: list[tuple[str, Any, str, tuple[int, ...]]] = [
        ("shipments", {"items": [{**A, "quantity": 2}]}, "partially_shipped", (3, 2, 0, 0)),
        ("cancel", {"items": [{**A, "quantity": 1}]}, "partially_shipped", (2, 2, 1, 0)),
        ("shipments", None, "shipped", (0, 4, 1, 0)),
        ("returns", {"items": [{**A, "quantity": 1}]}, "shipped", (0, 4, 1, 1)),
        ("returns", {"items": [A], "restock": False}, "shipped", (0, 4, 1, 2)),
    ]
    for what, body, status, units in steps:
        answer = await shop.post(f"/v1/orders/o/{what}", body)
        assert answer.status == 200, answer.raw
        (found,) = answer.body["items"]
        assert answer.body["status"] == status
        assert tuple(found[name] for name in ("open", "shipped", "cancelled", "returned")) == units
    assert (await shop.post("/v1/orders/o/shipments", {"items": [A]})).status == 409
    assert (await shop.get("/v1/orders/o")).body["items"][0]["returned"] == 2
    assert (await shop.level(item["id"]))["onHand"] == 7


async def test_a_line_without_a_fulfiller_says_what_was_taken(shop: Shop) -> None:
    """R8: the store's own first; split where together they suffice."""
    await shop.item("A", 2)
    await shop.item("A", 5, fulfiller=OTHER)
    order = (await shop.post("/v1/orders", {"items": [{**A, "quantity": 6}]})).body
    assert {(line["fulfiller"], line["quantity"]) for line in order["items"]} == {("main", 2), (OTHER, 4)}


async def test_an_item_edited_and_made_again(shop: Shop) -> None:
    item = await shop.item("A", 3, metadata={"a": "1", "b": "2"}, lowStockThreshold=2, products=[{"productId": "P"}])
    path = f"/v1/inventory-items/{item['id']}"
    edit = {
        "metadata": {"a": None, "c": "3"},
        "lowStockThreshold": None,
        "products": [],
        "allowOversell": True,
        "backOrderLimit": 7,
    }
    edited = await shop.ask("PATCH", path, edit)
    assert edited.status == 200
    assert edited.body["metadata"] == {"b": "2", "c": "3"}
    assert (edited.body["lowStockThreshold"], edited.body["products"]) == (None, [])
    assert (edited.body["allowBackOrder"], edited.body["allowOversell"], edited.body["backOrderLimit"]) == (
        True,
        True,
        7,
    )
    assert (await shop.post(path, {"metadata": None})).body["metadata"] == {}
    assert (await shop.get(path)).body == (await shop.ask("PATCH", path, {})).body
    taken = await shop.post("/v1/inventory-items", {"partNumber": "A"})
    assert (taken.status, taken.codes, taken.body["errors"][0]["id"]) == (409, ["already_exists"], item["id"])
    assert (await shop.ask("PATCH", path, {"partNumber": "B"})).codes == ["unknown_parameter"]
    assert (await shop.ask("DELETE", path)).codes == ["invalid_state"]


async def test_compare_and_set_tells_the_true_values(shop: Shop) -> None:
    item = await shop.item("A", 3)
    set_it = {"type": "set", "partNumber": "A", "quantity": 9}
    stale = await shop.post("/v1/inventory-changes", {**set_it, "expectedQuantity": 2})
    assert (stale.status, stale.codes) == (409, ["stale_quantity"])
    assert (stale.body["errors"][0]["quantity"], stale.body["errors"][0]["sequence"]) == (3, 1)
    assert (await shop.post("/v1/inventory-changes", {**set_it, "expectedSequence": 2})).codes == ["stale_quantity"]
    good = await shop.post("/v1/inventory-changes", {**set_it, "expectedQuantity": 3, "expectedSequence": 1})
    assert (good.status, good.body["level"]["sequence"], good.body["level"]["inventoryItemId"]) == (200, 2, item["id"])


async def test_a_change_names_its_events_and_nothing_changes_nothing(shop: Shop) -> None:
    await shop.item("A", 3)
    body = {"type": "set", "partNumber": "A", "quantity": 0, "reason": "sold out", "reference": "r"}
    changed = (await shop.post("/v1/inventory-changes", body)).body
    assert changed["status"] == "applied" and len(changed["eventIds"]) == 2
    for event_id in changed["eventIds"]:
        event = (await shop.get(f"/v1/events/{event_id}")).body
        assert (event["data"]["object"]["reason"], event["data"]["object"]["reference"]) == ("sold out", "r")
    same = (await shop.post("/v1/inventory-changes", body)).body
    assert (same["status"], same["eventIds"]) == ("unchanged", [])
    movement = (await shop.get("/v1/inventory-movements?partNumber=A")).body["data"][0]
    assert (movement["changeId"], movement["reason"]) == (changed["id"], "sold out")
    assert UUID(movement["id"]).version == 7


async def test_a_transfer_shows_both_sides(shop: Shop) -> None:
    await shop.item("A", 5)
    move = {"type": "transfer", "partNumber": "A", "quantity": 2, "toFulfiller": OTHER}
    assert (await shop.post("/v1/inventory-changes", move)).faults == [("not_found", "toFulfiller")]
    await shop.item("A", 0, fulfiller=OTHER)
    moved = (await shop.post("/v1/inventory-changes", move)).body
    assert (moved["level"]["onHand"], moved["toLevel"]["onHand"], moved["toLevel"]["locationId"]) == (3, 2, OTHER)


@pytest.mark.parametrize("kind", ["reservations", "orders", "inventory-changes"])
async def test_the_first_answer_again(shop: Shop, kind: str) -> None:
    """R12: also a refusal that was decided; never one of the door."""
    await shop.item("A", 1)
    body = (
        {"type": "adjust", "partNumber": "A", "delta": -5}
        if kind == "inventory-changes"
        else {"items": [{**A, "quantity": 5}]}
    )
    headers = {"Idempotency-Key": "once"}
    first = await shop.post(f"/v1/{kind}", body, headers=headers)
    await shop.post("/v1/inventory-changes", {"type": "receive", "partNumber": "A", "quantity": 10})
    again = await shop.post(f"/v1/{kind}", body, headers=headers)
    assert (first.status, again.status, again.raw) == (409, 409, first.raw)
    assert again.headers["idempotent-replayed"] == "true"
    assert (await shop.post(f"/v1/{kind}", {}, headers={"Idempotency-Key": "other"})).status == 400
    assert (await shop.post(f"/v1/{kind}", body, headers={"Idempotency-Key": "other"})).status in (200, 201)
