"""GET /v1/events/stream: the feed as server-sent events (R16).

One tail per ledger and process reads new events once, whoever watches; each viewer is a cursor over the last 1,000 of
them. A viewer that begins further back reads pages of the feed until it has caught up; one that falls further behind
while live is disconnected, and resumes by its last id.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from stockwire import logs
from stockwire.api.errors import Reply, refuse
from stockwire.api.events import (
    EXAMINED,
    EventTypes,
    OneType,
    Position,
    Wanted,
    behind,
    cursor_refused,
    types_amiss,
    wanted,
)
from stockwire.api.faults import Amiss
from stockwire.api.paging import Query
from stockwire.api.queries import QueryShape
from stockwire.api.request import Request
from stockwire.api.route import Streaming
from stockwire.api.shapes import PartNumber, given
from stockwire.ledger import CHANNEL, LedgerId, read_payload
from stockwire.store import reads
from stockwire.store.database import UNREACHABLE, UnusableDatabase

if TYPE_CHECKING:
    from stockwire.store.database import Database

log = logs.named("api")

KEPT_EVENTS = 1_000
PAGE = 500
POLL_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
_AWAY: tuple[type[Exception], ...] = (*UNREACHABLE, UnusableDatabase)
MOST_STREAMS = 100  # of one ledger in one process


class StreamQuery(Query, frozen=True):
    """Where to begin, and which events are asked for."""

    type: OneType | UnsetType = UNSET
    types: EventTypes | UnsetType = UNSET
    part_number: PartNumber | UnsetType = UNSET
    after: (
        Annotated[Position, Meta(description="Begin behind this position; `Last-Event-ID` goes before it.")] | UnsetType
    ) = UNSET
    feed_id: Annotated[UUID, Meta(description="The feed that the position is of; another one: 409.")] | UnsetType = (
        UNSET
    )

    @staticmethod
    def amiss(given: Mapping[str, Any]) -> list[Amiss]:
        """`type` or `types`."""
        return types_amiss(given)


QUERY = QueryShape(StreamQuery)


class Shown(NamedTuple):
    """An event that the tail has read, with its bytes as a message of the stream."""

    row: Any
    message: bytes


class Tail:
    """The newest events of one ledger, for all who watch it in this process."""

    def __init__(self, database: Database, ledger: LedgerId, position: int) -> None:
        self._database = database
        self._ledger = ledger
        self.position = position  # everything up to here has been read
        self.first = position + 1  # position of the oldest event that is kept
        self.kept: deque[Shown] = deque()
        self.viewers = 0
        self.closed = False
        self._told = asyncio.Event()
        self.news = asyncio.Event()  # set, and replaced, when something was read or the tail was closed
        self._task = asyncio.create_task(self._run(), name=f"tail {ledger}")

    def notify(self) -> None:
        """There may be something new."""
        self._told.set()

    def behind(self, position: int) -> list[Shown]:
        """What is kept behind a position, which is not before the oldest kept."""
        newest = islice(reversed(self.kept), max(0, self.position - position))
        return list(newest)[::-1]

    async def close(self) -> None:
        """Let every viewer go."""
        self.closed = True
        self._task.cancel()
        self._spread()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def _spread(self) -> None:
        news, self.news = self.news, asyncio.Event()
        news.set()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), POLL_SECONDS)
            self._told.clear()
            try:
                await self._read()
            except _AWAY as fault:
                log.warning("tail_unreachable", store_id=self._ledger.store_id, fault=type(fault).__name__)
                await asyncio.sleep(POLL_SECONDS)

    async def _read(self) -> None:
        while True:
            rows = await reads.events.feed(
                self._database.reads, *self._ledger, self.position, 2**53, None, [], None, None, PAGE
            )
            for row in rows:
                self.kept.append(Shown(row, message_of(row)))
                self.position = row["position"]
            while len(self.kept) > KEPT_EVENTS:
                self.kept.popleft()
                self.first += 1
            if rows:
                self._spread()
            if len(rows) < PAGE:
                return


def message_of(row: Any) -> bytes:
    """An event as a message: its position is the id to resume from."""
    return f"id: {row['position']}\nevent: {row['type']}\ndata: {row['body']}\n\n".encode()


class Tails:
    """The tails of a process, woken by notices; a poll covers a notice that is lost."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tails: dict[LedgerId, Tail] = {}
        self._listening: asyncio.Task[None] | None = None
        self.closed = False

    async def watch(self, ledger: LedgerId, head: int) -> Tail | None:
        """The tail of a ledger, begun at its head if nobody watched. None: it has as many viewers as it may."""
        tail = self._tails.get(ledger)
        if tail is None:
            tail = self._tails[ledger] = Tail(self._database, ledger, head)
        if tail.viewers >= MOST_STREAMS:
            return None
        tail.viewers += 1
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name="stream notices")
        return tail

    async def leave(self, ledger: LedgerId) -> None:
        """One viewer less; the last one takes the tail along."""
        tail = self._tails.get(ledger)
        if tail is None:
            return
        tail.viewers -= 1
        if tail.viewers == 0:
            del self._tails[ledger]
            await tail.close()

    async def close(self) -> None:
        """The server stops: every stream ends at once."""
        self.closed = True
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening
        for tail in list(self._tails.values()):
            await tail.close()

    async def _listen(self) -> None:
        while True:
            try:
                connection = await self._database.connect()
            except _AWAY:
                await asyncio.sleep(POLL_SECONDS)
                continue
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _, lost=lost: lost.set())
            try:
                await connection.add_listener(CHANNEL, self._noticed)
                await lost.wait()
            except UNREACHABLE:
                await asyncio.sleep(POLL_SECONDS)
            finally:
                connection.terminate()

    def _noticed(self, _connection: Any, _pid: int, _channel: str, text: object) -> None:
        with contextlib.suppress(ValueError):
            tail = self._tails.get(read_payload(str(text))[0])
            if tail is not None:
                tail.notify()


