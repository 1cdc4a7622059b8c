"""One real PostgreSQL for a run of the tests, and a fresh migrated database for each test that asks for one."""

import itertools
import os
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
import pytest_asyncio

from stockwire.store import migrate
from stockwire.store.database import Database
from stockwire.store.embedded import Embedded
from tests import engines

TEMPLATE = "migrated"
_numbers = itertools.count(1)


def pytest_report_header() -> str:
    return engines.described()


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    """The shell of whoever runs the tests must not decide what they find."""
    for name in [name for name in os.environ if name.startswith("STOCKWIRE_") and "_TEST_" not in name]:
        del os.environ[name]


@pytest.fixture(scope="session")
def engine() -> Iterator[Embedded]:
    """The server, with a migrated database to copy."""
    with engines.embedded_server() as server:
        _administer(server, f"CREATE DATABASE {TEMPLATE} OWNER stockwire")
        migrate.upgrade(_address(server, TEMPLATE))
        yield server


@pytest.fixture
def empty_dsn(engine: Embedded) -> Iterator[str]:
    """Address of a fresh database without a schema."""
    yield from _database(engine, "template1")


@pytest.fixture
def dsn(engine: Embedded) -> Iterator[str]:
    """Address of a fresh database with the schema."""
    yield from _database(engine, TEMPLATE)


@pytest_asyncio.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """The pools over a fresh database with the schema."""
    opened = await Database.open(dsn)
    try:
        yield opened
    finally:
        await opened.close()


def _database(server: Embedded, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    _administer(server, f"CREATE DATABASE {name} OWNER stockwire TEMPLATE {template}")
    try:
        yield _address(server, name)
    finally:
        _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


def _address(server: Embedded, name: str) -> str:
    return server.dsn.replace("@/stockwire?", f"@/{name}?")


def _administer(server: Embedded, statement: str) -> None:
    with psycopg.connect(server.superuser_dsn, autocommit=True) as connection:
        connection.execute(statement)
