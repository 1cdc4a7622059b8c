"""What is not a rate: webhooks' cost, an order beside bulk, the drop, where the time goes, idle, and starting."""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.connection import Line, Template
from benchmarks.measuring import Bench, Traffic, until_still
from benchmarks.meters import ProcessorMeter, family, proportional_bytes
from benchmarks.scenarios import NO_OP, STOCKWIRE
from benchmarks.subjects import API_KEY, ROOT, environment
from benchmarks.traffic import BULK_CHANGES
from tests.asking import Server
from tests.crash.subject import Subject as EmbeddedServer
from tests.engines import private_folder

MORE_WEBHOOKS = 19  # beside the one that every scenario has
PACED = Traffic("hot_holds", 16, {}, 1, 0.08)  # about 200 a second
IDLE_SECONDS = 20.0
DROP_UNITS, DROP_BUYERS = 100, 2_000


def webhooks(house: Any, bench: Bench, rounds: int) -> dict[str, Any]:
    """A reservation with 1 and with 20 enabled webhooks: one client, a steady stream, and as fast as it goes."""
    ways = {"lone": Traffic("hot_holds", 1), "steady": PACED, "full": Traffic("hot_holds", 256)}
    seen: dict[str, dict[str, list[dict[str, Any]]]] = {way: {"1": [], "20": []} for way in ways}
    port = house.subjects[STOCKWIRE].port
    for _ in range(rounds):
        for count in ("1", "20"):
            more = asyncio.run(house.subscribe(MORE_WEBHOOKS)) if count == "20" else []
            for way, traffic in ways.items():
                measured = bench.measure(port, traffic, lambda: house.parts_of(STOCKWIRE))
                seen[way][count].append(measured.as_json())
            asyncio.run(_unsubscribe(port, more))
    return {way: {count: _middle(runs) for count, runs in counts.items()} for way, counts in seen.items()}


async def _unsubscribe(port: int, ids: list[str]) -> None:
    line = Line("127.0.0.1", port)
    for id_ in ids:
        reply = await line.ask(Template("DELETE", f"/v1/webhooks/{id_}", API_KEY).plain())
        assert reply.status == 204, reply