async def stream(request: Request) -> Reply | Streaming:
    """Open the stream, at the head or behind the position asked for."""
    tails, ledger = request.doors.tails, request.caller.ledger
    begin = _beginning(request)
    if isinstance(begin, Reply):
        return begin
    head = await reads.events.head(request.doors.database.reads, *ledger)
    position = head["position"] if begin is None else begin
    refusal = cursor_refused(position, given(request.query.feed_id), head)
    if refusal is not None:
        return refusal
    tail = None if tails.closed else await tails.watch(ledger, head["position"])
    if tail is None:
        message = f"The store has {MOST_STREAMS} streams open; close one."
        return refuse(429, "too_many_streams", message, headers=((b"retry-after", b"15"),))
    viewer = Viewer(request, tail, position, wanted(request))
    return Streaming(viewer.messages(), b"text/event-stream", lambda: tails.leave(ledger))


def _beginning(request: Request) -> int | Reply | None:
    last = request.headers.get(b"last-event-id")
    if last is None or last == b"":
        return given(request.query.after)
    if last.isdigit() and len(last) <= 16:
        return int(last)
    return refuse(400, "invalid_format", "Last-Event-ID is a position.", "Last-Event-ID")


class Viewer:
    """One reader of the stream: a cursor over its ledger's events."""

    def __init__(self, request: Request, tail: Tail, position: int, asked: Wanted) -> None:
        self._request = request
        self._tail = tail
        self._asked = asked
        self._position = position

    async def messages(self) -> AsyncIterator[bytes]:
        """Bytes to send, until the reader leaves, falls too far behind, or the server stops."""
        yield self._heartbeat()
        while self._position + 1 < self._tail.first and not self._tail.closed:
            yield await self._history()
        due = _now() + HEARTBEAT_SECONDS
        while not self._tail.closed and self._position + 1 >= self._tail.first:
            news = self._tail.news
            found = self._fresh()
            if not found and _now() >= due:
                found = self._heartbeat()
            if found:
                due = _now() + HEARTBEAT_SECONDS
                yield found
            else:
                await _settled(news, due - _now())

    def _heartbeat(self) -> bytes:
        """Nothing but an id: a sign of life, and where to resume although the filters let nothing pass."""
        return b"id: %d\n\n" % self._position

    def _fresh(self) -> bytes:
        fresh = self._tail.behind(self._position)
        self._position = max(self._position, self._tail.position)
        return b"".join([shown.message for shown in fresh if self._asked.fits(shown.row)])

    async def _history(self) -> bytes:
        until = min(self._tail.first - 1, self._position + EXAMINED)
        reading = self._request.doors.database.reads
        rows = await behind(reading, self._request, self._position, until, self._asked, PAGE)
        self._position = rows[-1]["position"] if len(rows) == PAGE else until
        return b"".join([message_of(row) for row in rows]) or self._heartbeat()


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _settled(news: asyncio.Event, seconds: float) -> None:
    """Wait for news, not longer than so many seconds."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(news.wait(), seconds)
