"""Refusals are values: why a command is not carried out, where in the request, and the facts that help to mend it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Every reason for which a well-formed command is refused; the value is the error code on the wire."""

    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    ALREADY_EXISTS = "already_exists"
    OUT_OF_INVENTORY = "out_of_inventory"
    STALE_QUANTITY = "stale_quantity"
    BELOW_PROMISED = "below_promised"
    AMBIGUOUS_ITEM = "ambiguous_item"
    RESERVATION_EXPIRED = "reservation_expired"
    INVALID_STATE = "invalid_state"
    NOT_SELF_MANAGED = "not_self_managed"
    LIMIT_EXCEEDED = "limit_exceeded"
    INVALID_PARAMETER = "invalid_parameter"
    INVALID_FORMAT = "invalid_format"
    MISSING_PARAMETER = "missing_parameter"
    UNKNOWN_PARAMETER = "unknown_parameter"


class Refusal(NamedTuple):
    """One fault. `where` is the path in the request body (`items[1].quantity`), "" for the whole."""

    reason: Reason
    where: str
    message: str
    facts: tuple[tuple[str, int | str | list[str] | None], ...] = ()


class Shortage(NamedTuple):
    """Units of an item that were asked for and refused; counted by the hour (R7)."""

    item_id: str
    units: int


class Refused(NamedTuple):
    """A command that is not carried out, with every fault found."""

    refusals: tuple[Refusal, ...]
    shortages: tuple[Shortage, ...] = ()


def refused(reason: Reason, where: str, message: str, **facts: int | str | list[str] | None) -> Refused:
    """A refusal with a single fault."""
    return Refused((Refusal(reason, where, message, tuple(facts.items())),))
