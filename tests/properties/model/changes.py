"""The model's changes of stock (R1, R9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.properties.model.words import Name, Refusal, Thing, at_most, numbers, room

if TYPE_CHECKING:
    from tests.properties.model import Model


def change(model: Model, request: Thing) -> tuple[int, Any]:
    """set, adjust, count, receive: one item."""
    name = _item(model, request)
    _speak_for(model, request, name)
    moved = KINDS[request["do"]](model, request, name)
    return 200, {"status": "applied" if moved else "unchanged", "levels": [_level(model, name)]}


def _level(model: Model, name: Name) -> Thing:
    return {"item": name, **numbers(model.items[name]), "sequence": model.items[name]["sequence"]}


def _item(model: Model, request: Thing, at: str | None = None) -> Name:
    """A change names one item; without a fulfiller it means the key's own, or the store's own."""
    ref = dict(request["item"])
    if "id" not in ref:
        ref["at"] = ref.get("at") or _own_of(request) or model.own
    found = model.named(ref)
    if at is not None:
        found = model.named({"part": found[0][0], "at": at})
    if not found or (_own_of(request) and found[0][1] != _own_of(request)):
        raise Refusal("not_found")
    return found[0]


def _own_of(request: Thing) -> str | None:
    role, _, fulfiller = request.get("by", "operator").partition(":")
    return fulfiller if role == "fulfiller" else None


def _may(model: Model, request: Thing, *names: Name) -> None:
    """R9: who may change this stock."""
    by = request.get("by", "operator").partition(":")[0]
    for name in names:
        managed = model.items[name]["managed"]
        if by == "fulfiller" and not managed:
            raise Refusal("forbidden")
        if managed and (by == "operator" or (by == "admin" and not request.get("reason"))):
            raise Refusal("not_self_managed")


def _expected(model: Model, request: Thing, name: Name) -> None:
    """Compare and set."""
    item = model.items[name]
    for field, value in (("expected", numbers(item)["quantity"]), ("expected_sequence", item["sequence"])):
        if request.get(field) is not None and request[field] != value:
            raise Refusal("stale_quantity")


def _set(model: Model, request: Thing, name: Name) -> bool:
    item, wanted = model.items[name], request["amount"]
    if wanted == numbers(item)["quantity"]:
        return False
    at_most(item["R"] + item["A"] + wanted)
    model.move(name, "set", h=item["R"] + item["A"] + wanted - item["H"])
    return True


def _adjust(model: Model, request: Thing, name: Name) -> bool:
    item, delta = model.items[name], request["amount"]
    after = item["H"] + delta
    if after < 0 or (delta < 0 and max(0, item["R"] + item["A"] - after) > room(item)):
        raise Refusal("below_promised")
    at_most(after)
    model.move(name, "adjust", h=delta)
    return True


def _count(model: Model, request: Thing, name: Name) -> bool:
    delta = request["amount"] - model.items[name]["H"]
    if delta:
        model.move(name, "count", h=delta)
    return bool(delta)


def _receive(model: Model, request: Thing, name: Name) -> bool:
    at_most(model.items[name]["H"] + request["amount"])
    model.move(name, "receive", h=request["amount"])
    return True


KINDS: dict[str, Callable[[Model, Thing, Name], bool]] = {
    "set": _set,
    "adjust": _adjust,
    "count": _count,
    "receive": _receive,
}


def transfer(model: Model, request: Thing) -> tuple[int, Any]:
    """Both sides or neither; what speaks against either side is told together, so 404 comes before 409 (R14)."""
    source = _item(model, request)
    codes = _codes(lambda: _speak_for(model, request, source))
    codes += _codes(lambda: _may(model, request, _item(model, request, at=request["to"])))
    if codes:
        raise Refusal(*codes)
    target = _item(model, request, at=request["to"])
    if source == target:
        raise Refusal("invalid_state")
    if request["amount"] > numbers(model.items[source])["quantity"]:
        raise Refusal("out_of_inventory")
    at_most(model.items[target]["H"] + request["amount"])
    model.move(source, "transfer", h=-request["amount"])
    model.move(target, "transfer", h=request["amount"])
    return 200, {"status": "applied", "levels": [_level(model, source), _level(model, target)]}


def _speak_for(model: Model, request: Thing, name: Name) -> None:
    _may(model, request, name)
    _expected(model, request, name)


def _codes(check: Callable[[], Any]) -> list[str]:
    try:
        check()
    except Refusal as refusal:
        return refusal.codes
    return []


def changes(model: Model, request: Thing) -> tuple[int, Any]:
    """Rows in order, each seeing those before it; atomic: one refusal refuses all (R11)."""
    results: list[Thing] = []
    refused: list[str] = []
    for row in request["rows"]:
        asked = {**row, "by": request.get("by", "operator")}
        try:
            results.append(model.attempt(lambda asked=asked: RULES[asked["do"]](model, asked))[1])  # type: ignore[misc]
        except Refusal as refusal:
            refused += refusal.codes
            results.append({"status": "refused", "codes": refusal.codes})
    if request["atomic"] and refused:
        raise Refusal(*refused)
    model.reached["changes", "atomic" if request["atomic"] else "some_refused" if refused else "all_applied"] += 1
    return 200, {"results": results}


RULES = {**dict.fromkeys(KINDS, change), "transfer": transfer, "changes": changes}
