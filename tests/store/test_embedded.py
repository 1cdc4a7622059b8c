"""The embedded PostgreSQL: what it is, and every way in which it can be found at a start (R24)."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from stockwire import processes
from stockwire.store import embedded
from stockwire.store.embedded import Cancelled, DataDirectoryInUse, Embedded, EmbeddedFailure
from stockwire.store.embedded_files import read_passwords, read_pid_file, running_address
from tests import engines
from tests.store.cluster import ask, do, mode

# What it is


def test_a_fresh_server_is_durable_closed_and_checked(unmade: Embedded) -> None:
    dsn = unmade.start()
    on = ("fsync", "full_page_writes", "synchronous_commit", "data_checksums")
    assert {name: ask(dsn, f"SHOW {name}") for name in on} == dict.fromkeys(on, "on")
    assert ask(dsn, "SHOW listen_addresses") == ""
    assert ask(dsn, "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'stockwire'") == "UTF8"
    assert ask(dsn, "SELECT lower('ÄÖ') COLLATE \"C\" < 'é'") is True
    with psycopg.connect(unmade.superuser_dsn) as connection:
        methods = {row[0] for row in connection.execute("SELECT auth_method FROM pg_hba_file_rules")}
    assert methods == {"scram-sha-256"}
    assert unmade.fresh


def test_the_role_that_works_is_not_the_one_that_may_do_all(unmade: Embedded) -> None:
    dsn = unmade.start()
    assert (
        ask(dsn, "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user") is False
    )
    known = read_passwords(unmade.data_dir)
    assert known.role != known.superuser
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(dsn.replace(known.role, known.superuser))
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(dsn.replace(f":{known.role}@", "@"))


def test_only_its_owner_reads_what_it_keeps(unmade: Embedded) -> None:
    unmade.start()
    here = unmade.data_dir
    assert mode(here / "postgres.json") == 0o600
    assert mode(here / "postgres.log") == 0o600
    assert mode(here / "lock") == 0o600
    assert mode(here / "socket") == 0o700
    assert mode(here / "postgres") == 0o700
    assert mode(next((here / "socket").glob(".s.PGSQL.*"))) == 0o700
    assert not (here / "socket" / "password").exists()


def test_the_shell_of_the_owner_does_not_change_it(unmade: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "1", "PGHOST": "nowhere", "PGDATA": "/", "PGOPTIONS": "-c fsync=off"}.items():
        monkeypatch.setenv(name, value)
    dsn = unmade.start()
    for name in ("PGOPTIONS", "PGHOST"):
        monkeypatch.delenv(name)
    assert ask(dsn, "SHOW port") == "5432"


def test_it_keeps_its_data_and_its_passwords(server: Embedded) -> None:
    dsn = server.start()
    do(dsn, "CREATE TABLE kept AS SELECT 7 AS n")
    server.stop()
    assert running_address(server.data_dir) is None
    assert server.start() == dsn
    assert ask(dsn, "SELECT n FROM kept") == 7
    assert running_address(server.data_dir) == dsn


# Who owns it


def test_a_data_directory_has_one_owner(server: Embedded) -> None:
    server.start()
    second = Embedded(server.data_dir, engines.required_programs())
    with pytest.raises(DataDirectoryInUse, match=f"{server.data_dir} is in use by process {os.getpid()};"):
        second.start()
    assert ask(server.dsn, "SELECT 1") == 1
    server.stop()
    second.start()
    second.stop()


def test_a_lock_file_of_a_dead_process_holds_nobody(unmade: Embedded) -> None:
    (unmade.data_dir / "lock").write_text("1\n")
    unmade.start()


# What an earlier start may have left

OWNER = """
import sys, time
from pathlib import Path
from stockwire.store.embedded import Embedded
server = Embedded(Path(sys.argv[1]), Path(sys.argv[2]))
server.start()
print(server.dsn, flush=True)
time.sleep(60)
"""


def test_the_server_of_a_killed_owner_is_recognised_and_ended(server: Embedded) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(server.data_dir), str(engines.required_programs())],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    dsn = owner.stdout.readline().strip()
    do(dsn, "CREATE TABLE kept AS SELECT 7 AS n")
    orphan = read_pid_file(server.cluster)
    assert orphan is not None
    owner.kill()
    owner.wait()
    assert orphan.runs
    server.start()
    assert not orphan.runs
    assert server.pid != orphan.pid
    assert ask(server.dsn, "SELECT n FROM kept") == 7


def test_a_killed_server_starts_again_although_sessions_are_busy(server: Embedded) -> None:
    dsn = server.start()
    do(dsn, "CREATE TABLE kept AS SELECT 7 AS n")
    assert server.pid is not None
    busy = threading.Thread(target=_spin, args=(dsn,), daemon=True)
    busy.start()
    time.sleep(0.3)
    os.kill(server.pid, signal.SIGKILL)
    while server.pid is not None:
        time.sleep(0.01)
    server.launch()
    assert ask(server.dsn, "SELECT n FROM kept") == 7
    busy.join(10)
    assert not busy.is_alive()


def _spin(dsn: str) -> None:
    """A session that does not listen while it works, so that it outlives its postmaster."""
    try:
        do(dsn, "DO $$ DECLARE n bigint := 0; BEGIN LOOP n := n + 1; END LOOP; END $$")
    except psycopg.Error:
        return


@pytest.fixture
def bystander() -> Iterator[int]:
    """A process that has nothing to do with us."""
    process = subprocess.Popen(["sleep", "60"])
    yield process.pid
    assert process.poll() is None, "a process that is not ours was ended"
    process.kill()
    process.wait()


def test_a_pid_file_whose_number_is_somebody_elses_by_now_is_put_aside(server: Embedded, bystander: int) -> None:
    server.start()
    lines = (server.cluster / "postmaster.pid").read_text().splitlines()
    server.stop()
    long_ago = str(int(lines[2]) - 100_000)
    (server.cluster / "postmaster.pid").write_text("\n".join([str(bystander), lines[1], long_ago, *lines[3:]]) + "\n")
    assert running_address(server.data_dir) is None
    server.start()
    assert ask(server.dsn, "SELECT 1") == 1


def test_a_socket_lock_whose_number_is_somebody_elses_by_now_is_put_aside(server: Embedded, bystander: int) -> None:
    """Also a server that was killed and that nobody reaps: its number still answers."""
    socket = server.data_dir / "socket" / ".s.PGSQL.5432"
    socket.with_name(f"{socket.name}.lock").write_text(f"{bystander}\n{server.cluster}\n1\n5432\n{socket.parent}\n\n")
    server.start()
    assert ask(server.dsn, "SELECT 1") == 1


@pytest.mark.parametrize("content", ["", "\n\n\n", "not a number\nx\ny\n", "-5\n\n0\n"])
def test_a_pid_file_that_says_nothing_is_put_aside(server: Embedded, content: str) -> None:
    server.start()
    server.stop()
    (server.cluster / "postmaster.pid").write_text(content)
    server.start()
    assert ask(server.dsn, "SELECT 1") == 1


def test_a_making_that_was_interrupted_is_begun_again(unmade: Embedded) -> None:
    making = unmade.data_dir / "postgres.making"
    making.mkdir(mode=0o700)
    (making / "PG_VERSION").write_text("18\n")
    unmade.start()
    assert unmade.fresh
    assert not making.exists()


def test_a_crash_under_writing_loses_nothing_that_was_committed(server: Embedded) -> None:
    dsn = server.start()
    do(dsn, "CREATE TABLE kept (n int)", "INSERT INTO kept SELECT generate_series(1, 50000)")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    while server.pid is not None:
        time.sleep(0.01)
    server.launch()
    assert ask(server.dsn, "SELECT count(*) FROM kept") == 50000


# Paths


def test_a_path_too_long_for_a_socket_gets_a_private_one_elsewhere(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("e" * 60)
    deep.parent.mkdir(mode=0o711)
    server = Embedded(deep, engines.required_programs())
    dsn = server.start()
    noted = Path((deep / "socket.path").read_text().strip())
    try:
        assert ask(dsn, "SELECT 1") == 1
        assert mode(noted) == 0o700
        assert running_address(deep) == dsn
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        while server.pid is not None:
            time.sleep(0.01)
        server.launch()
        assert server.dsn == dsn  # the same place again
        server.stop()
        assert not noted.exists()  # nothing is left outside the data directory
        (deep / "socket.path").write_text(f"{noted}\n")
        noted.symlink_to("/tmp")  # somebody else laid a trap where it was
        server.start()
        other = Path((deep / "socket.path").read_text().strip())
        assert other != noted
        assert ask(server.dsn, "SELECT 1") == 1
        server.stop()
        assert not other.exists()
        assert noted.is_symlink()
    finally:
        server.stop()
        noted.unlink(missing_ok=True)


def test_a_path_with_odd_characters_works(folder: Path) -> None:
    odd = folder / "a b,c'd%e&fü"
    server = Embedded(odd, engines.required_programs())
    try:
        assert ask(server.start(), "SELECT 1") == 1
    finally:
        server.stop()


# What it says when it cannot


def test_programs_that_are_not_there_are_named(folder: Path) -> None:
    with pytest.raises(EmbeddedFailure, match=f"{folder}/postgres does not run"):
        Embedded(folder, folder).start()


def test_a_system_without_programs_is_told_what_to_give(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stockwire.store.embedded_programs.wheel_folders", list)
    monkeypatch.setattr("stockwire.store.embedded_programs.system_folders", list)
    with pytest.raises(EmbeddedFailure, match="give --database, or the directory of its programs in STOCKWIRE_PG_BIN"):
        Embedded(folder).start()


def test_a_cluster_of_another_version_is_not_touched(server: Embedded) -> None:
    server.start()
    server.stop()
    (server.cluster / "PG_VERSION").write_text("14\n")
    with pytest.raises(EmbeddedFailure, match=r"made by PostgreSQL 14.*by backup and restore"):
        server.start()
    Embedded(server.data_dir, engines.required_programs()).claim()  # it was given back


def test_why_it_does_not_start_is_said(server: Embedded) -> None:
    server.start()
    server.stop()
    (server.cluster / "postgresql.auto.conf").write_text("shared_memory_type = 'none'\n")
    with pytest.raises(EmbeddedFailure, match=r"did not start: .*configuration file .* contains errors"):
        server.start()


STUB = """#!/bin/sh
case "$1" in
--version) echo "postgres (PostgreSQL) {version}"; exit 0 ;;
esac
n=0
while [ $n -lt {steps} ]; do n=$((n + 1)); {word}; sleep 0.1; done
printf '%s\\n/\\n%s\\n5432\\n/tmp\\n\\n\\nready\\n' $$ "$(date +%s)" > "$2/postmaster.pid"
exec sleep 60
"""


@pytest.fixture
def slow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Embedded]:
    """A server whose recovery takes 1 s, where 0.4 s without progress is too long."""
    monkeypatch.setattr(embedded, "STALL_SECONDS", 0.4)
    monkeypatch.setattr(embedded, "SAY_EVERY_SECONDS", 0.2)
    (folder / "data" / "postgres").mkdir(parents=True)
    (folder / "data" / "postgres" / "PG_VERSION").write_text("18\n")
    for path in (folder / "data", folder / "data" / "postgres"):
        path.chmod(0o777)
    (folder / "postgres").write_text(STUB.format(version=18, steps=10, word="echo redo in progress"))
    (folder / "postgres").chmod(0o755)
    made = Embedded(folder / "data", folder)
    yield made
    made.stop()


def test_starting_waits_as_long_as_recovery_progresses_and_says_so(
    slow: Embedded, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    slow.claim()
    slow.launch()
    assert slow.pid is not None
    said = [record for record in caplog.records if record.message == "database_recovering"]
    assert said
    assert vars(said[0])["facts"]["said"] == "redo in progress"


def test_a_start_without_progress_fails_and_leaves_no_process(folder: Path, slow: Embedded) -> None:
    (folder / "postgres").write_text(STUB.format(version=18, steps=100, word=":"))
    slow.claim()
    with pytest.raises(EmbeddedFailure, match="makes no progress"):
        slow.launch()
    assert slow.pid is None


def test_a_start_can_be_cancelled_while_it_waits(folder: Path, slow: Embedded) -> None:
    (folder / "postgres").write_text(STUB.format(version=18, steps=100, word="echo redo in progress"))
    server = Embedded(slow.data_dir, folder, cancelled=lambda: True)
    with pytest.raises(Cancelled):
        server.start()
    assert server.pid is None
    assert not server.claimed


# Which process is meant


def test_a_number_alone_is_not_a_process(bystander: int) -> None:
    started = processes.started_at(bystander)
    assert started is not None
    assert processes.is_same(bystander, started)
    assert not processes.is_same(bystander, started - 60)
    assert not processes.is_same(2**22 + 1, started)


def test_a_zombie_is_gone() -> None:
    process = subprocess.Popen(["true"])
    until = time.monotonic() + 5
    while processes.started_at(process.pid) is not None and time.monotonic() < until:
        time.sleep(0.01)
    assert processes.started_at(process.pid) is None
    process.wait()
