"""The database goes away under a working delivery worker, and comes back."""

import asyncio

from stockwire.store import migrate
from stockwire.store.database import Database
from stockwire.store.embedded import Embedded
from tests import engines
from tests.delivery.shop import Shop, receiving, until


async def test_a_restarted_database_costs_nothing_but_time() -> None:
    programs = engines.required_programs()
    with engines.private_folder() as folder:
        server = Embedded(folder, programs)
        await asyncio.to_thread(server.start)
        try:
            await asyncio.to_thread(migrate.upgrade, server.dsn)
            await _restart_under_load(server)
        finally:
            await asyncio.to_thread(server.stop)


async def _restart_under_load(server: Embedded) -> None:
    database = await Database.open(server.dsn)
    shop = await Shop.open(database)
    async with receiving() as receiver:
        await shop.webhook(receiver.address)
        async with shop.delivering():
            expected = set(await shop.publish(1_000))
            await until(lambda: len(receiver.received) > 100)
            await asyncio.to_thread(server.stop)
            before = len(receiver.received)
            await asyncio.sleep(1.5)
            await asyncio.to_thread(server.start)
            await until(lambda: _works(shop))
            expected |= set(await shop.publish(200))
            # Leases of a few that were being written when it went; in life they end within half a minute.
            await asyncio.sleep(1)
            await shop.execute("UPDATE deliveries SET due_at = now() WHERE status = 'pending' AND claim IS NOT NULL")
            await until(lambda: shop.statuses_are(delivered=1_200), seconds=30)
    assert set(receiver.ids) == expected
    assert len(receiver.received) - len(expected) <= 8 + 64
    assert before < 1_000, "it was working when the database went"
    await database.close()


async def _works(shop: Shop) -> bool:
    try:
        await shop.scalar("SELECT 1")
    except Exception:
        return False
    return True
