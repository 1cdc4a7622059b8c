"""One key, one change, one answer (R11, R12)."""

from __future__ import annotations

import asyncio
import json

from stockwire.domain.commands import Actor, Change, Changes, CreateItem, ItemRef, Release
from stockwire.ledger import Ledger
from stockwire.store.database import Database
from tests.ledger.conftest import Shop, change, order, reserve, submission


async def test_a_key_sent_twice_changes_once_and_answers_the_same_bytes(shop: Shop) -> None:
    item = await shop.item()
    first = await shop.ask(change("receive", 5), "k")
    again = await shop.ask(change("receive", 5), "k")
    assert (first.status, first.replayed, again.replayed) == (200, False, True)
    assert again.body == first.body
    assert await shop.level(item) == (5, 0, 0)


async def test_a_key_outlives_the_writer(shop: Shop) -> None:
    item = await shop.item()
    first = await shop.ask(change("receive", 5), "k")
    await shop.ledger.close()
    again = await shop.ask(change("receive", 5), "k", by=shop.writer())
    assert (again.replayed, again.body) == (True, first.body)
    assert await shop.level(item) == (5, 0, 0)


async def test_a_key_with_another_body_is_refused_and_changes_nothing(shop: Shop) -> None:
    item = await shop.item()
    await shop.ask(change("receive", 5), "k")
    other = await shop.ask(change("receive", 6), "k")
    assert other.status == 409
    assert json.loads(other.body)["errors"][0]["code"] == "idempotency_key_reused"
    assert (await shop.ask(change("receive", 5), "k")).replayed, "the first answer stands"
    assert await shop.level(item) == (5, 0, 0)


async def test_a_key_counts_in_its_own_store_and_mode_alone(shop: Shop) -> None:
    await shop.item()
    await shop.ask(change("receive", 5), "k")
    live = shop.id._replace(live=True)
    shop.id = live
    item = await shop.item()
    assert not (await shop.ask(change("receive", 5), "k")).replayed
    assert await shop.level(item) == (5, 0, 0)


async def test_both_writers_at_once_a_thousand_times(shop: Shop, dsn: str) -> None:
    """1,000 keys, each sent to both writers at the same instant: one change, two equal answers."""
    item = await shop.item()
    other = await Database.open(dsn)
    rival = Ledger(other)
    try:
        for start in range(0, 1000, 50):
            await asyncio.gather(*(_twice(shop, rival, f"key-{n}") for n in range(start, start + 50)))
    finally:
        await rival.close()
        await other.close()
    assert await shop.level(item) == (1000, 0, 0)
    assert await shop.count("movements") == 1000
    assert await shop.positions() == list(range(1, 1003)), "created, 1,000 updates, back in stock"


async def _twice(shop: Shop, rival: Ledger, key: str) -> None:
    one, other = await asyncio.gather(
        shop.ask(change("receive", 1), key), shop.ask(change("receive", 1), key, by=rival)
    )
    assert one.replayed != other.replayed
    assert (one.status, one.body) == (other.status, other.body)
    assert one.status == 200


async def test_twice_in_one_batch(shop: Shop) -> None:
    item = await shop.item()
    answers = await asyncio.gather(*(shop.ask(change("receive", 1), "k") for _ in range(20)))
    assert [answer.replayed for answer in answers] == [False] + [True] * 19
    assert len({answer.body for answer in answers}) == 1
    assert await shop.level(item) == (1, 0, 0)


async def test_decided_refusals_are_kept(shop: Shop) -> None:
    """404, 409 and 422 are answers: what would succeed later still gets the first one."""
    missing = await shop.ask(change("set", 1), "missing")
    item = await shop.item(quantity=2)
    short = await shop.ask(order("o", 3), "short")
    too_many = await shop.ask(change("receive", 2**53 - 1), "too many")
    assert [missing.status, short.status, too_many.status] == [404, 409, 422]
    await shop.ask(change("count", 50))
    for key, command, first in (
        ("missing", change("set", 1), missing),
        ("short", order("o", 3), short),
        ("too many", change("receive", 2**53 - 1), too_many),
    ):
        again = await shop.ask(command, key)
        assert (again.replayed, again.status, again.body) == (True, first.status, first.body)
    assert await shop.level(item) == (50, 0, 0)


