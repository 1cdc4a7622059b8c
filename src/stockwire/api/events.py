"""Events: the list, one event, and the pull feed (R16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from stockwire.api.errors import Reply, not_found, refuse
from stockwire.api.faults import Amiss, shown, uuid_of
from stockwire.api.paging import Paged, Timed, cut, no_cursor, span, window
from stockwire.api.queries import QueryShape
from stockwire.api.request import Request
from stockwire.api.shapes import PartNumber, given
from stockwire.domain.events import CATALOGUE
from stockwire.domain.refusals import Reason
from stockwire.domain.stock import LARGEST
from stockwire.store import reads
from stockwire.store.database import Connection, Pool

EXAMINED = 20_000  # positions that one page of the feed looks at, however little its filters let through

EventType = Annotated[str, Meta(min_length=1, max_length=64)]
EventTypes = Annotated[tuple[EventType, ...], Meta(max_length=50)]
Position = Annotated[int, Meta(ge=0, le=LARGEST)]
OneType = Annotated[EventType, Meta(description="A type of event; `*` stands for any end: `inventory.*`.")]


class EventQuery(Timed, frozen=True):
    """Filters of events; `after` makes it the feed."""

    type: OneType | UnsetType = UNSET
    types: EventTypes | UnsetType = UNSET
    part_number: PartNumber | UnsetType = UNSET
    after: Annotated[Position, Meta(description="The feed: events behind this position, in order.")] | UnsetType = UNSET
    feed_id: Annotated[UUID, Meta(description="The feed that `after` is of; another one: 409.")] | UnsetType = UNSET
    order: Literal["asc", "desc"] | UnsetType = UNSET

    @staticmethod
    def amiss(given: Mapping[str, Any]) -> list[Amiss]:
        """The feed and the list are told apart by `after`."""
        found = Paged.amiss(given) + types_amiss(given)
        feed = "after" in given
        for name in ("startingAfter", "endingBefore", *(name for name in given if name.startswith("createdTime"))):
            if feed and name in given:
                found.append((Reason.INVALID_PARAMETER, name, "cannot stand beside `after`"))
        if feed and given.get("order", "asc") != "asc":
            found.append((Reason.INVALID_PARAMETER, "order", "of the feed is `asc`"))
        if not feed and given.get("order", "desc") != "desc":
            found.append((Reason.INVALID_PARAMETER, "order", "`asc` is for the feed: give `after`"))
        return found


def types_amiss(given: Mapping[str, Any]) -> list[Amiss]:
    """`type` or `types`, and only such as may ever fit an event."""
    found: list[Amiss] = []
    if "type" in given and "types" in given:
        found.append((Reason.INVALID_PARAMETER, "types", "cannot stand beside `type`"))
    named = [("type", given.get("type"))] + [(f"types[{n}]", name) for n, name in enumerate(given.get("types") or ())]
    for where, name in named:
        if isinstance(name, str) and not fits_some(name):
            found.append((Reason.INVALID_PARAMETER, where, "names no type of event"))
    return found


def fits_some(pattern: str) -> bool:
    """Whether a type, or a beginning of one with a star, names anything in the catalogue."""
    if pattern.endswith("*"):
        return any(name.startswith(pattern[:-1]) for name in CATALOGUE)
    return pattern in CATALOGUE


QUERY = QueryShape(EventQuery)


class Wanted(NamedTuple):
    """Which events are asked for; None lets all pass."""

    types: list[str] | None
    prefixes: list[str]
    part: str | None
    fulfiller: str | None

    def fits(self, event: Any) -> bool:
        """Whether a row of the feed is asked for."""
        if self.fulfiller is not None and event["fulfiller"] != self.fulfiller:
            return False
        if self.part is not None and event["part_number"] != self.part:
            return False
        return self.types is None or event["type"] in self.types or event["type"].startswith(tuple(self.prefixes))


def wanted(request: Request) -> Wanted:
    """The filters of the query, and of the key: a fulfiller sees only its own."""
    query = request.query
    named = list(given(query.types) or ()) + ([] if query.type is UNSET else [query.type])
    whole = [name for name in named if not name.endswith("*")]
    prefixes = [name[:-1] for name in named if name.endswith("*")]
    return Wanted(whole if named else None, prefixes, given(query.part_number), request.caller.fulfiller)


async def listed(request: Request) -> Reply:
    """A page of events, newest first; with `after` a page of the feed."""
    if request.query.after is not UNSET:
        return await _feed(request)
    asked, only = window(request.query), wanted(request)
    filters = (only.types, only.prefixes, only.fulfiller, *span(request.query), *asked[1:], asked.limit)
    reading, ledger = request.doors.database.reads, request.caller.ledger
    if only.part is None:
        rows = await reads.events.event_page(reading, *ledger, *filters)
    else:
        items = await reads.items.items_named(reading, *ledger, None, only.part, only.fulfiller)
        rows = await reads.events.event_page_of(reading, *ledger, [row["id"] for row in items], *filters)
    if not rows and asked.cursor is not None and await reads.events.event(reading, *ledger, asked.cursor) is None:
        return no_cursor(asked)
    found, more = cut(rows, asked)
    return Reply(200, b'{"data":[' + _joined(found) + b'],"hasMore":' + (b"true}" if more else b"false}"))


def _joined(rows: Sequence[Any]) -> bytes:
    """The events' own bytes: nothing on the way may write them anew (R26)."""
    return ",".join([row["body"] for row in rows]).encode()


