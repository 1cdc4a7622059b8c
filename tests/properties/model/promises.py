"""The model's reservations and orders (R1, R4, R7, R8)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.properties.model.words import HELD_MOST, LARGEST, Name, Refusal, Thing, at_most, room

if TYPE_CHECKING:
    from tests.properties.model import Model


def _same(request: Thing, known: Thing) -> bool:
    return _body(request) == dict(known["body"])


def _body(request: Thing) -> Thing:
    return {**request, "key": None, "by": None}


def reserve(model: Model, request: Thing) -> tuple[int, Any]:
    """All lines or none."""
    known = model.holds.get(request["id"])
    if known is not None:
        if not _same(request, known):
            raise Refusal("already_exists")
        model.reached["reserve", "repeated"] += 1
        return 200, known
    taken = take(model, request["lines"], {})
    hold = {
        "id": request["id"],
        "status": "reserved",
        "lines": [{**line, "held": 0} for line in taken],
        "expires": model.now + timedelta(seconds=request["seconds"]),
        "created": model.now,
        "body": _body(request),
    }
    model.holds[request["id"]] = hold
    for line in taken:
        model.move(line["item"], "reserve", r=line["quantity"])
    return 201, hold


def take(model: Model, lines: list[Thing], own: dict[Name, int]) -> list[Thing]:
    """Which items the lines take their units from. `own`: what the command's own hold has there."""
    wishes = _wishes(model, lines)
    spare = dict(own)
    free = {name: item["H"] - item["R"] - item["A"] + spare.get(name, 0) for name, item in model.items.items()}
    lot: list[Thing] = []
    codes: list[str] = []
    for wish in wishes:  # a hold never blocks its owner: held units first
        wish["rest"] = sum(wish["units"])
        for name in wish["items"]:
            units = min(wish["rest"], spare.get(name, 0))
            if units:
                spare[name] -= units
                free[name] -= units
                wish["rest"] -= units
                wish["held"] += units
                lot.append({"wish": wish, "item": name, "quantity": units, "held": units, "backordered": 0})
    for wish in wishes:
        codes += _fresh(model, wish, free, lot) if wish["rest"] else []
    if codes:
        raise Refusal(*codes)
    return _merged(wishes, lot)


def _wishes(model: Model, lines: list[Thing]) -> list[Thing]:
    """Lines that mean the same items are summed first; one narrowed line narrows the sum."""
    wishes: list[Thing] = []
    codes: list[str] = []
    for line in lines:
        try:
            items = model.candidates(line["item"])
        except Refusal as refusal:
            codes += refusal.codes
            continue
        same = [wish for wish in wishes if wish["items"] == items]
        wish: Thing = same[0] if same else {"items": items, "units": [], "narrow": False, "held": 0}
        if not same:
            wishes.append(wish)
        wish["units"].append(line["quantity"])
        wish["narrow"] = wish["narrow"] or line.get("narrow", False)
    if codes:
        raise Refusal(*codes)
    return wishes


def _fresh(model: Model, wish: Thing, free: dict[Name, int], lot: list[Thing]) -> list[str]:
    """R8: one item's stock, else several items' stock, else one item's back order room, else short."""
    items, rest = wish["items"], wish["rest"]

    def taken(name: Name, units: int) -> None:
        free[name] -= units
        beyond = min(units, max(0, -free[name]))
        lot.append({"wish": wish, "item": name, "quantity": units, "held": 0, "backordered": beyond})

    for name in items:
        if free[name] >= rest:
            taken(name, rest)
            return []
    if sum(max(0, free[name]) for name in items) >= rest:
        model.reached["take", "split"] += 1
        for name in items:
            units = min(rest, max(0, free[name]))
            if units:
                taken(name, units)
                rest -= units
        return []
    for name in items:
        beyond = 0 if wish["narrow"] else room(model.items[name])
        if rest - free[name] <= beyond:
            if model.items[name]["H"] - free[name] + rest > LARGEST:
                return ["limit_exceeded"]
            model.reached["take", "beyond_stock"] += 1
            taken(name, rest)
            return []
    return _short(model, wish, free)


def _short(model: Model, wish: Thing, free: dict[Name, int]) -> list[str]:
    """One refusal for every line that does not fit into what is there."""
    left = sum(max(0, free[name]) for name in wish["items"]) + wish["held"]
    codes = []
    for units in wish["units"]:
        if units <= left:
            left -= units
        else:
            codes.append("out_of_inventory")
            model.short[wish["items"][0]] += units
    return codes


def _merged(wishes: list[Thing], lot: list[Thing]) -> list[Thing]:
    """One line an item, in order of the first line that took some of it."""
    lines: dict[Name, Thing] = {}
    for part in lot:
        empty = {"item": part["item"], "quantity": 0, "held": 0, "backordered": 0, "narrow": False, "first": 10**6}
        line = lines.setdefault(part["item"], empty)
        for field in ("quantity", "held", "backordered"):
            line[field] += part[field]
        line["narrow"] = line["narrow"] or part["wish"]["narrow"]
        line["first"] = min(line["first"], wishes.index(part["wish"]))
    return sorted(lines.values(), key=lambda line: line["first"])


def extend(model: Model, request: Thing) -> tuple[int, Any]:
    """A live hold's end moves to now + seconds, at most 30 days from its creation."""
    hold = _hold(model, request["id"])
    if hold["status"] == "expired":
        raise Refusal("reservation_expired")
    if hold["status"] != "reserved":
        raise Refusal("invalid_state")
    expires = model.now + timedelta(seconds=request["seconds"])
    if expires > hold["created"] + HELD_MOST:
        raise Refusal("limit_exceeded")
    hold["expires"] = expires
    return 200, hold


