"""A child of the supervisor: opens what its roles need and runs them until told to stop (R25). Wiring, no logic.

`python -m stockwire.app ROLES SOCKET LIFELINE READY`: the roles, comma-separated, and the descriptors of the bound
socket (-1: none), of the pipe that closes when the supervisor dies, and of the pipe on which to say that it works.
The settings come as variables.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import uvloop

from stockwire import first_start, logs
from stockwire.config import Settings, WrongSetting, load
from stockwire.ledger import Ledger
from stockwire.sealing import KeyRing
from stockwire.store.database import Database, DatabaseAway, UnusableDatabase
from stockwire.store.embedded_files import running_address
from stockwire.store.migrate import WrongSchema

log = logs.named("app")

WRONG = 78  # EX_CONFIG: starting again would change nothing
AWAY = 75  # EX_TEMPFAIL: the database does not answer
FAILED = 70
DATABASE_SECONDS = 15.0  # for a database that is starting, or recovering from a crash
ORPHAN_SECONDS = 3.0  # to finish in when the supervisor is gone
STOP_SECONDS = 11.0  # a request has 10
NICE = 5  # of what is not the API: where processors are short, selling goes first and deliveries catch up


def main(arguments: list[str]) -> int:
    """Run the roles; the exit code."""
    roles = tuple(arguments[0].split(","))
    settings = load({}, os.environ)
    logs.configure("+".join(roles), settings.log_level)
    if "api" not in roles:
        os.nice(NICE)
    descriptors = Descriptors(*(int(text) for text in arguments[1:4]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_run(roles, settings, descriptors))
        except (WrongSetting, WrongSchema, UnusableDatabase) as fault:
            sys.stderr.write(f"stockwire: {fault}\n")
            return AWAY if isinstance(fault, DatabaseAway) else WRONG
        except Exception:  # the supervisor starts it again
            log.error("role_failed", exc_info=True)
            return FAILED
    return 0


class Descriptors:
    """What the supervisor handed over."""

    def __init__(self, socket_fd: int, lifeline: int, ready: int) -> None:
        self.lifeline = lifeline
        self._socket_fd = socket_fd
        self._ready = ready

    @property
    def listening(self) -> bool:
        """Whether a socket is among it."""
        return self._socket_fd >= 0

    def socket(self) -> socket.socket:
        """The socket that the supervisor bound."""
        return socket.socket(fileno=self._socket_fd)

    def say_ready(self) -> None:
        """Tell the supervisor that the roles work."""
        os.write(self._ready, b"r")
        os.close(self._ready)


async def _run(roles: tuple[str, ...], settings: Settings, descriptors: Descriptors) -> None:
    stop = asyncio.Event()
    preparing = asyncio.create_task(_prepared(settings))
    _leave_when_told(stop, descriptors.lifeline, preparing)
    try:
        database, ring = await preparing
    except asyncio.CancelledError:
        if stop.is_set():
            return
        raise
    try:
        ledger = Ledger(database, ring)
        descriptors.say_ready()
        try:
            async with asyncio.TaskGroup() as group:
                for role, work in _works(roles, database, ledger, settings, ring, descriptors, stop):
                    group.create_task(work, name=role)
        finally:
            await ledger.close()
    finally:
        await database.close()


async def _prepared(settings: Settings) -> tuple[Database, KeyRing]:
    """The database, found fit, and the key ring that opens its secrets."""
    database = await Database.open(await _address(settings), wait_seconds=DATABASE_SECONDS)
    try:
        return database, await first_start.prepare(database, settings)
    except BaseException:
        await database.close()
        raise


async def _address(settings: Settings) -> str:
    """The database's. An embedded one that was killed is being started again by the supervisor."""
    if settings.database is not None:
        return settings.database
    until = asyncio.get_running_loop().time() + DATABASE_SECONDS
    while (address := running_address(settings.data_dir)) is None:
        if asyncio.get_running_loop().time() > until:
            raise DatabaseAway("the embedded database is not running")
        await asyncio.sleep(0.02)
    return address


def _works(
    roles: tuple[str, ...],
    database: Database,
    ledger: Ledger,
    settings: Settings,
    ring: KeyRing,
    descriptors: Descriptors,
    stop: asyncio.Event,
) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
    """What each role does until `stop`; imported only where it runs. Without `api`, one more answers for the others."""
    if "api" in roles:
        from stockwire.api.server import serve

        yield "api", serve(database, ledger, settings, ring, descriptors.socket(), stop)
    troubles: dict[str, Callable[[], str | None]] = {}
    if "deliver" in roles:
        from stockwire.delivery import worker
        from stockwire.delivery.rounds import Rounds

        rounds = Rounds()
        troubles["deliver"] = rounds.trouble
        yield "deliver", worker.run(database, ledger, settings, ring, stop, rounds)
    if "housekeep" in roles:
        from stockwire import housekeeping

        times = housekeeping.JobTimes()
        troubles["housekeep"] = times.trouble
        yield "housekeep", housekeeping.run(database, ledger, stop, times)
    if descriptors.listening and "api" not in roles:
        from stockwire.api.server import serve_health

        yield "health", serve_health(database, ledger, settings, ring, descriptors.socket(), stop, troubles)


def _leave_when_told(stop: asyncio.Event, lifeline: int, preparing: asyncio.Task[Any]) -> None:
    """By SIGTERM or SIGINT in order; when the lifeline closes, in a hurry. What is not prepared yet need not be."""
    loop = asyncio.get_running_loop()

    def told(seconds: float) -> None:
        if not stop.is_set():
            stop.set()
            preparing.cancel()
            loop.call_later(seconds, _leave_at_once)

    def orphaned() -> None:
        loop.remove_reader(lifeline)
        log.warning("supervisor_gone")
        told(ORPHAN_SECONDS)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told, STOP_SECONDS)
    loop.add_reader(lifeline, orphaned)


def _leave_at_once() -> None:
    log.warning("left_unfinished")
    with contextlib.suppress(Exception):
        sys.stderr.flush()
    os._exit(FAILED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
