"""The model's requests as the ledger's commands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from stockwire.domain import commands
from stockwire.domain.commands import Actor, Command, ItemRef, Line, OrderUnits
from stockwire.domain.stock import Product
from stockwire.ledger.submission import Submission
from tests.properties.model.words import Thing

FIELDS = {
    "back_order": "allow_back_order",
    "limit": "back_order_limit",
    "threshold": "low_stock_threshold",
    "managed": "fulfiller_managed",
    "products": "products",
    "metadata": "metadata",
}


def submission_of(request: Thing) -> Submission:
    """What is handed to the ledger. The fingerprint of a request is that of its text (R12)."""
    key = request.get("key")
    return Submission(
        _COMMANDS[request["do"]](request),
        actor_of(request.get("by", "operator")),
        key=key,
        fingerprint=_digest({**request, "key": None}) if key else None,
        weight=len(request.get("rows", ())) or 1,
    )


def actor_of(by: str) -> Actor:
    """`operator`, `admin`, `feed`, `system`, or `fulfiller:<name>`."""
    role, _, fulfiller = by.partition(":")
    return Actor(f"key:{role}", role, fulfiller or None)


def ref_of(ref: Thing) -> ItemRef:
    """An item as a request names it."""
    return ItemRef(ref.get("id"), ref.get("part"), ref.get("at"), ref.get("product"), ref.get("external"))


def _body(request: Thing) -> bytes:
    return _digest({name: value for name, value in request.items() if name not in ("key", "by")})


def _digest(request: Thing) -> bytes:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()


def _lines(lines: list[Thing] | None) -> tuple[Line, ...] | None:
    if lines is None:
        return None
    return tuple(Line(ref_of(line["item"]), line["quantity"], not line.get("narrow", False)) for line in lines)


def _units(lines: list[Thing] | None) -> tuple[OrderUnits, ...] | None:
    return None if lines is None else tuple(OrderUnits(ref_of(line["item"]), line["quantity"]) for line in lines)


def _change(request: Thing) -> commands.Change:
    return commands.Change(
        request["do"],
        ref_of(request["item"]),
        request["amount"],
        request.get("to"),
        request.get("expected"),
        request.get("expected_sequence"),
        request.get("reason"),
    )


def _reserve(request: Thing) -> commands.Reserve:
    return commands.Reserve(request["id"], _lines(request["lines"]) or (), request["seconds"], _body(request))


def _order(request: Thing) -> commands.PlaceOrder:
    return commands.PlaceOrder(request["id"], _lines(request["lines"]), _body(request), request.get("hold"))


def _field(name: str, value: Any) -> Any:
    return tuple(Product(*pair) for pair in value) if name == "products" else value


def _create(request: Thing) -> commands.CreateItem:
    fields = {FIELDS[name]: _field(name, request[name]) for name in FIELDS}
    return commands.CreateItem(
        request["new_id"], request["part"], request["at"], quantity=request["quantity"], **fields
    )


def _patch(request: Thing) -> commands.PatchItem:
    fields = {FIELDS[name]: _field(name, value) for name, value in request["fields"].items()}
    return commands.PatchItem(request["item"]["id"], fields)


_COMMANDS: dict[str, Callable[[Thing], Command]] = {
    **dict.fromkeys(("set", "adjust", "count", "receive", "transfer"), _change),
    "changes": lambda request: commands.Changes(tuple(map(_change, request["rows"])), request["atomic"]),
    "reserve": _reserve,
    "extend": lambda request: commands.Extend(request["id"], request["seconds"]),
    "release": lambda request: commands.Release(request["id"]),
    "expire": lambda request: commands.ExpireDue(),
    "order": _order,
    "ship": lambda request: commands.Ship(request["id"], _units(request["lines"])),
    "cancel": lambda request: commands.Cancel(request["id"], _units(request["lines"])),
    "return": lambda request: commands.Return(request["id"], _units(request["lines"]) or (), request["restock"]),
    "create": _create,
    "create_many": lambda request: commands.CreateItems(tuple(map(_create, request["rows"]))),
    "patch": _patch,
    "delete": lambda request: commands.DeleteItem(request["item"]["id"]),
}
