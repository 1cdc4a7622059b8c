"""Pages of lists: `limit`, `startingAfter`, `endingBefore`, bounds of the creation time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from stockwire import wire
from stockwire.api.errors import Reply, refuse
from stockwire.api.faults import Amiss
from stockwire.api.shapes import Moment, given
from stockwire.domain.refusals import Reason

LARGEST_PAGE = 1000

Limit = Annotated[int, Meta(ge=1, le=LARGEST_PAGE, description="Most objects of a page.")]


class Query(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True, rename="camel"):
    """The root of every route's query parameters."""


class Paged(Query, frozen=True):
    """A list's page, by the id of the object before or after it."""

    limit: Limit = 10
    starting_after: Annotated[UUID, Meta(description="The page after the object of this id.")] | UnsetType = UNSET
    ending_before: Annotated[UUID, Meta(description="The page before the object of this id.")] | UnsetType = UNSET

    @staticmethod
    def amiss(given: Mapping[str, Any]) -> list[Amiss]:
        """A page lies behind one object or before one, not both."""
        return one_page(given)


class Timed(Paged, frozen=True):
    """A page of objects made within a time."""

    created_gt: Moment | UnsetType = msgspec.field(default=UNSET, name="createdTime[gt]")
    created_gte: Moment | UnsetType = msgspec.field(default=UNSET, name="createdTime[gte]")
    created_lt: Moment | UnsetType = msgspec.field(default=UNSET, name="createdTime[lt]")
    created_lte: Moment | UnsetType = msgspec.field(default=UNSET, name="createdTime[lte]")


def one_page(given: Mapping[str, Any]) -> list[Amiss]:
    """The fault of two cursors."""
    if "startingAfter" in given and "endingBefore" in given:
        return [(Reason.INVALID_PARAMETER, "endingBefore", "cannot stand beside `startingAfter`")]
    return []


class Window(NamedTuple):
    """A page as the database is asked for it: one row more than shown tells whether there are more."""

    limit: int
    cursor: Any  # the id of an object
    backward: bool  # towards what comes earlier in the list


def window(query: Paged) -> Window:
    """The window of a page."""
    if query.ending_before is not UNSET:
        return Window(query.limit + 1, query.ending_before, True)
    return Window(query.limit + 1, given(query.starting_after), False)


def no_cursor(asked: Window) -> Reply:
    """400 for a cursor that names nothing: an empty page would look like the end of the list."""
    name = "endingBefore" if asked.backward else "startingAfter"
    return refuse(400, "invalid_parameter", f"`{name}` names nothing.", name)


class Span(NamedTuple):
    """Bounds of a creation time, each None where it is open."""

    gt: datetime | None
    gte: datetime | None
    lt: datetime | None
    lte: datetime | None


def span(query: Timed) -> Span:
    """The bounds that the query gives."""
    return Span(given(query.created_gt), given(query.created_gte), given(query.created_lt), given(query.created_lte))


def cut(rows: Sequence[Any], asked: Window) -> tuple[list[Any], bool]:
    """The rows of the page in the list's order, and whether there are more in the direction asked."""
    shown = list(rows[: asked.limit - 1])
    if asked.backward:
        shown.reverse()
    return shown, len(rows) >= asked.limit


def page(rows: Sequence[Any], more: bool) -> Reply:
    """The answer of a list."""
    return Reply(200, wire.encode({"data": rows, "hasMore": more}))
