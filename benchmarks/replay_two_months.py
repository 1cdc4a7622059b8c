"""Two months of real orders, twice at once under different part prefixes, at full speed: does anything get lost?

    python -m benchmarks.replay_two_months 2010-12.csv.gz 2011-01.csv.gz
    python -m benchmarks.replay_two_months FILE... --setting separate --database postgresql://…/an_empty_database

Two settings: `embedded`, which is `stockwire serve` as anybody starts it; and `separate`, a PostgreSQL server of its
own with two API processes and two delivery processes beside each other. Exit code 1 if an expectation is not met.
"""

import argparse
import asyncio
import contextlib
import json
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import uvloop
from rich.console import Console
from rich.table import Table

from stockwire.client import Stockwire
from stockwire.demo import programs
from stockwire.demo.children import environment, free_port, listens
from stockwire.demo.keys import admin_key
from stockwire.replay import showing
from stockwire.replay.journal import Journal
from stockwire.replay.planning import Plan, plan
from stockwire.replay.proving import SUBSCRIBED, Proof, prove
from stockwire.replay.reading import read_files
from stockwire.replay.running import Replay

PREFIXES = ("a-", "b-")
SECRET_KEY = "STOCKWIRE_SECRET_KEY"


class Expectation(NamedTuple):
    what: str
    found: int
    least: int | None = None
    most: int | None = None

    @property
    def met(self) -> bool:
        return (self.least is None or self.found >= self.least) and (self.most is None or self.found <= self.most)


class Served(NamedTuple):
    """A server that answers, and the settings by which its operator's commands find its database."""

    url: str
    key: str
    settings: dict[str, str]


@contextlib.asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Served]:
    """One `stockwire serve` on its own database."""
    port, data = free_port(), folder / "data"
    data.mkdir()
    server = programs.server("the server", ("--port", str(port), "--data-dir", str(data)), folder / "server.log")
    try:
        await server.start(programs.ready(port))
        yield Served(f"http://127.0.0.1:{port}", admin_key(data), {"STOCKWIRE_DATA_DIR": str(data)})
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def separate(folder: Path, database: str) -> AsyncIterator[Served]:
    """Two API processes and two delivery processes on a database server that none of them started."""
    settings = {"STOCKWIRE_DATABASE": database, SECRET_KEY: secrets.token_urlsafe(32)}
    await command(settings, "migrate")
    await command(settings, "stores", "create", "two")
    made = json.loads(await command(settings, "keys", "create", "two", "--role", "admin", "--json"))
    port = free_port()
    children = [
        programs.server(
            "the API",
            ("--role", "api,housekeep", "--workers", "2", "--port", str(port)),
            folder / "api.log",
            **settings,
        ),
        *(
            programs.server(
                f"delivery {number}", ("--role", "deliver", "--port", "0"), folder / f"delivery{number}.log", **settings
            )
            for number in (1, 2)
        ),
    ]
    async with contextlib.AsyncExitStack() as stack:
        for child in children:
            stack.push_async_callback(child.stop)
        await children[0].start(programs.ready(port))
        for child in children[1:]:
            await child.start(_at_once)
        yield Served(f"http://127.0.0.1:{port}", made["key"], settings)


async def _at_once() -> bool:
    return True


async def complaints(settings: dict[str, str]) -> list[str]:
    """What `stockwire doctor` finds wrong: configuration, clock, queues, and every ledger audited."""
    findings = json.loads(await command(settings, "doctor", "--json", may_fail=True))
    return [f"{finding['check']}: {finding['found']}" for finding in findings if not finding["ok"]]


