"""`stockwire serve`: the server in the foreground."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from stockwire import config


def _option(name: str, *flags: str) -> Any:
    row = next(row for row in config.TABLE if row.name == name)
    said = rf"{row.doc} \[default: {row.default}; {row.variable}]"  # the backslash: else rich takes it for a style
    return typer.Option(*(flags or (row.flag,)), help=said, show_default=False)


Text = str | None


def serve(
    *,
    host: Annotated[Text, _option("host")] = None,
    port: Annotated[Text, _option("port")] = None,
    database: Annotated[Text, _option("database")] = None,
    data_dir: Annotated[Text, _option("data_dir")] = None,
    role: Annotated[Text, _option("role")] = None,
    workers: Annotated[Text, _option("workers")] = None,
    pg_bin: Annotated[Text, _option("pg_bin")] = None,
    hosts: Annotated[Text, _option("hosts")] = None,
    trusted_proxies: Annotated[Text, _option("trusted_proxies")] = None,
    webhook_allow: Annotated[Text, _option("webhook_allow")] = None,
    egress_addresses: Annotated[Text, _option("egress_addresses")] = None,
    log_level: Annotated[Text, _option("log_level")] = None,
) -> None:
    """Run the server: API, deliveries and housekeeping, on an embedded PostgreSQL unless --database names another.

    On an empty data directory it makes a store with test keys, written to first-keys.json there. Stop it with Ctrl-C.
    Secrets (database, secret_key, egress_proxy) are better given as STOCKWIRE_<NAME> or STOCKWIRE_<NAME>_FILE.

    Examples:

      stockwire serve

      stockwire serve --port 9000 --data-dir ./data --webhook-allow 127.0.0.0/8

      STOCKWIRE_DATABASE_FILE=/run/secrets/database stockwire serve --role api --workers 4
    """
    flags = {name: value for name, value in locals().items() if value is not None}
    try:
        settings = config.load(flags, os.environ)
    except config.WrongSetting as wrong:
        typer.echo(f"stockwire: setting {wrong}", err=True)
        raise typer.Exit(2) from None
    from stockwire import supervisor

    supervisor.exec_with(settings)
