"""Commands that work on the database itself: the one given, or the embedded one, running or not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from stockwire import config
from stockwire.cli.calling import leave
from stockwire.store import migrate
from stockwire.store.database import Connection, UnusableDatabase, connect
from stockwire.store.embedded import Embedded, EmbeddedFailure, running_address

T = TypeVar("T")

DatabaseOption = Annotated[str | None, typer.Option("--database", help="PostgreSQL to use [STOCKWIRE_DATABASE].")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Directory of the embedded database [STOCKWIRE_DATA_DIR].")
]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


def settings_of(database: str | None, data_dir: Path | None) -> config.Settings:
    """The settings with these two flags; a wrong one ends the command with exit code 1."""
    try:
        return config.load({"database": database, "data_dir": data_dir}, os.environ)
    except config.WrongSetting as wrong:
        leave(f"setting {wrong}")


@contextmanager
def address_of(settings: config.Settings) -> Iterator[str]:
    """The database's address. An embedded one that is not running is started, and stopped again afterwards."""
    known = settings.database or running_address(settings.data_dir)
    if known is not None:
        yield known
        return
    if not (settings.data_dir / "postgres").exists():
        leave(f"there is no database in {settings.data_dir}; `stockwire serve` makes one, --data-dir names another")
    embedded = Embedded(settings.data_dir, settings.pg_bin)
    try:
        yield embedded.start()
    except EmbeddedFailure as fault:
        leave(str(fault))
    finally:
        embedded.stop()


def with_connection(
    work: Callable[[Connection], Awaitable[T]], database: str | None = None, data_dir: Path | None = None
) -> T:
    """Run `work` on a connection to a database whose schema is this version's."""
    with address_of(settings_of(database, data_dir)) as address:
        try:
            return asyncio.run(_on(address, work))
        except (UnusableDatabase, migrate.WrongSchema, OSError) as fault:
            leave(str(fault))


async def _on(address: str, work: Callable[[Connection], Awaitable[T]]) -> T:
    connection = await connect(address)
    try:
        migrate.check(await migrate.version_of(connection))
        return await work(connection)
    finally:
        await connection.close()
