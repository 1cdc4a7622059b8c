"""Events: the list, the pull feed and the live stream (R16)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Unpack

import aiohttp
import msgspec

from stockwire.client.asking import Listed, given, named, segment
from stockwire.client.errors import ApiError
from stockwire.client.paging import LARGEST_PAGE, Listing
from stockwire.client.shapes import Event, FeedPage, RawFeedPage
from stockwire.client.sse import Message, Messages
from stockwire.client.transport import Transport

EVENTS = "/v1/events"
SILENCE_SECONDS = 45.0  # the server shows life every 15 s
_event = msgspec.json.Decoder(Event)


class EventFilters(Listed, total=False):
    type: str
    types: Sequence[str]
    part_number: str


class Events:
    """`client.events`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, **filters: Unpack[EventFilters]) -> Listing[Event]:
        """Newest first; a type may end in `*`."""
        return Listing(self._transport, EVENTS, Event, named(filters))

    async def get(self, event_id: str) -> Event:
        event: Event = await self._transport.call("GET", f"{EVENTS}/{segment(event_id)}", Event)
        return event

    async def pull(
        self,
        after: int = 0,
        *,
        feed_id: str | None = None,
        types: Sequence[str] | None = None,
        part_number: str | None = None,
        limit: int = LARGEST_PAGE,
    ) -> FeedPage:
        """One page of the feed after a position; go on from `next_after`, also when `data` is empty.

        410 `position_expired`: these events are pruned. 409 `feed_changed`: the ledger was restored from a backup.
        """
        query = given(
            {
                "after": after,
                "order": "asc",
                "limit": limit,
                "types": types,
                "part_number": part_number,
                "feed_id": feed_id,
            }
        )
        page: FeedPage = await self._transport.call("GET", EVENTS, FeedPage, query=query)
        return page

    async def feed(
        self, after: int = 0, *, types: Sequence[str] | None = None, part_number: str | None = None
    ) -> AsyncIterator[Event]:
        """Every event after a position up to the head, in order; then it ends."""
        feed_id = None
        while True:
            page = await self.pull(after, feed_id=feed_id, types=types, part_number=part_number)
            for event in page.data:
                yield event
            if not page.has_more:
                return
            after, feed_id = page.next_after, page.feed_id or None

    async def feed_bytes(self, after: int = 0) -> AsyncIterator[bytes]:
        """The same, each event as its exact bytes: those that were fixed at commit and that webhooks carry."""
        while True:
            query = {"after": after, "order": "asc", "limit": LARGEST_PAGE}
            page: RawFeedPage = await self._transport.call("GET", EVENTS, RawFeedPage, query=query)
            for body in page.data:
                yield bytes(body)
            if not page.has_more:
                return
            after = page.next_after

    async def stream(
        self, after: int | None = None, *, types: Sequence[str] | None = None, part_number: str | None = None
    ) -> AsyncIterator[Event]:
        """Events as they happen, for ever; a lost connection is taken up where it broke.

        `after` is a position to begin behind; None begins with what happens from now on. Raises `ApiError` when the
        server refuses (unknown key, expired position) but not when it is merely away.
        """
        query = given({"types": types, "part_number": part_number})
        last = None if after is None else str(after)
        lost = 0
        while True:
            try:
                async for message in self._messages(query, last):
                    lost, last = 0, message.id or last
                    if message.data is not None:
                        yield _event.decode(message.data)
            except ApiError as refused:
                if refused.status and refused.status < 500 and refused.status != 429:
                    raise
            except (aiohttp.ClientError, TimeoutError, ConnectionError):
                pass  # nothing is lost: the next connection names the last position seen
            lost += 1
            await asyncio.sleep(min(5.0, 0.1 * 2 ** min(lost, 6)))

    async def _messages(self, query: dict[str, str], last: str | None) -> AsyncIterator[Message]:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last is not None else {})
        messages = Messages()
        async with self._transport.streaming(f"{EVENTS}/stream", query, headers, SILENCE_SECONDS) as content:
            async for line in content:
                message = messages.line(line.decode().rstrip("\r\n"))
                if message is not None:
                    yield message
