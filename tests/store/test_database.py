"""Pools: the session settings of R6, servers that are refused (R6), and recovery after a restart."""

import asyncio
import socket

import asyncpg
import psycopg
import pytest

from stockwire.store import embedded, embedded_files
from stockwire.store.database import KEEPALIVE, UNREACHABLE, Database, UnusableDatabase, unfit
from stockwire.store.embedded import Embedded
from tests import engines

GOOD = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "version": 150004, "standby": False}


async def test_r6_ledger_connections_have_their_settings(database: Database) -> None:
    shown = {
        name: await database.ledger.fetchval(f"SHOW {name}")
        for name in (
            "transaction_isolation",
            "enable_seqscan",
            "jit",
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "timezone",
            "transaction_read_only",
        )
    }
    assert shown == {
        "transaction_isolation": "read committed",
        "enable_seqscan": "off",
        "jit": "off",
        "statement_timeout": "15s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "3s",
        "timezone": "UTC",
        "transaction_read_only": "off",
    }


async def test_reads_cannot_write(database: Database) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await database.reads.execute("INSERT INTO stores (name, own_fulfiller) VALUES ('a', 'a')")


async def test_r6_a_transaction_left_idle_is_ended_by_the_server(database: Database) -> None:
    connection = await database.connect()
    await connection.execute("SET idle_in_transaction_session_timeout = '100ms'")
    await connection.execute("BEGIN")
    await asyncio.sleep(0.4)
    with pytest.raises(UNREACHABLE):
        await connection.execute("SELECT 1")


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_d34_a_server_that_may_lose_commits_is_unfit(name: str) -> None:
    assert unfit(GOOD) == []
    assert unfit(GOOD | {name: "off"}) == [f"{name} is off: a crash could lose what was answered"]


def test_an_old_server_and_a_standby_are_unfit() -> None:
    assert unfit(GOOD | {"version": 140011}) == ["PostgreSQL 14 is too old: 15 or newer is needed"]
    assert unfit(GOOD | {"standby": True}) == ["the server is a standby and cannot be written"]


async def test_r6_such_a_server_is_refused(engine: Embedded, dsn: str) -> None:
    name = dsn.split("@/")[1].split("?", 1)[0]
    with psycopg.connect(engine.superuser_dsn, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with pytest.raises(UnusableDatabase, match="synchronous_commit is off"):
        await Database.open(dsn)


async def test_a_wrong_password_is_said_at_once_and_not_repeated(dsn: str) -> None:
    user, _, rest = dsn.partition("@")
    with pytest.raises(UnusableDatabase, match="password authentication failed") as refused:
        await Database.open(f"{user}-hush@{rest}")
    assert "hush" not in str(refused.value)


async def test_a_server_that_never_answers_is_said_after_the_wait() -> None:
    with pytest.raises(UnusableDatabase, match="does not answer"):
        await Database.open("postgresql://u:p@127.0.0.1:1/d", wait_seconds=0.2)


async def test_pools_recover_by_themselves_after_a_restart() -> None:
    with engines.embedded_server() as server:
        database = await Database.open(server.dsn)
        try:
            pools = (database.ledger, database.reads, database.work)
            for pool in pools:
                assert await pool.fetchval("SELECT 1") == 1
            server.stop()
            for pool in pools:
                with pytest.raises(UNREACHABLE):
                    await pool.fetchval("SELECT 1")
            server.start()
            for pool in pools:
                assert await pool.fetchval("SELECT 1") == 1
        finally:
            await database.close()


async def test_r6_a_connection_over_tcp_notices_a_cut_network_in_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    monkeypatch.setitem(embedded.CONFIGURATION, "listen_addresses", "127.0.0.1")
    monkeypatch.setitem(embedded.CONFIGURATION, "port", port)
    monkeypatch.setattr(embedded_files, "PORT", int(port))
    with engines.embedded_server() as server:
        address = server.dsn.partition("?")[0].replace("@/", f"@127.0.0.1:{port}/")
        database = await Database.open(address)
        try:
            async with database.ledger.acquire() as connection:
                shown = {name: await connection.fetchval(f"SHOW {name}") for name in TCP_SETTINGS}
                ours = _socket_of(connection)
                assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == KEEPALIVE["idle"]
                assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == KEEPALIVE["user_timeout_ms"]
            assert shown == TCP_SETTINGS
        finally:
            await database.close()


TCP_SETTINGS = {
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "5000",
}


def _socket_of(connection: object) -> socket.socket:
    found: socket.socket = connection._con._transport.get_extra_info("socket")
    return found
