"""The closed-loop load generator, a process of its own: each connection asks again as soon as it is answered.

`python -m benchmarks.load` reads a job as one JSON object from standard input. It writes a line when the measured
time begins and one with the result when it has ended, so that whoever started it can look at other clocks then.
"""

import asyncio
import itertools
import json
import os
import random
import resource
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import uvloop

from benchmarks.connection import Connection, Reply, Template
from benchmarks.traffic import TRAFFIC

CONNECTING_AT_ONCE = 64
PERCENTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99, "max": 1.0}


class Job(NamedTuple):
    """What to do. `traffic` names a maker of requests, `options` are its own."""

    port: int
    api_key: str
    traffic: str
    host: str = "127.0.0.1"
    connections: int = 256
    seconds: float = 5.0
    warm_up_seconds: float = 1.0
    pause_seconds: float = 0.0  # of each connection after an answer; 0 is the closed loop
    cpu: int | None = None
    options: dict[str, Any] = {}  # noqa: RUF012 - never written


class Shopper:
    """One connection of the closed loop."""

    __slots__ = ("_begun", "_load", "connection")

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._begun = 0.0
        self.connection = Connection(self._answered, self._lost)

    def ask(self) -> None:
        """Send the next request."""
        self._begun = time.perf_counter()
        self.connection.send(self._load.next_request())

    def _answered(self, reply: Reply) -> None:
        if self._load.note(reply, self._begun):
            self._load.go_on(self)
        else:
            self.connection.close()

    def _lost(self, _: Exception | None) -> None:
        self._load.left()


class Load:
    """A run of a job: what was answered, and how soon."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._templates: Iterator[Template] = TRAFFIC[job.traffic](job.api_key, **job.options)
        self._keys = (b"%x-%x" % (time.time_ns(), number) for number in itertools.count())
        self.latencies = array("d")
        self.statuses: Counter[int] = Counter()
        self.first_refusal = b""
        self.cut = 0
        self._measuring = False
        self._ending = False
        self._open = 0
        self._empty = asyncio.Event()

    def next_request(self) -> bytes:
        return next(self._templates).request(next(self._keys))

    def go_on(self, shopper: Shopper) -> None:
        """Ask again, at once or after the pause."""
        if self._job.pause_seconds:
            pause = self._job.pause_seconds * random.uniform(0.5, 1.5)
            asyncio.get_running_loop().call_later(pause, self._after_pause, shopper)
        else:
            shopper.ask()

    def _after_pause(self, shopper: Shopper) -> None:
        if self._ending:
            shopper.connection.close()
        else:
            shopper.ask()

    def note(self, reply: Reply, begun: float) -> bool:
        """Count an answer; whether to go on."""
        if self._measuring:
            self.latencies.append(time.perf_counter() - begun)
            self.statuses[reply.status] += 1
        if reply.status >= 300 and not self.first_refusal:
            self.first_refusal = reply.body[:300]
        return not self._ending

    def left(self) -> None:
        """A connection has ended."""
        self._open -= 1
        self.cut += not self._ending
        if self._open == 0:
            self._empty.set()

    async def run(self) -> dict[str, Any]:
        """Warm up, measure, and let the last answers come in."""
        shoppers = [Shopper(self) for _ in range(self._job.connections)]
        for some in _cut(shoppers):
            await asyncio.gather(*(self._connect(shopper) for shopper in some))
        for shopper in shoppers:
            shopper.ask()
        await asyncio.sleep(self._job.warm_up_seconds)
        seconds, processor = await self._measure()
        self._ending = True
        async with asyncio.timeout(60):
            await self._empty.wait()
        return self._result(seconds, processor)

    async def _connect(self, shopper: Shopper) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: shopper.connection, self._job.host, self._job.port)
        self._open += 1

    async def _measure(self) -> tuple[float, float]:
        _say({"event": "begin"})
        begun, processor = time.perf_counter(), time.process_time()
        self._measuring = True
        await asyncio.sleep(self._job.seconds)
        self._measuring = False
        seconds, processor = time.perf_counter() - begun, time.process_time() - processor
        _say({"event": "end"})
        return seconds, processor

    def _result(self, seconds: float, processor: float) -> dict[str, Any]:
        latencies = sorted(self.latencies)
        at = {name: min(len(latencies) - 1, int(share * len(latencies))) for name, share in PERCENTILES.items()}
        return {
            "requests": len(latencies),
            "seconds": seconds,
            "per_second": len(latencies) / seconds,
            "milliseconds": {name: latencies[place] * 1000 for name, place in at.items()} if latencies else {},
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "first_refusal": self.first_refusal.decode(errors="replace"),
            "cut": self.cut,
            "client_processor_seconds": processor,
        }


def _cut(shoppers: list[Shopper]) -> Iterator[list[Shopper]]:
    return (shoppers[at : at + CONNECTING_AT_ONCE] for at in range(0, len(shoppers), CONNECTING_AT_ONCE))


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def allow_many_files() -> None:
    """A socket is a file: as many as this process may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> None:
    """Carry out the job on standard input."""
    job = Job(**json.loads(sys.stdin.readline()))
    if job.cpu is not None:
        os.sched_setaffinity(0, {job.cpu})
    allow_many_files()

    async def whole() -> dict[str, Any]:
        return await Load(job).run()

    _say(uvloop.run(whole()) | {"event": "result"})


if __name__ == "__main__":
    main()
