"""Commands that work on the database itself: the one given, or the embedded one, running or not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import asyncpg
import typer

from stockwire import config
from stockwire.cli.leaving import UNFIT, leave
from stockwire.store import migrate
from stockwire.store.database import UNREACHABLE, Connection, UnusableDatabase, connect, plain
from stockwire.store.embedded import Embedded, EmbeddedFailure, running_address

T = TypeVar("T")

DatabaseOption = Annotated[str | None, typer.Option("--database", help="PostgreSQL to use [STOCKWIRE_DATABASE].")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Directory of the embedded database [STOCKWIRE_DATA_DIR].")
]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


def settings_of(database: str | None, data_dir: Path | None) -> config.Settings:
    """The settings with these two flags; a wrong one ends the command with exit code 2."""
    try:
        return config.load({"database": database, "data_dir": data_dir}, os.environ)
    except config.WrongSetting as wrong:
        leave(f"setting {wrong}", UNFIT)


@contextmanager
def address_of(settings: config.Settings) -> Iterator[str]:
    """The database's address. An embedded one that is not running is started, and stopped again afterwards."""
    known = settings.database or _running(settings.data_dir)
    if known is not None:
        yield known
        return
    embedded = Embedded(settings.data_dir, settings.pg_bin)
    try:
        address = embedded.start()
    except EmbeddedFailure as fault:
        leave(str(fault), UNFIT)
    try:
        yield address
    finally:
        embedded.stop()


def _running(data_dir: Path) -> str | None:
    """Address of the server that runs there, None if there is a database that does not run."""
    try:
        if not (data_dir / "postgres").exists():
            leave(f"there is no database in {data_dir}; `stockwire serve` makes one, --data-dir names another", UNFIT)
        return running_address(data_dir)
    except OSError as fault:
        leave(f"cannot use the data directory {data_dir}: {fault.strerror}", UNFIT)


def with_connection(
    work: Callable[[Connection], Awaitable[T]], database: str | None = None, data_dir: Path | None = None
) -> T:
    """Run `work` on a connection to a database whose schema is this version's."""
    with address_of(settings_of(database, data_dir)) as address:
        try:
            return asyncio.run(_on(address, work))
        except (UnusableDatabase, migrate.WrongSchema) as fault:
            leave(str(fault), UNFIT)
        except UNREACHABLE as fault:
            leave(f"the database does not answer: {plain(fault)}", UNFIT)
        except asyncpg.InvalidAuthorizationSpecificationError as fault:
            leave(f"the database refuses the connection: {fault}", UNFIT)


async def _on(address: str, work: Callable[[Connection], Awaitable[T]]) -> T:
    connection = await connect(address)
    try:
        migrate.check(await migrate.version_of(connection))
        return await work(connection)
    finally:
        await connection.close()
