"""The model's words: what every part of it says the same way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

LARGEST = 2**53 - 1
UNLIMITED = 2**60
HELD_MOST = timedelta(days=30)

Name = tuple[str, str]  # part number, fulfiller
Thing = dict[str, Any]


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """Raised inside the model only; what was done before it is undone."""

    def __init__(self, *codes: str) -> None:
        super().__init__(*codes)
        self.codes = list(codes)


def numbers(item: Thing) -> Thing:
    """The five numbers that the wire shows."""
    free = item["H"] - item["R"] - item["A"]
    return {
        "quantity": max(0, free),
        "onHand": item["H"],
        "reserved": item["R"],
        "allocated": item["A"],
        "backordered": max(0, -free),
    }


def room(item: Thing) -> int:
    """How far promises may go beyond stock."""
    if not item["back_order"]:
        return 0
    return UNLIMITED if item["limit"] is None else int(item["limit"])


def at_most(value: int) -> None:
    """No counter may become larger than every JSON reader holds exactly."""
    if value > LARGEST:
        raise Refusal("limit_exceeded")
