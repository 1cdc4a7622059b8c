"""Every kind of batch is known again when the answer to its COMMIT was lost (R13 b)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from stockwire.domain import commands
from stockwire.domain.commands import Command, ItemRef, NewSecret, OrderUnits
from stockwire.ledger import Unavailable
from stockwire.store import batch
from stockwire.store.batch import Trace
from stockwire.store.database import Connection
from tests.ledger.conftest import Shop, change, order, reserve

MUG = ItemRef(part_number="MUG")
HOOK = "01900000-0000-7000-8000-00000000000a"
WEBHOOK = commands.CreateEndpoint(HOOK, "https://example.com/", ("*",), NewSecret(HOOK, b"sealed", "shown"))

# What is asked, under which key, its status, and one number that shows whether it was done once.
ONE = (OrderUnits(MUG, 1),)
LATER = "SELECT 1 FROM reservations WHERE expires_at > now() + interval '1 hour'"
KINDS: dict[str, tuple[Command, str | None, int, str]] = {
    "a change": (change("receive", 1), None, 200, "SELECT on_hand - 3 FROM levels"),
    "a shipment, which tells nobody": (commands.Ship("shipped", ONE), None, 200, "SELECT 3 - on_hand FROM levels"),
    "an extension": (commands.Extend("held", 5_000), None, 200, LATER),
    "a write-off": (commands.Return("shipped", ONE, restock=False), None, 200, "SELECT returned FROM order_lines"),
    "a webhook": (WEBHOOK, None, 201, "SELECT count(*) FROM endpoints"),
    "a refusal": (order("short", 99), None, 409, "SELECT sum(refusals) FROM refused_units"),
    "a refusal that is kept": (commands.Ship("missing"), "k", 404, "SELECT count(*) FROM answers"),
}


async def stocked(shop: Shop) -> None:
    """Three mugs, two of them sold and shipped in part, one held."""
    await shop.item(quantity=4)
    await shop.body(order("shipped", 2))
    await shop.body(commands.Ship("shipped", (OrderUnits(MUG, 1),)))
    await shop.body(change("receive", 1))
    await shop.body(reserve("held"))
    await shop.body(change("adjust", -1))


def lose_answers(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], Any] | None = None) -> list[int]:
    """The first COMMIT is carried out, and the connection ends before anybody hears of it."""
    commit = batch.commit
    lost: list[int] = []

    async def unheard(connection: Connection) -> None:
        await commit(connection)
        if not lost:
            lost.append(connection.get_server_pid())
            if meanwhile is not None:
                await meanwhile()
            raise ConnectionResetError("the answer was lost")

    monkeypatch.setattr(batch, "commit", unheard)
    return lost


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_committed_is_answered_and_not_run_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    await stocked(shop)
    command, key, status, done = KINDS[kind]
    lost = lose_answers(monkeypatch)
    answer = await asyncio.wait_for(shop.ask(command, key), 5)
    assert lost
    assert (answer.status, answer.replayed) == (status, False)
    async with shop.database.work.acquire() as connection:
        assert await connection.fetchval(done) == 1


async def test_a_row_that_was_written_again_since_proves_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hold was extended once more before we asked: unknown is said, and nothing is run again."""
    await stocked(shop)

    async def again() -> None:
        await shop.fetch("UPDATE reservations SET updated_at = now() WHERE store_id = $1 AND live = $2")

    lose_answers(monkeypatch, again)
    with pytest.raises(Unavailable) as unknown:
        await asyncio.wait_for(shop.ask(commands.Extend("held", 5_000)), 5)
    assert unknown.value.code == "outcome_unknown"


async def test_a_committed_number_without_our_rows_is_another_transactions(shop: Shop) -> None:
    """What a number says that the server gave out again."""
    await shop.item(quantity=1)
    async with shop.database.work.acquire() as connection:
        xid = await connection.fetchval("SELECT pg_current_xact_id()::text")
        (ours,) = await connection.fetch("SELECT item_id::text, id::text FROM movements")
        now = datetime.now(UTC)
        found = Trace(now, item_id=ours["item_id"], movement_id=ours["id"])
        lost = found._replace(movement_id=HOOK)
        assert await batch.outcome_of(connection, xid, *shop.id, found) == "committed"
        assert await batch.outcome_of(connection, xid, *shop.id, lost) == "aborted"
        assert await batch.outcome_of(connection, xid, *shop.id, Trace(now, order_id="o")) is None
        assert await batch.outcome_of(connection, str(int(xid) + 10**6), *shop.id, found) == "aborted"
        assert await batch.outcome_of(connection, xid, shop.id.store_id, True, found) == "aborted", "another ledger's"


async def test_the_answer_shows_what_is_there(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids that were answered after a lost COMMIT are those in the tables."""
    await stocked(shop)
    lose_answers(monkeypatch)
    answer = json.loads((await shop.ask(change("set", 9))).body)
    rows = await shop.fetch(
        "SELECT id::text FROM events WHERE store_id = $1 AND live = $2 ORDER BY position DESC LIMIT 1"
    )
    assert answer["eventIds"] == [rows[0]["id"]]
