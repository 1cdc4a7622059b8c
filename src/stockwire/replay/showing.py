"""A replay in words and tables, for people: progress while it runs, what happened, and the verdict."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from stockwire.replay.proving import Proof
from stockwire.replay.reading import Malformed
from stockwire.replay.reconciling import Check

MOST_MALFORMED = 20
ORDER_OF_TALE = (
    "items",
    "orders wanted",
    "orders taken whole",
    "orders refused",
    "orders taken without short lines",
    "orders not taken",
    "lines refused",
    "baskets held",
    "parcels shipped",
    "returns",
    "cancels",
)


@contextmanager
def progress(console: Console, what: str, total: int) -> Iterator["Told"]:
    """A bar on a terminal, silence elsewhere; the yielded function is told how many more are done (and of how many)."""
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TaskProgressColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)

        def tell(more: int, of: int | None = None) -> None:
            bar.update(task, advance=more, total=of)

        yield tell


class Told(Protocol):
    def __call__(self, more: int, of: int | None = None, /) -> None: ...


def show_malformed(console: Console, malformed: Sequence[Malformed]) -> None:
    """Each malformed line by its number; of very many, the first ones and the count."""
    for fault in malformed[:MOST_MALFORMED]:
        console.print(f"{fault.file} line {fault.number}: {fault.why}", markup=False, highlight=False)
    if len(malformed) > MOST_MALFORMED:
        console.print(f"… and {len(malformed) - MOST_MALFORMED} more malformed lines", highlight=False)


def tale(tally: Counter[str], seconds: float) -> Table:
    """What happened, counted."""
    table = Table(title=f"What happened in {seconds:.1f} s", title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("how many", justify="right")
    for what in (*ORDER_OF_TALE, *sorted(tally.keys() - set(ORDER_OF_TALE))):
        table.add_row(what, f"{tally[what]:,}")
    return table


def verdict(checks: Sequence[Check]) -> tuple[Table, bool]:
    """The checks as a table, and whether nothing differs."""
    table = Table(title="Reconciliation, counted from outside", title_justify="left")
    table.add_column("check")
    table.add_column("compared", justify="right")
    table.add_column("differences", justify="right")
    for check in checks:
        style = "bold red" if check.different else ""
        table.add_row(check.what, f"{check.compared:,}", f"{check.different:,}", style=style)
        if check.different:
            table.add_row(f"  for instance {check.example}", "", "", style="red")
    return table, not any(check.different for check in checks)


def summary(proof: Proof) -> str:
    """The verdict in one line."""
    found: Counter[str] = Counter()
    for check in proof.checks:
        found[check.what.partition(":")[0]] += check.different
    ending = "Everything agrees." if proof.agreed else "It does NOT add up: see the table."
    lost = f"lost {found['lost']} of {proof.published:,} events"
    return f"oversold {found['oversold']}, {lost}, delivered twice {proof.repeated}. {ending}"