def _middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return sorted(runs, key=lambda run: float(run["milliseconds"]["p50"]))[len(runs) // 2]


def beside_bulk(house: Any, bench: Bench, rounds: int) -> dict[str, Any]:
    """Single orders of one client while requests of 10,000 changes run without pause."""
    port = house.subjects[STOCKWIRE].port
    alone, beside, bulk = [], [], []
    for _ in range(rounds):
        alone.append(bench.measure(port, Traffic("hot_orders", 1), lambda: {}).as_json())
        house.quiet()
        with bench.sending(port, Traffic("bulk_sets", 1), bench.seconds + 4) as filling:
            filling.wait("begin")
            unhurried = bench._replace(quiet=lambda: None)
            beside.append(unhurried.measure(port, Traffic("hot_orders", 1), lambda: {}).as_json())
            filling.wait("end")
            bulk.append(filling.wait("result")["per_second"] * BULK_CHANGES)
    return {"alone": _middle(alone), "besideBulk": _middle(beside), "bulkPerSecond": round(statistics.median(bulk))}


def drop(house: Any, bench: Bench, rounds: int) -> dict[str, Any]:
    """100 units and 2,000 buyers at once: how many are sold, and until when everybody knows."""
    port = house.subjects[STOCKWIRE].port
    sold, seconds, statuses = [], [], []
    for _ in range(rounds):
        bench.quiet()
        part = f"DROP-{time.monotonic_ns()}"
        body = {"partNumber": part, "quantity": DROP_UNITS}
        asyncio.run(Server(port, API_KEY).post("/v1/inventory-items", body, part))
        job = {"ports": [port], "api_key": API_KEY, "part": part, "buyers": DROP_BUYERS}
        done = subprocess.run(
            [sys.executable, "-m", "tests.concurrency.buyers"],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env=environment(),
        )
        answers = json.loads(done.stdout)
        sold.append(answers["sold"])
        seconds.append(round(answers["seconds"], 3))
        statuses.append(answers["statuses"])
    return {"sold": sold, "seconds": seconds, "statuses": statuses}


def where_it_goes(house: Any, bench: Bench, _: int) -> dict[str, Any]:
    """Processor time of an operation by part. HTTP is the no-op's; rules and rows are metered; the rest is between."""
    found = {}
    for name, traffic in {
        "hot": Traffic("hot_orders", 256),
        "hot adjust": Traffic("hot_adjusts", 256),
        "wide": Traffic("wide_orders", 256),
        "bulk": Traffic("bulk_sets", 1, {}, BULK_CHANGES),
    }.items():
        http = bench.measure(house.subjects[NO_OP].port, traffic, lambda: house.parts_of(NO_OP))
        with house.metered() as opened:
            counts: list[dict[str, float]] = []
            parts = {"server": opened.subject.parts()["server"], "postgresql": house.parts_of(NO_OP)["postgresql"]}

            def looked(counts: list[dict[str, float]] = counts, opened: Any = opened, parts: Any = parts) -> Any:
                counts.append(opened.meter())
                return parts

            seen = bench.measure(opened.subject.port, traffic, looked)
        operations = max(1.0, seen.per_second * bench.seconds)
        metered = {part: (counts[1][part] - counts[0][part]) / operations * 1e6 for part in counts[0]}
        between = seen.processor["server"] - http.processor["server"] - sum(metered.values())
        found[name] = {
            "perSecond": round(seen.per_second),
            "microseconds": {
                "http": round(http.processor["server"], 1),
                **{part: round(value, 1) for part, value in metered.items()},
                "between": round(between, 1),
                "postgresql": round(seen.processor["postgresql"], 1),
                "client": round(seen.processor["client"], 1),
            },
        }
    return found


def profile(house: Any, bench: Bench) -> str:
    """The API process under a profiler, sold hot."""
    with house.profile() as opened:
        bench.measure(opened.subject.port, Traffic("hot_orders", 256), opened.subject.parts)
        said: str = opened.leave()
    print(said, flush=True)
    return said


def running(_: Path | None) -> dict[str, Any]:
    """The embedded server by itself: starting, being idle, starting again."""
    with private_folder() as folder:
        subject = EmbeddedServer(folder, workers=1)
        fresh = _timed_start(subject)
        try:
            asyncio.run(_some_life(subject.port, subject.api_key()))
            pids = {part: found for part, found in subject.pids().items() if part != "postmaster"}
            pids["postgresql"] = family(subject.pids()["postmaster"][0])
            until_still(lambda: 0, 3.0)
            meter = ProcessorMeter(pids)
            time.sleep(IDLE_SECONDS)
            spent = meter.read()
            memory = {part: sum(map(proportional_bytes, some)) / 2**20 for part, some in pids.items()}
            subject.end()
            again = [_timed_restart(subject) for _ in range(3)]
        finally:
            subject.stop()
    idle = sum(spent.processor.values()) / spent.seconds
    return {
        "startSeconds": round(fresh, 2),
        "restartSeconds": sorted(round(seconds, 2) for seconds in again)[1],
        "idlePercentOfACore": round(idle * 100, 2),
        "idlePercentByPart": {part: round(used / spent.seconds * 100, 2) for part, used in spent.processor.items()},
        "memoryMiB": {part: round(size, 1) for part, size in memory.items()},
        "memoryMiBTogether": round(sum(memory.values()), 1),
    }


def _timed_start(subject: EmbeddedServer) -> float:
    begun = time.perf_counter()
    subject.start()
    subject.wait_ready()
    return time.perf_counter() - begun


def _timed_restart(subject: EmbeddedServer) -> float:
    seconds = _timed_start(subject)
    subject.end()
    return seconds


async def _some_life(port: int, api_key: str) -> None:
    """So that pools and plans are warm, as in a server that has been in use."""
    server = Server(port, api_key)
    await server.post("/v1/inventory-items", {"partNumber": "LIFE", "quantity": 1000}, "life")
    for number in range(50):
        await server.post("/v1/orders", {"items": [{"partNumber": "LIFE", "quantity": 1}]}, f"life-{number}")


EXTRAS: dict[str, Callable[[Any, Bench, int], dict[str, Any]]] = {
    "webhooks": webhooks,
    "beside bulk": beside_bulk,
    "drop": drop,
    "where it goes": where_it_goes,
}