async def one(request: Request) -> Reply:
    """One event."""
    event_id, own = uuid_of(request.path[0]), request.caller.fulfiller
    row = None
    if event_id is not None:
        row = await reads.events.event(request.doors.database.reads, *request.caller.ledger, event_id)
    if row is None or own not in (None, row["fulfiller"]):
        return not_found(f"There is no event {shown(request.path[0])}.")
    return Reply(200, row["body"].encode())


async def _feed(request: Request) -> Reply:
    query: EventQuery = request.query
    after = int(given(query.after) or 0)
    async with reads.snapshot(request.doors.database) as connection:
        head = await reads.events.head(connection, *request.caller.ledger)
        refusal = cursor_refused(after, given(query.feed_id), head)
        if refusal is not None:
            return refusal
        until = min(head["position"], after + EXAMINED)
        rows = await behind(connection, request, after, until, wanted(request), query.limit)
    reached = rows[-1]["position"] if len(rows) == query.limit else until
    about = {
        "hasMore": reached < head["position"],
        "nextAfter": reached,
        "headPosition": head["position"],
        "feedId": str(head["feed_id"]),
    }
    return Reply(200, b'{"data":[' + _joined(rows) + b"]," + msgspec.json.encode(about)[1:])


async def behind(
    connection: Connection | Pool, request: Request, after: int, until: int, asked: Wanted, limit: int
) -> Sequence[Any]:
    """Rows of the feed behind a position."""
    rows: Sequence[Any] = await reads.events.feed(connection, *request.caller.ledger, after, until, *asked, limit)
    return rows


def cursor_refused(after: int, feed_id: UUID | None, head: Any) -> Reply | None:
    """409 for a cursor of another feed, 410 for one whose events are gone (R16)."""
    facts = {"feedId": str(head["feed_id"]), "headPosition": head["position"]}
    if (feed_id is not None and feed_id != head["feed_id"]) or after > head["position"]:
        message = "The cursor is of another feed: the ledger was restored from a backup. Read its state anew."
        return refuse(409, "feed_changed", message, "after", **facts)
    if after < head["pruned_to"]:
        oldest = head["pruned_to"] + 1
        message = f"Events up to position {head['pruned_to']} are no longer kept; the oldest is {oldest}."
        return refuse(410, "position_expired", message, "after", oldestPosition=oldest, **facts)
    return None
