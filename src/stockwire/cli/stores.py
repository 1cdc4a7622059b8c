"""`stockwire stores`: make and list stores."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from stockwire.cli.at_database import DatabaseOption, DataDir, Json, with_connection
from stockwire.cli.leaving import leave
from stockwire.store import keys

app = typer.Typer(help="Make and list stores.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Lower-case letters and digits; it stands in every key of the store.")],
    *,
    own_fulfiller: Annotated[str | None, typer.Option(help="What the store's own stock is called.")] = None,
    database: DatabaseOption = None,
    data_dir: DataDir = None,
) -> None:
    """Make a store, with a test and a live ledger.

    It has no keys until `stockwire keys create` makes one.

    Example:

      stockwire stores create acme --own-fulfiller "ACME warehouse"
    """
    try:
        with_connection(lambda connection: keys.create_store(connection, name, own_fulfiller), database, data_dir)
    except keys.Unusable as fault:
        leave(str(fault))
    typer.echo(f"Made the store {name}. Its first key: stockwire keys create {name} --role admin")


@app.command("list")
def list_(*, as_json: Json = False, database: DatabaseOption = None, data_dir: DataDir = None) -> None:
    """List the stores, with how many events each ledger has published."""
    rows = with_connection(keys.stores, database, data_dir)
    if as_json:
        typer.echo(msgspec.json.encode(rows).decode())
        return
    table = Table("Store", "Own fulfiller", "Test events", "Live events", "Made")
    for row in rows:
        made = f"{row['created_at']:%Y-%m-%d}"
        table.add_row(row["name"], row["own_fulfiller"], str(row["test_position"]), str(row["live_position"]), made)
    Console().print(table if rows else "There are no stores yet: stockwire stores create NAME")
