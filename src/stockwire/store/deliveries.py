"""Deliveries and their attempts: fan out, claim, settle (R18–R21). Only the database's clock is asked.

A ledger is (store_id, live) throughout. Every function takes a connection; where several must hold together, the caller
opens the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from stockwire.store import queries
from stockwire.store.database import Connection

SQL = queries.load("deliveries.sql")

Ledger = tuple[int, bool]


class Cursor(NamedTuple):
    """How far a ledger is fanned out, and the last position that was committed."""

    position: int
    head: int


class EndpointRow(NamedTuple):
    """An enabled endpoint as it is stored; secrets are the live ones, newest first, still sealed."""

    id: UUID
    address: str
    types: tuple[str, ...]
    start_position: int
    settings: str
    credentials: bytes | None
    secrets: tuple[bytes, ...]


class EventRow(NamedTuple):
    """An event to fan out, with the bytes that every delivery of it carries."""

    position: int
    id: UUID
    type: str
    part_number: str | None
    fulfiller: str | None
    body: bytes


class Claimed(NamedTuple):
    """A delivery that this worker holds until its lease ends; only who knows `claim` settles it."""

    endpoint_id: UUID
    position: int
    id: UUID
    claim: UUID
    attempts: int  # made before
    first_attempt_at: datetime | None
    event_id: UUID
    event_type: str
    body: bytes


class NewDelivery(NamedTuple):
    """A delivery to insert; with a lease it is claimed at once by whoever inserts it."""

    endpoint_id: UUID
    position: int
    id: UUID
    lease_seconds: float | None


class Wanted(NamedTuple):
    """How many deliveries of an endpoint a worker can take, and for how long."""

    endpoint_id: UUID
    start_position: int
    room: int
    lease_seconds: float


class Settled(NamedTuple):
    """What one attempt came to, to be written. `wait_seconds` while the delivery stays pending."""

    endpoint_id: UUID
    position: int
    claim: UUID
    status: str
    wait_seconds: float | None
    started_at: datetime
    verdict: str
    why: str | None
    http_status: int | None
    peer: str | None
    connect_micros: int | None
    first_byte_micros: int | None
    total_micros: int
    head: bytes | None
    body: bytes | None


class HealthNote(NamedTuple):
    """What a batch of attempts says of one endpoint. `failures` and `failing_since` count from its last success on."""

    endpoint_id: UUID
    start_position: int
    attempt_at: datetime
    success_at: datetime | None
    failing_since: datetime | None
    failures: int
    gone: bool


class Failing(NamedTuple):
    """An endpoint that has not acknowledged since `failing_seconds` ago, or said 410."""

    endpoint_id: UUID
    failed_attempts: int
    gone: bool
    failing_seconds: float | None


async def worklist(connection: Connection) -> list[Ledger]:
    """Ledgers with events to fan out or deliveries due."""
    return [(row["store_id"], row["live"]) for row in await SQL.worklist(connection)]


async def take_fan_out(connection: Connection, ledger: Ledger) -> Cursor | None:
    """The right to fan out until the transaction ends, or None while another worker has it."""
    row = await SQL.take_fan_out(connection, *ledger)
    return None if row is None else Cursor(*row)


async def open_fan_out(connection: Connection, ledger: Ledger) -> bool:
    """Make the ledger's cursor; False if it has one."""
    return await SQL.open_fan_out(connection, *ledger) is not None


async def endpoints(connection: Connection, ledger: Ledger) -> tuple[list[EndpointRow], datetime | None]:
    """The ledger's enabled endpoints, and the database's time if there is any."""
    rows = await SQL.endpoints(connection, *ledger)
    found = [
        EndpointRow(
            row["id"],
            row["address"],
            tuple(row["types"]),
            row["start_position"],
            row["settings"],
            row["credentials"],
            tuple(row["secrets"] or ()),
        )
        for row in rows
    ]
    return found, rows[0]["now"] if rows else None


async def events_between(connection: Connection, ledger: Ledger, after: int, upto: int, most: int) -> list[EventRow]:
    """Events with after < position <= upto, in order, at most `most`."""
    return [
        EventRow(position, id_, type_, part_number, fulfiller, body.encode())
        for position, id_, type_, part_number, fulfiller, body in await SQL.events_between(
            connection, *ledger, after, upto, most
        )
    ]


async def fan_out(
    connection: Connection, ledger: Ledger, position: int, claim: UUID, new: Sequence[NewDelivery]
) -> int:
    """Insert deliveries and move the cursor to `position`. Gives how many were inserted."""
    columns = _columns(new, len(NewDelivery._fields))
    inserted: int = await SQL.fan_out(connection, *ledger, position, claim, *columns)
    return inserted


async def claim(connection: Connection, ledger: Ledger, token: UUID, wanted: Sequence[Wanted]) -> list[Claimed]:
    """Take what is due, oldest first, up to each endpoint's room."""
    rows = await SQL.claim(connection, *ledger, token, *_columns(wanted, len(Wanted._fields)))
    return [
        Claimed(endpoint_id, position, id_, token, attempts, first_at, event_id, type_, body.encode())
        for endpoint_id, position, id_, attempts, first_at, event_id, type_, body in rows
    ]


async def release(connection: Connection, ledger: Ledger, held: Sequence[Claimed]) -> None:
    """Give deliveries back unsent; they are due at once."""
    await SQL.release(
        connection,
        *ledger,
        [delivery.endpoint_id for delivery in held],
        [delivery.position for delivery in held],
        [delivery.claim for delivery in held],
    )


async def settle(connection: Connection, ledger: Ledger, settled: Sequence[Settled]) -> int:
    """Write what attempts came to. Gives how many were still this worker's to settle."""
    count: int = await SQL.settle(connection, *ledger, *_columns(settled, len(Settled._fields)))
    return count


async def note_health(connection: Connection, ledger: Ledger, notes: Sequence[HealthNote]) -> list[Failing]:
    """Add what attempts say of their endpoints; gives those of them that are failing now."""
    return [
        Failing(*row) for row in await SQL.note_health(connection, *ledger, *_columns(notes, len(HealthNote._fields)))
    ]


async def failing(connection: Connection) -> list[tuple[Ledger, Failing]]:
    """Every enabled endpoint that is failing, with its ledger."""
    return [((store_id, live), Failing(*rest)) for store_id, live, *rest in await SQL.failing(connection)]


async def unwanted(connection: Connection) -> list[Ledger]:
    """Ledgers with deliveries pending for endpoints that are off or gone."""
    return [(row["store_id"], row["live"]) for row in await SQL.unwanted(connection)]


async def cancel_unwanted(connection: Connection, ledger: Ledger, most: int) -> int:
    """Cancel at most `most` pending deliveries of each endpoint that is off or gone. Gives how many."""
    count: int = await SQL.cancel_unwanted(connection, *ledger, most)
    return count


async def ledgers(connection: Connection) -> list[Ledger]:
    """Every ledger that ever had deliveries."""
    return [(row["store_id"], row["live"]) for row in await SQL.ledgers(connection)]


async def prune(connection: Connection, ledger: Ledger, kept: timedelta, most: int) -> int:
    """Delete of the `most` oldest deliveries those that are settled and older than `kept`. Gives how many."""
    count: int = await SQL.prune(connection, *ledger, kept, most)
    return count


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    """Rows as the columns that unnest() takes, in the order of their fields."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
