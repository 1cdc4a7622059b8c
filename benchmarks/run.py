"""`make bench`: every scenario in interleaved rounds beside its yardsticks; medians, ratios, and what limits each."""

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import extras, machine
from benchmarks.measuring import Bench, Measured, until_still
from benchmarks.meters import family
from benchmarks.report import as_markdown
from benchmarks.scenarios import EACH, NO_OP, ONE, SLICE, STOCKWIRE, UNITS, Scenario, catalogue, scenarios
from benchmarks.subjects import (
    API_KEY,
    ROOT,
    Subject,
    doors,
    environment,
    fresh_database,
    honest_app,
    product,
    stock,
)
from stockwire.store.embedded import Embedded
from tests.asking import Server
from tests.engines import ENGINE, embedded_server, programs_folder

RESULTS = Path(__file__).resolve().parent / "results"


class House:
    """All subjects, running side by side on one PostgreSQL; only one is asked at a time."""

    def __init__(self, server: Embedded, parts: list[str], cpu: int | None, stack: contextlib.ExitStack) -> None:
        self._server = server
        self._parts = parts
        self._cpu = cpu
        self.received = Path(server.data_dir) / "received"
        self.received.touch()
        self.receiver, self._receiver_port = _receiver(self.received, stack)
        self.subjects: dict[str, Subject] = {
            NO_OP: stack.enter_context(doors(self._stocked("no_op"), "no-op", cpu)).subject,
            EACH: stack.enter_context(honest_app(self._stocked("honest_each"), writes="each", cpu=cpu)),
            ONE: stack.enter_context(honest_app(self._stocked("honest_one"), writes="one", cpu=cpu)),
            STOCKWIRE: stack.enter_context(product(self._stocked("product"), cpu=cpu)),
        }
        asyncio.run(self.subscribe(1))

    def _stocked(self, name: str) -> str:
        dsn = fresh_database(self._server, name)
        stock(dsn, self._parts, UNITS)
        return dsn

    @contextlib.contextmanager
    def metered(self) -> Iterator[Any]:
        """The product's doors with the ledger's parts metered, on a database of their own."""
        with doors(self._stocked(f"metered_{time.monotonic_ns()}"), "metered", self._cpu) as opened:
            yield opened

    def profile(self) -> "contextlib.AbstractContextManager[Any]":
        """The product's doors under a profiler."""
        return doors(self._stocked("profiled"), "profiled", self._cpu)

    async def subscribe(self, count: int) -> list[str]:
        """Enabled webhooks of the product, each at its own address; their ids."""
        server = Server(self.subjects[STOCKWIRE].port, API_KEY)
        made = []
        for _ in range(count):
            address = f"http://127.0.0.1:{self._receiver_port}/{time.monotonic_ns()}"
            body = {"address": address, "types": ["inventory.*"]}
            made.append((await server.post("/v1/webhooks", body, address))["id"])
        return made

    def parts_of(self, name: str) -> dict[str, list[int]]:
        """The processes that take part when a subject is asked, PostgreSQL and the receiver included."""
        assert self._server.pid is not None
        own = self.subjects[name].parts()
        shared = {"postgresql": family(self._server.pid), "receiver": [self.receiver]}
        return own | (shared if name == STOCKWIRE else {"postgresql": shared["postgresql"]})

    def quiet(self) -> None:
        """Until nothing is delivered any more."""
        until_still(lambda: self.received.stat().st_size)


def _receiver(file: Path, stack: contextlib.ExitStack) -> tuple[int, int]:
    """Process and port of a receiver that keeps what it gets."""
    command = [sys.executable, "-m", "tests.crash.receiver", str(file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment())
    stack.callback(process.wait)
    stack.callback(process.terminate)
    assert process.stdout is not None
    return process.pid, int(process.stdout.readline())


def measure_rounds(house: House, bench: Bench, chosen: list[Scenario], rounds: int) -> dict[str, dict[str, Any]]:
    """Every scenario, its subjects interleaved; medians of the rounds."""
    runs: dict[tuple[str, str], list[Measured]] = {}
    for number in range(1, rounds + 1):
        for scenario in chosen:
            for name in scenario.subjects:
                seen = bench.measure(
                    house.subjects[name].port,
                    scenario.traffic,
                    lambda name=name: house.parts_of(name),  # type: ignore[misc]
                )
                runs.setdefault((scenario.name, name), []).append(seen)
                print(f"{number} {scenario.name:12s} {name:26s} {seen.per_second:9,.0f}/s {_brief(seen)}", flush=True)
    return {
        scenario.name: {
            "about": scenario.about,
            "connections": scenario.traffic.connections,
            "subjects": {name: middle(runs[scenario.name, name]) for name in scenario.subjects},
        }
        for scenario in chosen
    }


def _brief(seen: Measured) -> str:
    times = " ".join(f"{name} {value:.2f}" for name, value in seen.milliseconds.items())
    spent = " ".join(f"{part} {value:.0f}" for part, value in seen.processor.items() if value >= 0.5)
    odd = f"  answers {seen.statuses} {seen.refused}" if set(seen.statuses) - {"200", "201"} else ""
    return f"ms {times}  µs {spent}{odd}"


def middle(runs: list[Measured]) -> dict[str, Any]:
    """The run with the median rate, and the rates of all."""
    ordered = sorted(runs, key=lambda run: run.per_second)
    chosen = ordered[len(ordered) // 2].as_json()
    chosen["milliseconds"] = {
        name: round(statistics.median(run.milliseconds[name] for run in runs), 3) for name in runs[0].milliseconds
    }
    return chosen | {"runs": [round(run.per_second, 1) for run in runs]}


def carry_out(given: argparse.Namespace) -> dict[str, Any]:
    """Everything that was asked for."""
    files = [str(path) for path in given.data] or [str(SLICE)]
    chosen = [one for one in scenarios(files) if given.only is None or one.name in given.only.split(",")]
    programs = programs_folder()
    server_cpu, client_cpu = (None, None) if given.float else (0, 1)
    with embedded_server() as server, contextlib.ExitStack() as stack:
        found: dict[str, Any] = {
            "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
            "machine": machine.description(f"PostgreSQL, {ENGINE}"),
            "fdatasyncMilliseconds": round(machine.fdatasync_milliseconds(server.data_dir), 3),
            "rounds": given.rounds,
            "seconds": given.seconds,
        }
        house = House(server, catalogue(files), server_cpu, stack)
        bench = Bench(given.seconds, given.warm_up, client_cpu, house.quiet)
        found["scenarios"] = measure_rounds(house, bench, chosen, given.rounds)
        for name, extra in extras.EXTRAS.items():
            if given.only is None or name in given.only.split(","):
                found[name] = extra(house, bench, given.rounds)
                print(name, json.dumps(found[name]), flush=True)
        if given.profile:
            found["profile"] = extras.profile(house, bench)
    if given.only is None or "running" in given.only.split(","):
        found["running"] = extras.running(programs)
    return found


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--warm-up", type=float, default=1.0)
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="invoices for `shaped` (Online Retail CSV)")
    parser.add_argument("--only", help="names of scenarios and extras, comma-separated")
    parser.add_argument("--float", action="store_true", help="do not keep server and client on a core each")
    parser.add_argument("--profile", action="store_true", help="also profile the API process under `hot`")
    parser.add_argument("--out", type=Path, help=f"folder of the results (default: {RESULTS.name}/, if all was run)")
    given = parser.parse_args()
    found = carry_out(given)
    text = as_markdown(found)
    print(text)
    folder = given.out or (RESULTS if given.only is None else None)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        name = found["at"][:10]
        (folder / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (folder / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    return 0
