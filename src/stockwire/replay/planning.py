"""From invoices to a plan: the opening stock, and every step in the order in which life took it.

What is made of the data, and why:

* An invoice is an order. One without a customer number is a guest's: the basket is held first, then ordered from the
  hold.
* Orders leave the house a day later; those of more than `PARCEL_LINES` lines in two parcels, the second after two days.
  What was sold on the last day is still open at the end.
* A cancellation (`C…`) brings back what the same customer bought of the same part, the latest purchase first. Units
  that had left the house are a return, units that had not are a cancel. Units without an earlier sale in the data were
  sold before it begins: they are received, with their own reason.
* A negative line that is no cancellation is a write-off (the shop's notes say damaged, thrown away, counted).
* Opening stock covers 80 % of the demand for each part; half of the rest is received when half of the orders have come.
  So some orders must be refused, and some parts run out and come back.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from stockwire.replay.reading import Line

PARCEL_LINES = 20
SHIP_AFTER = timedelta(days=1)


class Units(NamedTuple):
    part: str
    units: int
    price: str = ""


class Sell(NamedTuple):
    """An order; `lines` stand as on the invoice, the same part perhaps twice."""

    at: datetime
    invoice: str
    lines: tuple[Units, ...]
    guest: bool


class Ship(NamedTuple):
    """Goods of an order leave the house: these parts, or everything still open."""

    at: datetime
    invoice: str
    parts: frozenset[str] | None


class TakeBack(NamedTuple):
    """Units of an earlier order come back."""

    at: datetime
    invoice: str
    cancellation: str
    lines: tuple[Units, ...]


class Receive(NamedTuple):
    """Units come in without an order of ours: a restock, or a cancellation of something sold before the data begins."""

    at: datetime
    reference: str
    reason: str
    lines: tuple[Units, ...]


class WriteOff(NamedTuple):
    at: datetime
    reference: str
    lines: tuple[Units, ...]


Step = Sell | Ship | TakeBack | Receive | WriteOff


class Plan(NamedTuple):
    """`descriptions` and `opening` by part; `steps` in the order in which they start."""

    descriptions: Mapping[str, str]
    opening: Mapping[str, int]
    steps: tuple[Step, ...]


def plan(lines: Iterable[Line]) -> Plan:
    """The whole replay of these lines; without lines a plan of nothing."""
    invoices = _by_invoice(lines)
    sales = [sale for group in invoices if (sale := _sale(group))]
    demand = _demand(sales)
    opening = {part: _opening(units) for part, units in demand.items()}
    steps = sorted([*sales, *_shipments(sales), *_others(invoices)], key=lambda step: step.at)
    parts = {line.part: line.description for group in reversed(invoices) for line in group if line.description}
    known = {line.part for group in invoices for line in group}
    return Plan(
        {part: parts.get(part, "") for part in sorted(known)},
        {part: opening.get(part, 0) for part in sorted(known)},
        tuple(_with_restock(steps, _restock(demand, opening), len(sales))),
    )


def _by_invoice(lines: Iterable[Line]) -> list[list[Line]]:
    """The lines of each invoice, invoices in the order of their time, then of the file."""
    groups: defaultdict[str, list[Line]] = defaultdict(list)
    for line in lines:
        groups[line.invoice].append(line)
    return sorted(groups.values(), key=lambda group: group[0].at)


def _is_cancellation(group: list[Line]) -> bool:
    return group[0].invoice.startswith("C")


def _sale(group: list[Line]) -> Sell | None:
    bought = tuple(Units(line.part, line.quantity, line.price) for line in group if line.quantity > 0)
    if not bought or _is_cancellation(group):
        return None
    return Sell(group[0].at, group[0].invoice, bought, guest=not group[0].customer)


def _demand(sales: Iterable[Sell]) -> Counter[str]:
    demand: Counter[str] = Counter()
    for sale in sales:
        for part, units, _ in sale.lines:
            demand[part] += units
    return demand


def _opening(demand: int) -> int:
    """80 % of the demand, rounded up; whole numbers throughout, so that no float decides about a unit."""
    return -(-demand * 8 // 10)


def _restock(demand: Mapping[str, int], opening: Mapping[str, int]) -> tuple[Units, ...]:
    """Half of what the opening stock lacks, rounded up."""
    missing = {part: demand[part] - opening[part] for part in demand}
    return tuple(Units(part, -(-units // 2)) for part, units in sorted(missing.items()) if units)


def _with_restock(steps: list[Step], restock: tuple[Units, ...], sales: int) -> Iterator[Step]:
    """The steps with the delivery of the missing goods put behind half of the orders."""
    seen = 0
    for step in steps:
        yield step
        seen += isinstance(step, Sell)
        if isinstance(step, Sell) and seen == -(-sales // 2) and restock:
            yield Receive(step.at, "restock", "restock", restock)


def _shipments(sales: Iterable[Sell]) -> Iterator[Ship]:
    """One parcel a day after the order, or two; the last day's orders stay open."""
    sales = list(sales)
    end = max((sale.at for sale in sales), default=datetime.max)
    for sale in sales:
        for parcel in _parcels(sale):
            if parcel.at <= end:
                yield parcel


def _parcels(sale: Sell) -> tuple[Ship, ...]:
    tomorrow = sale.at + SHIP_AFTER
    if len(sale.lines) <= PARCEL_LINES:
        return (Ship(tomorrow, sale.invoice, None),)
    first = frozenset(part for part, _, _ in sale.lines[: len(sale.lines) // 2])
    return Ship(tomorrow, sale.invoice, first), Ship(tomorrow + SHIP_AFTER, sale.invoice, None)


class _Purchase(NamedTuple):
    invoice: str
    units: int


def _others(invoices: Iterable[list[Line]]) -> Iterator[Step]:
    """Cancellations and write-offs; `bought`: what a customer may still bring back of a part, latest purchase last."""
    bought: defaultdict[tuple[str, str], list[_Purchase]] = defaultdict(list)
    for group in invoices:
        if _is_cancellation(group):
            yield from _cancellation(group, bought)
            continue
        for line in group:
            if line.quantity > 0:
                bought[line.customer, line.part].append(_Purchase(line.invoice, line.quantity))
        gone = tuple(Units(line.part, -line.quantity) for line in group if line.quantity < 0)
        if gone:
            yield WriteOff(group[0].at, group[0].invoice, gone)


def _cancellation(group: list[Line], bought: dict[tuple[str, str], list[_Purchase]]) -> Iterator[Step]:
    """One step per earlier order that goods come back from, and one for what no order explains."""
    at, cancellation = group[0].at, group[0].invoice
    back: defaultdict[str, list[Units]] = defaultdict(list)
    unexplained = []
    for line in group:
        left = abs(line.quantity)
        purchases = bought[line.customer, line.part]
        while left and purchases:
            invoice, units = purchases.pop()
            taken = min(left, units)
            back[invoice].append(Units(line.part, taken))
            left -= taken
            if units > taken:
                purchases.append(_Purchase(invoice, units - taken))
        if left:
            unexplained.append(Units(line.part, left))
    for invoice, lines in back.items():
        yield TakeBack(at, invoice, cancellation, tuple(lines))
    if unexplained:
        yield Receive(at, cancellation, "cancellation_without_sale", tuple(unexplained))
