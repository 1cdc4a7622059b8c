"""Changes of stock: set, adjust, count, receive, transfer (R1), by those who may (R9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from stockwire.domain.commands import Actor, Change
from stockwire.domain.decision import AuditLine, Decision
from stockwire.domain.refusals import Reason, Refused, refused
from stockwire.domain.state import State, sees
from stockwire.domain.stock import LARGEST, Item, Level, Movement


class _Target(NamedTuple):
    """A change with the item it is about."""

    change: Change
    item: Item
    level: Level
    where: str


def change_stock(command: Change, state: State, actor: Actor, where: str = "") -> Decision | Refused:
    """Decide one change. `where` is the row's path in the request, with its dot (`changes[3].`)."""
    item = _item_of(command, state, actor, where)
    if isinstance(item, Refused):
        return item
    target = _Target(command, item, state.levels[item.id], where)
    fault = _not_allowed(target, actor) or _stale(target)
    if command.type == "transfer":
        return _noted(_transfer(target, fault, state, actor), command, state, actor)
    if fault is not None:
        return fault
    movement = _RULES[command.type](target)
    if isinstance(movement, Refused):
        return movement
    return _noted(Decision((movement,) if movement else (), items=(item.id,)), command, state, actor)


def _noted(decision: Decision | Refused, command: Change, state: State, actor: Actor) -> Decision | Refused:
    """An admin's change of what a fulfiller reports leaves a line in the audit log as well (R9)."""
    if actor.role != "admin" or isinstance(decision, Refused):
        return decision
    overridden = [move.item_id for move in decision.movements if state.items[move.item_id].fulfiller_managed]
    if not overridden:
        return decision
    line = AuditLine("stock.override", overridden[0], {"type": command.type, "reason": command.reason})
    return decision._replace(audit=line)


def _item_of(command: Change, state: State, actor: Actor, where: str) -> Item | Refused:
    ref = command.item
    if ref.item_id is None and ref.fulfiller is None:
        ref = ref._replace(fulfiller=actor.fulfiller or state.own_fulfiller)
    found = [item for item in state.named(ref) if sees(actor, item)]
    if found:
        return found[0]
    if ref.item_id is not None:
        return refused(Reason.NOT_FOUND, f"{where}inventoryItemId", f"There is no inventory item {ref.item_id}.")
    message = f"There is no inventory item of part number {ref.part_number} at fulfiller {ref.fulfiller}."
    return refused(Reason.NOT_FOUND, f"{where}partNumber", message)


def _not_allowed(target: _Target, actor: Actor) -> Refused | None:
    """Stock that a fulfiller reports is the fulfiller's to change; an admin may override with a reason (R9)."""
    if actor.role == "fulfiller":
        if target.item.fulfiller_managed:
            return None
        return refused(Reason.FORBIDDEN, target.where[:-1], "A fulfiller key changes only Fulfiller Managed stock.")
    if not target.item.fulfiller_managed or actor.role in ("system", "feed"):
        return None
    if actor.role == "admin":
        if target.change.reason:
            return None
        message = "This item is Fulfiller Managed: an admin overrides its stock only with a `reason`."
        return refused(Reason.NOT_SELF_MANAGED, f"{target.where}reason", message)
    message = "This item is Fulfiller Managed: its stock is changed by its fulfiller, or by an admin with a reason."
    return refused(Reason.NOT_SELF_MANAGED, target.where[:-1], message)


def _stale(target: _Target) -> Refused | None:
    change, level = target.change, target.level
    facts = {"quantity": level.available, "sequence": level.sequence}
    if change.expected_quantity is not None and change.expected_quantity != level.available:
        message = f"The quantity is {level.available}, not {change.expected_quantity}."
        return refused(Reason.STALE_QUANTITY, f"{target.where}expectedQuantity", message, **facts)
    if change.expected_sequence is not None and change.expected_sequence != level.sequence:
        message = f"The sequence is {level.sequence}, not {change.expected_sequence}."
        return refused(Reason.STALE_QUANTITY, f"{target.where}expectedSequence", message, **facts)
    return None


def _too_many(where: str) -> Refused:
    return refused(Reason.LIMIT_EXCEEDED, where, f"No counter may exceed {LARGEST}.")


def _set(target: _Target) -> Movement | Refused | None:
    """`set` means the sellable quantity, so promises stay covered whatever it is."""
    level = target.level
    if target.change.amount == level.available:
        return None
    on_hand = level.promised + target.change.amount
    if on_hand > LARGEST:
        return _too_many(f"{target.where}quantity")
    return Movement(target.item.id, "set", on_hand - level.on_hand)


def _adjust(target: _Target) -> Movement | Refused | None:
    level, delta = target.level, target.change.amount
    on_hand = level.on_hand + delta
    where = f"{target.where}delta"
    if on_hand > LARGEST:
        return _too_many(where)
    if on_hand < 0:
        message = f"Only {level.on_hand} are on hand."
        return refused(Reason.BELOW_PROMISED, where, message, onHand=level.on_hand)
    if delta < 0 and level.promised - on_hand > level.room:
        message = f"{level.promised} units are promised; on hand may not fall to {on_hand}."
        return refused(Reason.BELOW_PROMISED, where, message, onHand=level.on_hand, promised=level.promised)
    return Movement(target.item.id, "adjust", delta)


def _count(target: _Target) -> Movement | Refused | None:
    delta = target.change.amount - target.level.on_hand
    return Movement(target.item.id, "count", delta) if delta else None


def _receive(target: _Target) -> Movement | Refused | None:
    if target.level.on_hand + target.change.amount > LARGEST:
        return _too_many(f"{target.where}quantity")
    return Movement(target.item.id, "receive", target.change.amount)


_RULES: dict[str, Callable[[_Target], Movement | Refused | None]] = {
    "set": _set,
    "adjust": _adjust,
    "count": _count,
    "receive": _receive,
}


def _transfer(source: _Target, fault: Refused | None, state: State, actor: Actor) -> Decision | Refused:
    """`fault`: what speaks against the source. Both sides' faults are told, so that what is missing is said (R14)."""
    target = _other_side(source, state, actor)
    other = target if isinstance(target, Refused) else _not_allowed(target, actor)
    if fault is not None or other is not None:
        return Refused((*(fault.refusals if fault else ()), *(other.refusals if other else ())))
    assert isinstance(target, _Target)
    return _moved_over(source, target)


def _other_side(source: _Target, state: State, actor: Actor) -> _Target | Refused:
    fulfiller = source.change.to_fulfiller or ""
    item = state.item_at(source.item.part_number, fulfiller)
    if item is None or item.deleted or not sees(actor, item):
        message = f"There is no inventory item of part number {source.item.part_number} at fulfiller {fulfiller}."
        return refused(Reason.NOT_FOUND, f"{source.where}toFulfiller", message)
    return _Target(source.change, item, state.levels[item.id], source.where)


def _moved_over(source: _Target, target: _Target) -> Decision | Refused:
    units, where = source.change.amount, source.where
    if source.item.id == target.item.id:
        return refused(Reason.INVALID_STATE, f"{where}toFulfiller", "A transfer needs two different fulfillers.")
    if units > source.level.available:
        message = f"Only {source.level.available} may be moved."
        return refused(Reason.OUT_OF_INVENTORY, f"{where}quantity", message, available=source.level.available)
    if target.level.on_hand + units > LARGEST:
        return _too_many(f"{where}quantity")
    moves = Movement(source.item.id, "transfer", -units), Movement(target.item.id, "transfer", units)
    return Decision(moves, items=(source.item.id, target.item.id))
