"""The load outside: shoppers who buy, hold, cancel and ship, and a warehouse that corrects and receives.

`python -m tests.crash.shopper PORT API_KEY JOURNAL` takes `burst`, `calm` and `stop` as lines on standard input. In a
burst all shoppers buy without pause; in the calm a few do, slowly. `stop` settles what is open and ends.
"""

import asyncio
import hashlib
import json
import random
import sys
import time
import uuid
from collections import deque
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from benchmarks.connection import Cut, Line, Reply, Template
from tests.crash.journal import Answered, Lost, Sent, Writer

SHOPPERS = 96
SHOPPERS_IN_THE_CALM = 6
CALM_PAUSE_SECONDS = 0.05
TIMEOUT_SECONDS = 4.0  # then the request is repeated on another connection, which a stopped process does not take
LONGEST_PAUSE_SECONDS = 0.25  # between repetitions
PARTS = [f"CRASH-{number:02d}" for number in range(30)]
HOT = PARTS[0]  # every third operation
OPENING = 20_000
MOVES = 0.05  # how often a shopper comes by another connection, so that all processes have customers
DECIDED = frozenset({200, 201, 204, 404, 409})


class Market:
    """What the shoppers share: the mood, and what was bought and held so far."""

    def __init__(self, port: int, api_key: str, journal: Writer) -> None:
        self.port = port
        self.api_key = api_key
        self.journal = journal
        self.bursting = asyncio.Event()
        self.ending = False
        self.orders: deque[str] = deque(maxlen=2_000)
        self.holds: deque[str] = deque(maxlen=200)


class Shopper:
    """One connection and who sits behind it."""

    def __init__(self, market: Market, number: int) -> None:
        self._market = market
        self._calm = number < SHOPPERS_IN_THE_CALM
        self._line = Line("127.0.0.1", market.port, timeout_seconds=TIMEOUT_SECONDS)
        self._random = random.Random(number)

    async def shop(self) -> None:
        """One operation after another, each settled before the next."""
        while not self._market.ending:
            if not self._market.bursting.is_set():
                if not self._calm:
                    await self._market.bursting.wait()
                    continue
                await asyncio.sleep(CALM_PAUSE_SECONDS)
            await self._do(*self._wish())
            if self._random.random() < MOVES:
                self._line.abort()

    def _wish(self) -> tuple[str, dict[str, Any]]:
        """A path and a body."""
        chance, market = self._random.random(), self._market
        part = HOT if self._random.random() < 0.33 else self._random.choice(PARTS)
        if chance < 0.50:
            return "/v1/orders", {"items": self._lines(part)}
        if chance < 0.62:
            return "/v1/inventory-changes", {
                "type": "adjust",
                "partNumber": part,
                "delta": self._random.choice((-2, 3)),
            }
        if chance < 0.70:
            return "/v1/inventory-changes", {"type": "receive", "partNumber": part, "quantity": 2}
        if chance < 0.85:
            return "/v1/reservations", {"items": self._lines(part), "expiresInSeconds": self._random.choice((1, 2, 10))}
        if chance < 0.93 and market.holds:
            return "/v1/orders", {"reservationId": market.holds.pop()}
        if market.orders:
            verb = self._random.choice(("cancel", "shipments"))
            return f"/v1/orders/{market.orders.popleft()}/{verb}", {}
        return "/v1/orders", {"items": self._lines(part)}

    def _lines(self, part: str) -> list[dict[str, Any]]:
        parts = {part, self._random.choice(PARTS)} if self._random.random() < 0.3 else {part}
        return [{"partNumber": name, "quantity": self._random.randint(1, 3)} for name in parts]

    async def _do(self, path: str, body: dict[str, Any]) -> None:
        operation = uuid.uuid4().hex
        if not path.endswith(("/cancel", "/shipments")):
            body["reference"] = operation
        raw = json.dumps(body, separators=(",", ":")).encode()
        request = Template("POST", path, self._market.api_key, raw).request(operation.encode())
        digest = hashlib.sha256(raw).hexdigest()[:16]
        units = body.get("delta") or body.get("quantity") or 0
        attempt, pause = 0, 0.02
        while True:
            attempt += 1
            self._market.journal.note(Sent(time.monotonic(), operation, attempt, path, units, digest))
            reply = await self._ask(request, operation, attempt)
            if reply is not None:
                self._remember(path, reply)
                return
            await asyncio.sleep(pause * self._random.random())
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)

    async def _ask(self, request: bytes, operation: str, attempt: int) -> Reply | None:
        """The decided answer, or None: repeat."""
        status, why = 0, ""
        try:
            reply = await self._line.ask(request)
        except (Cut, OSError, TimeoutError) as fault:
            why = f"{type(fault).__name__}: {fault}"
        else:
            if reply.status in DECIDED:
                body = msgspec.Raw(reply.body or b"null")
                line = Answered(time.monotonic(), operation, attempt, reply.status, reply.replayed, body)
                self._market.journal.note(line)
                return reply
            status, why = reply.status, reply.body[:300].decode(errors="replace")
        self._market.journal.note(Lost(time.monotonic(), operation, attempt, status, why))
        return None

    def _remember(self, path: str, reply: Reply) -> None:
        if reply.status != 201:
            return
        made = json.loads(reply.body)["id"]
        (self._market.orders if path == "/v1/orders" else self._market.holds).append(made)


async def main(port: int, api_key: str, journal: Path) -> None:
    """Shop until told to stop."""
    market = Market(port, api_key, Writer(journal))
    shopping = asyncio.gather(*(Shopper(market, number).shop() for number in range(SHOPPERS)))
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while (mood := (await lines.readline()).strip()) in (b"burst", b"calm"):
        (market.bursting.set if mood == b"burst" else market.bursting.clear)()
    market.ending = True
    market.bursting.set()
    await shopping


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
