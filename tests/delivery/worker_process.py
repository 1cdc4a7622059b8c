"""A delivery worker as a process of its own, to be killed: `python -m tests.delivery.worker_process <dsn>`."""

import asyncio
import sys

from stockwire.delivery import worker
from stockwire.ledger import Ledger
from stockwire.store.database import Database
from tests.delivery.shop import DeliverySettings, PlainKeys


async def main(dsn: str) -> None:
    database = await Database.open(dsn)
    print("ready", flush=True)
    await worker.run(database, Ledger(database), DeliverySettings(), PlainKeys(), asyncio.Event())


asyncio.run(main(sys.argv[1]))
