"""What the schema forbids to everybody, hand-written SQL included (R1, R10)."""

from __future__ import annotations

import asyncpg
import pytest

from stockwire.domain.commands import PatchItem
from tests.ledger.conftest import Shop, change, order

UNLAWFUL = {
    "sell a unit that is not there": "allocated = 6",
    "hold a unit that is not there": "reserved = 6",
    "take stock from under promises": "on_hand = 1",
    "take away the room that promises stand on": "on_hand = 0, allow_back_order = false",
    "a negative count": "on_hand = -1, reserved = 0, allocated = 0",
    "negative promises": "allocated = -1",
    "negative excuse": "excused = -1",
    "more than can be counted": "on_hand = 9007199254740992",
    "a negative limit": "back_order_limit = -1",
    "an event ahead of its movement": "published = sequence + 1",
}


@pytest.mark.parametrize("edit", UNLAWFUL.values(), ids=UNLAWFUL)
async def test_no_statement_makes_an_unlawful_level(shop: Shop, edit: str) -> None:
    item = await shop.item(quantity=5)
    await shop.ask(order("o", 2))
    with pytest.raises(asyncpg.CheckViolationError):
        await shop.fetch(f"UPDATE levels SET {edit} WHERE store_id = $1 AND live = $2")
    assert await shop.level(item) == (5, 0, 2)


async def test_a_count_below_promises_is_excused_by_as_much_and_no_more(shop: Shop) -> None:
    item = await shop.item(quantity=5)
    await shop.ask(order("o", 4))
    await shop.ask(change("count", 1))
    (row,) = await shop.fetch("SELECT excused FROM levels WHERE store_id = $1 AND live = $2")
    assert row["excused"] == 3
    with pytest.raises(asyncpg.CheckViolationError):
        await shop.fetch("UPDATE levels SET allocated = 5 WHERE store_id = $1 AND live = $2")
    await shop.ask(change("receive", 2))
    (row,) = await shop.fetch("SELECT excused FROM levels WHERE store_id = $1 AND live = $2")
    assert row["excused"] == 1, "every command lowers it to what is still needed"
    await shop.ask(change("receive", 9))
    assert (await shop.ask(order("o2", 8))).status == 201
    assert (await shop.ask(order("o3", 1))).status == 409, "nothing is left of the excuse to sell on"
    assert await shop.level(item) == (12, 0, 12)


async def test_a_policy_edit_excuses_the_promises_that_stand(shop: Shop) -> None:
    item = await shop.item(quantity=1, allow_back_order=True)
    await shop.ask(order("o", 4))
    await shop.ask(PatchItem(item, {"allow_back_order": False}))
    (row,) = await shop.fetch("SELECT excused FROM levels WHERE store_id = $1 AND live = $2")
    assert row["excused"] == 3
    assert (await shop.ask(order("o2"))).status == 409


HISTORY = [
    "UPDATE movements SET on_hand_delta = 7 WHERE store_id = $1 AND live = $2",
    "DELETE FROM movements WHERE store_id = $1 AND live = $2",
    "UPDATE events SET body = 'other' WHERE store_id = $1 AND live = $2",
    "DELETE FROM events WHERE store_id = $1 AND live = $2",
]


@pytest.mark.parametrize("statement", HISTORY)
async def test_history_cannot_be_rewritten(shop: Shop, statement: str) -> None:
    await shop.item(quantity=5)
    with pytest.raises(asyncpg.RestrictViolationError):
        await shop.fetch(statement)
    assert await shop.count("movements") == 1
    assert await shop.count("events") == 2


@pytest.mark.parametrize("table", ["movements", "events"])
async def test_history_cannot_be_emptied(shop: Shop, table: str) -> None:
    await shop.item(quantity=5)
    with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
        await shop.database.work.execute(f"TRUNCATE {table} CASCADE")


async def test_a_movement_moves(shop: Shop) -> None:
    item = await shop.item(quantity=5)
    with pytest.raises(asyncpg.CheckViolationError):
        await shop.fetch(
            "INSERT INTO movements SELECT store_id, live, item_id, 99, gen_random_uuid(), 'count', 0, 0, 0, 5, 0, 0,"
            " change_id, NULL, NULL, actor, created_at, created_at FROM movements"
            " WHERE store_id = $1 AND live = $2 AND item_id = $3",
            item,
        )


async def test_an_order_line_never_has_more_than_it_was_asked_for(shop: Shop) -> None:
    await shop.item(quantity=5)
    await shop.ask(order("o", 2))
    for edit in ("shipped = 2, cancelled = 1", "returned = 1", "shipped = -1", "shipped = 3"):
        with pytest.raises(asyncpg.CheckViolationError):
            await shop.fetch(f"UPDATE order_lines SET {edit} WHERE store_id = $1 AND live = $2")
