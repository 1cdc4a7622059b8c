"""Reads with 100,000 items: by index, and only as many rows as the page needs (findings: no sequential scan)."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import UUID

import pytest_asyncio

from stockwire.store import reads
from stockwire.store.database import Database

ITEMS = 100_000
NEWEST = UUID("00000000-0000-7000-8000-00000001869f")
OLDEST = UUID("00000000-0000-7000-8000-000000000000")

_FILL = """
INSERT INTO items (store_id, live, id, part_number, fulfiller, products, created_at, updated_at)
SELECT $1, false, ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'P' || lpad(n::text, 6, '0'),
       CASE WHEN n % 1000 = 0 THEN 'depot' ELSE 'main' END, '[]', now() - n * interval '1 second', now()
FROM generate_series(0, $2 - 1) n
"""
_LEVELS = """
INSERT INTO levels (store_id, live, item_id, on_hand, sequence, updated_at)
SELECT store_id, live, id, CASE WHEN random() < 0.5 THEN 5 ELSE 0 END, 1, now() FROM items WHERE store_id = $1
"""
_PRODUCTS = """
INSERT INTO item_products (store_id, live, product_id, item_id, external_reference_id)
SELECT store_id, live, 'S' || part_number, id, 'E' || part_number FROM items WHERE store_id = $1
"""
_MOVEMENTS = """
INSERT INTO movements (store_id, live, item_id, sequence, id, type, on_hand_delta, reserved_delta, allocated_delta,
                       on_hand, reserved, allocated, change_id, actor, occurred_at, created_at)
