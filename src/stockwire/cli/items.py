"""`stockwire items`: the catalogue from and to CSV."""

import asyncio
import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from msgspec import UNSET

from stockwire.cli.calling import call
from stockwire.cli.item_rows import COLUMNS, BadRow, Row, WrongHeaderError, fields_of, read_rows
from stockwire.cli.leaving import leave
from stockwire.client import ApiError, Change, NewItem, Stockwire
from stockwire.client.errors import ErrorBody

app = typer.Typer(help="The catalogue, from and to CSV.", no_args_is_help=True)
ROWS_A_REQUEST = 1000
MOST_SHOWN = 100
PATCHES_AT_ONCE = 16

Update = Annotated[
    bool, typer.Option("--update", help="Items that exist take the file's policy, products and quantity.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only read the file and say what is wrong with it.")]


@app.callback()
def items() -> None:
    """The catalogue, from and to CSV."""


@app.command("import")
def import_items(
    file: Annotated[Path, typer.Argument(help="The CSV file; - reads standard input.")],
    *,
    update: Update = False,
    dry_run: DryRun = False,
) -> None:
    """Make items from a CSV file, and say line by line what could not be done.

    The first line names the columns: partNumber, and any of fulfiller,
    quantity, inventoryManagement, allowBackOrder, backOrderLimit,
    lowStockThreshold, expectedInStockDate (2026-12-24T00:00:00Z) and
    products (ids separated by semicolons, each perhaps with
    =externalReferenceId). An empty field means "not given". The exit code
    is 1 if a line was refused.

    Set STOCKWIRE_KEY, and STOCKWIRE_URL if the server is not at http://127.0.0.1:8080.

    Examples:

      stockwire items import catalogue.csv

      stockwire items import catalogue.csv --dry-run

      stockwire items export | stockwire items import - --update
    """
    good, bad = _read(file)
    _complain(bad)
    if not dry_run:
        refused = call(lambda shop: _send(shop, good, update))
        _complain(refused)
        typer.echo(f"{len(good) - len(refused)} items imported, {len(refused) + len(bad)} lines refused", err=True)
        bad += refused
    else:
        typer.echo(f"{len(good)} items could be sent, {len(bad)} lines not; nothing was sent", err=True)
    raise typer.Exit(1 if bad else 0)


def _read(path: Path) -> tuple[list[Row], list[BadRow]]:
    try:
        with _opened(path) as file:
            rows = list(read_rows(file))
    except OSError as fault:
        leave(f"{path}: {fault.strerror or fault}")
    except (UnicodeDecodeError, WrongHeaderError) as fault:
        leave(f"{path}: {fault}")
    return [row for row in rows if isinstance(row, Row)], [row for row in rows if isinstance(row, BadRow)]


def _opened(path: Path) -> TextIO:
    if str(path) == "-":
        return sys.stdin
    return path.open(encoding="utf-8-sig", newline="")


def _complain(faults: Sequence[BadRow]) -> None:
    for fault in sorted(faults)[:MOST_SHOWN]:
        typer.echo(f"line {fault.line}: {fault.why}", err=True)
    if len(faults) > MOST_SHOWN:
        typer.echo(f"… and {len(faults) - MOST_SHOWN} more lines", err=True)


async def _send(shop: Stockwire, rows: Sequence[Row], update: bool) -> list[BadRow]:
    refused: list[BadRow] = []
    for start in range(0, len(rows), ROWS_A_REQUEST):
        some = rows[start : start + ROWS_A_REQUEST]
        answer = await shop.items.create_many([row.item for row in some])
        known: list[tuple[Row, str]] = []
        for row, result in zip(some, answer.results, strict=True):
            if result.error is None:
                continue
            if update and result.error.has("already_exists"):
                known.append((row, str(result.error.errors[0].get("id"))))
            else:
                refused.append(BadRow(row.line, _why(result.error)))
        refused += await _update(shop, known)
    return refused


async def _update(shop: Stockwire, known: Sequence[tuple[Row, str]]) -> list[BadRow]:
    """Items that exist: policy and products by PATCH, several at once; then the quantities in one batch."""
    slots = asyncio.Semaphore(PATCHES_AT_ONCE)
    edited = await asyncio.gather(*(_edit(shop, row, item_id, slots) for row, item_id in known))
    refused = [fault for fault in edited if fault is not None]
    stocked = [row for row, _ in known if row.item.quantity is not None]
    if not stocked:
        return refused
    answer = await shop.changes.batch([_set(row.item) for row in stocked])
    faults = zip(stocked, answer.results, strict=True)
    return refused + [BadRow(row.line, _why(result.error)) for row, result in faults if result.error]


async def _edit(shop: Stockwire, row: Row, item_id: str, slots: asyncio.Semaphore) -> BadRow | None:
    changed = _policy(row.item)
    if not changed:
        return None
    async with slots:
        try:
            await shop.items.update(item_id, **changed)
        except ApiError as refused:
            if refused.status not in (400, 404, 409, 422):
                raise
            return BadRow(row.line, str(refused))
    return None


def _policy(item: NewItem) -> dict[str, Any]:
    names = (
        "inventory_management",
        "allow_back_order",
        "back_order_limit",
        "low_stock_threshold",
        "expected_in_stock_date",
        "products",
    )
    return {name: value for name in names if (value := getattr(item, name)) is not None and value is not UNSET}


def _set(item: NewItem) -> Change:
    return Change(
        type="set",
        part_number=item.part_number,
        fulfiller=item.fulfiller,
        quantity=item.quantity,
        reason="import",
    )


def _why(error: ErrorBody) -> str:
    hint = " (--update changes it)" if error.has("already_exists") else ""
    return "; ".join(fault.message or fault.code for fault in error.faults) + hint


@app.command("export")
def export_items(
    file: Annotated[Path | None, typer.Argument(help="Where to write; without it, standard output.")] = None,
    *,
    fulfiller: Annotated[str | None, typer.Option(help="Only this fulfiller's items.")] = None,
) -> None:
    """Write every item as a line of CSV, which `items import` reads again.

    Set STOCKWIRE_KEY, and STOCKWIRE_URL if the server is not at http://127.0.0.1:8080.

    Examples:

      stockwire items export catalogue.csv

      stockwire items export --fulfiller "Leeds" > leeds.csv
    """

    async def work(shop: Stockwire) -> list[list[str]]:
        found = shop.items.list(fulfiller=fulfiller) if fulfiller else shop.items.list()
        return [fields_of(item) async for item in found]

    rows = call(work)
    try:
        _write(rows, file)
    except OSError as fault:
        leave(f"{file}: {fault.strerror or fault}")


def _write(rows: Iterable[list[str]], path: Path | None) -> None:
    """Oldest first, so that an import makes the items in the same order."""
    ordered = reversed(list(rows))
    if path is None:
        csv.writer(sys.stdout, lineterminator="\n").writerows([list(COLUMNS), *ordered])
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([list(COLUMNS), *ordered])
