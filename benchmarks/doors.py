"""The product's doors as one process, with another ledger behind them: `python -m benchmarks.doors MODE PORT DATABASE`.

`no-op`: a ledger that answers at once. What is left is the server's own cost of a POST: HTTP, the key, the body read,
checked for repeated names and validated, the idempotency key's fingerprint, the answer.
`metered`: the real ledger, with the processor time of its parts counted; a line on standard input asks for the counts.
`profiled`: the real ledger under cProfile; the profile is written to standard output at the end.

Leaves when its standard input closes.
"""

import asyncio
import cProfile
import json
import pstats
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import uvloop

from stockwire.api import server
from stockwire.config import Settings
from stockwire.ledger import Answer, Ledger, LedgerId, Submission, deciding, writer
from stockwire.store import batch
from stockwire.store.batch import Batch
from stockwire.store.database import Database

PARTS = ("rules", "rows")
NO_OP_ANSWER = Answer(201, b'{"id":"00000000-0000-7000-8000-000000000000","status":"allocated"' + b" " * 480 + b"}")


class NoOp:
    """Answers at once; nothing happens."""

    async def submit(self, ledger: LedgerId, submission: Submission) -> Answer:
        return NO_OP_ANSWER


class Meter:
    """Processor seconds of this thread by part of the ledger's work."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(PARTS, 0.0)

    def watch(self, owner: Any, name: str, part: str) -> None:
        """Count what a function, or the steps of a coroutine function, take."""
        watched = getattr(owner, name)
        wrap = self._steps if asyncio.iscoroutinefunction(watched) else self._call
        setattr(owner, name, wrap(watched, part))

    def _call(self, watched: Callable[..., Any], part: str) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            begun = time.thread_time()
            try:
                return watched(*given)
            finally:
                self.seconds[part] += time.thread_time() - begun

        return call

    def _steps(self, watched: Callable[..., Coroutine[Any, Any, Any]], part: str) -> Callable[..., Any]:
        def call(*given: Any) -> "_Stepped":
            return _Stepped(watched(*given), self.seconds, part)

        return call


class _Stepped:
    """Awaits a coroutine and counts the time of each of its steps, not the time between them."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], seconds: dict[str, float], part: str) -> None:
        self._coroutine = coroutine
        self._seconds = seconds
        self._part = part

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[Any], Any] = self._coroutine.send
        given: Any = None
        while True:
            begun = time.thread_time()
            try:
                awaited = step(given)
            except StopIteration as end:
                return end.value
            finally:
                self._seconds[self._part] += time.thread_time() - begun
            try:
                given, step = (yield awaited), self._coroutine.send
            except BaseException as fault:
                given, step = fault, self._coroutine.throw


def meter_ledger() -> Meter:
    """The rules: deciding, bytes of events and answers. The rows: making columns of them, talking to the database."""
    meter = Meter()
    meter.watch(deciding.Bench, "answer", "rules")
    meter.watch(deciding.Bench, "end_due_holds", "rules")
    meter.watch(writer, "load_state", "rows")
    meter.watch(writer, "write", "rows")
    meter.watch(Batch, "head", "rows")
    meter.watch(batch, "begin", "rows")
    meter.watch(batch, "commit", "rows")
    return meter


async def main(mode: str, port: int, dsn: str, meter: Meter) -> None:
    """Serve until standard input closes; each line on it is answered with the meter's counts."""
    database = await Database.open(dsn)
    ledger = Ledger(database)
    sock = socket.create_server(("127.0.0.1", port), backlog=2048)
    stop = asyncio.Event()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    telling = asyncio.create_task(_tell(lines, meter, stop))
    keyring: Any = None  # nothing here has a secret to keep
    await server.serve(database, NoOp() if mode == "no-op" else ledger, Settings(), keyring, sock, stop)
    telling.cancel()
    await ledger.close()
    await database.close()


async def _tell(lines: asyncio.StreamReader, meter: Meter, stop: asyncio.Event) -> None:
    while await lines.readline():
        print(json.dumps(meter.seconds), flush=True)
    stop.set()


if __name__ == "__main__":
    chosen = sys.argv[1]
    counting = meter_ledger() if chosen == "metered" else Meter()
    profile = cProfile.Profile()
    if chosen == "profiled":
        profile.enable()
    uvloop.run(main(chosen, int(sys.argv[2]), sys.argv[3], counting))
    if chosen == "profiled":
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
