"""One API process without a supervisor: `python -m tests.concurrency.api_child FD DATABASE GUARD`.

GUARD is `locked`, as the product is. The others show what the lock is for: `unlocked` begins a batch without the
head's lock; `one-statement` takes the lock in the statement that reads. The socket comes bound from the parent, who
may give it to several. Leaves when its standard input closes.
"""

import asyncio
import socket
import sys
from typing import Any

import uvloop

from stockwire.api import server
from stockwire.config import Settings
from stockwire.ledger import Ledger
from stockwire.store import batch
from stockwire.store.database import Connection, Database


async def begin_without_lock(connection: Connection, store_id: int, live: bool) -> None:
    """What a batch must not be: another process may read the same stock before this one has written."""
    await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")


def weaken(guard: str) -> None:
    """Take the guard away from this process (R6)."""
    if guard == "locked":
        return
    batch.begin = begin_without_lock
    if guard == "one-statement":
        batch._sql.load_head.sql += " FOR UPDATE OF h"


async def main(handle: int, dsn: str, guard: str) -> None:
    """Answer requests until the parent goes."""
    weaken(guard)
    database = await Database.open(dsn)
    ledger = Ledger(database)
    stop = asyncio.Event()
    lifeline = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lifeline), sys.stdin)
    watching = asyncio.create_task(_until_closed(lifeline, stop))
    try:
        keyring: Any = None  # nothing here has a secret to keep
        await server.serve(database, ledger, Settings(), keyring, socket.socket(fileno=handle), stop)
    finally:
        watching.cancel()
        await ledger.close()
        await database.close()


async def _until_closed(lifeline: asyncio.StreamReader, stop: asyncio.Event) -> None:
    await lifeline.read()
    stop.set()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
