"""A replay against a shop in memory: what is sent, in which order, and whether the books agree."""

import time
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from stockwire.client import ApiError, Stockwire
from stockwire.replay.journal import Journal, Refused, read_journal
from stockwire.replay.planning import Plan, plan
from stockwire.replay.reading import Line, read_files
from stockwire.replay.reconciling import books
from stockwire.replay.running import PartsExistError, Replay
from tests.client.fake_shop import FakeShop

START = datetime(2010, 12, 1, 8, 0)
SLICE = Path(__file__).parents[2] / "src" / "stockwire" / "demo" / "online_retail_slice.csv.gz"


def line(invoice: str, part: str, quantity: int, day: float = 0.0, customer: str = "17850") -> Line:
    return Line(0, invoice, part, "", quantity, START + timedelta(days=day), "2.50", customer)


async def replayed(planned: Plan, concurrency: int = 8, **settings: object) -> tuple[FakeShop, Replay, Journal]:
    shop, journal = FakeShop(), Journal()
    replay = Replay(cast(Stockwire, shop), planned, journal, concurrency=concurrency, **settings)  # type: ignore[arg-type]
    await replay.stock_up()
    await replay.run()
    return shop, replay, journal


def agree(shop: FakeShop, journal: Journal) -> None:
    """The client's books are the shop's stock, part by part."""
    ours = books(journal.facts)
    assert {part: units for part, units in ours.on_hand.items() if units} == {
        k: v for k, v in shop.on_hand.items() if v
    }
    allocated = {part: units for part, units in ours.allocated.items() if units}
    assert allocated == {part: units for part, units in shop.allocated.items() if units}


async def test_a_refused_order_goes_again_without_its_short_lines_under_a_new_id() -> None:
    lines = [line("1", "10001", 8), line("2", "10001", 1, 0.1), line("2", "10002", 5, 0.1), line("2", "10001", 1, 0.1)]
    shop, replay, journal = await replayed(plan(lines), concurrency=1, prefix="a-")
    assert shop.calls == ["create 2", "order a-1", "batch 2", "order a-2", "order a-2-2"]
    assert replay.tally["orders refused"] == replay.tally["orders taken without short lines"] == 1
    assert [fact for fact in journal.facts if isinstance(fact, Refused)] == [
        Refused("a-2", "out_of_inventory", ["10001"])
    ]
    assert [line.part_number for line in shop.orders.placed["a-2-2"].items] == ["a-10002"]
    agree(shop, journal)


async def test_an_order_with_nothing_left_is_given_up() -> None:
    lines = [line("1", "10001", 9), line("2", "10001", 2, 0.1)]
    shop, replay, journal = await replayed(plan(lines), concurrency=1)
    assert list(shop.orders.placed) == ["1"]
    assert replay.tally["orders not taken"] == 1
    agree(shop, journal)


async def test_open_units_are_cancelled_shipped_ones_return_and_refused_ones_never_come_back() -> None:
    lines = [
        line("1", "10001", 4),
        line("C2", "10001", -1, 0.5),
        line("C3", "10001", -2, 1.5),
        line("4", "10001", 20, 1.6, customer="x"),
        line("C5", "10001", -3, 1.7, customer="x"),
        line("6", "10002", 1, 9.0),
    ]
    shop, replay, journal = await replayed(plan(lines), concurrency=1)
    order = shop.orders.placed["1"].items[0]
    assert (order.cancelled, order.shipped, order.returned) == (1, 3, 2)
    assert "4" not in shop.orders.placed
    assert replay.tally["units not sold, so not taken back"] == 3
    agree(shop, journal)


async def test_a_guests_basket_is_held_first() -> None:
    shop, _, journal = await replayed(plan([line("1", "10001", 4, customer="")]))
    assert shop.calls[1:3] == ["hold 1", "order 1"]
    agree(shop, journal)


async def test_a_write_off_that_would_break_a_promise_is_refused_and_noted() -> None:
    lines = [line("1", "10001", 4), line("2", "10001", -1, 0.1), line("3", "10001", 0 + 1, 0.2)]
    shop, replay, journal = await replayed(plan(lines), concurrency=1)
    assert replay.tally["write-offs refused"] + replay.tally["units written off"] == 1
    agree(shop, journal)


async def test_parts_that_are_there_already_stop_it_before_anything_is_sold() -> None:
    shop, journal = FakeShop(), Journal()
    planned = plan([line("1", "10001", 4)])
    await Replay(cast(Stockwire, shop), planned, journal).stock_up()
    with pytest.raises(PartsExistError, match="1 of these parts"):
        await Replay(cast(Stockwire, shop), planned, journal).stock_up()


async def test_a_server_that_goes_away_ends_the_replay_with_one_error() -> None:
    shop = FakeShop()
    lines = [line(str(number), "10001", 1) for number in range(100)]
    replay = Replay(cast(Stockwire, shop), plan(lines), Journal())
    await replay.stock_up()

    async def gone(call: str) -> None:
        raise ApiError(0, "unreachable")

    shop.travel = gone  # type: ignore[method-assign]
    with pytest.raises(ApiError, match="unreachable"):
        await replay.run()


async def test_many_at_once_start_in_order_and_an_orders_steps_never_overlap(tmp_path: Path) -> None:
    lines = []
    for number in range(200):
        invoice, part, day = str(1000 + number), str(10001 + number % 7), number / 100
        lines += [line(invoice, part, 3, day), line(f"C{invoice}", part, -1, day + 0.001)]
    shop, journal = FakeShop(), Journal(tmp_path / "journal")
    replay = Replay(cast(Stockwire, shop), plan(lines), journal, concurrency=16)
    await replay.stock_up()
    await replay.run()  # the shop asserts that nothing comes back before it was sold
    journal.close()
    first = [call for call in shop.calls if call.startswith("order") and call.count("-") == 0]
    late = sum(a > b for a, b in pairwise(first))
    assert 8 < shop.most_at_once <= 16
    assert late < 20  # starts follow the file; only a step that waited for its order may come later
    assert list(read_journal((tmp_path / "journal").read_bytes().splitlines())) == journal.facts
    agree(shop, journal)


async def test_speed_paces_the_steps() -> None:
    begun = time.monotonic()
    await replayed(plan([line("1", "10001", 4), line("2", "10001", 4, 0.5)]), speed=86400.0)
    assert time.monotonic() - begun >= 0.5


async def test_the_shipped_slice_makes_every_lifecycle_happen() -> None:
    shop, replay, journal = await replayed(plan(read_files([SLICE]).lines), concurrency=64)
    happened = {what for what, times in replay.tally.items() if times}
    assert happened >= {
        "orders refused",
        "orders taken whole",
        "orders taken without short lines",
        "baskets held",
        "parcels shipped",
        "returns",
        "cancels",
        "units received: restock",
        "units received: cancellation_without_sale",
    }
    agree(shop, journal)


def test_a_prefix_that_no_order_id_may_have_is_refused() -> None:
    with pytest.raises(ValueError, match="prefix"):
        Replay(cast(Stockwire, FakeShop()), plan([]), Journal(), prefix="a b")
