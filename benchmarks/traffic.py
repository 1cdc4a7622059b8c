"""What the load generator sends: request makers by name, with bodies encoded before the clock starts."""

import itertools
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.connection import Template
from stockwire.replay.reading import read_files

ORDERS, CHANGES = "/v1/orders", "/v1/inventory-changes"
PLENTY = 1_000_000_000  # opening stock that no run can sell
BULK_CHANGES = 10_000


def hot_part() -> str:
    return "HOT-1"


def wide_parts(parts: int) -> list[str]:
    """The catalogue of the wide and bulk scenarios."""
    return [f"W-{number:05d}" for number in range(parts)]


def order_body(lines: list[tuple[str, int]]) -> bytes:
    """An order without a hold."""
    return _json({"items": [{"partNumber": part, "quantity": units} for part, units in lines]})


def adjust_body(part: str, delta: int) -> bytes:
    """A single change."""
    return _json({"type": "adjust", "partNumber": part, "delta": delta})


def hot_orders(api_key: str, **_: Any) -> Iterator[Template]:
    """Orders of one line, all for one part number."""
    return itertools.repeat(Template("POST", ORDERS, api_key, order_body([(hot_part(), 1)])))


def hot_adjusts(api_key: str, **_: Any) -> Iterator[Template]:
    """Units added to one part number."""
    return itertools.repeat(Template("POST", CHANGES, api_key, adjust_body(hot_part(), 1)))


def hot_holds(api_key: str, **_: Any) -> Iterator[Template]:
    """Reservations of one line, all for one part number."""
    return itertools.repeat(Template("POST", "/v1/reservations", api_key, order_body([(hot_part(), 1)])))


def wide_orders(api_key: str, *, parts: int = 10_000, seed: int = 1, **_: Any) -> Iterator[Template]:
    """Orders of one line, part numbers drawn by Zipf's law (exponent 1)."""
    templates = [Template("POST", ORDERS, api_key, order_body([(part, 1)])) for part in wide_parts(parts)]
    return _drawn(templates, seed)


def wide_adjusts(api_key: str, *, parts: int = 10_000, seed: int = 1, **_: Any) -> Iterator[Template]:
    """Units added to part numbers drawn by Zipf's law (exponent 1)."""
    templates = [Template("POST", CHANGES, api_key, adjust_body(part, 1)) for part in wide_parts(parts)]
    return _drawn(templates, seed)


def _drawn(templates: list[Template], seed: int) -> Iterator[Template]:
    weights = list(itertools.accumulate(1 / rank for rank in range(1, len(templates) + 1)))
    return itertools.cycle(random.Random(seed).choices(templates, cum_weights=weights, k=200_000))


def shaped_orders(api_key: str, *, files: list[str], **_: Any) -> Iterator[Template]:
    """Real invoices as orders: as many lines and units as real customers bought."""
    return itertools.cycle([Template("POST", ORDERS, api_key, order_body(lines)) for lines in invoices(files)])


def invoices(files: list[str]) -> list[list[tuple[str, int]]]:
    """The sales of the data files: of each invoice its part numbers with the units bought."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for line in read_files(Path(name) for name in files).lines:
        if line.quantity > 0:
            lines = found[line.invoice]
            lines[line.part] = lines.get(line.part, 0) + line.quantity
    return [list(lines.items()) for lines in found.values()]


def bulk_sets(api_key: str, *, parts: int = BULK_CHANGES, changes: int = BULK_CHANGES, **_: Any) -> Iterator[Template]:
    """Requests of many `set` changes; each request gives every part number another quantity than the one before."""
    names = wide_parts(parts)[:changes]
    bodies = (
        _json({"changes": [{"type": "set", "partNumber": part, "quantity": PLENTY + turn} for part in names]})
        for turn in range(6)
    )
    return itertools.cycle([Template("POST", CHANGES, api_key, body) for body in bodies])


TRAFFIC: dict[str, Callable[..., Iterator[Template]]] = {
    maker.__name__: maker
    for maker in (hot_orders, hot_adjusts, hot_holds, wide_orders, wide_adjusts, shaped_orders, bulk_sets)
}


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
