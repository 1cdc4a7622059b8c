"""From the log and the table into this worker's lanes: fan out what was published, claim what is due (R18)."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID, uuid4

from stockwire import logs
from stockwire.delivery.attempt import DatabaseClock
from stockwire.delivery.endpoints import Endpoints
from stockwire.delivery.lanes import Lane, Lanes, lease_seconds
from stockwire.domain.subscriptions import Published, wants
from stockwire.ids import Ids
from stockwire.store import deliveries
from stockwire.store.database import Connection, Pool
from stockwire.store.deliveries import Claimed, Cursor, EventRow, Ledger, NewDelivery, Wanted

log = logs.named("delivery")

MOST_EVENTS = 500  # of one fan-out
MOST_CANCELLED = 5_000  # of one endpoint at once
ABOUT_WEBHOOKS = "webhook."


class Fetching:
    """Fills the lanes. Only the worker's main loop calls it, one call after another."""

    def __init__(self, pool: Pool, endpoints: Endpoints, lanes: Lanes, clock: DatabaseClock) -> None:
        self._pool = pool
        self._endpoints = endpoints
        self._lanes = lanes
        self._clock = clock

    async def worklist(self) -> list[Ledger]:
        """Ledgers with events to fan out or deliveries due."""
        async with self._pool.acquire() as connection:
            return await deliveries.worklist(connection)

    async def fan_out(self, ledger: Ledger) -> bool:
        """Make deliveries of the next events, claiming at once what the lanes have room for. True: there are more."""
        taken_at = time.monotonic()
        async with self._pool.acquire() as connection, connection.transaction():
            cursor = await deliveries.take_fan_out(connection, ledger)
            if cursor is None:  # another worker is at it, or there is none yet
                return await deliveries.open_fan_out(connection, ledger)
            if cursor.head <= cursor.position:
                return False
            lanes = await self._current(connection, ledger)
            events = await self._events(connection, ledger, cursor, lanes)
            full = len(events) == MOST_EVENTS
            upto = events[-1].position if full else cursor.head
            made = FanOut(events, lanes, self._lanes, Ids(self._clock.now()))
            inserted = await deliveries.fan_out(connection, ledger, upto, made.claim, made.new)
        # Only after the commit, and only if every row was new: then the leases are ours.
        if inserted == len(made.new):
            self._lanes.add(ledger, made.held, taken_at)
        self._lanes.look(lanes)
        return full

    async def _events(
        self, connection: Connection, ledger: Ledger, cursor: Cursor, lanes: Sequence[Lane]
    ) -> list[EventRow]:
        """The next events that come after some endpoint's start; without endpoints nobody waits for any."""
        start = min((lane.endpoint.subscription.start_position for lane in lanes), default=cursor.head)
        after = max(cursor.position, start)
        return await deliveries.events_between(connection, ledger, after, cursor.head, MOST_EVENTS)

    async def claim(self, ledger: Ledger) -> None:
        """Take what is due, for each endpoint as much as its lane has room for."""
        taken_at = time.monotonic()
        async with self._pool.acquire() as connection:
            lanes = await self._current(connection, ledger)
            for lane in lanes:
                lane.refill()
            rooms = {lane.endpoint.id: (lane, self._lanes.room(lane)) for lane in lanes}
            wanted = [
                Wanted(id_, lane.endpoint.subscription.start_position, room, lease_seconds(lane.endpoint))
                for id_, (lane, room) in rooms.items()
                if room > 0
            ]
            held = await deliveries.claim(connection, ledger, uuid4(), wanted) if wanted else []
        self._lanes.add(ledger, held, taken_at)
        got = Counter(delivery.endpoint_id for delivery in held)
        for id_, (lane, room) in rooms.items():
            lane.behind = got[id_] >= room  # of a lane without room nothing is known: it asks again when it has some

    async def refresh(self, ledger: Ledger) -> None:
        """Read the endpoints anew, so that an edit acts although nothing is fetched."""
        async with self._pool.acquire() as connection:
            await self._current(connection, ledger)

    async def release(self) -> None:
        """Give back what the lanes dropped."""
        dropped, self._lanes.dropped = self._lanes.dropped, []
        by_ledger: dict[Ledger, list[Claimed]] = defaultdict(list)
        for ledger, delivery in dropped:
            by_ledger[ledger].append(delivery)
        async with self._pool.acquire() as connection:
            for ledger, held in by_ledger.items():
                await deliveries.release(connection, ledger, held)

    async def cancel_unwanted(self) -> None:
        """Cancel what is pending for endpoints that are off or gone (R19)."""
        async with self._pool.acquire() as connection:
            for ledger in await deliveries.unwanted(connection):
                count = await deliveries.cancel_unwanted(connection, ledger, MOST_CANCELLED)
                log.info("cancelled", store=ledger[0], live=ledger[1], deliveries=count)

    async def _current(self, connection: Connection, ledger: Ledger) -> list[Lane]:
        rows, now = await deliveries.endpoints(connection, ledger)
        if now is not None:
            self._clock.set(now)
        return self._lanes.update(ledger, self._endpoints.read(ledger[1], rows))


class FanOut:
    """The deliveries of some events: `new` to insert, of which `held` are claimed by us as far as lanes have room."""

    def __init__(self, events: Sequence[EventRow], lanes: Sequence[Lane], all_lanes: Lanes, ids: Ids) -> None:
        self.claim = uuid4()
        self.new: list[NewDelivery] = []
        self.held: list[Claimed] = []
        self._ids = ids
        # Behind a backlog nothing overtakes: what is older is claimed first.
        room = {lane.endpoint.id: 0 if lane.behind else all_lanes.room(lane) for lane in lanes}
        for event in events:
            published = _published(event)
            for lane in lanes:
                if wants(lane.endpoint.subscription, published):
                    self._add(event, lane, room)

    def _add(self, event: EventRow, lane: Lane, room: dict[UUID, int]) -> None:
        endpoint = lane.endpoint
        new = NewDelivery(endpoint.id, event.position, UUID(self._ids.next()), None)
        if room[endpoint.id] > 0:
            room[endpoint.id] -= 1
            new = new._replace(lease_seconds=lease_seconds(endpoint))
            self.held.append(
                Claimed(endpoint.id, event.position, new.id, self.claim, 0, None, event.id, event.type, event.body)
            )
        else:
            lane.behind = True
        self.new.append(new)


def _published(event: EventRow) -> Published:
    about = None
    if event.type.startswith(ABOUT_WEBHOOKS):
        about = json.loads(event.body)["data"]["object"].get("id")
    return Published(event.position, event.type, event.part_number, event.fulfiller, about)
