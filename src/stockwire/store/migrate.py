"""Migrations: the plain files NNNN_name.sql in order, each in its transaction, under one advisory lock.

Alembic and psycopg are imported only by `upgrade` (36 MB, 0.4 s): whoever only asks for versions does not pay for them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection as SqlConnection

LOCK = 0x5354_4F43_4B57  # "STOCKW": migrations take it, on all machines of a database; the first start takes the next
LOCK_SECONDS = 120


class WrongSchema(Exception):  # noqa: N818 - said to the person who starts the server
    """The database's schema is not the code's. The text says what to do."""


def folder() -> Path:
    return Path(str(files("stockwire.store") / "sql" / "migrations"))


def revisions() -> list[tuple[str, Path]]:
    """Every migration there is, in order: its number (four digits) and file."""
    found = sorted(folder().glob("[0-9][0-9][0-9][0-9]_*.sql"))
    return [(path.name[:4], path) for path in found]


def expected() -> str:
    """The version of the schema that this code works with."""
    return revisions()[-1][0]


async def current(dsn: str) -> str | None:
    """The version of the schema in the database; None: it has none."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return await version_of(connection)
    finally:
        await connection.close()


async def version_of(connection: Any) -> str | None:
    """As `current`, over an open connection."""
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    version: str | None = await connection.fetchval("SELECT max(version_num) FROM alembic_version")
    return version


def check(version: str | None) -> None:
    """WrongSchema unless the code works with this version."""
    refuse_newer(version)
    if version != expected():
        have = f"has schema {version}" if version else "has no schema yet"
        raise WrongSchema(f"the database {have}, this version of Stockwire needs {expected()}: run `stockwire migrate`")


def refuse_newer(version: str | None) -> None:
    if version is not None and version not in {number for number, _ in revisions()}:
        raise WrongSchema(
            f"the database has schema {version}, this version of Stockwire knows up to {expected()}: "
            "use the newer version of Stockwire that made it"
        )


@contextmanager
def _locked(dsn: str) -> Iterator[None]:
    """While this runs nobody else migrates."""
    import psycopg

    with psycopg.connect(dsn, autocommit=True, connect_timeout=10, application_name="stockwire migrate") as connection:
        connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        yield  # the lock goes with the connection


def upgrade(dsn: str) -> tuple[str | None, str]:
    """Brings the database to the code's schema; the versions before and after. WrongSchema: it is newer."""
    with _locked(dsn):
        return _upgrade(dsn)


def _upgrade(dsn: str) -> tuple[str | None, str]:
    import psycopg
    import sqlalchemy
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(dsn, connect_timeout=10),
        poolclass=sqlalchemy.pool.NullPool,
    )
    with engine.connect() as connection:
        before = MigrationContext.configure(connection).get_current_revision()
        connection.rollback()
        refuse_newer(before)
        if before != expected():
            scripts = _scripts()
            with EnvironmentContext(_no_config(), scripts, destination_rev="head") as context:
                _run(context, connection, lambda revision, _: scripts._upgrade_revs("head", revision))
        after = MigrationContext.configure(connection).get_current_revision()
    return before, after or ""


def _run(context: Any, connection: "SqlConnection", steps: Callable[[Any, Any], Any]) -> None:
    context.configure(connection=connection, fn=steps, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


def _no_config() -> Any:
    from alembic.config import Config

    return Config()


def _scripts() -> "ScriptDirectory":
    """Alembic's directory of revisions, made from the .sql files themselves instead of a stub of Python for each."""
    from alembic.script import Script, ScriptDirectory

    class SqlFiles(ScriptDirectory):
        def _load_revisions(self) -> Iterator[Script]:
            before: str | None = None
            for number, path in revisions():
                yield Script(_module(number, before, path), number, str(path))
                before = number

    return SqlFiles(str(folder()))


def _module(number: str, before: str | None, path: Path) -> Any:
    from types import ModuleType

    from alembic import op

    def run() -> None:
        # psycopg itself: several statements at once, and % means %. Still inside Alembic's transaction.
        driver: Any = op.get_bind().connection.driver_connection
        driver.execute(path.read_bytes())

    module: Any = ModuleType(f"migration_{number}", doc=path.stem)
    module.revision, module.down_revision, module.upgrade = number, before, run
    return module
