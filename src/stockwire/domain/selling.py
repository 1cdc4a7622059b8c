"""Orders: submit, ship, cancel, return (R7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from stockwire.domain.commands import Cancel, ItemRef, Line, OrderUnits, PlaceOrder, Return, Ship
from stockwire.domain.decision import Decision
from stockwire.domain.holding import no_reservation, same_or_taken
from stockwire.domain.promises import Order, OrderLine, Reservation
from stockwire.domain.refusals import Reason, Refusal, Refused, refused
from stockwire.domain.sourcing import Taken, candidates, source
from stockwire.domain.state import State
from stockwire.domain.stock import LARGEST, Movement


def place_order(command: PlaceOrder, state: State, now: datetime) -> Decision | Refused:
    """Take the stock now: held units first, the rest afresh, all or nothing. A hold never blocks its owner."""
    known = state.orders.get(command.id)
    if known is not None:
        return same_or_taken(known.fingerprint, command.fingerprint, "order", known.id) or Decision(
            order=known, repeat=True
        )
    hold = _hold_of(command, state)
    if isinstance(hold, Refused):
        return hold
    live = hold if hold is not None and hold.status == "reserved" else None
    lines = command.lines if command.lines is not None else _lines_of(hold)
    taken = source(lines, state, {line.item_id: line.quantity for line in live.lines} if live else None)
    if isinstance(taken, Refused):
        return taken if command.lines is not None else _without_places(taken)
    order = Order(
        command.id, _order_lines(taken, live), command.fingerprint, command.reservation_id, command.reference, now, now
    )
    ordered = live._replace(status="ordered", updated_at=now) if live else None
    return Decision(_movements(taken, live), order=order, reservation=ordered)


def _hold_of(command: PlaceOrder, state: State) -> Reservation | Refused | None:
    if command.reservation_id is None:
        return None
    hold = state.reservations.get(command.reservation_id)
    if hold is None:
        return no_reservation(command.reservation_id, "reservationId")
    if hold.status in ("ordered", "released"):
        message = f"The reservation {hold.id} is {hold.status}."
        return refused(Reason.INVALID_STATE, "reservationId", message, status=hold.status)
    return hold


def _lines_of(hold: Reservation | None) -> tuple[Line, ...]:
    lines = hold.lines if hold else ()
    return tuple(Line(ItemRef(item_id=line.item_id), line.quantity, line.allow_back_order) for line in lines)


def _without_places(taken: Refused) -> Refused:
    """The lines were the reservation's: the request has no `items` to point at."""
    return taken._replace(refusals=tuple(fault._replace(where="reservationId") for fault in taken.refusals))


def _order_lines(taken: Iterable[Taken], hold: Reservation | None) -> tuple[OrderLine, ...]:
    behind = {line.item_id: line.backordered for line in hold.lines} if hold else {}
    return tuple(
        OrderLine(
            line.item_id,
            line.quantity,
            line.backordered + min(line.held, behind.get(line.item_id, 0)),
            unit_price=line.unit_price,
            currency=line.currency,
        )
        for line in taken
    )


def _movements(taken: Iterable[Taken], hold: Reservation | None) -> tuple[Movement, ...]:
    """One movement an item: the hold's units leave `reserved` whole, what the order takes enters `allocated`."""
    held = {line.item_id: line.quantity for line in hold.lines} if hold else {}
    moves = [Movement(line.item_id, "order", 0, -held.pop(line.item_id, 0), line.quantity) for line in taken]
    moves += [Movement(item_id, "release", reserved=-units) for item_id, units in held.items()]
    return tuple(moves)


class _Step(NamedTuple):
    """What a shipment, cancel or return may touch of a line, and what it does to the line and to the stock."""

    type: str
    most: Callable[[OrderLine], int]
    line: Callable[[OrderLine, int], OrderLine]
    movement: Callable[[str, int], Movement | None]
    lacking: str  # what the refusal says of a line that has too few such units


