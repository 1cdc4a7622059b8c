"""Deliveries: the log of what was sent to whom, with every attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from stockwire import wire
from stockwire.api.errors import Reply, not_found, ok
from stockwire.api.faults import Amiss, shown, uuid_of
from stockwire.api.paging import Paged, Window, cut, page, window
from stockwire.api.queries import QueryShape
from stockwire.api.request import Request
from stockwire.api.shapes import given as value_of
from stockwire.api.webhook_bodies import is_known
from stockwire.domain.refusals import Reason
from stockwire.store import reads

DeliveryStatus = Literal["pending", "delivered", "failed", "cancelled"]
OneType = Annotated[str, Meta(min_length=1, max_length=64, description="A type of event, or `inventory.*`.")]


class DeliveryQuery(Paged, frozen=True):
    """Filters of deliveries; those given must all hold."""

    webhook_id: UUID | UnsetType = UNSET
    event_id: UUID | UnsetType = UNSET
    status: DeliveryStatus | UnsetType = UNSET
    type: OneType | UnsetType = UNSET

    @staticmethod
    def amiss(given: Mapping[str, Any]) -> list[Amiss]:
        found = Paged.amiss(given)
        if isinstance(given.get("type"), str) and not is_known(given["type"]):
            found.append((Reason.INVALID_PARAMETER, "type", "names no type of event"))
        return found


QUERY = QueryShape(DeliveryQuery)


async def listed(request: Request) -> Reply:
    """A page of deliveries, newest first."""
    query: DeliveryQuery = request.query
    asked = window(query)
    if query.event_id is not UNSET:
        rows: Sequence[Any] = _windowed(await _of_event(request, query), asked)
    else:
        rows = await _page_rows(request, query, asked)
    found, more = cut(rows, asked)
    return page([_delivery(row, request.live) for row in found], more)


async def _page_rows(request: Request, query: DeliveryQuery, asked: Window) -> Sequence[Any]:
    """One row more than the page, from the end it is read from."""
    pattern = value_of(query.type)
    starred = pattern is not None and pattern.endswith("*")
    values: dict[str, Any] = {
        "store_id": request.caller.ledger.store_id,
        "live": request.live,
        "status": value_of(query.status),
        "type": None if starred else pattern,
        "prefix": pattern[:-1] if pattern is not None and starred else None,
        "cursor": asked.cursor,
        "limit": asked.limit,
    }
    if query.webhook_id is UNSET:
        select = reads.webhooks.later_deliveries if asked.backward else reads.webhooks.newest_deliveries
    else:
        select = reads.webhooks.later_of_webhook if asked.backward else reads.webhooks.newest_of_webhook
        values["webhook_id"] = query.webhook_id
    rows: Sequence[Any] = await select(request.doors.database.reads, **values)
    return rows


async def _of_event(request: Request, query: DeliveryQuery) -> list[Any]:
    """An event has at most as many deliveries as there are webhooks; the other filters look at these few."""
    rows = await reads.webhooks.deliveries_of_event(
        request.doors.database.reads, *request.caller.ledger, query.event_id
    )
    webhook, status = value_of(query.webhook_id), value_of(query.status)
    return [row for row in rows if webhook in (None, row["endpoint_id"]) and status in (None, row["status"])]


def _windowed(rows: Sequence[Any], asked: Window) -> list[Any]:
    """The part of a whole list, newest first, that the database would have given for the window."""
    if asked.backward:
        return [row for row in reversed(rows) if row["id"] > asked.cursor][: asked.limit]
    return [row for row in rows if asked.cursor is None or row["id"] < asked.cursor][: asked.limit]


async def one(request: Request) -> Reply:
    """One delivery with its attempts."""
    named = uuid_of(request.path[0])
    async with reads.snapshot(request.doors.database) as connection:
        row = None if named is None else await reads.webhooks.delivery(connection, *request.caller.ledger, named)
        if row is None:
            return not_found(f"There is no delivery {shown(request.path[0])}.")
        attempts = await reads.webhooks.attempts(
            connection, *request.caller.ledger, row["endpoint_id"], row["position"]
        )
    return ok({**_delivery(row, request.live), "attempts": [_attempt(attempt) for attempt in attempts]})


def _delivery(row: Any, live: bool) -> dict[str, Any]:
    waits = row["status"] == "pending" and row["claim"] is None  # with a claim, due_at is the end of its lease
    return {
        "id": str(row["id"]),
        "webhookId": str(row["endpoint_id"]),
        "eventId": None if row["event_id"] is None else str(row["event_id"]),
        "type": row["type"],
        "position": row["position"],
        "status": row["status"],
        "attemptCount": row["attempts"],
        "nextAttemptTime": wire.moment(row["due_at"]) if waits else None,
        "liveMode": live,
        "createdTime": wire.moment(row["created_at"]),
        "settledTime": wire.optional_moment(row["settled_at"]),
    }


def _attempt(row: Any) -> dict[str, Any]:
    return {
        "number": row["number"],
        "startedTime": wire.moment(row["started_at"]),
        "verdict": row["verdict"],
        "why": row["why"],
        "status": row["status"],
        "peer": row["peer"],
        "connectMicros": row["connect_micros"],
        "firstByteMicros": row["first_byte_micros"],
        "totalMicros": row["total_micros"],
        "responseHead": _text(row["response_head"]),
        "responseBody": _text(row["response_body"]),
        "nextAttemptTime": wire.optional_moment(row["next_at"]),
    }


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "replace")
