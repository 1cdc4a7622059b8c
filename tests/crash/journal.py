"""The load's journal: each request before it is sent, each answer after it came, on the machine's monotonic clock."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec


class Sent(msgspec.Struct, tag="sent", array_like=True):
    """A request is about to leave. `operation` is its idempotency key, `body_hash` names the bytes.

    `units`: what a change adds to the stock.
    """

    at: float
    operation: str
    attempt: int
    path: str
    units: int
    body_hash: str


class Answered(msgspec.Struct, tag="answered", array_like=True):
    """A decided answer: nothing more is sent under this key."""

    at: float
    operation: str
    attempt: int
    status: int
    replayed: bool
    body: msgspec.Raw


class Lost(msgspec.Struct, tag="lost", array_like=True):
    """No answer, or one that decides nothing (`status` 503 and the like; 0: none): the key will be repeated."""

    at: float
    operation: str
    attempt: int
    status: int
    why: str


Line = Sent | Answered | Lost
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Line)


class Writer:
    """Appends lines; each is the file's before the call returns."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, line: Line) -> None:
        os.write(self._file, _encoder.encode(line) + b"\n")


class Reader:
    """Reads what was added since the last call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0

    def new(self) -> Iterator[Line]:
        with self._path.open("rb") as file:
            file.seek(self._at)
            for raw in file:
                if not raw.endswith(b"\n"):
                    return
                self._at += len(raw)
                yield _decoder.decode(raw)


class Pulse:
    """How the answers flow, from a journal that is still being written."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.open: dict[tuple[str, int], float] = {}  # attempts under way, and since when
        self.spans: list[tuple[float, float]] = []  # of answered attempts: sent, answered
        self.ended: list[tuple[float, float]] = []  # of all attempts that have ended: sent, ended
        self.failures: list[Lost] = []

    def read_on(self) -> None:
        for line in self._reader.new():
            attempt = line.operation, line.attempt
            if isinstance(line, Sent):
                self.open[attempt] = line.at
                continue
            span = self.open.pop(attempt), line.at
            self.ended.append(span)
            if isinstance(line, Answered):
                self.spans.append(span)
            else:
                self.failures.append(line)

    def in_flight(self, at: float) -> int:
        """Requests that were sent before that instant and had no answer then."""
        still = sum(sent <= at for sent in self.open.values())
        return still + sum(sent <= at < ended for sent, ended in self.ended)

    def first_answer(self, after: float) -> float | None:
        """When the first request that was sent after that instant was answered."""
        return min((answered for sent, answered in self.spans if sent > after), default=None)

    def longest_silence(self, begin: float, end: float) -> float:
        """The longest time without any answer within a span of time, in seconds."""
        answered = sorted(at for _, at in self.spans if begin < at < end)
        marks = [begin, *answered, end]
        return max(later - earlier for earlier, later in itertools.pairwise(marks))

    def forget(self, before: float) -> None:
        """Drop what ended long ago."""
        self.spans = [span for span in self.spans if span[1] >= before]
        self.ended = [span for span in self.ended if span[1] >= before]
