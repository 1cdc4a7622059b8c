"""R26: old settled deliveries go in small batches; what is open or young stays."""

import pytest

from stockwire.housekeeping import prune_deliveries
from stockwire.ledger import Ledger
from stockwire.store.database import Database
from tests.delivery.shop import Shop, receiving, until


async def test_only_what_is_old_and_settled_goes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune_deliveries, "BATCH", 10)
    shop = await Shop.open(database)
    async with receiving() as receiver:
        await shop.webhook(receiver.address)
        async with shop.delivering():
            await shop.publish(40)
            await until(lambda: shop.statuses_are(delivered=40))
    await shop.execute("UPDATE deliveries SET created_at = created_at - interval '31 days' WHERE position <= 25")
    await shop.execute("UPDATE deliveries SET status = 'pending', settled_at = NULL WHERE position = 3")
    rounds = 0
    while await prune_deliveries.run_once(database, Ledger(database)):
        rounds += 1
    left = [row["position"] for row in await shop.fetch("SELECT position FROM deliveries ORDER BY position")]
    assert left == [3, *range(26, 41)]
    assert [row["position"] for row in await shop.fetch("SELECT position FROM attempts ORDER BY position")] == left
    assert rounds == 3
