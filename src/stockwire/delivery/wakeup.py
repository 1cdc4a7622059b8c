"""Hears of new events on a connection of its own. A notice that is lost costs a poll's wait, nothing else (R18)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from stockwire import logs
from stockwire.ledger import CHANNEL, read_payload
from stockwire.store.database import UNREACHABLE, Database, plain
from stockwire.store.deliveries import Ledger

RECONNECT_SECONDS = 1.0

log = logs.named("delivery")


async def listen(database: Database, heard: Callable[[Ledger], None]) -> None:
    """Call `heard` with the ledger of each notice, until cancelled; reconnects by itself."""

    def notice(_connection: Any, _pid: int, _channel: str, payload: object) -> None:
        try:
            ledger, _position = read_payload(str(payload))
        except ValueError:
            return  # anybody who may connect may send notices
        heard(ledger)

    while True:
        try:
            await _hear(database, notice)
        except UNREACHABLE as fault:
            log.warning("notices_unreachable", fault=plain(fault))
        await asyncio.sleep(RECONNECT_SECONDS)


async def _hear(database: Database, notice: Callable[[Any, int, str, object], None]) -> None:
    """Listen until the connection is lost."""
    lost = asyncio.Event()
    connection = await database.connect()
    try:
        connection.add_termination_listener(lambda _connection: lost.set())
        await connection.add_listener(CHANNEL, notice)
        await lost.wait()
    finally:
        connection.terminate()
