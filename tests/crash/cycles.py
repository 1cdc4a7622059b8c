"""One cycle: a burst of requests, a signal in the middle of it, and how long the shop was shut."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.subjects import ROOT, environment
from tests.crash.journal import Pulse, Reader
from tests.crash.receiver import Arrival, read_arrivals
from tests.crash.subject import Subject

ENOUGH_IN_FLIGHT = 50
STOPPED_SECONDS = 10.0
LONGEST_DELAY_SECONDS = 5.0  # that a writer stopped inside its batch may cause (R6)
MEASURING_SLACK_SECONDS = 0.75  # on a machine with as many busy processes as this test has
RECOVERY_SECONDS = 60.0
CALM_SECONDS = 0.4


class Kind(NamedTuple):
    """Which processes are hit, how many of each part (None: all), and by what."""

    parts: tuple[str, ...]
    most: int | None = None
    stopped: bool = False


KINDS = {
    "api": Kind(("api",), 1),
    "deliver": Kind(("deliver",), 1),
    "supervisor": Kind(("supervisor",)),
    "postmaster": Kind(("postmaster",)),
    "all": Kind(("supervisor", "api", "deliver", "postmaster")),
    "stop-api": Kind(("api",), 1, stopped=True),
    "stop-deliver": Kind(("deliver",), 1, stopped=True),
}


class Cycle(NamedTuple):
    """What one cycle showed. Seconds are counted from the signal."""

    kind: str
    at: float  # of the signal, on the monotonic clock
    in_flight: int
    recovered: float  # until a request that was sent after the signal was answered
    silence: float  # the longest time without any answer
    delivered: float  # until an event that was committed after the signal reached the receiver
    failures: int  # attempts that were cut, timed out or answered 503
    odd: list[str]  # answers that nobody should get

    @property
    def counts(self) -> bool:
        """Whether enough was going on."""
        return self.in_flight >= ENOUGH_IN_FLIGHT


class Load:
    """The shoppers' process and its journal."""

    def __init__(self, folder: Path, port: int, api_key: str) -> None:
        self.journal = folder / "journal.jsonl"
        self.journal.touch()
        command = [sys.executable, "-m", "tests.crash.shopper", str(port), api_key, str(self.journal)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT, env=environment())
        self.pulse = Pulse(Reader(self.journal))

    def say(self, mood: str) -> None:
        """`burst`, `calm` or `stop`."""
        assert self._process.stdin is not None
        self._process.stdin.write(mood.encode() + b"\n")
        self._process.stdin.flush()

    def settle(self, seconds: float) -> None:
        """End, once every request is answered. subprocess.TimeoutExpired: some never are."""
        self.say("stop")
        self._process.wait(seconds)

    def kill(self) -> None:
        """In case of a failure: leave nothing behind."""
        self._process.kill()
        self._process.wait()


class Receiver:
    """The receiver's process and its file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "received"
        self.file.touch()
        command = [sys.executable, "-m", "tests.crash.receiver", str(self.file)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment())
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self._read_to = 0
        self.arrivals: list[Arrival] = []

    def read_on(self) -> list[Arrival]:
        """What arrived since the last call."""
        new, self._read_to = read_arrivals(self.file, self._read_to)
        self.arrivals += new
        return new

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


class Harness:
    """Carries cycles out."""

    def __init__(self, subject: Subject, load: Load, receiver: Receiver, seed: int) -> None:
        self._subject = subject
        self._load = load
        self._receiver = receiver
        self._random = random.Random(seed)

    def cycle(self, name: str) -> Cycle:
        """One burst, one signal, and everything whole again."""
        kind = KINDS[name]
        hit = self._choose(kind)
        self._load.say("burst")
        time.sleep(self._random.uniform(0.25, 0.8))
        begun, wall = time.monotonic(), _now()
        self._subject.kill(hit, signal.SIGSTOP if kind.stopped else signal.SIGKILL)
        self._load.say("calm")  # what is open is repeated until it is answered; a few go on
        if kind.stopped:
            time.sleep(STOPPED_SECONDS)
            self._subject.kill(hit, signal.SIGCONT)
        recovered = self._wait_answer(begun)
        self._subject.wait_ready()
        delivered = self._wait_delivery(begun, wall)
        ended = time.monotonic()
        time.sleep(CALM_SECONDS)
        return self._seen(name, begun, ended, recovered, delivered)

    def _choose(self, kind: Kind) -> dict[str, list[int]]:
        there = self._subject.pids()
        return {part: self._random.sample(there[part], min(kind.most or 99, len(there[part]))) for part in kind.parts}

    def _wait_answer(self, begun: float) -> float:
        until = time.monotonic() + RECOVERY_SECONDS
        while time.monotonic() < until:
            self._subject.revive()
            self._load.pulse.read_on()
            if (answered := self._load.pulse.first_answer(begun)) is not None:
                return answered - begun
            time.sleep(0.005)
        raise RuntimeError(f"nothing was answered for {RECOVERY_SECONDS:.0f} s")

    def _wait_delivery(self, begun: float, wall: str) -> float:
        until = time.monotonic() + RECOVERY_SECONDS
        while time.monotonic() < until:
            for arrival in self._receiver.read_on():
                if arrival.created > wall and arrival.at > begun:
                    return arrival.at - begun
            time.sleep(0.02)
        raise RuntimeError(f"nothing new was delivered for {RECOVERY_SECONDS:.0f} s")

    def _seen(self, name: str, begun: float, ended: float, recovered: float, delivered: float) -> Cycle:
        pulse = self._load.pulse
        pulse.read_on()
        in_flight = pulse.in_flight(begun)
        silence = pulse.longest_silence(begun, ended)
        failures = [line for line in pulse.failures if line.at > begun]
        odd = [f"{line.status}: {line.why}" for line in failures if line.status not in (0, 503)]
        most = LONGEST_DELAY_SECONDS + MEASURING_SLACK_SECONDS
        if KINDS[name].stopped and silence > most:
            odd.append(f"a stopped {KINDS[name].parts[0]} process silenced the store for {silence:.1f} s")
        pulse.failures.clear()
        pulse.forget(ended)
        return Cycle(name, begun, in_flight, recovered, silence, delivered, len(failures), odd)


def _now() -> str:
    """The wall clock as `createdTime` is written."""
    whole, part = divmod(time.time_ns() // 1000, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{part:06d}Z"
