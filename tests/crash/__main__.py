"""`make crash`: cycles of kill -9 under load, then the verdict. Exit code 1 on any violation."""

import argparse
import asyncio
import itertools
import json
import random
import subprocess
import sys
import time
from pathlib import Path

from tests.asking import Server
from tests.crash.cycles import KINDS, Cycle, Harness, Load, Receiver
from tests.crash.judge import Check, Judge, account_of, again
from tests.crash.report import Outcome, as_json, as_text
from tests.crash.shopper import OPENING, PARTS
from tests.crash.subject import Subject
from tests.engines import described, private_folder

SETTLE_SECONDS = 60.0
DELIVER_SECONDS = 180.0  # leases of killed workers run out in half a minute
MOST_REPEATED = 3  # a cycle with too little in flight is repeated so often
USUAL = ("api", "deliver", "supervisor", "postmaster", "all", "stop-api")


def run(folder: Path, cycles: int, kinds: list[str], seed: int) -> Outcome:
    """All cycles on one server, and what the witnesses say in the end."""
    begun = time.monotonic()
    subject, receiver = Subject(folder), Receiver(folder)
    load: Load | None = None
    try:
        subject.start()
        subject.wait_ready()
        api_key = subject.api_key()
        asyncio.run(_open_shop(subject.port, api_key, receiver.port))
        load = Load(folder, subject.port, api_key)
        seen = _cycles(Harness(subject, load, receiver, seed), cycles, kinds, seed)
        _settle(load)
        checks = asyncio.run(_verdict(subject.port, api_key, load, receiver))
        repeated, by_signal = again(receiver.arrivals, [cycle.at for cycle in seen])
        return Outcome(seen, [*checks, repeated], by_signal, subject.starts, time.monotonic() - begun)
    finally:
        if load is not None:
            load.kill()
        subject.stop()
        receiver.stop()


def _settle(load: Load) -> None:
    """What stays unsettled is for the verdict to tell."""
    try:
        load.settle(SETTLE_SECONDS)
    except subprocess.TimeoutExpired:
        load.kill()


async def _open_shop(port: int, api_key: str, receiver_port: int) -> None:
    """A webhook first, so that it is owed every event; then the items."""
    server = Server(port, api_key)
    webhook = {"address": f"http://127.0.0.1:{receiver_port}/crash", "types": ["*"]}
    await server.post("/v1/webhooks", webhook, "webhook")
    items = [{"partNumber": part, "quantity": OPENING} for part in PARTS]
    answer = await server.post("/v1/inventory-items", {"items": items}, "items")
    assert answer["applied"] == len(PARTS), answer


def _cycles(harness: Harness, cycles: int, kinds: list[str], seed: int) -> list[Cycle]:
    order = list(itertools.islice(itertools.cycle(kinds), cycles))
    random.Random(seed).shuffle(order)
    seen: list[Cycle] = []
    for number, name in enumerate(order, 1):
        for _ in range(MOST_REPEATED):
            cycle = harness.cycle(name)
            seen.append(cycle)
            print(f"{number:3d}/{cycles} {_line(cycle)}", flush=True)
            if cycle.counts:
                break
    return seen


def _line(cycle: Cycle) -> str:
    said = "" if cycle.counts else "  (does not count)"
    times = (
        f"answered after {cycle.recovered:6.3f} s (silence {cycle.silence:6.3f}), delivered {cycle.delivered:6.3f} s"
    )
    return f"{cycle.kind:12s} {cycle.in_flight:3d} in flight, {times}, {cycle.failures} attempts failed{said}"


async def _verdict(port: int, api_key: str, load: Load, receiver: Receiver) -> list[Check]:
    server = Server(port, api_key)
    account = account_of(load.journal, OPENING, PARTS)
    judge = Judge(server, account, PARTS)
    await server.when_quiet(PARTS, 30)
    await _all_delivered(server, receiver)
    return await judge.checks(receiver.arrivals, 30)


async def _all_delivered(server: Server, receiver: Receiver) -> None:
    """Until the receiver has as many events as there are positions, or time is up; the verdict tells which."""
    until = time.monotonic() + DELIVER_SECONDS
    while time.monotonic() < until:
        receiver.read_on()
        if len({arrival.event_id for arrival in receiver.arrivals}) >= await server.head():
            break
        await asyncio.sleep(0.5)
    await asyncio.sleep(1)  # what was in flight may still come a second time
    receiver.read_on()


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="make crash", description=__doc__)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--kinds", default=",".join(USUAL), help=f"of {', '.join(KINDS)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where to write the result")
    given = parser.parse_args()
    print(described(), flush=True)
    with private_folder() as folder:
        outcome = run(folder, given.cycles, given.kinds.split(","), given.seed)
    print(as_text(outcome))
    if given.json:
        given.json.write_text(json.dumps(as_json(outcome), indent=1) + "\n", encoding="utf-8")
    return 0 if outcome.agreed(given.cycles) else 1


if __name__ == "__main__":
    sys.exit(main())
