"""What a row of a scenario says, as a command: `hold r1 for 60s: 3 MUG, 2 CUP@east` and so on."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from stockwire.domain import commands
from stockwire.domain.commands import Actor, Command, ItemRef, Line, OrderUnits
from stockwire.domain.stock import Product

OWN = "main"
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def command_of(text: str, item_ids: dict[str, str]) -> Command:
    """The command of a row. `item_ids`: of every item so far, by its name (`MUG@main`)."""
    for pattern, made in _PHRASES:
        if found := re.fullmatch(pattern, text):
            return made(*found.groups(), item_ids)
    raise ValueError(f"no such phrase: {text}")


def actor_of(text: str | None) -> Actor:
    """`admin`, `operator`, `fulfiller east`, `feed`; an operator where nobody is named."""
    role, _, fulfiller = (text or "operator").partition(" ")
    return Actor(f"key:{role}", role, fulfiller or None)


def seconds_of(text: str) -> int:
    """`90s`, `15m`, `30d`."""
    return int(text[:-1]) * _UNITS[text[-1]]


def duration_of(text: str) -> timedelta:
    return timedelta(seconds=seconds_of(text))


def full_name(name: str) -> str:
    """`MUG` is the store's own: `MUG@main`."""
    return name if "@" in name else f"{name}@{OWN}"


def _ref(name: str) -> ItemRef:
    kind, _, value = name.partition(":")
    if kind == "product":
        return ItemRef(product_id=value)
    if kind == "reference":
        return ItemRef(external_reference_id=value)
    part, _, fulfiller = name.partition("@")
    return ItemRef(part_number=part, fulfiller=fulfiller or None)


def _line(text: str) -> Line:
    quantity, name, narrow = re.fullmatch(r"(\d+) (\S+)( from stock only)?", text).groups()  # type: ignore[union-attr]
    return Line(_ref(name), int(quantity), allow_back_order=narrow is None)


def _lines(text: str) -> tuple[Line, ...]:
    return tuple(_line(part) for part in text.split(", "))


def _units(text: str | None) -> tuple[OrderUnits, ...] | None:
    return None if text is None else tuple(OrderUnits(line.item, line.quantity) for line in _lines(text))


def _fingerprint(text: Any) -> bytes:
    return hashlib.sha256(repr(text).encode()).digest()


def _options(text: str) -> dict[str, Any]:
    """Words of an item: `backorder`, `backorder=5`, `low=3`, `managed`, `product=P1/EXT`; `no-…` clears."""
    fields: dict[str, Any] = {}
    for word in text.split():
        name, _, value = word.partition("=")
        fields.update(_OPTIONS[name](value))
    return fields


_OPTIONS: dict[str, Callable[[str], dict[str, Any]]] = {
    "backorder": lambda v: {"allow_back_order": True, "back_order_limit": int(v) if v else None},
    "no-backorder": lambda _: {"allow_back_order": False, "back_order_limit": None},
    "low": lambda v: {"low_stock_threshold": int(v)},
    "no-low": lambda _: {"low_stock_threshold": None},
    "managed": lambda _: {"fulfiller_managed": True},
    "self-managed": lambda _: {"fulfiller_managed": False},
    "product": lambda v: {"products": (Product(v.split("/")[0], v.partition("/")[2] or None),)},
    "no-product": lambda _: {"products": ()},
    "label": lambda v: {"metadata": {v.split("/")[0]: v.partition("/")[2] or None}},
    "no-labels": lambda _: {"metadata": None},
}


def _item(name: str, quantity: str | None, options: str, item_ids: dict[str, str]) -> Command:
    part, _, fulfiller = name.partition("@")
    new_id = str(uuid.UUID(int=len(item_ids) + 1))
    return commands.CreateItem(new_id, part, fulfiller or None, quantity=int(quantity or 0), **_options(options))


def _change(kind: str, name: str, amount: str, more: str, item_ids: dict[str, str], to: str | None = None) -> Command:
    said = dict(re.findall(r" (if quantity|if sequence|because) (\S+)", more))
    return commands.Change(
        kind,
        _ref(name),
        int(amount),
        to,
        int(said["if quantity"]) if "if quantity" in said else None,
        int(said["if sequence"]) if "if sequence" in said else None,
        said.get("because"),
    )


def _hold(id_: str, lasting: str | None, lines: str, _item_ids: dict[str, str]) -> Command:
    return commands.Reserve(id_, _lines(lines), seconds_of(lasting or "15m"), _fingerprint(lines))


def _order(id_: str, hold: str | None, lines: str | None, _item_ids: dict[str, str]) -> Command:
    asked = _lines(lines) if lines else None
    return commands.PlaceOrder(id_, asked, _fingerprint((hold, lines)), hold)


def _known(name: str, item_ids: dict[str, str]) -> str:
    return item_ids.get(full_name(name), str(uuid.UUID(int=0)))


_MORE = r"((?: (?:if quantity|if sequence|because) \S+)*)"
_PHRASES: list[tuple[str, Callable[..., Command]]] = [
    (r"item (\S+)(?: (\d+))?((?: \S+)*)", _item),
    (r"edit (\S+):((?: \S+)+)", lambda n, o, ids: commands.PatchItem(_known(n, ids), _options(o))),
    (r"delete (\S+)", lambda n, ids: commands.DeleteItem(_known(n, ids))),
    (rf"(set|count|adjust) (\S+) (?:to|as|by) ([+-]?\d+){_MORE}", _change),
    (rf"receive (\d+) (\S+){_MORE}", lambda n, name, more, ids: _change("receive", name, n, more, ids)),
    (
        rf"transfer (\d+) (\S+) to (\S+){_MORE}",
        lambda n, name, to, more, ids: _change("transfer", name, n, more, ids, to),
    ),
    (r"hold (\S+?)(?: for (\S+))?: (.+)", _hold),
    (r"extend (\S+) for (\S+)", lambda id_, s, _: commands.Extend(id_, seconds_of(s))),
    (r"release (\S+)", lambda id_, _: commands.Release(id_)),
    (r"sweep", lambda _: commands.ExpireDue()),
    (r"order (\S+?)(?: from (\S+?))?(?:: (.+))?", _order),
    (r"ship (\S+?)(?:: (.+))?", lambda id_, lines, _: commands.Ship(id_, _units(lines))),
    (r"cancel (\S+?)(?:: (.+))?", lambda id_, lines, _: commands.Cancel(id_, _units(lines))),
    (r"return (\S+?): (.+)", lambda id_, lines, _: commands.Return(id_, _units(lines) or ())),
    (r"write off (\S+?): (.+)", lambda id_, lines, _: commands.Return(id_, _units(lines) or (), restock=False)),
]
