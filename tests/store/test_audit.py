"""The audit finds every way in which a ledger can disagree with itself, and nothing in one that agrees."""

import pytest

from stockwire.store.audit import audit
from stockwire.store.database import Database
from stockwire.store.keys import create_store

# Ten units arrived, three were reserved, two of those ordered, one of those shipped.
LEDGER = """
INSERT INTO items (store_id, live, id, part_number, fulfiller, created_at, updated_at)
  VALUES ({store}, false, '{item}', 'A', 'main', now(), now());
INSERT INTO levels (store_id, live, item_id, on_hand, reserved, allocated, sequence, published, updated_at)
  VALUES ({store}, false, '{item}', 9, 1, 1, 4, 4, now());
INSERT INTO movements (store_id, live, item_id, sequence, id, type, on_hand_delta, reserved_delta, allocated_delta,
                       on_hand, reserved, allocated, change_id, actor, occurred_at, created_at)
  SELECT {store}, false, '{item}', n, gen_random_uuid(), type, dh, dr, da, h, r, a, '{item}', 'system', now(), now()
  FROM (VALUES (1, 'receive', 10, 0, 0, 10, 0, 0), (2, 'reserve', 0, 3, 0, 10, 3, 0), (3, 'order', 0, -2, 2, 10, 1, 2),
               (4, 'ship', -1, 0, -1, 9, 1, 1)) AS m(n, type, dh, dr, da, h, r, a);
INSERT INTO reservations (store_id, live, id, status, expires_at, fingerprint, created_at, updated_at)
  VALUES ({store}, false, 'r', 'reserved', now() + interval '1 hour', '', now(), now());
INSERT INTO reservation_lines (store_id, live, reservation_id, item_id, place, quantity, expires_at, holding)
  VALUES ({store}, false, 'r', '{item}', 0, 1, now() + interval '1 hour', true);
INSERT INTO orders (store_id, live, id, fingerprint, created_at, updated_at)
  VALUES ({store}, false, 'o', '', now(), now());
INSERT INTO order_lines (store_id, live, order_id, item_id, place, quantity, shipped)
  VALUES ({store}, false, 'o', '{item}', 0, 2, 1);
INSERT INTO events (store_id, live, position, id, type, created_at, body)
  SELECT {store}, false, n, gen_random_uuid(), 'inventory.item_updated', now(), '{{}}' FROM generate_series(1, 4) AS n;
UPDATE ledgers SET position = 4 WHERE store_id = {store} AND NOT live;
"""
ITEM = "0193a000-0000-7000-8000-000000000001"
FREE = "ALTER TABLE movements DISABLE TRIGGER USER; ALTER TABLE events DISABLE TRIGGER USER;"


async def a_ledger(database: Database) -> int:
    async with database.work.acquire() as connection:
        store: int = await create_store(connection, "shop")
        await connection.execute(LEDGER.format(store=store, item=ITEM))
    return store


async def differences(database: Database, store: int) -> list[str]:
    async with database.work.acquire() as connection:
        return [str(one) for one in await audit(connection, store, False)]


async def test_a_ledger_that_agrees_has_no_difference(database: Database) -> None:
    assert await differences(database, await a_ledger(database)) == []


async def test_an_empty_ledger_agrees(database: Database) -> None:
    async with database.work.acquire() as connection:
        assert await audit(connection, await create_store(connection, "shop"), True) == []


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("UPDATE levels SET on_hand = on_hand + 1", "sums: "),
        ("UPDATE levels SET sequence = 5", "sums: "),
        ("UPDATE levels SET reserved = 0", "promises: "),
        ("UPDATE reservation_lines SET holding = false", "promises: "),
        ("UPDATE order_lines SET cancelled = 1", "promises: "),
        ("DELETE FROM movements WHERE sequence = 2", "running values: "),
        ("DELETE FROM movements WHERE sequence = 4", "sums: "),
        ("UPDATE movements SET on_hand = 11 WHERE sequence = 3", "running values: "),
        ("UPDATE movements SET sequence = 9 WHERE sequence = 4", "sums: "),
        ("DELETE FROM events WHERE position = 2", "positions: "),
        ("DELETE FROM events WHERE position = 4", "positions: "),
        ("UPDATE ledgers SET position = 5 WHERE NOT live", "positions: "),
        ("UPDATE ledgers SET pruned_to = 1 WHERE NOT live", ""),  # pruned events may still be there
    ],
)
async def test_every_tampering_is_found(database: Database, tampering: str, found: str) -> None:
    store = await a_ledger(database)
    await database.work.execute(FREE + tampering)
    told = await differences(database, store)
    assert any(line.startswith(found) for line in told) if found else told == []


async def test_a_ledger_is_judged_by_itself(database: Database) -> None:
    """Another store's or mode's difference is not this one's."""
    await a_ledger(database)
    await database.work.execute("UPDATE levels SET on_hand = on_hand + 1")
    async with database.work.acquire() as connection:
        other = await create_store(connection, "other")
        assert await audit(connection, other, False) == []
