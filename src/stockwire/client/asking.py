"""How Python names become names on the wire, for queries and for bodies made of keywords."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, TypedDict
from urllib.parse import quote

from msgspec import UNSET

_TIME_FILTERS = {
    "created_after": "createdTime[gt]",
    "created_from": "createdTime[gte]",
    "created_before": "createdTime[lt]",
    "created_until": "createdTime[lte]",
}


class Listed(TypedDict, total=False):
    """What every list takes: the size of a page, and bounds of the creation time (after, before: bound excluded)."""

    limit: int
    ending_before: str
    created_after: datetime
    created_from: datetime
    created_before: datetime
    created_until: datetime


@cache
def wire_name(name: str) -> str:
    first, *rest = name.split("_")
    return _TIME_FILTERS.get(name) or first + "".join(word.capitalize() for word in rest)


def named(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords as a query or a body; `UNSET` is left out, None stays (a PATCH clears, a query drops it)."""
    return {wire_name(name): value for name, value in fields.items() if value is not UNSET}


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a body in which None means "not given"."""
    return {wire_name(name): value for name, value in fields.items() if value is not None and value is not UNSET}


def segment(text: str) -> str:
    """An id as one segment of a path."""
    return quote(text, safe="")
