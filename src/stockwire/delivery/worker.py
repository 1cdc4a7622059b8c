"""The delivery role: follows positions, sends, settles. Any number of workers share the work of any number of ledgers.

What a worker holds in memory it has leased in the database; whatever happens to it, the leases end and others go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from stockwire import logs
from stockwire.address_guard import AddressGuard, AllowList
from stockwire.delivery import attempt, health, wakeup
from stockwire.delivery.attempt import DatabaseClock
from stockwire.delivery.client import Client
from stockwire.delivery.endpoints import Endpoints, KeyRing
from stockwire.delivery.fetching import Fetching
from stockwire.delivery.health import LedgerDoor
from stockwire.delivery.lanes import Lane, Lanes
from stockwire.delivery.rounds import Rounds
from stockwire.delivery.settling import Settling
from stockwire.store.database import UNREACHABLE, Database, plain
from stockwire.store.deliveries import Claimed, Ledger

POLL_SECONDS = 1.0
STOP_SECONDS = 10.0
MOST_IN_FLIGHT = 1_000
MOST_UNSETTLED = 64  # attempts made and not yet written: together with those in flight, what a crash can double

log = logs.named("delivery")


class DeliverySettings(Protocol):
    """What delivery wants of the settings."""

    @property
    def webhook_allow(self) -> tuple[str, ...]: ...

    @property
    def egress_proxy(self) -> str | None: ...


async def run(
    database: Database,
    ledger: LedgerDoor,
    settings: DeliverySettings,
    keyring: KeyRing,
    stop: asyncio.Event,
    rounds: Rounds | None = None,
) -> None:
    """Deliver until `stop` is set; then finish what is in flight and give the rest back."""
    _allow_many_sockets()
    client = Client(AddressGuard(AllowList.of(settings.webhook_allow)), settings.egress_proxy)
    try:
        await Worker(database, ledger, client, keyring, rounds or Rounds()).run(stop)
    finally:
        await client.close()


class Worker:
    """One delivery process. `main` fetches; attempts are tasks of their own; settling runs beside them."""

    def __init__(self, database: Database, door: LedgerDoor, client: Client, keyring: KeyRing, rounds: Rounds) -> None:
        self._database = database
        self._rounds = rounds
        self._client = client
        self._clock = DatabaseClock()
        self._lanes = Lanes(MOST_IN_FLIGHT)
        self._fetching = Fetching(database.work, Endpoints(keyring), self._lanes, self._clock)
        self._settling = Settling(database.work, self._settled)
        self._attempts: dict[asyncio.Task[None], tuple[Ledger, Claimed]] = {}
        self._watch = health.Watch(database.work, door)
        self._fresh: set[Ledger] = set()  # with new events
        self._due: set[Ledger] = set()  # with deliveries to claim
        self._wake = asyncio.Event()
        self._poll_at = 0.0
        self._failed_steps = 0  # of this round

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        beside = [
            asyncio.create_task(self._settling.run(), name="settling"),
            asyncio.create_task(self._watch.run(), name="health"),
            asyncio.create_task(wakeup.listen(self._database, self._heard), name="notices"),
            asyncio.create_task(self._wake_at(stop), name="stop"),
        ]
        try:
            while not stop.is_set():
                _require_alive(beside)
                await self._round()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), max(0.0, self._poll_at - time.monotonic()))
                self._wake.clear()
            await self._finish()
        finally:
            for task in [*beside, *self._attempts]:
                task.cancel()
            await asyncio.gather(*beside, *self._attempts, return_exceptions=True)

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()

    def _heard(self, ledger: Ledger) -> None:
        self._fresh.add((ledger[0], ledger[1]))
        self._wake.set()

    async def _round(self) -> None:
        """Fetch for every ledger that has something, each as far as one batch goes."""
        polling = time.monotonic() >= self._poll_at
        self._failed_steps = 0
        if polling:
            self._poll_at = time.monotonic() + POLL_SECONDS
            await self._careful(self._poll)
        fresh, self._fresh = self._fresh, set()
        for ledger in fresh:
            await self._careful(self._fan_out, ledger)
        self._due |= self._lanes.hungry
        self._lanes.hungry.clear()
        due, self._due = self._due, set()
        for ledger in due:
            await self._careful(self._fetching.claim, ledger)
            self._send()
        if self._lanes.dropped:
            await self._careful(self._fetching.release)
        if polling and not self._failed_steps:
            self._rounds.done()

    async def _careful(self, step: Callable[..., Awaitable[None]], *of: Ledger) -> None:
        """One ledger's trouble is not another's; what failed is found again by the next poll."""
        try:
            await step(*of)
            return
        except UNREACHABLE as fault:
            log.warning("database_unreachable", fault=plain(fault))
        except Exception:
            log.error("delivery_step_failed", exc_info=True)
        self._failed_steps += 1
        await asyncio.sleep(0.2)

    async def _fan_out(self, ledger: Ledger) -> None:
        if await self._fetching.fan_out(ledger):
            self._fresh.add(ledger)
            self._wake.set()
        self._send()

    async def _poll(self) -> None:
        self._lanes.drop_stale()
        await self._settling.note()
        for ledger in self._lanes.ledgers_waiting():
            await self._fetching.refresh(ledger)
        await self._fetching.cancel_unwanted()
        found = await self._fetching.worklist()
        self._fresh |= set(found)
        self._due |= set(found)

    def _send(self) -> None:
        """Start attempts while lanes and settling have room."""
        while self._settling.unsettled < MOST_UNSETTLED:
            turn = self._lanes.next()
            if turn is None:
                return
            lane, delivery = turn
            task = asyncio.create_task(self._attempt(lane, delivery))
            self._attempts[task] = (lane.ledger, delivery)
            task.add_done_callback(self._attempts.pop)

    async def _attempt(self, lane: Lane, delivery: Claimed) -> None:
        why = None
        try:
            attempted = await attempt.make(delivery, lane.endpoint, self._client, self._clock)
            why = attempted.exchange.why
            self._settling.add(lane.ledger, attempted)
            attempt.tell(lane.ledger, attempted)
        except Exception:
            log.error("attempt_failed", delivery=delivery.id, exc_info=True)  # its lease ends and it is made again
        finally:
            self._lanes.done(lane, why)
        self._send()
        if self._lanes.hungry or self._lanes.dropped:
            self._wake.set()

    def _settled(self, failing: health.Failings) -> None:
        self._watch.found(failing)
        self._send()

    async def _finish(self) -> None:
        """Give back what waits, let what is in flight end, settle it."""
        self._lanes.drop_everything()
        await self._careful(self._fetching.release)
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=STOP_SECONDS)
        self._lanes.dropped += self._attempts.values()
        for task in self._attempts:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS / 2):
                await self._settling.flush()
                await self._settling.note()
                await self._fetching.release()


def _allow_many_sockets() -> None:
    """The usual soft limit of 1,024 descriptors is less than what may be in flight."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * MOST_IN_FLIGHT if hard == resource.RLIM_INFINITY else min(4 * MOST_IN_FLIGHT, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _require_alive(tasks: list[asyncio.Task[None]]) -> None:
    """A worker without one of its parts would only seem to work: better that it dies and is started again."""
    for task in tasks:
        if task.done():
            task.result()
