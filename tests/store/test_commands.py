"""Commands that work on the database: with the server running, without it, and on a database of one's own."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import typer

from stockwire.cli.at_database import address_of, settings_of
from stockwire.store import migrate
from stockwire.store.embedded import Embedded
from stockwire.store.embedded_files import read_pid_file, running_address
from tests import engines
from tests.harness import Server, environment
from tests.store.cluster import ask, do


def stockwire(*words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-P", "-m", "stockwire", *words],
        env=environment(**settings) | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with engines.private_folder() as folder, Server(folder / "data") as server:
        yield server


def status(server: Server, key: str) -> int:
    asked = urllib.request.Request(server.url + "/v1/me", headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


def test_r17_a_key_made_beside_a_running_server_works_and_a_revoked_one_ends_within_5_s(running: Server) -> None:
    here = ("--data-dir", str(running.data_dir))
    made = json.loads(stockwire("keys", "create", "--role", "viewer", "--live", "--json", *here).stdout)
    assert (made["store"], made["live"], made["role"]) == ("main", True, "viewer")
    assert status(running, made["key"]) == 200
    assert stockwire("keys", "revoke", "main", made["key"][-4:], *here).returncode == 0
    until = time.monotonic() + 5
    while status(running, made["key"]) == 200 and time.monotonic() < until:
        time.sleep(0.1)
    assert status(running, made["key"]) == 401
    listed = json.loads(stockwire("keys", "list", "--json", *here).stdout)
    (row,) = [row for row in listed if row["id"] == made["id"]]
    assert row["revoked_at"]
    assert made["key"] not in json.dumps(listed)


def test_a_key_is_shown_alone_so_that_a_script_can_keep_it(running: Server) -> None:
    done = stockwire(
        "keys", "create", "--role", "fulfiller", "--fulfiller", "ACME", "--data-dir", str(running.data_dir)
    )
    assert done.stdout.startswith("sk_test_main_")
    assert done.stdout.count("\n") == 1
    assert "not shown again" in done.stderr


def test_doctor_finds_a_running_server_well(running: Server) -> None:
    done = stockwire("doctor", "--data-dir", str(running.data_dir), "--json")
    findings = {row["check"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 0
    assert {"configuration", "schema", "database", "secret key", "clock", "ledger main test"} <= set(findings)
    assert all(row["ok"] for row in findings.values())
    assert "fsync on" in findings["database"]["found"]


def test_doctor_ends_with_1_where_a_ledger_disagrees(running: Server) -> None:
    dsn = running_address(running.data_dir)
    assert dsn is not None
    hole = "UPDATE ledgers SET position = position {} 1 WHERE live"
    do(dsn, hole.format("+"))
    try:
        done = stockwire("doctor", "--data-dir", str(running.data_dir))
    finally:
        do(dsn, hole.format("-"))
    assert done.returncode == 1
    assert "wrong" in done.stdout
    assert "positions: position=1 pruned_to=0 events=0" in done.stdout


def test_without_a_server_a_command_starts_the_database_and_stops_it_again(server: Embedded) -> None:
    migrate.upgrade(server.start())
    server.stop()
    made = stockwire("stores", "create", "acme", "--own-fulfiller", "ACME", "--data-dir", str(server.data_dir))
    assert made.returncode == 0, made.stderr
    assert "Made the store acme" in made.stdout
    assert read_pid_file(server.cluster) is None
    rows = json.loads(stockwire("stores", "list", "--json", "--data-dir", str(server.data_dir)).stdout)
    assert [(row["name"], row["own_fulfiller"]) for row in rows] == [("acme", "ACME")]


def test_a_database_of_ones_own_is_migrated_and_used(empty_dsn: str) -> None:
    refused = stockwire("stores", "list", "--database", empty_dsn)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "run `stockwire migrate`" in refused.stderr
    first = stockwire("migrate", "--database", empty_dsn)
    assert first.stdout == f"The schema is {migrate.expected()}; it was not there.\n"
    again = stockwire("migrate", "--database", empty_dsn)
    assert again.stdout == f"The schema is {migrate.expected()}.\n"
    assert stockwire("stores", "create", "acme", database=empty_dsn).returncode == 0
    assert stockwire("keys", "create", "acme", "--role", "admin", database=empty_dsn).stdout.startswith("sk_test_acme_")
    well = stockwire("doctor", "--json", database=empty_dsn)
    assert well.returncode == 0, well.stdout


def test_a_newer_database_is_not_migrated_back(dsn: str) -> None:
    do(dsn, "UPDATE alembic_version SET version_num = '9000'")
    for words in (("migrate",), ("stores", "list"), ("doctor",)):
        done = stockwire(*words, "--database", dsn)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "schema 9000" in done.stderr
    assert ask(dsn, "SELECT version_num FROM alembic_version") == "9000"


def test_doctor_tells_a_key_that_does_not_fit(dsn: str) -> None:
    with engines.private_folder() as folder, Server(folder, "--database", dsn, "--role", "api", secret_key="a" * 32):
        pass
    done = stockwire("doctor", "--json", database=dsn, secret_key="b" * 32)
    findings = {row["check"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 1
    assert not findings["secret key"]["ok"]
    assert [row["check"] for row in findings.values() if not row["ok"]] == ["secret key"]


def test_d34_a_database_that_may_lose_commits_is_refused(engine: Embedded, dsn: str) -> None:
    name = dsn.split("@/")[1].partition("?")[0]
    with psycopg.connect(engine.superuser_dsn, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    done = stockwire("doctor", "--database", dsn)
    assert (done.returncode, done.stderr) == (
        2,
        "stockwire: synchronous_commit is off: a crash could lose what was answered\n",
    )


@pytest.mark.parametrize(
    ("words", "settings", "code", "said"),
    [
        (("stores", "list", "--data-dir", "/nowhere"), {}, 2, "there is no database in /nowhere"),
        (("stores", "list"), {"workers": "many"}, 2, "setting workers: must be a whole number"),
        (("doctor", "--database", "mysql://x"), {}, 2, "setting database: must be an address"),
        (("stores", "list", "--database", "postgresql://u:hush@127.0.0.1:1/d"), {}, 2, "the database does not answer"),
        (("migrate", "--database", "postgresql://u:hush@127.0.0.1:1/d"), {}, 2, "127.0.0.1"),
    ],
)
def test_what_cannot_be_tried_is_one_line(
    words: tuple[str, ...], settings: dict[str, str], code: int, said: str
) -> None:
    done = stockwire(*words, **settings)
    assert (done.returncode, done.stderr.startswith("stockwire: ")) == (code, True), done.stderr
    assert said in done.stderr
    assert "hush" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_is_told_that_the_data_are_not_theirs(running: Server, capsys: pytest.CaptureFixture[str]) -> None:
    settings = settings_of(None, running.data_dir)
    os.seteuid(65534)
    try:
        with pytest.raises(typer.Exit) as left, address_of(settings):
            pass
    finally:
        os.seteuid(0)
    assert left.value.exit_code == 2
    assert (
        capsys.readouterr().err == f"stockwire: cannot use the data directory {running.data_dir}: Permission denied\n"
    )


def test_what_is_refused_is_one_line(running: Server) -> None:
    here = ("--data-dir", str(running.data_dir))
    for words in (("keys", "create", "nobody"), ("keys", "revoke", "main", "????"), ("stores", "create", "A B")):
        done = stockwire(*words, *here)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (("--help",), ("asyncpg", "stockwire.store", "alembic", "starlette", "aiohttp", "cryptography")),
        (("serve", "--help"), ("asyncpg", "alembic", "starlette", "aiohttp", "cryptography")),
        (("keys", "--help"), ("alembic", "starlette", "aiohttp")),
    ],
)
def test_help_reads_only_what_it_needs(words: tuple[str, ...], absent: tuple[str, ...]) -> None:
    code = (
        "import sys; sys.argv[0] = 'stockwire'\n"
        "from stockwire.cli import main\n"
        "try: main()\n"
        "finally: sys.stderr.write(chr(10).join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *words],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path("/"),
    )
    loaded = set(done.stderr.splitlines())
    assert "typer" in loaded
    assert not loaded & set(absent)
    assert "Usage: stockwire" in done.stdout
