"""What is measured, as real processes: the yardstick and the product, each on its own database of one PostgreSQL."""

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import psycopg

from benchmarks.honest_sql import MAKE_SEQUENCE
from stockwire.ledger.ids import Ids
from stockwire.store import migrate
from stockwire.store.embedded import Embedded

ROOT = Path(__file__).resolve().parent.parent
HONEST_KEY = "sk_test_honest_" + "0" * 32
START_SECONDS = 30.0


class Subject(NamedTuple):
    """A server that answers: where, for which key, and the processes that make it up, by part."""

    name: str
    port: int
    api_key: str
    pids: dict[str, list[int]]


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
def honest_app(
    server: Embedded, database: str, parts: Sequence[str], units: int, *, writes: str = "one", cpu: int | None = None
) -> Iterator[Subject]:
    """The yardstick, running on a database of its own that holds these part numbers with as many units each."""
    dsn = fresh_database(server, database)
    stock_honest(dsn, parts, units)
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.honest_app", "--database", dsn, "--port", str(port)]
    command += ["--api-key", HONEST_KEY, "--writes", writes, *(["--cpu", str(cpu)] if cpu is not None else [])]
    process = subprocess.Popen(command, cwd=ROOT, env=environment())
    try:
        wait_listening(process, port)
        yield Subject(f"honest app, {writes}", port, HONEST_KEY, {"app": [process.pid]})
    finally:
        end(process)


def stock_honest(dsn: str, parts: Sequence[str], units: int) -> None:
    """What the yardstick needs in its database: a store, a key, items with levels, a sequence."""
    with psycopg.connect(dsn) as connection:
        connection.execute(MAKE_SEQUENCE.encode())
        connection.execute("INSERT INTO stores (name, own_fulfiller) VALUES ('honest', 'own')")
        connection.execute("INSERT INTO ledgers (store_id, live) VALUES (1, false), (1, true)")
        connection.execute(
            "INSERT INTO keys (store_id, live, role, prefix, last_four, digest)"
            " VALUES (1, false, 'admin', 'sk_test_honest_', '0000', %s)",
            (hashlib.sha256(HONEST_KEY.encode()).digest(),),
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
            "INSERT INTO levels (store_id, live, item_id, on_hand, updated_at)"
            " SELECT store_id, live, id, %s, created_at FROM items",
            (units,),
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
