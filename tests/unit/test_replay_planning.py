"""The plan of a replay: what each kind of invoice becomes, and in which order."""

from datetime import datetime, timedelta

from stockwire.replay.planning import Plan, Receive, Sell, Ship, Step, TakeBack, Units, WriteOff, plan
from stockwire.replay.reading import Line

START = datetime(2010, 12, 1, 8, 0)


def line(invoice: str, part: str, quantity: int, day: float = 0.0, customer: str = "17850") -> Line:
    return Line(0, invoice, part, f"name of {part}", quantity, START + timedelta(days=day), "1.5", customer)


def steps(planned: Plan, kind: type[Step]) -> list[Step]:
    return [step for step in planned.steps if isinstance(step, kind)]


def test_opening_stock_is_80_percent_rounded_up_and_half_of_the_rest_comes_after_half_of_the_orders() -> None:
    planned = plan(
        [line("1", "10001", 7), line("2", "10001", 4, 0.1), line("3", "10002", 1, 0.2), line("4", "10002", 1, 0.3)]
    )
    assert planned.opening == {"10001": 9, "10002": 2}  # of 11 and of 2
    assert [type(step) for step in planned.steps] == [Sell, Sell, Receive, Sell, Sell]
    assert planned.steps[2] == Receive(START + timedelta(days=0.1), "restock", "restock", (Units("10001", 1),))
    assert planned.descriptions["10001"] == "name of 10001"


def test_an_invoice_keeps_its_lines_even_for_one_part_and_a_guest_is_known_by_having_no_number() -> None:
    planned = plan([line("1", "10001", 2), line("2", "10001", 1, customer=""), line("1", "10001", 3)])
    assert planned.steps[0] == Sell(START, "1", (Units("10001", 2, "1.5"), Units("10001", 3, "1.5")), guest=False)
    assert [step.guest for step in planned.steps if isinstance(step, Sell)] == [False, True]


def test_orders_ship_a_day_later_large_ones_in_two_parcels_and_the_last_days_stay_open() -> None:
    large = [line("1", str(10001 + n), 1) for n in range(21)]
    planned = plan([*large, line("2", "10001", 1, 0.5), line("3", "10001", 1, 2.0)])
    first = frozenset(str(10001 + n) for n in range(10))
    assert steps(planned, Ship) == [
        Ship(START + timedelta(days=1), "1", first),
        Ship(START + timedelta(days=1.5), "2", None),
        Ship(START + timedelta(days=2), "1", None),
    ]


def test_a_cancellation_goes_back_to_the_customers_latest_purchases_of_the_part() -> None:
    planned = plan(
        [
            line("1", "10001", 5),
            line("2", "10001", 3, 0.1),
            line("3", "10001", 9, 0.2, customer="other"),
            line("C4", "10001", -4, 0.3),
            line("C5", "10001", -6, 0.4),
        ]
    )
    assert steps(planned, TakeBack) == [
        TakeBack(START + timedelta(days=0.3), "2", "C4", (Units("10001", 3),)),
        TakeBack(START + timedelta(days=0.3), "1", "C4", (Units("10001", 1),)),
        TakeBack(START + timedelta(days=0.4), "1", "C5", (Units("10001", 4),)),
    ]
    unexplained = Receive(START + timedelta(days=0.4), "C5", "cancellation_without_sale", (Units("10001", 2),))
    assert unexplained in planned.steps


def test_a_cancellation_never_reaches_a_later_sale() -> None:
    planned = plan([line("C1", "10001", -1), line("2", "10001", 1, 1)])
    assert not steps(planned, TakeBack)
    assert planned.opening == {"10001": 1}


def test_a_negative_line_that_is_no_cancellation_is_a_write_off_and_no_demand() -> None:
    planned = plan([line("1", "10001", -3), line("2", "10002", 1)])
    assert steps(planned, WriteOff) == [WriteOff(START, "1", (Units("10001", 3),))]
    assert planned.opening == {"10001": 0, "10002": 1}


def test_steps_of_one_moment_keep_the_order_of_the_file_and_nothing_gives_nothing() -> None:
    planned = plan([line(str(number), "10001", 1) for number in range(9)])
    sold = [step.invoice for step in planned.steps if isinstance(step, Sell)]
    assert sold == [str(number) for number in range(9)]
    assert plan([]) == Plan({}, {}, ())


def test_two_files_given_newest_first_are_replayed_in_the_order_of_life() -> None:
    planned = plan([line("2", "10001", 1, 31), line("C3", "10001", -2, 32), line("1", "10001", 1)])
    assert [step.invoice for step in planned.steps if isinstance(step, Sell)] == ["1", "2"]
    assert [step.invoice for step in planned.steps if isinstance(step, TakeBack)] == ["2", "1"]
