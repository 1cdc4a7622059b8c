"""The client: one object for one store and mode."""

import os
from types import TracebackType
from typing import Self, Unpack

from stockwire.client.asking import Listed, named
from stockwire.client.events import Events
from stockwire.client.paging import Listing
from stockwire.client.selling import Orders, Reservations
from stockwire.client.shapes import AuditEntry, Fulfiller, Me, Page
from stockwire.client.stock import Changes, Items, Levels, Movements
from stockwire.client.transport import Retries, Transport
from stockwire.client.webhooks import Deliveries, Webhooks


class Stockwire:
    """Talk to a Stockwire server.

        async with Stockwire("http://127.0.0.1:8080", "sk_test_…") as shop:
            order = await shop.orders.create([Line(part_number="85123A", quantity=2)], order_id="1001")
            async for level in shop.levels.list(part_number="85123A"):
                print(level.available_quantity)

    `url` and `key` default to the environment's STOCKWIRE_URL and STOCKWIRE_KEY. `timeout_seconds` bounds one request;
    `connections` bounds how many run at once (more wait their turn). Refusals and failures raise `ApiError`.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        retries: Retries | None = None,
        timeout_seconds: float = 60.0,
        connections: int = 256,
    ) -> None:
        url = url or os.environ.get("STOCKWIRE_URL", "")
        key = key or os.environ.get("STOCKWIRE_KEY", "")
        if not url.startswith(("http://", "https://")):
            raise ValueError("give the server's address (or set STOCKWIRE_URL), for instance http://127.0.0.1:8080")
        if not key:
            raise ValueError("give an API key (or set STOCKWIRE_KEY)")
        self.transport = Transport(
            url, key, retries=retries or Retries(), timeout_seconds=timeout_seconds, connections=connections
        )
        self.items = Items(self.transport)
        self.levels = Levels(self.transport)
        self.changes = Changes(self.transport)
        self.movements = Movements(self.transport)
        self.reservations = Reservations(self.transport)
        self.orders = Orders(self.transport)
        self.events = Events(self.transport)
        self.webhooks = Webhooks(self.transport)
        self.deliveries = Deliveries(self.transport)

    async def me(self) -> Me:
        """The store, mode and role of the key."""
        me: Me = await self.transport.call("GET", "/v1/me", Me)
        return me

    async def fulfillers(self) -> list[Fulfiller]:
        """Everybody who holds stock for the store; `own` marks the store's own."""
        page: Page[Fulfiller] = await self.transport.call("GET", "/v1/fulfillers", Page[Fulfiller])
        return page.data

    def audit_log(self, **filters: Unpack[Listed]) -> Listing[AuditEntry]:
        """Who did what to anything that is not stock, newest first."""
        return Listing(self.transport, "/v1/audit-log", AuditEntry, named(filters))

    async def close(self) -> None:
        await self.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
