"""Every method of the client and the request that it makes: one row each."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from stockwire.api.routes import ROUTES
from stockwire.client import Change, Line, NewItem, Stockwire
from tests.client.fake_server import says, serving

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PAGE = {"data": [], "hasMore": False, "nextAfter": 0, "results": []}
ITEM = {"id": "i", "partNumber": "P", "fulfiller": "F"}
HOOK = {"id": "w", "address": "http://x"}
HELD = {"id": "r", "status": "reserved"}
ORDER = {"id": "o", "status": "allocated"}
ONE = Line(inventory_item_id="i", quantity=1)
ONE_JSON = {"quantity": 1, "inventoryItemId": "i"}


class Row(NamedTuple):
    call: Callable[[Stockwire], Awaitable[Any]]
    request: str
    answer: Any = PAGE
    query: Mapping[str, str] = MappingProxyType({})
    body: Any = None


ROWS = {
    "items.create": Row(
        lambda s: s.items.create(NewItem(part_number="P", low_stock_threshold=0)),
        "POST /v1/inventory-items",
        ITEM,
        body={"partNumber": "P", "lowStockThreshold": 0},
    ),
    "items.create_many": Row(
        lambda s: s.items.create_many([NewItem(part_number="P")]),
        "POST /v1/inventory-items",
        body={"items": [{"partNumber": "P"}]},
    ),
    "items.list": Row(
        lambda s: s.items.list(status="in_stock", ids=["a", "b"], limit=5, created_from=AT).page(),
        "GET /v1/inventory-items",
        query={"status": "in_stock", "ids": "a,b", "limit": "5", "createdTime[gte]": "2026-01-02T03:04:05Z"},
    ),
    "items.get": Row(lambda s: s.items.get("i"), "GET /v1/inventory-items/i", ITEM),
    "items.find": Row(
        lambda s: s.items.find("P", "F"),
        "GET /v1/inventory-items",
        query={"limit": "1", "partNumber": "P", "fulfiller": "F"},
    ),
    "items.update": Row(
        lambda s: s.items.update("i", low_stock_threshold=None, metadata={"a": None}),
        "PATCH /v1/inventory-items/i",
        ITEM,
        body={"lowStockThreshold": None, "metadata": {"a": None}},
    ),
    "items.delete": Row(lambda s: s.items.delete("i"), "DELETE /v1/inventory-items/i"),
    "items.explain": Row(
        lambda s: s.items.explain("i", AT),
        "GET /v1/inventory-items/i/explain",
        query={"at": "2026-01-02T03:04:05Z"},
    ),
    "levels.list": Row(
        lambda s: s.levels.list(inventory_item_ids=["a", "b"], available=False, at=AT).page(),
        "GET /v1/inventory-levels",
        query={"limit": "1000", "inventoryItemIds": "a,b", "available": "false", "at": "2026-01-02T03:04:05Z"},
    ),
    "changes.apply": Row(
        lambda s: s.changes.apply(Change(type="adjust", inventory_item_id="i", delta=-1, expected_sequence=0)),
        "POST /v1/inventory-changes",
        {"status": "applied"},
        body={"type": "adjust", "inventoryItemId": "i", "delta": -1, "expectedSequence": 0},
    ),
    "changes.batch": Row(
        lambda s: s.changes.batch([Change(type="count", part_number="P", on_hand=0)], atomic=True),
        "POST /v1/inventory-changes",
        body={"changes": [{"type": "count", "partNumber": "P", "onHand": 0}], "atomic": True},
    ),
    "movements.list": Row(
        lambda s: s.movements.list(inventory_item_id="i").page(),
        "GET /v1/inventory-movements",
        query={"limit": "1000", "inventoryItemId": "i", "order": "asc"},
    ),
    "reservations.create": Row(
        lambda s: s.reservations.create([ONE], reservation_id="r", expires_in_seconds=60),
        "POST /v1/reservations",
        HELD,
        body={"id": "r", "items": [ONE_JSON], "expiresInSeconds": 60},
    ),
    "reservations.get": Row(lambda s: s.reservations.get("r"), "GET /v1/reservations/r", HELD),
    "reservations.list": Row(
        lambda s: s.reservations.list(created_after=AT).page(),
        "GET /v1/reservations",
        query={"limit": "1000", "createdTime[gt]": "2026-01-02T03:04:05Z"},
    ),
    "reservations.extend": Row(
        lambda s: s.reservations.extend("r", 60),
        "POST /v1/reservations/r/extend",
        HELD,
        body={"expiresInSeconds": 60},
    ),
    "reservations.release": Row(lambda s: s.reservations.release("r"), "DELETE /v1/reservations/r"),
    "orders.create": Row(
        lambda s: s.orders.create(order_id="o", reservation_id="r"),
        "POST /v1/orders",
        ORDER,
        body={"id": "o", "reservationId": "r"},
    ),
    "orders.get": Row(lambda s: s.orders.get("o"), "GET /v1/orders/o", ORDER),
    "orders.list": Row(lambda s: s.orders.list(limit=3).page(), "GET /v1/orders", query={"limit": "3"}),
    "orders.ship": Row(lambda s: s.orders.ship("o"), "POST /v1/orders/o/shipments", ORDER, body={}),
    "orders.cancel": Row(
        lambda s: s.orders.cancel("o", [ONE]), "POST /v1/orders/o/cancel", ORDER, body={"items": [ONE_JSON]}
    ),
    "orders.take_back": Row(
        lambda s: s.orders.take_back("o", [ONE], restock=False),
        "POST /v1/orders/o/returns",
        ORDER,
        body={"items": [ONE_JSON], "restock": False},
    ),
    "events.list": Row(
        lambda s: s.events.list(types=["inventory.*"], part_number="P").page(),
        "GET /v1/events",
        query={"limit": "1000", "types": "inventory.*", "partNumber": "P"},
    ),
    "events.get": Row(
        lambda s: s.events.get("e"), "GET /v1/events/e", {"id": "e", "type": "t", "data": {"object": {}}}
    ),
    "events.pull": Row(
        lambda s: s.events.pull(7, feed_id="f", limit=9),
        "GET /v1/events",
        query={"after": "7", "feedId": "f", "limit": "9", "order": "asc"},
    ),
    "webhooks.create": Row(
        lambda s: s.webhooks.create(
            "http://x", ["inventory.*"], filters={"partNumbers": ["A"]}, headers={"X-A": "1"}, max_concurrency=2
        ),
        "POST /v1/webhooks",
        HOOK,
        body={
            "address": "http://x",
            "types": ["inventory.*"],
            "headers": {"X-A": "1"},
            "filters": {"partNumbers": ["A"]},
            "maxConcurrency": 2,
        },
    ),
    "webhooks.list": Row(
        lambda s: s.webhooks.list(q="x", enabled=True).page(),
        "GET /v1/webhooks",
        query={"limit": "1000", "q": "x", "enabled": "true"},
    ),
    "webhooks.get": Row(lambda s: s.webhooks.get("w"), "GET /v1/webhooks/w", HOOK),
    "webhooks.update": Row(
        lambda s: s.webhooks.update("w", enabled=False, filters=None),
        "PATCH /v1/webhooks/w",
        HOOK,
        body={"enabled": False, "filters": None},
    ),
    "webhooks.delete": Row(lambda s: s.webhooks.delete("w"), "DELETE /v1/webhooks/w"),
    "webhooks.secrets": Row(lambda s: s.webhooks.secrets("w"), "GET /v1/webhooks/w/secrets"),
    "webhooks.rotate_secret": Row(
        lambda s: s.webhooks.rotate_secret("w", expire_previous_in_hours=1),
        "POST /v1/webhooks/w/secrets",
        {"secret": "whsec_x"},
        body={"expirePreviousInHours": 1},
    ),
    "webhooks.safelist": Row(lambda s: s.webhooks.safelist(), "GET /v1/safelist"),
    "deliveries.list": Row(
        lambda s: s.deliveries.list(webhook_id="w", status="failed").page(),
        "GET /v1/deliveries",
        query={"limit": "1000", "webhookId": "w", "status": "failed"},
    ),
    "deliveries.get": Row(lambda s: s.deliveries.get("d"), "GET /v1/deliveries/d", {"id": "d"}),
    "me": Row(lambda s: s.me(), "GET /v1/me", {"role": "admin"}),
    "fulfillers": Row(lambda s: s.fulfillers(), "GET /v1/fulfillers"),
    "audit_log": Row(lambda s: s.audit_log(limit=2).page(), "GET /v1/audit-log", query={"limit": "2"}),
}


@pytest.mark.parametrize("name", ROWS)
async def test_each_method_makes_its_request(name: str) -> None:
    row = ROWS[name]
    async with serving(says(200, row.answer)) as fake, Stockwire(fake.url, "k") as shop:
        await row.call(shop)
    (seen,) = fake.seen
    assert f"{seen['method']} {seen['path']}" == row.request
    assert seen["query"] == row.query
    assert (json.loads(seen["body"]) if seen["body"] else None) == row.body
    assert ("Idempotency-Key" in seen["headers"]) == (seen["method"] in ("POST", "PATCH"))


def test_every_route_has_a_method() -> None:
    called = {_route(row.request) for row in ROWS.values()} | {"GET /v1/events/stream"}
    routes = {f"{one.method} {one.path}" for one in ROUTES if one.path.startswith("/v1/") and not one.alias_of}
    assert routes - called == set()


def _route(request: str) -> str:
    """The ids of the rows are one letter long."""
    return "/".join("{id}" if len(part) == 1 else part for part in request.split("/"))


def test_every_public_method_has_a_row() -> None:
    shop = Stockwire("http://127.0.0.1:1", "k")
    rooms = {name: room for name, room in vars(shop).items() if not name.startswith("_") and name != "transport"}
    methods = {f"{name}.{method}" for name, room in rooms.items() for method in dir(room) if not method.startswith("_")}
    own = {name for name in dir(Stockwire) if not name.startswith("_")} - {"close"}
    walks = {"events.feed", "events.feed_bytes", "events.stream"}  # have tests of their own
    assert methods | own == set(ROWS) | walks
