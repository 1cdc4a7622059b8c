"""`stockwire replay`: real orders through a running server."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stockwire.cli.calling import call, server_and_key
from stockwire.cli.leaving import leave
from stockwire.client import Retries, Stockwire
from stockwire.replay import evidence, showing
from stockwire.replay.journal import Journal
from stockwire.replay.planning import Plan, plan
from stockwire.replay.reading import NotInvoicesError, read_files
from stockwire.replay.reconciling import books, reconcile_stock
from stockwire.replay.running import PREFIX, PartsExistError, Replay

Files = Annotated[
    list[Path], typer.Argument(help="Invoices in the format of UCI Online Retail, CSV or gzip.", show_default=False)
]
Speed = Annotated[
    float, typer.Option(min=0.0, help="How much faster than life: 3600 plays an hour a second; 0 is at full speed.")
]
Concurrency = Annotated[int, typer.Option(min=1, max=1024, help="Requests under way at once.")]
Fulfillers = Annotated[
    str,
    typer.Option(help="Names, separated by commas, over which each part's stock is spread; none: the store's own."),
]
Prefix = Annotated[
    str, typer.Option(help="Stands before every part number and order id, so that a replay can be repeated.")
]
JournalFile = Annotated[Path | None, typer.Option(help="Write what the server answered to this file, as JSON Lines.")]


def replay(
    files: Files,
    *,
    speed: Speed = 0.0,
    concurrency: Concurrency = 64,
    fulfillers: Fulfillers = "",
    prefix: Prefix = "",
    journal: JournalFile = None,
) -> None:
    """Replay real orders through a running server, then compare the books.

    Goods are stock codes that begin with five digits. Opening stock covers
    80 % of the demand for each part, and half of the rest is received
    midway, so orders are refused and parts run out. A refused order is sent
    again without its short lines. A day later orders ship; a cancellation is
    a cancel or a return of the customer's earlier order, or a receipt
    (reason cancellation_without_sale) if the files do not hold that order.
    Malformed lines are reported by number.

    Set STOCKWIRE_KEY, and STOCKWIRE_URL if the server is not at http://127.0.0.1:8080.

    Examples:

      stockwire replay 2010-12.csv.gz

      stockwire replay *.csv.gz --concurrency 128 --prefix second-

      stockwire replay 2010-12.csv.gz --speed 3600 --fulfillers "London,Leeds"
    """
    if not PREFIX.fullmatch(prefix):
        leave("--prefix may have up to 20 letters, digits, '-', '_' and '.'")
    server_and_key()  # before the files are read: a missing key is said at once
    console = Console(stderr=True)
    planned = _planned(files, console)
    houses = [name.strip() for name in fulfillers.split(",") if name.strip()]

    async def work(shop: Stockwire) -> bool:
        with Journal(journal) as written:
            run = Replay(shop, planned, written, prefix=prefix, fulfillers=houses, concurrency=concurrency, speed=speed)
            return await _replay(shop, run, planned, written, console)

    try:
        agreed = call(work, connections=concurrency, retries=Retries())
    except PartsExistError as exist:
        leave(str(exist).replace("another prefix", "another --prefix"))
    raise typer.Exit(0 if agreed else 1)


def _planned(files: list[Path], console: Console) -> Plan:
    try:
        invoices = read_files(files)
    except NotInvoicesError as fault:
        leave(str(fault))
    showing.show_malformed(console, invoices.malformed)
    console.print(
        f"{len(invoices.lines):,} lines of goods, {invoices.not_goods:,} of postage, fees and the like, "
        f"{len(invoices.malformed):,} malformed",
        highlight=False,
    )
    return plan(invoices.lines)


async def _replay(shop: Stockwire, run: Replay, planned: Plan, written: Journal, console: Console) -> bool:
    begun = time.monotonic()
    with showing.progress(console, "catalogue and stock", len(planned.opening)) as done:
        await run.stock_up(done)
    with showing.progress(console, "orders", len(planned.steps)) as done:
        await run.run(lambda step: done(1))
    seconds = time.monotonic() - begun
    ours = books(written.facts)
    levels = await evidence.levels(shop, set(ours.bought))
    sums = await evidence.sums(shop, ours.bought)
    table, agreed = showing.verdict(reconcile_stock(ours, levels, sums))
    out = Console()
    out.print(showing.tale(run.tally, seconds), table)
    return agreed
