"""A server that says goodbye between two statements and closes a moment later (R13).

The client library then refuses the next statement by itself, with an error that is none of the server's.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import pytest_asyncio

from stockwire.domain.commands import Actor, Change, CreateItem, ItemRef
from stockwire.ledger import Ledger, LedgerId, Submission
from stockwire.store.database import UNREACHABLE, Database
from tests.concurrency.shops import found

LEDGER = LedgerId(1, False)
ADMIN = Actor("key:test", "admin")
_FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0"
GOODBYE = b"E" + (len(_FIELDS) + 4).to_bytes(4, "big") + _FIELDS
READY_IN_TRANSACTION = b"Z\0\0\0\5T"
CLOSING_SECONDS = 0.3


class Proxy:
    """Stands between a process and PostgreSQL on a Unix socket. `after`: say goodbye with so manieth reply."""

    def __init__(self, server_socket: str) -> None:
        self._server_socket = server_socket
        self.after = 0  # replies inside a transaction; 0: behave
        self.goodbyes = 0

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        upstream, downstream = await asyncio.open_unix_connection(self._server_socket)
        asking = asyncio.create_task(_copy(reader, downstream))
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._reply(upstream, writer)
        asking.cancel()
        downstream.transport.abort()
        writer.close()

    async def _reply(self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await upstream.read(1 << 16):
            if self.after and data.endswith(READY_IN_TRANSACTION):
                self.after -= 1
                if self.after == 0:
                    self.goodbyes += 1
                    writer.write(data + GOODBYE)
                    await asyncio.sleep(CLOSING_SECONDS)
                    return
            writer.write(data)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
    writer.close()


@pytest_asyncio.fixture
async def proxy(dsn: str, tmp_path: Path) -> AsyncIterator[tuple[Proxy, Database]]:
    found(dsn)
    asked = parse_qs(urlsplit(dsn).query)
    proxy = Proxy(f"{asked['host'][0]}/.s.PGSQL.{asked['port'][0]}")
    server = await asyncio.start_unix_server(proxy.connect, tmp_path / ".s.PGSQL.5432")
    database = await Database.open(dsn.partition("?")[0] + f"?host={tmp_path}&port=5432")
    yield proxy, database
    await database.close()
    server.close()


def sent(command: Any, key: str) -> Submission:
    return Submission(command, ADMIN, key=key, fingerprint=b"x" * 32)


@pytest.mark.parametrize("replies", [1, 2, 3, 4], ids=["lock", "head", "items", "write"])
async def test_a_command_survives_a_goodbye(proxy: tuple[Proxy, Database], dsn: str, replies: int) -> None:
    """It is decided once more on a new connection, and once only."""
    between, database = proxy
    ledger = Ledger(database)
    await ledger.submit(LEDGER, sent(CreateItem("01900000-0000-7000-8000-000000000001", "P-1", quantity=5), "open"))
    await ledger.submit(LEDGER, sent(Change("adjust", ItemRef(part_number="P-1"), 1), "first"))  # all is prepared
    between.after = replies
    answer = await asyncio.wait_for(
        ledger.submit(LEDGER, sent(Change("adjust", ItemRef(part_number="P-1"), 3), "once")), 10
    )
    assert (between.goodbyes, answer.status) == (1, 200)
    await ledger.close()
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT on_hand, sequence FROM levels").fetchall() == [(9, 3)]


async def test_a_goodbye_is_a_lost_connection(proxy: tuple[Proxy, Database]) -> None:
    """Whoever uses a connection knows it by the same errors as any other loss, and goes on."""
    between, database = proxy
    async with database.work.acquire() as connection:
        between.after = 1
        await connection.execute("BEGIN")
        with pytest.raises(UNREACHABLE):
            await connection.execute("ROLLBACK")