SELECT $1, false, $2, n, ('01a20b0f-7a52-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'adjust', 1, 0, 0, n, 0, 0,
       gen_random_uuid(), 'system', now(), now() FROM generate_series(1, 20000) n
"""
_EVENTS = """
INSERT INTO events (store_id, live, position, id, type, item_id, part_number, fulfiller, created_at, body)
SELECT $1, false, n, ('01a20b0f-7a52-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'inventory.self_managed_updated',
       CASE WHEN n % 2 = 0 THEN $2 ELSE ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid END,
       'P099999', 'main', now(), '{}' FROM generate_series(1, 20000) n
"""
_ORDERS = """
WITH made AS (
  INSERT INTO orders (store_id, live, id, fingerprint, created_at, updated_at)
  SELECT $1, false, 'o' || n, '', now() - n * interval '1 second', now() FROM generate_series(1, 20000) n RETURNING id
)
INSERT INTO order_lines (store_id, live, order_id, item_id, place, quantity) SELECT $1, false, id, $2, 0, 1 FROM made
"""


@pytest_asyncio.fixture
async def store(database: Database) -> int:
    """A store with many items, and one item with a long history."""
    async with database.work.acquire() as connection:
        store_id: int = await connection.fetchval(
            "INSERT INTO stores (name, own_fulfiller) VALUES ('many', 'main') RETURNING store_id"
        )
        await connection.execute("INSERT INTO ledgers (store_id, live) VALUES ($1, false)", store_id)
        await connection.execute(_FILL, store_id, ITEMS)
        for statement in (_LEVELS, _PRODUCTS):
            await connection.execute(statement, store_id)
        for statement in (_MOVEMENTS, _EVENTS, _ORDERS):
            await connection.execute(statement, store_id, NEWEST)
        await connection.execute("ANALYZE")
    return store_id


async def plan(database: Database, query: Any, **known: Any) -> tuple[set[str], int]:
    """Kinds of nodes of the plan that is run, and the most rows that any scan touched."""
    values = [known.get(name) for name in query.parameters]
    async with database.reads.acquire() as connection:
        told = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query.sql}", *values)
    kinds: set[str] = set()
    most = 0

    def walk(node: dict[str, Any]) -> None:
        nonlocal most
        kinds.add(node["Node Type"])
        if re.search("Scan", node["Node Type"]):
            rows = (
                node["Actual Rows"]
                + node.get("Rows Removed by Filter", 0)
                + node.get("Rows Removed by Index Recheck", 0)
            )
            most = max(most, int(rows * node["Actual Loops"]))
        for below in node.get("Plans", ()):
            walk(below)

    walk(json.loads(told)[0]["Plan"])
    return kinds, most


async def lists_of_many_items_are_read_by_index(database: Database, store: int) -> None:
    ledger = {"store_id": store, "live": False, "limit": 11, "backward": False}
    middle = UUID(int=NEWEST.int - 50_000)
    for about, limit in (
        ({}, 50),
        ({"cursor": middle}, 50),
        ({"cursor": middle, "backward": True}, 50),
        ({"ids": [NEWEST, middle]}, 50),
        ({"parts": ["P000005"]}, 50),
        ({"parts": ["P000005", "P000006"], "fulfiller": "main"}, 50),
        ({"fulfiller": "depot"}, 150),
        ({"product_id": "SP000005"}, 50),
        ({"reference": "EP000005"}, 50),
        ({"q": "P00000", "q_end": "P00001"}, 50),
        ({"q": "SP00000", "q_end": "SP00001"}, 50),
        ({"q": "EP00000", "q_end": "EP00001"}, 50),
        ({"status": "in_stock"}, 200),
        ({"available": False}, 200),
        ({"managed": True}, ITEMS),  # a filter without an index walks the list: once, in its order
    ):
        kinds, rows = await plan(database, reads.items.item_rows, **(ledger | about))
        assert "Seq Scan" not in kinds, about
        assert rows <= limit, (about, rows, kinds)


async def the_past_of_many_items_is_read_by_index(database: Database, store: int) -> None:
    at = await database.reads.fetchval("SELECT now() + interval '1 second'")
    bound = UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")
    known = {"store_id": store, "live": False, "limit": 11, "backward": False, "at": at, "id_bound": bound}
    for about in ({}, {"ids": [NEWEST]}, {"parts": ["P099999"]}):
        kinds, rows = await plan(database, reads.items.level_rows_at, **(known | about))
        assert "Seq Scan" not in kinds
        assert rows <= 100, (about, rows, kinds)


async def a_long_history_is_read_by_index(database: Database, store: int) -> None:
    ledger = {"store_id": store, "live": False, "limit": 11}
    middle = UUID("01a20b0f-7a52-7000-8000-000000002710")
    for query, about in (
        (reads.items.movement_rows, {"ids": [NEWEST], "rising": False}),
        (reads.items.movement_rows, {"ids": [NEWEST], "rising": True, "cursor": middle}),
        (reads.events.event_page, {"backward": False, "types": None, "prefixes": []}),
        (reads.events.event_page, {"backward": True, "cursor": middle, "prefixes": []}),
        (reads.events.event_page_of, {"backward": False, "ids": [NEWEST, OLDEST], "prefixes": []}),
        (reads.events.event_page_of, {"backward": True, "ids": [NEWEST], "cursor": middle, "prefixes": []}),
        (reads.events.feed, {"after": 5000, "until": 9000, "prefixes": []}),
        (reads.promises.order_page, {"backward": False}),
        (reads.promises.order_page, {"backward": False, "cursor": "o10000"}),
        (reads.promises.order_page, {"backward": True, "cursor": "o10000"}),
    ):
        kinds, rows = await plan(database, query, **(ledger | about))
        assert "Seq Scan" not in kinds, (query.name, about)
        assert rows <= 100, (query.name, about, rows, kinds)


async def fulfillers_are_found_by_a_look_for_each(database: Database, store: int) -> None:
    kinds, rows = await plan(database, reads.service.fulfillers, store_id=store, live=False)
    assert rows <= 50, (rows, kinds)


async def test_reads_of_many_items_go_by_index(database: Database, store: int) -> None:
    """One filled database for all of them."""
    await lists_of_many_items_are_read_by_index(database, store)
    await the_past_of_many_items_is_read_by_index(database, store)
    await a_long_history_is_read_by_index(database, store)
    await fulfillers_are_found_by_a_look_for_each(database, store)
