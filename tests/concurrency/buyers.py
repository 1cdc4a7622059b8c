"""2,000 people who want one of 100 things, as a process of its own: `python -m tests.concurrency.buyers`.

Reads a job from standard input and writes what came of it, both as JSON. Every buyer has a connection, and an
idempotency key for each thing asked.
"""

import asyncio
import json
import random
import sys
import time
import uuid
from collections import Counter
from typing import Any, NamedTuple

import uvloop

from benchmarks.connection import Cut, Line, Reply, Template
from benchmarks.load import allow_many_files

CONNECTING_AT_ONCE = 200
HOLD_SECONDS = 1
HAGGLING_SECONDS = 5.0  # how long people with holds keep trying


class Job(NamedTuple):
    """What to do: `holds` lets half of the buyers put a unit in their cart first, and a third of those forget it."""

    ports: list[int]
    api_key: str
    part: str
    buyers: int = 2_000
    holds: bool = False


class Crowd:
    """All buyers, and what they were answered."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._lines = [Line("127.0.0.1", job.ports[n % len(job.ports)], timeout_seconds=60) for n in range(job.buyers)]
        self.sold = 0
        self.statuses: Counter[str] = Counter()
        self.odd: list[str] = []

    async def connect(self) -> None:
        """Everybody stands at the door before it opens."""
        for at in range(0, len(self._lines), CONNECTING_AT_ONCE):
            await asyncio.gather(*(line.open() for line in self._lines[at : at + CONNECTING_AT_ONCE]))

    async def storm(self) -> None:
        """Everybody orders one, at once."""
        await asyncio.gather(*(self._order(line, self._one()) for line in self._lines))

    async def haggle(self) -> None:
        """People order or hold, come back late or not at all, and try again; in the end everybody orders once more."""
        until = asyncio.get_running_loop().time() + HAGGLING_SECONDS
        await asyncio.gather(*(self._haggle(line, number, until) for number, line in enumerate(self._lines)))
        await asyncio.sleep(HOLD_SECONDS + 0.1)
        await self.storm()

    async def _haggle(self, line: Line, number: int, until: float) -> None:
        chance = random.Random(number)
        clock = asyncio.get_running_loop().time
        while clock() < until:
            if number % 2:
                bought = await self._order(line, self._one())
            else:
                bought = await self._by_hold(line, chance)
            if bought:
                return
            await asyncio.sleep(chance.uniform(0.3, 1.2))

    async def _by_hold(self, line: Line, chance: random.Random) -> bool:
        held = await self._ask(line, "/v1/reservations", {**self._one(), "expiresInSeconds": HOLD_SECONDS})
        if held is None or held.status != 201 or chance.random() < 0.33:
            return False
        await asyncio.sleep(chance.uniform(0, 2 * HOLD_SECONDS))  # half of them come too late
        return await self._order(line, {"reservationId": json.loads(held.body)["id"]})

    def _one(self) -> dict[str, Any]:
        return {"items": [{"partNumber": self._job.part, "quantity": 1}]}

    async def _order(self, line: Line, body: dict[str, Any]) -> bool:
        reply = await self._ask(line, "/v1/orders", body)
        if reply is None or reply.status != 201:
            return False
        self.sold += sum(one["quantity"] for one in json.loads(reply.body)["items"])
        return True

    async def _ask(self, line: Line, path: str, body: dict[str, Any]) -> Reply | None:
        request = Template("POST", path, self._job.api_key, json.dumps(body).encode()).request(
            uuid.uuid4().hex.encode()
        )
        try:
            reply = await line.ask(request)
        except (Cut, OSError, TimeoutError) as fault:
            self.statuses["cut"] += 1
            self.odd.append(f"{type(fault).__name__}: {fault}")
            return None
        self.statuses[str(reply.status)] += 1
        if reply.status != 201 and not _clean_refusal(reply):
            self.odd.append(f"{reply.status} {reply.body[:300].decode(errors='replace')}")
        return reply


def _clean_refusal(reply: Reply) -> bool:
    """409 in the contract's shape, for want of stock."""
    if reply.status != 409:
        return False
    body = json.loads(reply.body)
    codes = [error["code"] for error in body["errors"]]
    return body["type"] == "conflict" and bool(codes) and set(codes) == {"out_of_inventory"}


async def main() -> dict[str, Any]:
    """Carry out the job on standard input."""
    job = Job(**json.loads(sys.stdin.readline()))
    crowd = Crowd(job)
    await crowd.connect()
    begun = time.perf_counter()
    await (crowd.haggle() if job.holds else crowd.storm())
    return {
        "sold": crowd.sold,
        "seconds": time.perf_counter() - begun,
        "statuses": dict(crowd.statuses),
        "odd": crowd.odd[:10],
        "odd_count": len(crowd.odd),
    }


if __name__ == "__main__":
    allow_many_files()
    print(json.dumps(uvloop.run(main())))
