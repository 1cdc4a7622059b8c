"""The client against a real server on a real database: what it sends is taken, what it is answered is understood."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from standardwebhooks import Webhook as PublicSigner

from stockwire.client import ApiError, Change, Line, NewItem, Product, Retries, Stockwire
from stockwire.client.webhook import verify_signature
from stockwire.replay import evidence
from stockwire.replay.journal import Journal
from stockwire.replay.planning import plan
from stockwire.replay.reading import read_files
from stockwire.replay.reconciling import books, reconcile_stock
from stockwire.replay.running import PartsExistError, Replay
from stockwire.store.database import Database
from tests.api.server import OTHER, OWN, open_shop

SLICE = Path(__file__).parents[2] / "src" / "stockwire" / "demo" / "online_retail_slice.csv.gz"


@pytest_asyncio.fixture
async def shop(database: Database) -> AsyncIterator[Stockwire]:
    async with open_shop(database) as server, Stockwire(server.url, server.keys["admin"], retries=Retries(2)) as shop:
        yield shop


async def test_items_from_making_to_deleting(shop: Stockwire) -> None:
    made = await shop.items.create(
        NewItem(
            part_number="P",
            quantity=3,
            products=[Product(product_id="1"), Product(product_id="2", external_reference_id="r,1")],
            low_stock_threshold=1,
            expected_in_stock_date="2030-01-01T00:00:00Z",
            metadata={"color": "red"},
        )
    )
    assert (made.fulfiller, made.quantity, made.on_hand, made.sequence) == (OWN, 3, 3, 1)
    with pytest.raises(ApiError) as exists:
        await shop.items.create(NewItem(part_number="P"))
    assert exists.value.has("already_exists")
    rows = await shop.items.create_many([NewItem(part_number="P"), NewItem(part_number="Q", fulfiller=OTHER)])
    assert [row.status for row in rows.results] == ["refused", "applied"]
    assert rows.results[1].item is not None
    assert [item.part_number async for item in shop.items.list(limit=1)] == ["Q", "P"]
    assert await shop.items.find("P", OTHER) is None
    found = await shop.items.list(external_reference_id="r,1").first()
    assert found == await shop.items.get(made.id) == made
    edited = await shop.items.update(made.id, low_stock_threshold=None, metadata={"size": "L"}, allow_back_order=True)
    assert (edited.low_stock_threshold, edited.metadata, edited.allow_back_order) == (
        None,
        {"color": "red", "size": "L"},
        True,
    )
    await shop.items.delete(rows.results[1].item.id)
    with pytest.raises(ApiError, match="404 not_found"):
        await shop.items.get(rows.results[1].item.id)


async def test_changes_levels_movements_and_explain(shop: Stockwire) -> None:
    item = await shop.items.create(NewItem(part_number="P,1", quantity=3))
    before = datetime.now(UTC)
    done = await shop.changes.apply(Change(type="set", part_number="P,1", quantity=50, expected_quantity=3, reason="x"))
    assert done.level is not None
    assert (done.status, done.level.available_quantity, len(done.event_ids)) == ("applied", 50, 1)
    with pytest.raises(ApiError) as stale:
        await shop.changes.apply(Change(type="adjust", inventory_item_id=item.id, delta=-1, expected_sequence=1))
    assert stale.value.has("stale_quantity")
    assert stale.value.errors[0].facts["sequence"] == 2
    batch = await shop.changes.batch(
        [
            Change(type="receive", part_number="P,1", quantity=1, occurred_time="2026-01-01T00:00:00Z"),
            Change(type="receive", part_number="none", quantity=1),
        ]
    )
    assert (batch.applied, batch.refused) == (1, 1)
    assert batch.results[1].error is not None
    assert batch.results[1].error.errors[0]["code"] == "not_found"
    (level,) = [level async for level in shop.levels.list(part_number=["P,1"])]
    assert (level.on_hand, level.location_id, level.available) == (51, OWN, True)
    (old,) = [level async for level in shop.levels.list(inventory_item_ids=[item.id], at=before)]
    assert old.on_hand == 3
    story = [movement async for movement in shop.movements.list(inventory_item_id=item.id, limit=2)]
    assert [(line.type, line.on_hand_delta) for line in story] == [("opening", 3), ("set", 47), ("receive", 1)]
    assert evidence.add_up(story) == evidence.Sum(51, 0, 0, 3, 0)
    assert isinstance(await shop.items.explain(item.id), dict)


async def test_a_basket_becomes_an_order_and_lives(shop: Stockwire) -> None:
    await shop.items.create(NewItem(part_number="P", quantity=10))
    held = await shop.reservations.create([Line(part_number="P", quantity=4)], reservation_id="r", metadata={"a": "b"})
    assert (held.status, held.items[0].quantity) == ("reserved", 4)
    assert (await shop.reservations.extend("r", 60)).expires_time is not None
    order = await shop.orders.create(reservation_id="r", order_id="o", reference="x")
    assert (order.status, order.items[0].open) == ("allocated", 4)
    assert (await shop.reservations.get("r")).status == "ordered"
    again = await shop.orders.create(reservation_id="r", order_id="o", reference="x")
    assert again == order
    line = order.items[0].inventory_item_id
    assert (await shop.orders.ship("o", [Line(inventory_item_id=line, quantity=2)])).status == "partially_shipped"
    assert (await shop.orders.cancel("o", [Line(inventory_item_id=line, quantity=1)])).items[0].open == 1
    assert (await shop.orders.ship("o")).status == "shipped"
    back = await shop.orders.take_back("o", [Line(inventory_item_id=line, quantity=1)])
    assert (back.items[0].returned, back.items[0].shipped) == (1, 3)
    with pytest.raises(ApiError) as short:
        await shop.orders.create(
            [
                Line(part_number="P", quantity=1, unit_price="2.50", currency="GBP"),
                Line(part_number="P", quantity=99),
            ]
        )
    assert {fault.code for fault in short.value.errors} == {"out_of_inventory"}
    assert short.value.errors[0].facts["available"] == 8
    await shop.reservations.create([Line(part_number="P", quantity=1)], reservation_id="s")
    await shop.reservations.release("s")
    assert [(one.id, one.status) async for one in shop.reservations.list(limit=1)] == [
        ("s", "released"),
        ("r", "ordered"),
    ]
    (newer,) = (await shop.reservations.list(ending_before="r").page()).data
    assert newer.items[0].part_number == "P"
    assert [order.id async for order in shop.orders.list()] == ["o"]


async def test_events_by_list_feed_bytes_and_stream(shop: Stockwire) -> None:
    await shop.items.create(NewItem(part_number="P", quantity=1))
    seen = asyncio.create_task(_first_of_stream(shop))
    await shop.orders.create([Line(part_number="P", quantity=1)])
    feed = [event async for event in shop.events.feed()]
    assert [event.type for event in feed][-2:] == ["inventory.self_managed_updated", "inventory.out_of_stock"]
    assert [event.position for event in feed] == list(range(1, len(feed) + 1))
    newest = await shop.events.list(types=["inventory.out_of_stock"], part_number="P").first()
    assert newest == feed[-1] == await shop.events.get(feed[-1].id)
    told = [evidence.told(body) async for body in shop.events.feed_bytes()]
    assert [one.id for one in told] == [event.id for event in feed]
    assert (told[-1].before, told[-1].quantity, told[-1].cause) == (1, 0, "order")
    assert await asyncio.wait_for(seen, 10) == feed[-1]


async def _first_of_stream(shop: Stockwire) -> object:
    async for event in shop.events.stream(after=0, types=["inventory.out_of_stock"]):
        return event
    return None


async def test_the_key_and_the_store(shop: Stockwire) -> None:
    me = await shop.me()
    assert (me.role, me.own_fulfiller, me.live_mode) == ("admin", OWN, False)
    assert [(one.name, one.own) for one in await shop.fulfillers()] == [(OWN, True)]
    assert isinstance([entry async for entry in shop.audit_log()], list)


async def test_webhooks_from_making_to_deleting(shop: Stockwire) -> None:
    made = await shop.webhooks.create(
        "https://example.com/stock",
        ["inventory.*"],
        authentication={"userName": "u", "password": "p"},
        headers={"X-Shop": "1"},
        filters={"partNumbers": ["P"]},
        description="front",
        ordering="unordered",
        timeout_seconds=5,
    )
    assert (made.enabled, made.ordering, made.types) == (True, "unordered", ["inventory.*"])
    assert made.secret is not None
    verify_signature(b"x", _signed(b"x", made.secret), made.secret, 300, now=1.0)
    assert [one.id async for one in shop.webhooks.list(q="front", enabled=True)] == [made.id]
    edited = await shop.webhooks.update(made.id, enabled=False, filters=None, types=["inventory.out_of_stock"])
    assert (edited.enabled, edited.status, edited.types) == (False, "disabled", ["inventory.out_of_stock"])
    rotated = await shop.webhooks.rotate_secret(made.id, expire_previous_in_hours=1)
    assert {one.secret for one in await shop.webhooks.secrets(made.id)} == {made.secret, rotated.secret}
    assert [one async for one in shop.deliveries.list(webhook_id=made.id)] == []
    assert isinstance(await shop.webhooks.safelist(), dict)
    await shop.webhooks.delete(made.id)
    with pytest.raises(ApiError, match="404"):
        await shop.webhooks.get(made.id)


def _signed(body: bytes, secret: str) -> dict[str, str]:
    """A request as the public library signs it: the secret that the server made is one."""
    signature = PublicSigner(secret).sign("m", datetime.fromtimestamp(1, UTC), body.decode())
    return {"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": signature}


@pytest.mark.parametrize("fulfillers", [(), ("Leeds", "London")])
async def test_the_shipped_slice_replayed_at_64_agrees_with_the_clients_books(
    shop: Stockwire, fulfillers: tuple[str, ...]
) -> None:
    journal = Journal()
    lines = read_files([SLICE]).lines[:3000]
    replay = Replay(shop, plan(lines), journal, prefix="x-", fulfillers=fulfillers, concurrency=64)
    await replay.stock_up()
    await replay.run()
    ours = books(journal.facts)
    levels = await evidence.levels(shop, set(ours.bought))
    checks = reconcile_stock(ours, levels, await evidence.sums(shop, ours.bought))
    assert [check.what for check in checks if check.different] == [], checks
    assert replay.tally["orders refused"] > 0
    assert replay.tally["orders taken without short lines"] > 0
    assert all(check.compared > 500 for check in checks)
    with pytest.raises(PartsExistError):
        await replay.stock_up()
