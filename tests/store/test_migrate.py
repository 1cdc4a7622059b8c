"""Migrations: once, in order, whole or not at all, never from a newer schema back."""

import asyncio
import subprocess
import sys
from pathlib import Path

import asyncpg
import psycopg
import pytest

from stockwire.store import migrate


async def test_an_empty_database_gets_the_schema_and_a_second_run_changes_nothing(empty_dsn: str) -> None:
    assert await migrate.current(empty_dsn) is None
    with pytest.raises(migrate.WrongSchema, match=r"has no schema yet.*run `stockwire migrate`"):
        migrate.check(None)
    assert await asyncio.to_thread(migrate.upgrade, empty_dsn) == (None, migrate.expected())
    assert await migrate.current(empty_dsn) == migrate.expected()
    assert await asyncio.to_thread(migrate.upgrade, empty_dsn) == (migrate.expected(), migrate.expected())
    migrate.check(await migrate.current(empty_dsn))


async def test_several_machines_that_migrate_at_once_do_it_once(empty_dsn: str) -> None:
    ran = await asyncio.gather(*(asyncio.to_thread(migrate.upgrade, empty_dsn) for _ in range(4)))
    assert sorted(str(before) for before, _ in ran) == [migrate.expected()] * 3 + ["None"]


async def test_a_migration_that_fails_leaves_nothing(
    empty_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0001_fine.sql").write_text("CREATE TABLE fine (n int); SELECT '50%' || ':z'")
    (tmp_path / "0002_broken.sql").write_text("CREATE TABLE begun (n int); SELECT 1/0; CREATE TABLE never (n int)")
    monkeypatch.setattr(migrate, "folder", lambda: tmp_path)
    with pytest.raises(Exception, match="division by zero"):
        await asyncio.to_thread(migrate.upgrade, empty_dsn)
    assert await migrate.current(empty_dsn) == "0001"
    connection = await asyncpg.connect(empty_dsn)
    found = await connection.fetch("SELECT relname FROM pg_class WHERE relname IN ('fine', 'begun', 'never')")
    await connection.close()
    assert [row["relname"] for row in found] == ["fine"]
    (tmp_path / "0002_broken.sql").write_text("CREATE TABLE begun (n int)")
    assert await asyncio.to_thread(migrate.upgrade, empty_dsn) == ("0001", "0002")


async def test_a_newer_database_is_refused(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9000'")
    version = await migrate.current(dsn)
    with pytest.raises(migrate.WrongSchema, match=r"schema 9000.*use the newer version"):
        migrate.check(version)
    with pytest.raises(migrate.WrongSchema, match="schema 9000"):
        await asyncio.to_thread(migrate.upgrade, dsn)


def test_migrations_are_numbered_without_a_hole() -> None:
    numbers = [int(number) for number, _ in migrate.revisions()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_asking_for_versions_does_not_import_what_migrating_needs() -> None:
    code = "import sys; from stockwire.store import migrate; migrate.expected(); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'asyncpg'" in loaded
    assert "alembic" not in loaded
    assert "psycopg" not in loaded
    assert "sqlalchemy" not in loaded
