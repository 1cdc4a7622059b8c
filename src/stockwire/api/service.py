"""The key itself, fulfillers, and who did what."""

from __future__ import annotations

from typing import Any

import msgspec

from stockwire import wire
from stockwire.api.errors import Reply, ok, refuse
from stockwire.api.paging import Timed, cut, page, span, window
from stockwire.api.queries import QueryShape
from stockwire.api.request import Request
from stockwire.store import reads

AUDIT_QUERY: QueryShape[Timed] = QueryShape(Timed)


async def me(request: Request) -> Reply:
    """The key's store, mode and role."""
    key_id = request.caller.actor.name.removeprefix("key:")
    row = await reads.service.me(request.doors.database.reads, *request.caller.ledger, key_id)
    if row is None:
        return refuse(401, "unauthorized", "The key was revoked.")
    return ok(
        {
            "store": row["store"],
            "ownFulfiller": row["own_fulfiller"],
            "liveMode": request.live,
            "role": row["role"],
            "fulfiller": row["fulfiller"],
            "key": {
                "id": key_id,
                "name": row["name"],
                "prefix": row["prefix"],
                "lastFour": row["last_four"],
                "createdTime": wire.moment(row["created_at"]),
            },
        }
    )


async def fulfillers(request: Request) -> Reply:
    """Fulfillers that have items, and the store's own."""
    rows = await reads.service.fulfillers(request.doors.database.reads, *request.caller.ledger)
    return page([{"name": row["name"], "own": row["own"]} for row in rows], False)


async def audit_log(request: Request) -> Reply:
    """Who did what to anything that is not stock, newest first."""
    asked = window(request.query)
    rows = await reads.service.audit_page(
        request.doors.database.reads,
        *request.caller.ledger,
        *span(request.query),
        asked.cursor,
        asked.backward,
        asked.limit,
    )
    shown, more = cut(rows, asked)
    return page([_entry(row) for row in shown], more)


def _entry(row: Any) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "actor": row["actor"],
        "action": row["action"],
        "subject": row["subject"],
        "details": msgspec.json.decode(row["details"]),
        "createdTime": wire.moment(row["created_at"]),
    }