_SHIP = _Step(
    "ship",
    lambda line: line.open,
    lambda line, n: line._replace(shipped=line.shipped + n),
    lambda item_id, n: Movement(item_id, "ship", on_hand=-n, allocated=-n),
    "open",
)
_CANCEL = _Step(
    "cancel",
    lambda line: line.open,
    lambda line, n: line._replace(cancelled=line.cancelled + n),
    lambda item_id, n: Movement(item_id, "cancel", allocated=-n),
    "open",
)
_RESTOCK = _Step(
    "return",
    lambda line: line.shipped - line.returned,
    lambda line, n: line._replace(returned=line.returned + n),
    lambda item_id, n: Movement(item_id, "return", on_hand=n),
    "shipped and not returned",
)
_WRITE_OFF = _RESTOCK._replace(movement=lambda _item_id, _n: None)


def ship(command: Ship, state: State, now: datetime) -> Decision | Refused:
    """Open units leave the building; more than are on hand cannot."""
    return _carry_out(_SHIP, command.order_id, command.lines, state, now)


def cancel(command: Cancel, state: State, now: datetime) -> Decision | Refused:
    """Open units are no longer promised."""
    return _carry_out(_CANCEL, command.order_id, command.lines, state, now)


def take_back(command: Return, state: State, now: datetime) -> Decision | Refused:
    """Shipped units come back, to stock or written off."""
    return _carry_out(_RESTOCK if command.restock else _WRITE_OFF, command.order_id, command.lines, state, now)


def _carry_out(
    step: _Step, order_id: str, lines: tuple[OrderUnits, ...] | None, state: State, now: datetime
) -> Decision | Refused:
    order = state.orders.get(order_id)
    if order is None:
        return refused(Reason.NOT_FOUND, "", f"There is no order {order_id}.")
    units = _all_open(order) if lines is None else _units(step, order, lines, state)
    if isinstance(units, Refused):
        return units
    moves = [move for item_id, n in units.items() if (move := step.movement(item_id, n))]
    faults = [fault for move in moves if (fault := _impossible(move, state))]
    if faults:
        return Refused(tuple(faults))
    changed = tuple(step.line(line, units[line.item_id]) if line.item_id in units else line for line in order.lines)
    return Decision(tuple(moves), order=order._replace(lines=changed, updated_at=now))


def _all_open(order: Order) -> dict[str, int] | Refused:
    units = {line.item_id: line.open for line in order.lines if line.open}
    return units or refused(Reason.INVALID_STATE, "", f"The order {order.id} is {order.status}.", status=order.status)


def _units(step: _Step, order: Order, lines: tuple[OrderUnits, ...], state: State) -> dict[str, int] | Refused:
    """Units by item of the order. A reference that means several of its items fills them in order."""
    left = {line.item_id: step.most(line) for line in order.lines}
    units: dict[str, int] = {}
    faults: list[Refusal] = []
    for place, line in enumerate(lines):
        found = _items_of_order(line.item, order, state, f"items[{place}]")
        if isinstance(found, Refusal):
            faults.append(found)
            continue
        there = sum(left[item_id] for item_id in found)
        if line.quantity > there:
            message = f"{line.quantity} were named, {there} are {step.lacking}."
            faults.append(Refusal(Reason.INVALID_STATE, f"items[{place}].quantity", message, (("units", there),)))
            continue
        _spread(line.quantity, found, left, units)
    return Refused(tuple(faults)) if faults else units


def _items_of_order(ref: ItemRef, order: Order, state: State, where: str) -> list[str] | Refusal:
    found = candidates(ref, state, where)
    if isinstance(found, Refusal):
        return found
    named = {item.id for item in found}
    items = [line.item_id for line in order.lines if line.item_id in named]
    return items or Refusal(Reason.NOT_FOUND, where, f"The order {order.id} has no such line.")


def _spread(wanted: int, item_ids: list[str], left: dict[str, int], units: dict[str, int]) -> None:
    for item_id in item_ids:
        n = min(wanted, left[item_id])
        if n:
            left[item_id] -= n
            units[item_id] = units.get(item_id, 0) + n
            wanted -= n


def _impossible(move: Movement, state: State) -> Refusal | None:
    on_hand = state.levels[move.item_id].on_hand
    part = state.items[move.item_id].part_number
    if on_hand + move.on_hand < 0:
        message = f"Only {on_hand} of part number {part} are on hand: count first, then ship."
        return Refusal(Reason.INVALID_STATE, "", message, (("onHand", on_hand), ("partNumber", part)))
    if on_hand + move.on_hand > LARGEST:
        return Refusal(Reason.LIMIT_EXCEEDED, "", f"No counter may exceed {LARGEST}.")
    return None
