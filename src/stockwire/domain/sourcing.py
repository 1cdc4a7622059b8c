"""Which items a line takes its units from, and whether they can be promised (R1, R8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from stockwire.domain.commands import ItemRef, Line
from stockwire.domain.refusals import Reason, Refusal, Refused, Shortage
from stockwire.domain.state import State
from stockwire.domain.stock import LARGEST, Item


class Taken(NamedTuple):
    """Units of one item that a command takes. `held` of them were its own reservation's already."""

    item_id: str
    quantity: int
    held: int
    backordered: int
    allow_back_order: bool
    unit_price: str | None
    currency: str | None


class _Group(NamedTuple):
    """Lines that mean the same candidates: they are summed before anything is taken."""

    candidates: tuple[Item, ...]
    lines: tuple[tuple[int, Line], ...]  # with their place in the request

    @property
    def quantity(self) -> int:
        return sum(line.quantity for _, line in self.lines)

    @property
    def allow_back_order(self) -> bool:
        return all(line.allow_back_order for _, line in self.lines)


class _Basket:
    """Units taken so far by one command, on top of what the levels say."""

    def __init__(self, state: State, held: Mapping[str, int]) -> None:
        self._state = state
        self.held_left = dict(held)
        self.held_used: dict[str, int] = {}
        self.fresh: dict[str, int] = {}
        self.firsts: dict[str, tuple[int, bool, Line]] = {}  # by item: place and line of its first mention

    def use_held(self, group: _Group) -> int:
        """Take the group's units from the command's own reservation as far as they go; the rest is returned."""
        wanted = group.quantity
        for item in group.candidates:
            used = min(wanted, self.held_left.get(item.id, 0))
            if used:
                self.held_left[item.id] -= used
                self._note(item, group)
                self.held_used[item.id] = self.held_used.get(item.id, 0) + used
                wanted -= used
        return wanted

    def take(self, item: Item, units: int, group: _Group) -> None:
        """Take fresh units; the caller has seen that they may be promised."""
        self._note(item, group)
        self.fresh[item.id] = self.fresh.get(item.id, 0) + units

    def _note(self, item: Item, group: _Group) -> None:
        place, line = group.lines[0]
        known = self.firsts.get(item.id)
        if known is None:
            self.firsts[item.id] = place, group.allow_back_order, line
        else:
            first, allow, known_line = known
            earlier = place < first  # held units are taken before their turn
            first, line = (place, line) if earlier else (first, known_line)
            self.firsts[item.id] = first, allow and group.allow_back_order, line

    def free(self, item: Item) -> int:
        """On hand less every promise, this command's included, its unused hold given back: may be negative."""
        level = self._state.levels[item.id]
        return level.on_hand - level.promised + self.held_left.get(item.id, 0) - self.fresh.get(item.id, 0)

    def promised(self, item: Item) -> int:
        """Units promised, this command's included and its unused hold given back."""
        return self._state.levels[item.id].on_hand - self.free(item)

    def has_room(self, item: Item, units: int, group: _Group) -> bool:
        """Whether so many more units may be promised, beyond stock as well. Without a limit always (R1)."""
        level = self._state.levels[item.id]
        if not (group.allow_back_order and level.allow_back_order):
            return False
        return level.back_order_limit is None or units - self.free(item) <= level.back_order_limit

    def taken(self) -> list[Taken]:
        """Per item in order of first mention (R2)."""
        firsts = sorted(self.firsts.items(), key=lambda entry: entry[1][0])
        return [self._taken(item_id, allow, line) for item_id, (_, allow, line) in firsts]

    def _taken(self, item_id: str, allow: bool, line: Line) -> Taken:
        fresh, held = self.fresh.get(item_id, 0), self.held_used.get(item_id, 0)
        beyond = max(0, -self.free(self._state.items[item_id]))
        return Taken(item_id, fresh + held, held, min(fresh, beyond), allow, line.unit_price, line.currency)


