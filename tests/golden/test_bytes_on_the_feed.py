"""What the API reads out is what was committed, byte for byte (R26)."""

import json

from stockwire.store.database import Database
from tests.api.server import open_shop


async def test_events_are_read_as_they_were_committed(database: Database) -> None:
    """In the list, in the feed and one by one; after a further change too."""
    async with open_shop(database) as shop:
        await shop.item("CCC", 1, products=[{"productId": "15116720197"}], metadata={"Größe": "½"})
        for quantity in (0, 10):
            change = {"type": "set", "partNumber": "CCC", "quantity": quantity, "reason": "Zählung"}
            assert (await shop.post("/v1/inventory-changes", change)).status == 200
        async with database.reads.acquire() as connection:
            rows = await connection.fetch("SELECT id, body FROM events ORDER BY position")
        stored = [row["body"].encode() for row in rows]
        assert len(stored) == 6
        feed = await shop.get("/v1/events?after=0&order=asc&limit=100")
        listed = await shop.get("/v1/events?limit=100")
        assert b",".join(stored) in feed.raw
        assert b",".join(reversed(stored)) in listed.raw
        assert len(feed.body["data"]) == len(listed.body["data"]) == 6
        for row, body in zip(rows, stored, strict=True):
            one = await shop.get(f"/v1/events/{row['id']}")
            assert one.raw == body
            assert json.loads(one.raw)["id"] == str(row["id"])
