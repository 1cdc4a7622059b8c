"""The model's items (R10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.properties.model.words import Name, Refusal, Thing, room

if TYPE_CHECKING:
    from tests.properties.model import Model


FIELDS = ("back_order", "limit", "threshold", "managed", "products", "metadata")


def create(model: Model, request: Thing) -> tuple[int, Any]:
    """A new item, or a deleted one that comes back with its id and goes on with its sequence."""
    name = request["part"], request["at"] or model.own
    known = model.items.get(name)
    if known and not known["deleted"]:
        raise Refusal("already_exists")
    if known:
        model.reached["create", "revived"] += 1
    model.items[name] = {
        "id": known["id"] if known else request["new_id"],
        "H": 0,
        "R": 0,
        "A": 0,
        "excused": 0,
        "sequence": known["sequence"] if known else 0,
        "published": known["published"] if known else 0,
        "deleted": False,
        **{field: request[field] for field in FIELDS},
    }
    model.tell_of_item(name, "created")
    if request["quantity"]:
        model.move(name, "opening", h=request["quantity"])
    return 201, {"item": name}


def create_many(model: Model, request: Thing) -> tuple[int, Any]:
    """Rows in order; a refused one harms no other."""
    results: list[Thing] = []
    for row in request["rows"]:
        try:
            results.append({"status": "applied", **model.attempt(lambda row=row: create(model, row))[1]})  # type: ignore[misc]
        except Refusal as refusal:
            results.append({"status": "refused", "codes": refusal.codes})
    return 200, {"results": results}


def _living(model: Model, request: Thing) -> Name:
    found = model.named(request["item"])
    if not found:
        raise Refusal("not_found")
    return found[0]


def patch(model: Model, request: Thing) -> tuple[int, Any]:
    """Absent keeps, None clears, lists are replaced, metadata merges by key. The edit excuses what it uncovers (R1)."""
    name = _living(model, request)
    item = model.items[name]
    before = {field: item[field] for field in FIELDS}
    for field, value in request["fields"].items():
        if field == "metadata":
            merged = {**item["metadata"], **(value or {})} if value is not None else {}
            item["metadata"] = {key: kept for key, kept in merged.items() if kept is not None}
        else:
            item[field] = value
    if before == {field: item[field] for field in FIELDS}:
        model.reached["patch", "unchanged"] += 1
        return 200, {"item": name}
    item["excused"] = max(0, item["R"] + item["A"] - item["H"] - room(item))
    model.tell_of_item(name, "updated")
    return 200, {"item": name}


def delete(model: Model, request: Thing) -> tuple[int, Any]:
    """A tombstone, where nothing is on hand, reserved or allocated."""
    name = _living(model, request)
    item = model.items[name]
    if item["H"] or item["R"] or item["A"]:
        raise Refusal("invalid_state")
    item["deleted"] = True
    model.tell_of_item(name, "deleted")
    item["products"] = []
    return 204, None


RULES = {"create": create, "create_many": create_many, "patch": patch, "delete": delete}
