"""`stockwire migrate`: the schema of this version."""

from __future__ import annotations

import typer

from stockwire.cli.at_database import DatabaseOption, DataDir, address_of, settings_of
from stockwire.cli.leaving import UNFIT, leave
from stockwire.store import migrate as migrations


def migrate(*, database: DatabaseOption = None, data_dir: DataDir = None) -> None:
    """Bring a database's schema to this version. Servers of the old version may still be running.

    An embedded database needs no such call: the server does it when it starts.

    Example:

      stockwire migrate --database postgresql://stockwire@db.internal/stockwire
    """
    import psycopg

    with address_of(settings_of(database, data_dir)) as address:
        try:
            before, after = migrations.upgrade(address)
        except (migrations.WrongSchema, psycopg.Error) as fault:
            leave(" ".join(str(fault).split()), UNFIT)
    typer.echo(f"The schema is {after}" + ("." if before == after else f"; it was {before or 'not there'}."))
