"""A disk without room: what is answered was kept, the rest is refused with 503, and with room all goes on by itself."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from stockwire.store.embedded import Embedded
from tests import engines
from tests.harness import Server

MEGABYTES = 160
PATIENCE_SECONDS = 40.0


class Reply(NamedTuple):
    status: int  # 0: no connection
    headers: Message
    body: bytes


@pytest.fixture
def small_disk() -> Iterator[Path]:
    with engines.private_folder() as folder:
        disk = folder / "disk"
        disk.mkdir()
        options = f"size={MEGABYTES}m,mode=711"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], capture_output=True, text=True, check=False
        )
        if mounted.returncode != 0:
            pytest.skip(f"mounting is forbidden here: {mounted.stderr.strip()}")
        try:
            yield disk
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)


class Shop:
    """One item of a real server, counted by its client."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._key = server.keys["admin"]
        self._requests = 0
        self.on_hand = 1
        assert self.post("/v1/inventory-items", {"partNumber": "A", "quantity": 1}).status == 201

    def ask(self, method: str, path: str, body: object = None, key: str = "") -> Reply:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._server.url + path, method=method, headers=headers, data=data)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Reply(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as refused:
            return Reply(refused.code, refused.headers, refused.read())
        except OSError:
            return Reply(0, Message(), b"")

    def post(self, path: str, body: object, key: str = "") -> Reply:
        return self.ask("POST", path, body, key)

    def receive_many(self, key: str = "") -> Reply:
        """Five hundred units, one by one and all or none, with much to write."""
        change = {"type": "adjust", "partNumber": "A", "delta": 1, "reason": "r" * 60, "reference": "x" * 250}
        self._requests += 1
        reply = self.post(
            "/v1/inventory-changes", {"changes": [change] * 500, "atomic": True}, key or f"k{self._requests}"
        )
        self.on_hand += 500 if reply.status == 200 else 0
        return reply

    def shown(self) -> int:
        reply = self.ask("GET", "/v1/inventory-levels?partNumber=A")
        assert reply.status == 200
        level: int = json.loads(reply.body)["data"][0]["onHand"]
        return level


def fill(disk: Path) -> Path:
    """Take all the room that is left; the file that gives it back when it is removed."""
    filler = disk / "filler"
    with pytest.raises(OSError, match="No space left"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 65536)
    return filler


def refused_clearly(reply: Reply) -> bool:
    """As a client may expect it: come again soon, nothing was changed, or the outcome is unknown."""
    return reply.status == 503 and int(reply.headers["Retry-After"]) >= 1


def goes_on(shop: Shop, key: str) -> float:
    """The seconds until a change is taken again, repeated under its key as a client would."""
    began = time.monotonic()
    while shop.receive_many(key).status != 200:
        assert time.monotonic() - began < PATIENCE_SECONDS
        time.sleep(0.1)
    return time.monotonic() - began


def test_writes_are_refused_while_a_table_cannot_grow(small_disk: Path) -> None:
    with Server(small_disk / "data") as server:
        shop = Shop(server)
        assert shop.receive_many().status == 200
        filler = fill(small_disk)
        replies = [shop.receive_many() for _ in range(12)]
        refused = [reply for reply in replies if reply.status != 200]
        assert refused
        assert all(refused_clearly(reply) for reply in refused), refused
        assert shop.shown() == shop.on_hand  # it still looks
        filler.unlink()
        assert goes_on(shop, "after") < 5
        assert shop.shown() == shop.on_hand


def test_a_database_that_died_of_it_is_started_again_when_there_is_room(small_disk: Path) -> None:
    with Server(small_disk / "data") as server:
        shop = Shop(server)
        assert shop.receive_many().status == 200
        (postmaster,) = server.pids("database")
        with psycopg.connect(Embedded(server.data_dir).superuser_dsn, autocommit=True) as connection:
            filler = fill(small_disk)
            lose_the_log(connection)
        during = [shop.receive_many() for _ in range(3)]
        assert all(reply.status in (0, 200) or refused_clearly(reply) for reply in during), during
        until = time.monotonic() + PATIENCE_SECONDS
        while "event=database_not_started" not in "\n".join(server.lines) and postmaster in server.pids("database"):
            assert time.monotonic() < until, (server.data_dir / "postgres.log").read_text()[-3000:]
            time.sleep(0.1)
        assert "PANIC:" in (server.data_dir / "postgres.log").read_text()
        filler.unlink()
        goes_on(shop, "after")
        assert shop.shown() == shop.on_hand
        assert server.pids("api"), "the API lived through it"


def lose_the_log(connection: "psycopg.Connection[Any]") -> None:
    """Make PostgreSQL begin new files of its write-ahead log until it cannot, which it does not survive."""
    for _ in range(20):
        try:
            connection.execute("SELECT pg_logical_emit_message(false, 'full', 'x')")
            connection.execute("SELECT pg_switch_wal()")
        except psycopg.errors.DiskFull:
            continue
        except psycopg.OperationalError:  # the connection was lost
            return
    pytest.fail("the log found room")
