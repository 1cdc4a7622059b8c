"""A store with one part number, served by several API processes on one database."""

import contextlib
import hashlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

import psycopg

from benchmarks.subjects import ROOT, environment, wait_listening

KEY = "sk_test_shop_" + "0" * 32
PART = "DROP-1"


class Shop(NamedTuple):
    """Where its processes listen: one port for all, or a port each."""

    ports: list[int]
    api_key: str


def found(dsn: str) -> None:
    """A store and its admin key, as the first start writes them."""
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO stores (name, own_fulfiller) VALUES ('shop', 'main')")
        connection.execute("INSERT INTO ledgers (store_id, live) VALUES (1, false), (1, true)")
        connection.execute(
            "INSERT INTO keys (store_id, live, role, prefix, last_four, digest)"
            " VALUES (1, false, 'admin', 'sk_test_shop_', '0000', %s)",
            (hashlib.sha256(KEY.encode()).digest(),),
        )


@contextlib.contextmanager
def open_shop(dsn: str, processes: int, *, guard: str = "locked", own_ports: bool = False) -> Iterator[Shop]:
    """So many API processes on a founded database, behind one port or each on its own."""
    sockets = [_bound() for _ in range(processes if own_ports else 1)]
    children: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(processes):
            handle = sockets[number % len(sockets)].fileno()
            command = [sys.executable, "-m", "tests.concurrency.api_child", str(handle), dsn, guard]
            children.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[handle], cwd=ROOT, env=environment())
            )
        ports = [sock.getsockname()[1] for sock in sockets]
        for child, port in zip(children, ports, strict=False):
            wait_listening(child, port)
        yield Shop(ports, KEY)
    finally:
        for child in children:
            child.stdin.close()  # type: ignore[union-attr]
        for child in children:
            _wait(child)
        for sock in sockets:
            sock.close()


def _bound() -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    return sock


def _wait(child: "subprocess.Popen[bytes]") -> None:
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