def source(lines: Iterable[Line], state: State, held: Mapping[str, int] | None = None) -> list[Taken] | Refused:
    """What the lines take, per item in order of first mention; or every line that cannot be met.

    `held`: units by item that the command's own reservation holds; they are taken first, and what stays unused is
    free for the other lines.
    """
    groups = _grouped(lines, state)
    if isinstance(groups, Refused):
        return groups
    basket = _Basket(state, held or {})
    rests = [basket.use_held(group) for group in groups]
    shorts = [_fill(group, rest, basket) for group, rest in zip(groups, rests, strict=True) if rest]
    faults = [short for short in shorts if short is not None]
    if faults:
        return Refused(
            tuple(fault for refused in faults for fault in refused.refusals),
            tuple(short for refused in faults for short in refused.shortages),
        )
    return basket.taken()


def _grouped(lines: Iterable[Line], state: State) -> list[_Group] | Refused:
    groups: dict[tuple[str, ...], _Group] = {}
    faults: list[Refusal] = []
    for place, line in enumerate(lines):
        found = candidates(line.item, state, f"items[{place}]")
        if isinstance(found, Refusal):
            faults.append(found)
            continue
        key = tuple(item.id for item in found)
        known = groups.get(key)
        groups[key] = _Group(tuple(found), (*known.lines, (place, line)) if known else ((place, line),))
    return Refused(tuple(faults)) if faults else list(groups.values())


def candidates(ref: ItemRef, state: State, where: str) -> list[Item] | Refusal:
    """The items of the one part number that a reference means, in the order in which they are tried (R8)."""
    found = state.named(ref)
    if not found:
        return Refusal(Reason.NOT_FOUND, f"{where}.{_named_by(ref)}", "There is no such inventory item.")
    parts = sorted({item.part_number for item in found})
    if len(parts) > 1:
        message = f"This names several part numbers: {', '.join(parts)}."
        return Refusal(Reason.AMBIGUOUS_ITEM, f"{where}.{_named_by(ref)}", message, (("partNumbers", parts),))
    if ref.item_id is None and ref.part_number is None and ref.fulfiller is None:
        return state.named(ItemRef(part_number=parts[0]))  # a product stands for its part, wherever that is kept
    return found


def _named_by(ref: ItemRef) -> str:
    names = (
        ("inventoryItemId", ref.item_id),
        ("partNumber", ref.part_number),
        ("productId", ref.product_id),
        ("externalReferenceId", ref.external_reference_id),
    )
    return next((name for name, value in names if value is not None), "partNumber")


def _fill(group: _Group, wanted: int, basket: _Basket) -> Refused | None:
    """One candidate's stock, else the stock of several, else one candidate's back order room; else short."""
    stock = [(item, max(0, basket.free(item))) for item in group.candidates]
    for item, free in stock:
        if free >= wanted:
            return _take(item, wanted, group, basket)
    if sum(free for _, free in stock) >= wanted:
        for item, free in stock:
            if units := min(free, wanted):
                basket.take(item, units, group)
                wanted -= units
        return None
    for item in group.candidates:
        if basket.has_room(item, wanted, group):
            return _take(item, wanted, group, basket)
    return _short(group, wanted, basket)


def _take(item: Item, units: int, group: _Group, basket: _Basket) -> Refused | None:
    if basket.promised(item) + units > LARGEST:
        message = f"No counter may exceed {LARGEST}."
        return Refused((Refusal(Reason.LIMIT_EXCEEDED, f"items[{group.lines[0][0]}].quantity", message),))
    basket.take(item, units, group)
    return None


def _short(group: _Group, wanted: int, basket: _Basket) -> Refused:
    """The lines that do not fit into what is there. `wanted`: the units that the command's own hold did not have."""
    stock = sum(max(0, basket.free(item)) for item in group.candidates)
    available = left = stock + group.quantity - wanted
    part = group.candidates[0].part_number
    message = f"{group.quantity} of part number {part} were asked for, {available} can be had."
    faults: list[Refusal] = []
    short = 0
    for place, line in group.lines:
        if line.quantity <= left:
            left -= line.quantity
            continue
        facts = (("available", available), ("partNumber", part))
        faults.append(Refusal(Reason.OUT_OF_INVENTORY, f"items[{place}].quantity", message, facts))
        short += line.quantity
    return Refused(tuple(faults), (Shortage(group.candidates[0].id, short),))