async def test_what_was_not_decided_is_not_kept(shop: Shop) -> None:
    """400 and 403 come before the key, 500 after a fault: none of them is stored."""
    await shop.item(fulfiller="main")
    forbidden = Change("set", ItemRef(part_number="MUG"), 4)
    fulfiller = Actor("key:f", "fulfiller", "main")
    asked = submission(forbidden, "k")._replace(actor=fulfiller)
    assert (await shop.ledger.submit(shop.id, asked)).status == 403
    assert (await shop.ledger.submit(shop.id, asked)).replayed is False
    assert await shop.count("answers") == 0
    broken = change("receive", 1, reference="\0")
    assert (await shop.ask(broken, "k2")).status == 500
    assert await shop.count("answers") == 0
    assert (await shop.ask(change("receive", 1), "k2")).status == 200


async def test_empty_answers_are_kept_as_well(shop: Shop) -> None:
    await shop.item(quantity=3)
    await shop.ask(reserve("r"))
    first = await shop.ask(Release("r"), "k")
    assert (first.status, first.body) == (204, b"")
    again = await shop.ask(Release("r"), "k")
    assert (again.status, again.body, again.replayed) == (204, b"", True)


async def test_slices_of_one_request_are_answered_one_by_one(shop: Shop) -> None:
    """R11: each slice commits with its results; a retry finds those that were, and carries out the rest."""
    item = await shop.item()
    rows = tuple(change("receive", 1) for _ in range(3))
    done = [await shop.ask(Changes(rows, offset=3 * n), "k", body="all", slice=n) for n in range(2)]
    again = [await shop.ask(Changes(rows, offset=3 * n), "k", body="all", slice=n) for n in range(3)]
    assert [answer.replayed for answer in again] == [True, True, False]
    assert [answer.body for answer in again[:2]] == [answer.body for answer in done]
    assert await shop.level(item) == (9, 0, 0)
    other = await shop.ask(Changes(rows), "k", body="another", slice=0)
    assert other.status == 409


async def test_a_request_without_a_key_writes_no_answer(shop: Shop) -> None:
    await shop.item()
    await shop.ask(change("receive", 1))
    assert await shop.count("answers") == 0


class Reversing:
    """Seals by turning bytes round: enough to tell sealed from plain."""

    def seal(self, plain: bytes) -> bytes:
        return b"sealed:" + plain[::-1]

    def open(self, sealed: bytes) -> bytes:
        return sealed.removeprefix(b"sealed:")[::-1]


async def test_answers_that_show_a_secret_are_kept_sealed(shop: Shop) -> None:
    sealing = shop.writer(sealer=Reversing())
    create = CreateItem("01900000-0000-7000-8000-000000000001", "MUG")
    first = await shop.ask(create, "k", by=sealing, secret=True)
    again = await shop.ask(create, "k", by=sealing, secret=True)
    assert (again.replayed, again.body) == (True, first.body)
    (row,) = await shop.fetch("SELECT sealed, body FROM answers WHERE store_id = $1 AND live = $2")
    assert row["sealed"]
    assert b"MUG" not in row["body"]
    assert (await shop.ask(create, "k", secret=True)).status == 500, "this writer has no key ring"


async def test_without_a_key_ring_no_secret_is_answered_and_nothing_changes(shop: Shop) -> None:
    create = CreateItem("01900000-0000-7000-8000-000000000001", "MUG")
    assert (await shop.ask(create, "k", secret=True)).status == 500
    assert await shop.count("items") == 0
    assert await shop.count("answers") == 0
