"""One measurement: the load generator against a subject, with the processor time of everything that took part."""

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from benchmarks.meters import Parts, ProcessorMeter
from benchmarks.subjects import API_KEY, run_load


class Traffic(NamedTuple):
    """What is sent: requests of a maker of traffic.py over so many connections. `each`: operations in a request."""

    maker: str
    connections: int
    options: dict[str, Any] = {}  # noqa: RUF012 - never written
    each: int = 1
    pause_seconds: float = 0.0


class Measured(NamedTuple):
    """What came of it. Processor time is in microseconds for each operation, by part."""

    per_second: float
    milliseconds: dict[str, float]
    statuses: dict[str, int]
    processor: dict[str, float]
    refused: str  # the first answer that was no success

    def as_json(self) -> dict[str, Any]:
        """For the results."""
        return {
            "perSecond": round(self.per_second, 1),
            "milliseconds": {name: round(value, 3) for name, value in self.milliseconds.items()},
            "statuses": self.statuses,
            "processorMicroseconds": {part: round(value, 1) for part, value in self.processor.items()},
        }


class Bench(NamedTuple):
    """How long to measure, on which core the load generator sits, and when it may begin."""

    seconds: float
    warm_up_seconds: float
    cpu: int | None
    quiet: Callable[[], None]

    def measure(self, port: int, traffic: Traffic, parts: Callable[[], Parts]) -> Measured:
        """Wait until everything is quiet, then send the traffic."""
        self.quiet()
        with self.sending(port, traffic) as load:
            load.wait("begin")
            meter = ProcessorMeter(parts())
            load.wait("end")
            spent = meter.read(parts())
            result = load.wait("result")
        operations = max(1, result["requests"] * traffic.each)
        used = spent.processor | {"client": result["client_processor_seconds"]}
        return Measured(
            result["per_second"] * traffic.each,
            result["milliseconds"],
            result["statuses"],
            {part: seconds / operations * 1e6 for part, seconds in used.items()},
            result["first_refusal"],
        )

    @contextlib.contextmanager
    def sending(self, port: int, traffic: Traffic, seconds: float | None = None) -> Iterator["Load"]:
        """The load generator at work, in a process of its own."""
        job = {
            "port": port,
            "api_key": API_KEY,
            "traffic": traffic.maker,
            "connections": traffic.connections,
            "options": traffic.options,
            "pause_seconds": traffic.pause_seconds,
            "seconds": self.seconds if seconds is None else seconds,
            "warm_up_seconds": self.warm_up_seconds,
            "cpu": self.cpu,
        }
        process = run_load(job)
        try:
            yield Load(process)
        finally:
            process.kill() if process.poll() is None else None
            process.wait()


class Load:
    """A running load generator, line by line."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def wait(self, event: str) -> dict[str, Any]:
        """The next line, which must be this one. RuntimeError: the load generator failed."""
        assert self._process.stdout is not None
        raw = self._process.stdout.readline()
        line: dict[str, Any] = json.loads(raw or b"{}")
        if line.get("event") != event:
            raise RuntimeError(f"the load generator ended while {event!r} was awaited")
        return line


def until_still(size: Callable[[], int], seconds: float = 90.0) -> None:
    """Until a figure has not changed for a second; at most so long."""
    until = time.monotonic() + seconds
    before, since = size(), time.monotonic()
    while time.monotonic() < until and time.monotonic() - since < 1.0:
        time.sleep(0.1)
        if (now := size()) != before:
            before, since = now, time.monotonic()