def _hold(model: Model, id_: str) -> Thing:
    if id_ not in model.holds:
        raise Refusal("not_found")
    return model.holds[id_]


def release(model: Model, request: Thing) -> tuple[int, Any]:
    """Units go back; also said again."""
    hold = _hold(model, request["id"])
    if hold["status"] == "ordered":
        raise Refusal("invalid_state")
    if hold["status"] == "reserved":
        hold["status"] = "released"
        for line in hold["lines"]:
            model.move(line["item"], "release", r=-line["quantity"])
    return 204, None


def order(model: Model, request: Thing) -> tuple[int, Any]:
    """Held units first, the rest afresh, unused held units released, all or nothing."""
    known = model.orders.get(request["id"])
    if known is not None:
        if not _same(request, known):
            raise Refusal("already_exists")
        model.reached["order", "repeated"] += 1
        return 200, known
    hold = _hold(model, request["hold"]) if request.get("hold") else None
    if hold and hold["status"] in ("ordered", "released"):
        raise Refusal("invalid_state")
    lines = request["lines"] if request["lines"] is not None else _lines_of(model, hold)
    live = hold if hold and hold["status"] == "reserved" else None
    held = {line["item"]: line["quantity"] for line in live["lines"]} if live else {}
    taken = take(model, lines, held)
    if hold:
        kind = "afresh" if not live else "whole_hold" if request["lines"] is None else "hold_and_items"
        model.reached["order", kind] += 1
    behind = {line["item"]: line["backordered"] for line in live["lines"]} if live else {}
    made = {"id": request["id"], "body": _body(request), "lines": [_order_line(line, behind) for line in taken]}
    model.orders[request["id"]] = made
    if live:
        live["status"] = "ordered"
    for line in taken:
        model.move(line["item"], "order", r=-held.pop(line["item"], 0), a=line["quantity"])
    for name, units in held.items():
        model.move(name, "release", r=-units)
    return 201, made


def _lines_of(model: Model, hold: Thing | None) -> list[Thing]:
    assert hold is not None
    return [
        {"item": {"id": model.items[line["item"]]["id"]}, "quantity": line["quantity"], "narrow": line["narrow"]}
        for line in hold["lines"]
    ]


def _order_line(line: Thing, behind: dict[Name, int]) -> Thing:
    backordered = line["backordered"] + min(line["held"], behind.get(line["item"], 0))
    shown = {"item": line["item"], "quantity": line["quantity"], "backordered": backordered}
    return {**shown, "shipped": 0, "cancelled": 0, "returned": 0}


def status_of(made: Thing) -> str:
    """R7: derived, never stored."""
    lines = made["lines"]
    still = sum(line["quantity"] - line["shipped"] - line["cancelled"] for line in lines)
    if all(line["cancelled"] == line["quantity"] for line in lines):
        return "cancelled"
    if still == 0:
        return "shipped"
    return "partially_shipped" if any(line["shipped"] for line in lines) else "allocated"


def units(model: Model, request: Thing) -> tuple[int, Any]:
    """ship, cancel, return: units of an order's lines."""
    if request["id"] not in model.orders:
        raise Refusal("not_found")
    made = model.orders[request["id"]]
    wanted = _wanted(model, request, made)
    for line in made["lines"]:
        n, item = wanted.get(line["item"], 0), model.items[line["item"]]
        if request["do"] == "ship" and n > item["H"]:
            raise Refusal(*["invalid_state" for name, n in wanted.items() if n > model.items[name]["H"]])
        if request["do"] == "return" and request["restock"] and n:
            at_most(item["H"] + n)
    for name, n in wanted.items():
        line = next(line for line in made["lines"] if line["item"] == name)
        line[{"ship": "shipped", "cancel": "cancelled", "return": "returned"}[request["do"]]] += n
        if request["do"] == "ship":
            model.move(name, "ship", h=-n, a=-n)
        elif request["do"] == "cancel":
            model.move(name, "cancel", a=-n)
        elif request["restock"]:
            model.move(name, "return", h=n)
    return 200, made


def _left(request: Thing, line: Thing) -> int:
    if request["do"] == "return":
        return int(line["shipped"] - line["returned"])
    return int(line["quantity"] - line["shipped"] - line["cancelled"])


def _wanted(model: Model, request: Thing, made: Thing) -> dict[Name, int]:
    """Units by item. A reference that means several of the order's items fills them in the order's order."""
    left = {line["item"]: _left(request, line) for line in made["lines"]}
    if request["lines"] is None:
        wanted = {name: n for name, n in left.items() if n}
        if not wanted:
            raise Refusal("invalid_state")
        return wanted
    wanted = {}
    codes: list[str] = []
    for asked in request["lines"]:
        try:
            named = model.candidates(asked["item"])
            there = [name for name in left if name in named]
            if not there:
                raise Refusal("not_found")
            if asked["quantity"] > sum(left[name] for name in there):
                raise Refusal("invalid_state")
        except Refusal as refusal:
            codes += refusal.codes
            continue
        rest = asked["quantity"]
        for name in there:
            n = min(rest, left[name])
            if n:
                left[name] -= n
                rest -= n
                wanted[name] = wanted.get(name, 0) + n
    if codes:
        raise Refusal(*codes)
    return wanted


def expire(_model: Model, _request: Thing) -> tuple[int, Any]:
    """Housekeeping: the due holds have ended before the request is looked at."""
    return 200, None


RULES = {
    "reserve": reserve,
    "extend": extend,
    "release": release,
    "order": order,
    "ship": units,
    "cancel": units,
    "return": units,
    "expire": expire,
}
