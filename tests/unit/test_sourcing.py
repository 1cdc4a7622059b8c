"""What lines take, and what is said of those that cannot be met (R1, R2, R8)."""

from __future__ import annotations

from typing import Any

from stockwire.domain.commands import ItemRef, Line
from stockwire.domain.refusals import Reason, Refused
from stockwire.domain.sourcing import source
from stockwire.domain.state import State
from stockwire.domain.stock import LARGEST, Item, Level
from tests.shops.in_memory import START


def shop(**levels: Level) -> State:
    """A store of one part at several fulfillers, or of several parts: `main_MUG=Level(5)`."""
    state = State("main")
    for name, level in levels.items():
        fulfiller, part = name.split("_")
        state.put_item(Item(name, part, fulfiller, False, (), None, None, {}, START, START), level)
    return state


def line(name: str, quantity: int, **more: Any) -> Line:
    """By id (`main_MUG`) or by part number (`MUG`)."""
    ref = ItemRef(item_id=name) if "_" in name else ItemRef(part_number=name)
    return Line(ref, quantity, **more)


def taken(lines: list[Line], state: State, held: dict[str, int] | None = None) -> list[tuple[str, int]]:
    found = source(lines, state, held)
    assert not isinstance(found, Refused), found
    return [(part.item_id, part.quantity) for part in found]


def test_the_fault_of_one_line_speaks_of_the_sum_that_was_asked_for() -> None:
    refused = source([line("MUG", 3), line("MUG", 45)], shop(main_MUG=Level(47)))
    assert isinstance(refused, Refused)
    (fault,) = refused.refusals
    assert fault.where == "items[1].quantity"
    assert fault.message == "48 of part number MUG were asked for, 47 can be had."
    assert dict(fault.facts) == {"available": 47, "partNumber": "MUG"}


def test_what_the_own_hold_has_can_be_had() -> None:
    """R7: a hold never blocks its owner, so its units count in what a refusal says can be had."""
    refused = source([line("MUG", 9)], shop(main_MUG=Level(5, reserved=3)), {"main_MUG": 3})
    assert isinstance(refused, Refused)
    assert dict(refused.refusals[0].facts)["available"] == 5


def test_a_refusal_always_names_a_line() -> None:
    """The held units of one line must not make another line's shortage disappear."""
    state = shop(main_MUG=Level(4, reserved=4), east_MUG=Level(0))
    refused = source([line("MUG", 4), line("main_MUG", 3)], state, {"main_MUG": 4})
    assert isinstance(refused, Refused)
    assert [fault.where for fault in refused.refusals] == ["items[1].quantity"]


def test_items_come_in_order_of_first_mention_though_held_units_are_taken_first() -> None:
    state = shop(main_MUG=Level(5), main_CUP=Level(5, reserved=2))
    assert taken([line("MUG", 1), line("CUP", 3)], state, {"main_CUP": 2}) == [("main_MUG", 1), ("main_CUP", 3)]


def test_back_order_without_a_limit_ends_at_the_largest_counter() -> None:
    """R1: over the limit of a counter is 422, not a lack of stock."""
    state = shop(main_MUG=Level(0, reserved=LARGEST, allow_back_order=True))
    refused = source([line("MUG", 1)], state)
    assert isinstance(refused, Refused)
    assert refused.refusals[0].reason is Reason.LIMIT_EXCEEDED
    plenty = shop(main_MUG=Level(10, allow_back_order=True))
    both = source([line("MUG", LARGEST), line("MUG", 5)], plenty)
    assert isinstance(both, Refused)
    assert both.refusals[0].reason is Reason.LIMIT_EXCEEDED


def test_a_line_prefers_one_item_that_has_it_all() -> None:
    state = shop(main_MUG=Level(2), east_MUG=Level(5))
    assert taken([line("MUG", 4)], state) == [("east_MUG", 4)]


def test_a_line_is_split_where_no_item_has_it_all() -> None:
    state = shop(main_MUG=Level(2), east_MUG=Level(5), west_MUG=Level(9, allow_back_order=True))
    assert taken([line("MUG", 12)], state) == [("main_MUG", 2), ("east_MUG", 5), ("west_MUG", 5)]


def test_back_order_room_takes_the_line_whole_when_all_stock_is_too_little() -> None:
    state = shop(main_MUG=Level(2), east_MUG=Level(1, allow_back_order=True, back_order_limit=9))
    assert taken([line("MUG", 4)], state) == [("east_MUG", 4)]
    refused = source([line("MUG", 4, allow_back_order=False)], state)
    assert isinstance(refused, Refused)
    assert dict(refused.refusals[0].facts)["available"] == 3


def test_a_line_for_the_same_items_is_summed_with_the_first() -> None:
    state = shop(main_MUG=Level(5))
    assert taken([line("MUG", 2), line("main_MUG", 3)], state) == [("main_MUG", 5)]