async def command(settings: dict[str, str], *arguments: str, may_fail: bool = False) -> str:
    """Output of a `stockwire` command; raises if it fails and may not."""
    process = await asyncio.create_subprocess_exec(
        *programs.stockwire(*arguments), env=environment(**settings), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode and not may_fail:
        raise RuntimeError(f"stockwire {' '.join(arguments)} ended with {process.returncode}")
    return output.decode()


class Outcome(NamedTuple):
    """What one setting gave."""

    proof: Proof
    tally: Counter[str]
    replay_seconds: float
    delivered_seconds: float
    client_seconds: float
    complaints: list[str]


async def measure(served: Served, planned: Plan, folder: Path, concurrency: int) -> Outcome:
    """Replay the plan under each prefix at once, then wait for the receiver and compare."""
    received = folder / "received.jsonl"
    async with contextlib.AsyncExitStack() as stack:
        shop = await stack.enter_async_context(Stockwire(served.url, served.key, connections=2 * concurrency))
        port = free_port()
        webhook = await shop.webhooks.create(f"http://127.0.0.1:{port}/stock", SUBSCRIBED, timeout_seconds=30)
        receiver = programs.receiver(port, webhook.secret or "", received, folder / "receiver.log")
        stack.push_async_callback(receiver.stop)
        await receiver.start(lambda: listens(port))
        journal = stack.enter_context(Journal(folder / "journal.jsonl"))
        replays = [Replay(shop, planned, journal, prefix=prefix, concurrency=concurrency) for prefix in PREFIXES]
        begun, used = time.monotonic(), time.process_time()
        await asyncio.gather(*(replay.stock_up() for replay in replays))
        await asyncio.gather(*(replay.run() for replay in replays))
        replayed, spent = time.monotonic() - begun, time.process_time() - used
        proof = await prove(shop, journal.facts, received)
        tally = sum((replay.tally for replay in replays), Counter())
        delivered = time.monotonic() - begun
        tally["requests repeated by the client"] = shop.transport.repeated
        return Outcome(proof, tally, replayed, delivered, spent, await complaints(served.settings))


def expectations(outcome: Outcome) -> list[Expectation]:
    """What must hold of the whole."""
    wrong: Counter[str] = Counter()
    for check in outcome.proof.checks:
        wrong[check.what.partition(":")[0]] += check.different
    types = outcome.proof.types
    return [
        Expectation("orders refused", outcome.tally["orders refused"], least=500),
        Expectation("inventory.out_of_stock", types.get("inventory.out_of_stock", 0), least=1000),
        Expectation("inventory.back_in_stock", types.get("inventory.back_in_stock", 0), least=100),
        Expectation("oversold", wrong.pop("oversold"), most=0),
        Expectation("lost", wrong.pop("lost"), most=0),
        Expectation("bytes that differ", wrong.pop("altered"), most=0),
        Expectation("ledger added up against levels", wrong.pop("ledger"), most=0),
        Expectation("complaints of stockwire doctor", len(outcome.complaints), most=0),
        Expectation("every other difference", sum(wrong.values()), most=0),
    ]


def show(console: Console, setting: str, outcome: Outcome) -> bool:
    """The tables of one setting; whether everything is as expected."""
    console.rule(setting)
    console.print(showing.tale(outcome.tally, outcome.replay_seconds))
    console.print(showing.verdict(outcome.proof.checks)[0])
    table = Table(title="Expected of the whole", title_justify="left")
    for title in ("what", "found", "expected"):
        table.add_column(title, justify="left" if title == "what" else "right")
    found = expectations(outcome)
    for one in found:
        wanted = f"≥ {one.least:,}" if one.least is not None else f"{one.most:,}"
        table.add_row(one.what, f"{one.found:,}", wanted, style="" if one.met else "bold red")
    console.print(table)
    steps = outcome.tally["orders wanted"] / outcome.replay_seconds
    console.print(
        f"{outcome.proof.published:,} events; replayed in {outcome.replay_seconds:.1f} s ({steps:,.0f} orders/s of "
        f"real shape), all delivered after {outcome.delivered_seconds:.1f} s; client {outcome.client_seconds:.1f} s of "
        f"processor time; delivered twice {outcome.proof.repeated}",
        highlight=False,
    )
    for complaint in outcome.complaints:
        console.print(f"doctor: {complaint}", style="red", highlight=False)
    return all(one.met for one in found)


@contextlib.contextmanager
def own_server(folder: Path, database: str | None) -> Iterator[str]:
    """The database given, or one on a PostgreSQL server that is started for it."""
    if database is not None:
        yield database
        return
    from stockwire.store.embedded import Embedded

    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    server = Embedded(folder, system[-1] if system else None)
    server.start()
    try:
        yield server.dsn
    finally:
        server.stop()


async def run(setting: str, planned: Plan, asked: argparse.Namespace, folder: Path) -> Outcome:
    if setting == "embedded":
        async with embedded(folder) as served:
            return await measure(served, planned, folder, asked.concurrency)
    (folder / "postgres").mkdir()
    with own_server(folder / "postgres", asked.database) as database:
        async with separate(folder, database) as served:
            return await measure(served, planned, folder, asked.concurrency)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("files", nargs="+", type=Path, help="invoices in the format of UCI Online Retail")
    parser.add_argument("--concurrency", type=int, default=64, help="requests under way at once, per prefix")
    parser.add_argument("--setting", choices=("embedded", "separate", "both"), default="both")
    parser.add_argument("--database", help="an empty database for `separate`; without it a server is started")
    parser.add_argument("--out", type=Path, help="write what is shown to this file as well")
    parser.add_argument("--keep", type=Path, help="keep journals, logs and the receiver's file in this directory")
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    console = Console(width=max(100, Console().width), record=True)
    invoices = read_files(asked.files)
    showing.show_malformed(console, invoices.malformed)
    planned = plan(invoices.lines)
    settings = ("embedded", "separate") if asked.setting == "both" else (asked.setting,)
    good = True
    with contextlib.ExitStack() as stack:
        root = asked.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stockwire-replay-")))
        for setting in settings:
            folder = root / setting
            folder.mkdir(parents=True)
            for path in (root, folder):
                path.chmod(0o755)  # root starts the database as another user
            good &= show(console, setting, uvloop.run(run(setting, planned, asked, folder)))
    if asked.out:
        console.save_text(str(asked.out))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
