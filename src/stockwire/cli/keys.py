"""`stockwire keys`: make, list and revoke API keys."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from stockwire.cli.at_database import DatabaseOption, DataDir, Json, with_connection
from stockwire.cli.leaving import leave
from stockwire.store import keys

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)

Store = Annotated[str, typer.Argument(help="The store's name.")]


@app.command()
def create(
    store: Store = "main",
    *,
    role: Annotated[str, typer.Option(help=f"One of {', '.join(keys.ROLES)}.")] = "operator",
    live: Annotated[bool, typer.Option("--live", help="For live data; without it, for test data.")] = False,
    fulfiller: Annotated[str | None, typer.Option(help="The one fulfiller of a `fulfiller` key.")] = None,
    name: Annotated[str, typer.Option(help="What it is for, for lists.")] = "",
    as_json: Json = False,
    database: DatabaseOption = None,
    data_dir: DataDir = None,
) -> None:
    """Make a key and show it, this once.

    A key belongs to one store and to its test or its live data. The server keeps no more of it than a hash.

    Examples:

      stockwire keys create main --role operator --name "back office"

      stockwire keys create main --role admin --live
    """
    try:
        made = with_connection(
            lambda connection: keys.create_key(connection, store, role, live=live, fulfiller=fulfiller, name=name),
            database,
            data_dir,
        )
    except keys.Unusable as fault:
        leave(str(fault))
    typer.echo(msgspec.json.encode(made._asdict()).decode() if as_json else made.key)
    if not as_json:
        typer.echo("Keep it now: it is not shown again.", err=True)


@app.command("list")
def list_(
    store: Annotated[str | None, typer.Argument(help="Only this store's.")] = None,
    *,
    as_json: Json = False,
    database: DatabaseOption = None,
    data_dir: DataDir = None,
) -> None:
    """List keys by what they may do and their last four characters."""
    rows = with_connection(lambda connection: keys.keys(connection, store), database, data_dir)
    if as_json:
        typer.echo(msgspec.json.encode([{**row, "id": str(row["id"])} for row in rows]).decode())
        return
    table = Table("Store", "Mode", "Role", "Fulfiller", "Key", "Name", "Made", "Revoked")
    for row in rows:
        revoked = f"{row['revoked_at']:%Y-%m-%d %H:%M}" if row["revoked_at"] else ""
        key = f"{row['prefix']}…{row['last_four']}"
        mode, made = "live" if row["live"] else "test", f"{row['created_at']:%Y-%m-%d}"
        table.add_row(row["store"], mode, row["role"], row["fulfiller"] or "", key, row["name"], made, revoked)
    Console().print(table if rows else "There are no keys: stockwire keys create STORE")


@app.command()
def revoke(
    store: Store,
    key: Annotated[str, typer.Argument(help="Its id, or its last four characters.")],
    *,
    database: DatabaseOption = None,
    data_dir: DataDir = None,
) -> None:
    """Revoke a key: within five seconds it is refused everywhere."""
    try:
        revoked = with_connection(lambda connection: keys.revoke_key(connection, store, key), database, data_dir)
    except keys.Unusable as fault:
        leave(str(fault))
    typer.echo(f"Revoked {revoked['prefix']}…{revoked['last_four']} ({revoked['role']}).")
