"""Reservations: units held for a basket until a time (R7)."""

from __future__ import annotations

import hashlib
from typing import Annotated
from uuid import uuid4

import msgspec
from msgspec import UNSET, Meta, UnsetType

from stockwire.api.errors import Reply
from stockwire.api.request import Request
from stockwire.api.shapes import Body, ClientId, Metadata, NamedItem, Reference, Some, given
from stockwire.api.strict_json import Shape
from stockwire.domain.commands import Extend, Line, Release, Reserve

MOST_LINES = 2_000
LONGEST_SECONDS = 30 * 24 * 60 * 60

Seconds = Annotated[int, Meta(ge=1, le=LONGEST_SECONDS)]


class HoldLine(NamedItem, frozen=True, kw_only=True):
    """Units of an item to hold; `allowBackOrder: false` takes stock only."""

    quantity: Some
    allow_back_order: bool = True


class NewReservation(Body, frozen=True, kw_only=True):
    """Lines to hold, all or none."""

    items: Annotated[list[HoldLine], Meta(min_length=1, max_length=MOST_LINES)]
    id: ClientId | UnsetType = UNSET
    expires_in_seconds: Seconds = 900
    reference: Reference | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)


class Extension(Body, frozen=True, kw_only=True):
    """A new end: so many seconds from now."""

    expires_in_seconds: Seconds


NEW: Shape[NewReservation] = Shape(NewReservation)
EXTENSION: Shape[Extension] = Shape(Extension)


async def reserve(request: Request) -> Reply:
    """Hold every line, or none."""
    asked: NewReservation = request.body
    lines = tuple(Line(line.ref(), line.quantity, line.allow_back_order) for line in asked.items)
    command = Reserve(
        given(asked.id) or str(uuid4()),
        lines,
        asked.expires_in_seconds,
        same_body(asked),
        asked.reference,
        asked.metadata,
    )
    return await request.submit(command, weight=len(lines))


def same_body(asked: msgspec.Struct) -> bytes:
    """Tells a repeat of a client-chosen id from another body; blanks and the order of keys do not count."""
    return hashlib.sha256(msgspec.json.encode(asked)).digest()


async def extend(request: Request) -> Reply:
    """Move the end of a live reservation."""
    return await request.submit(Extend(request.path[0], request.body.expires_in_seconds))


async def release(request: Request) -> Reply:
    """Give the units back."""
    return await request.submit(Release(request.path[0]))
