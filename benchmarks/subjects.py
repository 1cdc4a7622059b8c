"""What is measured, as real processes: the yardstick and the product, each on its own database of one PostgreSQL."""

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import psycopg

from benchmarks.honest_sql import MAKE_SEQUENCE
from benchmarks.meters import family
from stockwire.ids import Ids
from stockwire.store import migrate
from stockwire.store.embedded import Embedded

ROOT = Path(__file__).resolve().parent.parent
API_KEY = "sk_test_bench_" + "0" * 32
SERVE = (sys.executable, "-m", "stockwire", "serve")
PARTS = ("api", "deliver")  # a server has an API process or several, and one that delivers and keeps house
START_SECONDS = 30.0


class Subject(NamedTuple):
    """A server that answers: where, and the processes of now that make it up, by part."""

    port: int
    parts: Callable[[], dict[str, list[int]]]


def fresh_database(server: Embedded, name: str) -> str:
    """Address of a new database with the schema."""
    with psycopg.connect(server.superuser_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER stockwire".encode())
    dsn = server.dsn.replace("@/stockwire?", f"@/{name}?")
    migrate.upgrade(dsn)
    return dsn


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_listening(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Until somebody accepts. RuntimeError: the process ended, or it takes too long."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the process ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nobody listens on port {port} after {START_SECONDS:.0f} s")


def wait_answering(port: int) -> None:
    """Until `/readyz` answers 200. RuntimeError: it takes too long."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as reply,
        ):
            if reply.status == 200:
                return
        time.sleep(0.02)
    raise RuntimeError(f"the server is not ready after {START_SECONDS:.0f} s")


def environment() -> dict[str, str]:
    """For a child: this checkout's code, and none of the caller's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STOCKWIRE_")}
    return kept | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}


def end(process: "subprocess.Popen[bytes]", seconds: float = 15.0) -> None:
    """Ask it to stop; by force if it does not."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def honest_app(dsn: str, *, writes: str, cpu: int | None = None) -> Iterator[Subject]:
    """The yardstick on a stocked database."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.honest_app", "--database", dsn, "--port", str(port)]
    command += ["--api-key", API_KEY, "--writes", writes, *(["--cpu", str(cpu)] if cpu is not None else [])]
    process = subprocess.Popen(command, cwd=ROOT, env=environment())
    try:
        wait_listening(process, port)
        yield Subject(port, lambda: {"server": family(process.pid)})
    finally:
        end(process)


class Doors:
    """The product's doors as one process (see doors.py)."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self._process = process
        self.subject = Subject(port, lambda: {"server": [process.pid]})

    def meter(self) -> dict[str, float]:
        """Processor seconds of the ledger's parts so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        counted: dict[str, float] = json.loads(self._process.stdout.readline())
        return counted

    def leave(self) -> str:
        """End; what it wrote last."""
        said, _ = self._process.communicate(timeout=30)
        return said.decode()


@contextlib.contextmanager
def doors(dsn: str, mode: str, cpu: int | None = None) -> Iterator[Doors]:
    """The product's doors on a stocked database, in one of the modes of doors.py."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.doors", mode, str(port), dsn]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environment())
    try:
        wait_listening(process, port)
        pin([process.pid], cpu)
        yield Doors(process, port)
    finally:
        if process.poll() is None:
            process.stdin.close()  # type: ignore[union-attr]
            end(process)


@contextlib.contextmanager
def product(dsn: str, *, workers: int = 1, cpu: int | None = None) -> Iterator[Subject]:
    """The product with all its roles on a stocked database; its API processes on one core, the others anywhere."""
    port = free_port()
    settings = ["--database", dsn, "--port", str(port), "--workers", str(workers), "--webhook-allow", "127.0.0.0/8"]
    secret = {"STOCKWIRE_SECRET_KEY": "benchmark" * 4, "STOCKWIRE_LOG_LEVEL": "warning"}
    process = subprocess.Popen([*SERVE, *settings], cwd=ROOT, env=environment() | secret)
    try:
        wait_listening(process, port)
        wait_answering(port)
        pin(parts_of(process.pid)["api"], cpu)
        yield Subject(port, lambda: parts_of(process.pid))
    finally:
        end(process)


def pin(pids: Sequence[int], cpu: int | None) -> None:
    """Keep processes on one core."""
    if cpu is not None:
        for pid in pids:
            os.sched_setaffinity(pid, {cpu})


def parts_of(supervisor: int) -> dict[str, list[int]]:
    """The processes of a running server, by part."""
    found: dict[str, list[int]] = {"supervisor": [supervisor], **{part: [] for part in PARTS}}
    for pid in family(supervisor)[1:]:
        if (part := part_of(pid)) is not None:
            found[part].append(pid)
    return found


def part_of(pid: int) -> str | None:
    """Which part of the server a process is, by the roles on its command line; None: no part of its own."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    roles = words[words.index("stockwire.app") + 1].split(",") if "stockwire.app" in words else []
    return next((part for part in PARTS if part in roles), None)


def stock(dsn: str, parts: Sequence[str], units: int) -> None:
    """A store, its key, and items with so many units each, in a fresh database; the same for every subject."""
    with psycopg.connect(dsn) as connection:
        connection.execute(MAKE_SEQUENCE.encode())
        connection.execute("INSERT INTO stores (name, own_fulfiller) VALUES ('bench', 'own')")
        connection.execute("INSERT INTO ledgers (store_id, live) VALUES (1, false), (1, true)")
        connection.execute(
            "INSERT INTO keys (store_id, live, role, prefix, last_four, digest)"
            " VALUES (1, false, 'admin', 'sk_test_bench_', '0000', %s)",
            (hashlib.sha256(API_KEY.encode()).digest(),),
        )
        clock = connection.execute("SELECT statement_timestamp()").fetchone()
        assert clock is not None
        ids = Ids(clock[0])
        items = [(1, False, ids.next(), part, "own", clock[0], clock[0]) for part in parts]
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO items (store_id, live, id, part_number, fulfiller, created_at, updated_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                items,
            )
        connection.execute(
            "INSERT INTO levels (store_id, live, item_id, on_hand, sequence, updated_at)"
            " SELECT store_id, live, id, %s, 1, created_at FROM items",
            (units,),
        )
        connection.execute(  # so that the ledger adds up
            "INSERT INTO movements (store_id, live, item_id, sequence, id, type, on_hand_delta, reserved_delta,"
            " allocated_delta, on_hand, reserved, allocated, change_id, actor, occurred_at, created_at)"
            " SELECT store_id, live, id, 1, id, 'opening', %s, 0, 0, %s, 0, 0, id, 'system', created_at, created_at"
            " FROM items",
            (units, units),
        )
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("ANALYZE")


def run_load(job: dict[str, object]) -> "subprocess.Popen[bytes]":
    """The load generator at work on a job; its lines come on standard output."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(job).encode() + b"\n")
    process.stdin.close()
    return process
