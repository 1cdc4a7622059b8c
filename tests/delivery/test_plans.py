"""R26: what the worker asks all day costs the same however long the backlog is."""

import json
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio

from stockwire.store import deliveries
from stockwire.store.database import Database
from tests.delivery.shop import Shop

FEW, MANY = 1_000, 100_000


@pytest_asyncio.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    yield await Shop.open(database)


async def backlog(shop: Shop, endpoints: Sequence[uuid.UUID], count: int, analyzed: bool = True) -> None:
    """So many due deliveries in all, of events that there are, one second apart."""
    await shop.execute(
        "INSERT INTO events (store_id, live, position, id, type, created_at, body)"
        " SELECT $1, $2, n, gen_random_uuid(), 'inventory.out_of_stock', now(), '{}' FROM generate_series(1, $3) n"
        " ON CONFLICT DO NOTHING",
        *shop.ledger,
        count // len(endpoints),
    )
    await shop.execute(
        "INSERT INTO deliveries (store_id, live, endpoint_id, position, id, due_at, created_at)"
        " SELECT $1, $2, e, n, gen_random_uuid(), now() - make_interval(secs => $4 - n), now()"
        " FROM unnest($3::uuid[]) e, generate_series(1, $4) n ON CONFLICT DO NOTHING",
        *shop.ledger,
        endpoints,
        count // len(endpoints),
    )
    if analyzed:
        await shop.execute("ANALYZE deliveries, events")


async def buffers(shop: Shop, query: Any, *values: Any) -> tuple[int, set[str]]:
    """Pages that the query touched, and the kinds of scans that it made of the tables."""
    async with shop.database.work.acquire() as connection:
        explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query.sql}"
        [[text]] = await connection.fetch(explained, *values)
    plan = json.loads(text)[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], scans(plan)


def scans(plan: dict[str, Any]) -> set[str]:
    found = {plan["Node Type"]} if plan["Node Type"].endswith("Scan") and "Relation Name" in plan else set()
    return found.union(*(scans(below) for below in plan.get("Plans", ())))


def claim_values(shop: Shop, endpoints: Sequence[uuid.UUID]) -> list[Any]:
    n = len(endpoints)
    return [*shop.ledger, uuid.uuid4(), list(endpoints), [0] * n, [10] * n, [26.0] * n]


@pytest.mark.parametrize("analyzed", [True, False])
@pytest.mark.parametrize("webhooks", [1, 50])
async def test_a_claim_costs_the_same_from_a_thousand_due_to_a_hundred_thousand(
    shop: Shop, webhooks: int, analyzed: bool
) -> None:
    endpoints = [await shop.webhook(f"http://127.0.0.1:9/{n}") for n in range(webhooks)]
    await backlog(shop, endpoints, FEW, analyzed)
    few, _ = await buffers(shop, deliveries.SQL.claim, *claim_values(shop, endpoints))
    await backlog(shop, endpoints, MANY, analyzed)
    many, kinds = await buffers(shop, deliveries.SQL.claim, *claim_values(shop, endpoints))
    assert "Seq Scan" not in kinds
    assert many < 2 * few + 100


async def test_the_worklist_and_what_is_unwanted_cost_the_same_too(shop: Shop) -> None:
    endpoints = [await shop.webhook(f"http://127.0.0.1:9/{n}") for n in range(5)]
    await backlog(shop, endpoints, MANY)
    for query in (deliveries.SQL.worklist, deliveries.SQL.unwanted):
        pages, _ = await buffers(shop, query)
        assert pages < 200, query.name
    await shop.execute("UPDATE endpoints SET enabled = false WHERE id = $1", endpoints[0])
    async with shop.database.work.acquire() as connection:
        assert await deliveries.unwanted(connection) == [shop.ledger]
        assert await deliveries.cancel_unwanted(connection, shop.ledger, 1_000) == 1_000


@pytest.mark.parametrize("analyzed", [True, False])
async def test_settling_looks_every_delivery_up_by_its_key(shop: Shop, analyzed: bool) -> None:
    endpoints = [await shop.webhook("http://127.0.0.1:9/")]
    await backlog(shop, endpoints, MANY, analyzed)
    async with shop.database.work.acquire() as connection:
        held = await deliveries.claim(
            connection, shop.ledger, uuid.uuid4(), [deliveries.Wanted(endpoints[0], 0, 50, 26.0)]
        )
        now = await connection.fetchval("SELECT now()")
    assert len(held) == 50
    outcome = ("delivered", None, now, "delivered", None, 200, None, 1, 2, 3, None, None)
    columns = zip(*((one.endpoint_id, one.position, one.claim, *outcome) for one in held), strict=True)
    pages, kinds = await buffers(shop, deliveries.SQL.settle, *shop.ledger, *map(list, columns))
    assert kinds == {"Index Scan"}
    assert pages < 50 * 40
