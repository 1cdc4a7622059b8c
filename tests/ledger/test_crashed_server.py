"""A server that crashes around COMMIT may give the lost transaction's number to another one (R13 b)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio

from stockwire.store import batch, migrate
from stockwire.store.database import UNREACHABLE, Connection, Database, connect
from tests import engines
from tests.ledger.conftest import Shop, order
from tests.shops.on_database import new_store


@pytest_asyncio.fixture
async def crashing() -> AsyncIterator[Shop]:
    """A store on a server of its own, which writes its log as late as it may."""
    with engines.embedded_server() as server:
        migrate.upgrade(server.dsn)
        with psycopg.connect(server.superuser_dsn, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
            connection.execute("SELECT pg_reload_conf()")
        database = await Database.open(server.dsn)
        shop = Shop(database, await new_store(database))
        try:
            yield shop
        finally:
            await shop.ledger.close()
            await database.close()


async def restarted(dsn: str) -> Connection:
    """A connection as soon as the server has recovered."""
    while True:
        try:
            return await connect(dsn)
        except UNREACHABLE:
            await asyncio.sleep(0.05)


async def test_a_number_given_out_again_is_not_taken_for_ours(crashing: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch was lost, and the transaction that has its number now was committed: nobody may be told of success."""
    shop = crashing
    item = await shop.item(quantity=10)
    await asyncio.sleep(1)  # until nobody else's commit would write our numbers down
    commit = batch.commit
    numbers: list[int] = []

    async def crash_first(connection: Connection) -> None:
        if numbers:
            await commit(connection)
            return
        numbers.append(int(await connection.fetchval("SELECT pg_current_xact_id()::text")))
        os.kill(connection.get_server_pid(), signal.SIGKILL)
        rival = await restarted(shop.database.dsn)
        while numbers[-1] < numbers[0] or len(numbers) == 1:
            numbers.append(int(await rival.fetchval("SELECT pg_current_xact_id()::text")))
        await rival.close()
        await commit(connection)

    monkeypatch.setattr(batch, "commit", crash_first)
    answers = await asyncio.gather(*(shop.ask(order(f"o{n}")) for n in range(3)))
    assert numbers[0] in numbers[1:], "the server gave the number out again, or this shows nothing"
    assert [answer.status for answer in answers] == [201] * 3
    assert await shop.level(item) == (10, 0, 3), "what was answered is there"
    assert await shop.count("orders") == 3


async def test_a_number_that_the_server_does_not_know_any_more_is_lost(
    crashing: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked before anybody else writes, the number lies in the future."""
    shop = crashing
    item = await shop.item(quantity=10)
    commit = batch.commit
    crashes: list[int] = []

    async def crash_first(connection: Connection) -> None:
        if not crashes:
            crashes.append(connection.get_server_pid())
            os.kill(connection.get_server_pid(), signal.SIGKILL)
        await commit(connection)

    monkeypatch.setattr(batch, "commit", crash_first)
    answers = await asyncio.wait_for(asyncio.gather(*(shop.ask(order(f"o{n}")) for n in range(3))), 10)
    assert [answer.status for answer in answers] == [201] * 3
    assert await shop.level(item) == (10, 0, 3)
