"""What a server prepares before it works: schema, key ring, the first store (R17, R25)."""

import asyncio
import json
import os
import stat
import sys
import time
from pathlib import Path

import pytest

from stockwire import first_start
from stockwire.config import Settings, WrongSetting
from stockwire.store import keys, migrate
from stockwire.store.database import Database
from tests import harness


class Start:
    """A start on a database as if it were the embedded one of a data directory, or one that was given."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.dsn = dsn
        self.folder = folder

    async def prepare(self, *, embedded: bool = True, secret_key: tuple[str, ...] = ()) -> None:
        given = None if embedded else self.dsn
        settings = Settings(data_dir=self.folder, database=given, secret_key=secret_key)
        database = await Database.open(self.dsn)
        try:
            await first_start.prepare(database, settings)
        finally:
            await database.close()

    async def stores(self) -> list[str]:
        database = await Database.open(self.dsn)
        try:
            async with database.reads.acquire() as connection:
                return [row["name"] for row in await keys.stores(connection)]
        finally:
            await database.close()

    def first_keys(self) -> dict[str, str]:
        return {key["role"]: key["key"] for key in json.loads((self.folder / "first-keys.json").read_text())["keys"]}


@pytest.fixture
def start(empty_dsn: str, tmp_path: Path) -> Start:
    return Start(empty_dsn, tmp_path)


@pytest.fixture
def migrated(dsn: str, tmp_path: Path) -> Start:
    return Start(dsn, tmp_path)


async def test_r17_an_empty_embedded_database_gets_a_store_with_test_keys(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    await start.prepare()
    assert await migrate.current(start.dsn) == migrate.expected()
    assert await start.stores() == ["main"]
    made = start.first_keys()
    assert set(made) == {"admin", "operator", "viewer", "public"}
    assert all(key.startswith(("sk_test_main_", "pk_test_main_")) for key in made.values())
    assert stat.S_IMODE((start.folder / "first-keys.json").stat().st_mode) == 0o600
    said = capsys.readouterr()
    assert not [key for key in made.values() if key in said.out + said.err]  # not a terminal


async def test_r17_on_a_terminal_the_keys_are_shown(
    migrated: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    await migrated.prepare()
    said = capsys.readouterr().out
    assert all(key in said for key in migrated.first_keys().values())


async def test_several_processes_that_start_at_once_make_one_store(start: Start) -> None:
    await asyncio.gather(*(start.prepare() for _ in range(3)))
    assert await start.stores() == ["main"]
    database = await Database.open(start.dsn)
    async with database.reads.acquire() as connection:
        kept = [row["last_four"] for row in await keys.keys(connection)]
    await database.close()
    assert sorted(kept) == sorted(key[-4:] for key in start.first_keys().values())


async def test_a_first_start_that_was_interrupted_is_repeated(migrated: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the file and before the commit: the keys in the file do not count, so there will be others."""
    write = first_start.private_file.write

    def interrupted(path: Path, data: bytes) -> None:
        write(path, data)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(first_start.private_file, "write", interrupted)
        await migrated.prepare(secret_key=("k" * 32,))
    lost = migrated.first_keys()
    assert await migrated.stores() == []
    await migrated.prepare(secret_key=("k" * 32,))
    assert await migrated.stores() == ["main"]
    assert not set(lost.values()) & set(migrated.first_keys().values())


async def test_a_database_of_ones_own_gets_nothing_and_must_be_migrated(start: Start) -> None:
    with pytest.raises(migrate.WrongSchema, match="run `stockwire migrate`"):
        await start.prepare(embedded=False, secret_key=("k" * 32,))
    await asyncio.to_thread(migrate.upgrade, start.dsn)
    await start.prepare(embedded=False, secret_key=("k" * 32,))
    assert await start.stores() == []
    assert not list(start.folder.iterdir())


async def test_a_lost_key_file_is_not_replaced_by_another(migrated: Start) -> None:
    await migrated.prepare()
    (migrated.folder / "secret.key").unlink()
    with pytest.raises(WrongSetting, match=r"secret\.key is gone"):
        await migrated.prepare()
    assert not (migrated.folder / "secret.key").exists()


async def test_an_embedded_database_takes_a_given_key_too(migrated: Start) -> None:
    await migrated.prepare(secret_key=("k" * 32,))
    assert not (migrated.folder / "secret.key").exists()
    with pytest.raises(WrongSetting, match="is not the key"):
        await migrated.prepare(secret_key=("l" * 32,))


async def test_a_newer_database_is_refused_and_left_alone(migrated: Start) -> None:
    database = await Database.open(migrated.dsn)
    await database.work.execute("UPDATE alembic_version SET version_num = '9000'")
    await database.close()
    with pytest.raises(migrate.WrongSchema, match="use the newer version"):
        await migrated.prepare()
    assert await migrate.current(migrated.dsn) == "9000"


async def test_a_child_told_to_stop_while_it_waits_for_another_leaves_at_once(dsn: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database=dsn, secret_key=("k" * 32,))
    lifeline, held = os.pipe()
    heard, ready = os.pipe()
    database = await Database.open(dsn)
    async with database.work.acquire() as other:
        await other.execute("SELECT pg_advisory_lock($1)", first_start._LOCK)  # somebody's first start takes its time
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "stockwire.app", "deliver", "-1", str(lifeline), str(ready)),
            pass_fds=(lifeline, ready),
            env=harness.environment() | settings.environ(),
        )
        for _ in range(1000):
            if await other.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
                break
            await asyncio.sleep(0.02)
        began = time.monotonic()
        child.terminate()
        assert await child.wait() == 0
        assert time.monotonic() - began < 5
    await database.close()
    for descriptor in (lifeline, held, heard, ready):
        os.close(descriptor)
