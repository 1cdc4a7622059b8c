"""Pages, cursors and filters of the lists."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.api.server import OTHER, Shop

NOBODY = "01a20b0f-7a52-735e-8000-002a1f4c3673"


async def pages(shop: Shop, path: str, limit: int = 2) -> list[list[str]]:
    """Ids of all pages, forward."""
    found: list[list[str]] = []
    query = f"{path}{'&' if '?' in path else '?'}limit={limit}"
    after = ""
    while True:
        answer = (await shop.get(query + after)).body
        found.append([row.get("id") or row["inventoryItemId"] for row in answer["data"]])
        if not answer["hasMore"]:
            return found
        after = f"&startingAfter={found[-1][-1]}"


async def ids(shop: Shop, path: str) -> list[str]:
    answer = await shop.get(path)
    assert answer.status == 200, answer.raw
    return [row.get("id") or row["inventoryItemId"] for row in answer.body["data"]]


async def made(shop: Shop, count: int, **fields: Any) -> list[str]:
    rows = [{"partNumber": f"P{n}", **fields} for n in range(count)]
    answer = await shop.post("/v1/inventory-items", {"items": rows})
    assert answer.status == 200, answer.raw
    return [result["item"]["id"] for result in answer.body["results"]]


@pytest.mark.parametrize("path", ["/v1/inventory-items", "/v1/inventory-levels"])
async def test_pages_forward_and_backward(shop: Shop, path: str) -> None:
    newest_first = (await made(shop, 5))[::-1]
    assert await pages(shop, path) == [newest_first[0:2], newest_first[2:4], newest_first[4:]]
    assert await pages(shop, path, 5) == [newest_first]
    back = (await shop.get(f"{path}?limit=2&endingBefore={newest_first[4]}")).body
    assert [row.get("id") or row["inventoryItemId"] for row in back["data"]] == newest_first[2:4]
    assert back["hasMore"] is True
    first = (await shop.get(f"{path}?limit=2&endingBefore={newest_first[2]}")).body
    assert [row.get("id") or row["inventoryItemId"] for row in first["data"]] == newest_first[0:2]
    assert first["hasMore"] is False


async def test_ten_rows_unless_told(shop: Shop) -> None:
    await made(shop, 12)
    answer = (await shop.get("/v1/inventory-items")).body
    assert (len(answer["data"]), answer["hasMore"]) == (10, True)


async def test_orders_and_reservations_page_by_their_own_ids(shop: Shop) -> None:
    await shop.item("A", 100)
    line = {"items": [{"partNumber": "A", "quantity": 1}]}
    for kind in ("orders", "reservations"):
        for name in ("z", "b", "m", "a"):
            assert (await shop.post(f"/v1/{kind}", {"id": name, **line})).status == 201
        assert await pages(shop, f"/v1/{kind}") == [["a", "m"], ["b", "z"]]
        assert await ids(shop, f"/v1/{kind}?limit=2&endingBefore=z") == ["m", "b"]


@pytest.mark.parametrize("kind", ["orders", "reservations", "events"])
async def test_a_cursor_that_names_nothing_is_no_end_of_the_list(shop: Shop, kind: str) -> None:
    await shop.item("A", 100)
    made = await shop.post(f"/v1/{kind}", {"id": "one", "items": [{"partNumber": "A", "quantity": 1}]})
    last = (await shop.get("/v1/events")).body["data"][-1]["id"] if made.status == 405 else "one"
    assert (await shop.get(f"/v1/{kind}?startingAfter={last}")).body == {"data": [], "hasMore": False}
    for name in ("startingAfter", "endingBefore"):
        assert (await shop.get(f"/v1/{kind}?{name}={NOBODY}")).faults == [("invalid_parameter", name)]


async def test_movements_of_several_items_are_merged_in_order(shop: Shop) -> None:
    await shop.item("A", 5)
    await shop.item("A", 5, fulfiller=OTHER)
    for number in range(4):
        body = {"type": "adjust", "partNumber": "A", "fulfiller": ["main", OTHER][number % 2], "delta": 1}
        await shop.post("/v1/inventory-changes", body)
    rising = await ids(shop, "/v1/inventory-movements?partNumber=A&order=asc&limit=100")
    assert len(rising) == 6 and rising == sorted(rising)
    assert await ids(shop, "/v1/inventory-movements?partNumber=A&limit=100") == rising[::-1]
    walked = await pages(shop, "/v1/inventory-movements?partNumber=A&order=asc", 4)
    assert walked == [rising[:4], rising[4:]]
    assert (
        await ids(shop, f"/v1/inventory-movements?partNumber=A&order=asc&limit=2&endingBefore={rising[4]}")
        == rising[2:4]
    )
    assert len(await ids(shop, f"/v1/inventory-movements?partNumber=A&fulfiller={OTHER}")) == 3


async def test_summing_the_ledger_gives_the_level(shop: Shop) -> None:
    item = await shop.item("A", 50)
    hold = (await shop.post("/v1/reservations", {"items": [{"partNumber": "A", "quantity": 5}]})).body
    await shop.post("/v1/orders", {"reservationId": hold["id"], "id": "o"})
    await shop.post("/v1/orders/o/shipments", {"items": [{"partNumber": "A", "quantity": 2}]})
    await shop.post("/v1/orders/o/cancel")
    await shop.post("/v1/inventory-changes", {"type": "set", "partNumber": "A", "quantity": 9})
    lines = (await shop.get("/v1/inventory-movements?partNumber=A&order=asc&limit=100")).body["data"]
    level = await shop.level(item["id"])
    for number in ("onHand", "reserved", "allocated"):
        assert sum(line[f"{number}Delta"] for line in lines) == level[number]
    assert [line["sequence"] for line in lines] == list(range(1, level["sequence"] + 1))
    for before, after in itertools.pairwise(lines):
        assert before["quantityAfter"] == after["quantityBefore"]


async def test_filters_of_items(shop: Shop) -> None:
    cap = (await shop.item("CAP-1", 5, products=[{"productId": "P1", "externalReferenceId": "E1"}]))["id"]
    mug = (await shop.item("MUG-1", 0, lowStockThreshold=3, products=[{"productId": "P2"}]))["id"]
    jar = (await shop.item("MUG-2", 2, lowStockThreshold=3, fulfiller=OTHER, inventoryManagement="Fulfiller Managed"))[
        "id"
    ]
    owed = (await shop.item("BOX", 0, allowBackOrder=True))["id"]
    assert (await shop.post("/v1/orders", {"items": [{"partNumber": "BOX", "quantity": 3}]})).status == 201
    for query, found in {
        "partNumber=MUG-1": [mug],
        f"fulfiller={OTHER}": [jar],
        "productId=P1": [cap],
        "externalReferenceId=E1": [cap],
        "inventoryManagement=Fulfiller+Managed": [jar],
        "status=in_stock": [jar, cap],
        "status=out_of_stock": [owed, mug],
        "status=low_stock": [jar, mug],
        "status=backordered": [owed],
        "q=MUG": [jar, mug],
        "q=P": [mug, cap],
        "q=E1": [cap],
        "q=nothing": [],
        "q=mug": [],
        f"ids={mug},{cap}": [mug, cap],
        f"ids={mug}&ids={cap}": [mug, cap],
        "q=MUG&status=in_stock": [jar],
        "createdTime[gt]=2020-01-01T00:00:00Z&limit=1": [owed],
        "createdTime[lt]=2020-01-01T00:00:00Z": [],
    }.items():
        assert await ids(shop, f"/v1/inventory-items?{query}") == found, query
    for query, found in {
        "available=true": [jar, cap],
        "available=false": [owed, mug],
        "partNumber=MUG-1&partNumber=BOX": [owed, mug],
        f"inventoryItemIds={cap}": [cap],
    }.items():
        assert await ids(shop, f"/v1/inventory-levels?{query}") == found, query


async def test_a_comma_in_a_part_number_stays_one(shop: Shop) -> None:
    item = await shop.item("A,B")
    assert await ids(shop, "/v1/inventory-levels?partNumber=A%2CB") == [item["id"]]


async def test_deleted_items_are_not_listed_and_come_back_under_their_id(shop: Shop) -> None:
    item = await shop.item("A")
    path = f"/v1/inventory-items/{item['id']}"
    assert (await shop.ask("DELETE", path)).status == 204
    assert (await shop.get(path)).status == 404
    assert await ids(shop, "/v1/inventory-items") == []
    assert await ids(shop, "/v1/inventory-levels") == []
    assert (await shop.item("A"))["id"] == item["id"]


@pytest.mark.parametrize(
    ("path", "faults"),
    [
        ("/v1/inventory-items?limit=0&colour=red", [("invalid_parameter", "limit"), ("unknown_parameter", "colour")]),
        ("/v1/inventory-items?status=some", [("invalid_parameter", "status")]),
        ("/v1/inventory-items?limit=1001", [("invalid_parameter", "limit")]),
        ("/v1/inventory-items?limit=x", [("invalid_parameter", "limit")]),
        ("/v1/inventory-items?limit=5&limit=6", [("invalid_parameter", "limit")]),
        ("/v1/inventory-items?startingAfter=x", [("invalid_parameter", "startingAfter")]),
        ("/v1/inventory-items?ids=x", [("invalid_parameter", "ids[0]")]),
        ("/v1/inventory-items?q=", [("invalid_parameter", "q")]),
        ("/v1/inventory-items?q=%00", [("invalid_format", "q")]),
        ("/v1/inventory-items?q=%FF", [("invalid_format", None)]),
        ("/v1/inventory-items?createdTime[gt]=now", [("invalid_format", "createdTime[gt]")]),
        ("/v1/inventory-levels?available=yes", [("invalid_parameter", "available")]),
        ("/v1/inventory-levels?at=2999-01-01T00:00:00Z", [("invalid_parameter", "at")]),
        ("/v1/inventory-movements", [("missing_parameter", "partNumber")]),
        ("/v1/inventory-movements?partNumber=A&order=up", [("invalid_parameter", "order")]),
        ("/v1/events?type=inventory.*&types=x", [("invalid_parameter", "types"), ("invalid_parameter", "types[0]")]),
        (f"/v1/events?after=5&endingBefore={NOBODY}", [("invalid_parameter", "endingBefore")]),
        ("/v1/events?order=asc", [("invalid_parameter", "order")]),
        ("/v1/events?type=inventry.*", [("invalid_parameter", "type")]),
    ],
)  # fmt: skip
async def test_faults_in_a_query(shop: Shop, path: str, faults: list[tuple[str, str | None]]) -> None:
    answer = await shop.get(path)
    assert (answer.status, answer.faults) == (400, faults)


async def test_ids_that_name_nothing_are_404(shop: Shop) -> None:
    for path in (f"/v1/inventory-items/{NOBODY}", "/v1/inventory-items/x", f"/v1/inventory-items/{NOBODY}/explain",
                 "/v1/orders/x", "/v1/reservations/x", f"/v1/events/{NOBODY}", "/v1/events/x"):  # fmt: skip
        answer = await shop.get(path)
        assert (answer.status, answer.codes) == (404, ["not_found"]), path
    for method, path, body in (
        ("PATCH", "/v1/inventory-items/x", {}),
        ("POST", f"/v1/inventory-items/{NOBODY}", {"lowStockThreshold": 1}),
        ("DELETE", "/v1/inventory-items/x", None),
        ("DELETE", "/v1/reservations/x", None),
        ("POST", "/v1/reservations/x/extend", {"expiresInSeconds": 5}),
        ("POST", "/v1/orders/x/cancel", None),
        ("POST", "/v1/inventory-changes", {"type": "set", "inventoryItemId": "x", "quantity": 1}),
        ("POST", "/v1/inventory-changes", {"type": "set", "partNumber": "x", "quantity": 1}),
    ):
        assert (await shop.ask(method, path, body)).status == 404, path


async def test_fulfillers_and_the_audit_log(shop: Shop) -> None:
    item = await shop.item("A", fulfiller=OTHER)
    await shop.ask("PATCH", f"/v1/inventory-items/{item['id']}", {"lowStockThreshold": 3})
    fulfillers = (await shop.get("/v1/fulfillers")).body["data"]
    assert fulfillers == [{"name": OTHER, "own": False}, {"name": "main", "own": True}]
    log = (await shop.get("/v1/audit-log")).body["data"]
    assert [(line["action"], line["subject"]) for line in log] == [
        ("item.update", item["id"]),
        ("item.create", item["id"]),
    ]
    assert log[0]["actor"].startswith("key:")
