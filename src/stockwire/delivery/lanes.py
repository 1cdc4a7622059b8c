"""Who is sent to next: one lane for each endpoint, bounded by itself, so that no endpoint takes another's turn."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from stockwire.delivery.client import TIMED_OUT
from stockwire.delivery.endpoints import Endpoint
from stockwire.store.deliveries import Claimed, Ledger

# A lease covers an attempt's whole timeout, five seconds for settling (R19), and this long in the lane before.
WAITING_SECONDS = 10.0
SETTLING_SECONDS = 5.0
FIRST_AHEAD, MOST_AHEAD = 32, 256  # deliveries of one endpoint that wait in memory
MOST_WAITING = 2_048  # of all endpoints: they hold their bodies


def lease_seconds(endpoint: Endpoint) -> float:
    """How long a claim holds: strictly longer than waiting, attempt and settling can take together."""
    return WAITING_SECONDS + endpoint.timeout_seconds + SETTLING_SECONDS + 1.0


@dataclass(slots=True)
class Lane:
    """Deliveries of one endpoint that this worker holds. `limit` follows how the endpoint copes with its load."""

    ledger: Ledger
    endpoint: Endpoint
    limit: int
    ahead: int = FIRST_AHEAD  # how many may wait beyond those in flight
    in_flight: int = 0
    sent: int = 0  # since the last refill
    behind: bool = False  # more is due in the database than was taken
    queued: bool = False  # stands in the queue of turns
    waiting: deque[tuple[float, Claimed]] = field(default_factory=deque)  # each with the time until which it may start

    @property
    def ready(self) -> bool:
        return bool(self.waiting) and self.in_flight < self.limit

    @property
    def low(self) -> bool:
        """Whether it is time to fetch more."""
        return self.behind and len(self.waiting) <= self.ahead // 2

    def room(self, left: int) -> int:
        """How many more deliveries the lane takes, if the worker has space `left`: it can always fill its own turns."""
        held = self.in_flight + len(self.waiting)
        return max(0, self.limit - held, min(self.limit + self.ahead - held, left))

    def refill(self) -> None:
        """Look further ahead while the endpoint keeps up with what it gets."""
        if not self.waiting and self.sent >= self.ahead:
            self.ahead = min(2 * self.ahead, MOST_AHEAD)
        self.sent = 0

    def learn(self, timed_out: bool) -> None:
        """A time-out halves how many are tried at once, an answer allows one more."""
        if timed_out:
            self.limit = max(1, self.limit // 2)
            self.ahead = 1
        else:
            self.limit = min(self.endpoint.concurrency, self.limit + 1)
            self.ahead = max(self.ahead, self.limit)


class Lanes:
    """The lanes of one worker, with what waits in them and who is next."""

    def __init__(self, most_in_flight: int) -> None:
        self._most_in_flight = most_in_flight
        self._lanes: dict[tuple[Ledger, UUID], Lane] = {}
        self._turns: deque[Lane] = deque()
        self.in_flight = 0
        self.waiting = 0
        self.hungry: set[Ledger] = set()  # ledgers of lanes that are low
        self.dropped: list[tuple[Ledger, Claimed]] = []  # held too long or not wanted any more: to be given back

    def update(self, ledger: Ledger, endpoints: dict[UUID, Endpoint]) -> list[Lane]:
        """The lanes of a ledger's endpoints as they are now; what waited for an endpoint that is off is dropped."""
        for lane in [lane for (of, id_), lane in self._lanes.items() if of == ledger and id_ not in endpoints]:
            self._drop_all(lane)
            if lane.in_flight == 0:
                del self._lanes[ledger, lane.endpoint.id]
        return [self._lane(ledger, endpoint) for endpoint in endpoints.values()]

    def _lane(self, ledger: Ledger, endpoint: Endpoint) -> Lane:
        lane = self._lanes.get((ledger, endpoint.id))
        if lane is None:
            lane = self._lanes[ledger, endpoint.id] = Lane(ledger, endpoint, limit=endpoint.concurrency)
        lane.endpoint = endpoint
        lane.limit = min(lane.limit, endpoint.concurrency)
        return lane

    def ledgers_waiting(self) -> set[Ledger]:
        """Ledgers for which something waits here."""
        return {lane.ledger for lane in self._lanes.values() if lane.waiting}

    def room(self, lane: Lane) -> int:
        """How many deliveries of this endpoint the worker can take now."""
        return lane.room(MOST_WAITING - self.waiting)

    def add(self, ledger: Ledger, held: Iterable[Claimed], taken_at: float) -> None:
        """Take deliveries whose leases began at `taken_at` (time.monotonic()) or later."""
        start_by = taken_at + WAITING_SECONDS
        for delivery in held:
            lane = self._lanes[ledger, delivery.endpoint_id]
            lane.waiting.append((start_by, delivery))
            self.waiting += 1
            self._queue(lane)

    def _queue(self, lane: Lane) -> None:
        if lane.ready and not lane.queued:
            lane.queued = True
            self._turns.append(lane)

    def next(self) -> tuple[Lane, Claimed] | None:
        """The next delivery to send, endpoints taking turns; None while all are busy. It is in flight from now on."""
        for _ in range(len(self._turns)):
            lane = self._turns.popleft()
            lane.queued = False
            # However full the worker is of slow endpoints, each endpoint has one place.
            busy = self.in_flight >= self._most_in_flight and lane.in_flight > 0
            delivery = None if busy else self._fresh(lane)
            if delivery is not None:
                lane.in_flight += 1
                lane.sent += 1
                self.in_flight += 1
            self._queue(lane)
            if delivery is not None:
                return lane, delivery
        return None

    def _fresh(self, lane: Lane) -> Claimed | None:
        """The first delivery whose lease is long enough for a whole attempt. Those before it are dropped."""
        while lane.ready:
            start_by, delivery = lane.waiting.popleft()
            self.waiting -= 1
            if time.monotonic() < start_by:
                return delivery
            self.dropped.append((lane.ledger, delivery))
        return None

    def done(self, lane: Lane, why: str | None) -> None:
        """An attempt of the lane has ended."""
        lane.in_flight -= 1
        self.in_flight -= 1
        lane.learn(timed_out=why == TIMED_OUT)
        self._queue(lane)
        self.look([lane])

    def look(self, lanes: Iterable[Lane]) -> None:
        """Note which of these lanes are low."""
        self.hungry |= {lane.ledger for lane in lanes if lane.low}

    def drop_stale(self) -> None:
        """Drop what has waited too long to be started within its lease."""
        now = time.monotonic()
        for lane in self._lanes.values():
            while lane.waiting and lane.waiting[0][0] <= now:
                self._drop_first(lane)

    def drop_everything(self) -> None:
        """Drop all that waits: the worker stops."""
        for lane in self._lanes.values():
            self._drop_all(lane)

    def _drop_all(self, lane: Lane) -> None:
        while lane.waiting:
            self._drop_first(lane)

    def _drop_first(self, lane: Lane) -> None:
        self.dropped.append((lane.ledger, lane.waiting.popleft()[1]))
        self.waiting -= 1
        lane.behind = True
