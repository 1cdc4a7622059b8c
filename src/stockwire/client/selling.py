"""Reservations and orders."""

from collections.abc import Sequence
from typing import Any, Unpack

from stockwire.client.asking import Listed, given, named, segment
from stockwire.client.paging import Listing
from stockwire.client.shapes import Line, Order, Reservation
from stockwire.client.transport import Transport


class Reservations:
    """`client.reservations`: stock held for a basket until a time."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self,
        items: Sequence[Line],
        *,
        reservation_id: str | None = None,
        expires_in_seconds: int | None = None,
        reference: str | None = None,
        metadata: dict[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Reservation:
        """Hold all lines or none; 409 has one `out_of_inventory` fault per short line."""
        body = given(
            {
                "id": reservation_id,
                "items": items,
                "expires_in_seconds": expires_in_seconds,
                "reference": reference,
                "metadata": metadata,
            }
        )
        return await self._post("/v1/reservations", body, idempotency_key)

    async def get(self, reservation_id: str) -> Reservation:
        held: Reservation = await self._transport.call("GET", _reservation(reservation_id), Reservation)
        return held

    def list(self, **filters: Unpack[Listed]) -> Listing[Reservation]:
        return Listing(self._transport, "/v1/reservations", Reservation, named(filters))

    async def extend(
        self, reservation_id: str, expires_in_seconds: int, *, idempotency_key: str | None = None
    ) -> Reservation:
        body = {"expiresInSeconds": expires_in_seconds}
        return await self._post(f"{_reservation(reservation_id)}/extend", body, idempotency_key)

    async def release(self, reservation_id: str) -> None:
        """Give the stock back; no error if that has happened already."""
        await self._transport.send("DELETE", _reservation(reservation_id))

    async def _post(self, path: str, body: Any, key: str | None) -> Reservation:
        held: Reservation = await self._transport.call("POST", path, Reservation, body=body, key=key)
        return held


class Orders:
    """`client.orders`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self,
        items: Sequence[Line] | None = None,
        *,
        order_id: str | None = None,
        reservation_id: str | None = None,
        reference: str | None = None,
        idempotency_key: str | None = None,
    ) -> Order:
        """Take stock for an order, from a reservation or afresh; the answer says what was taken from which item."""
        body = given({"id": order_id, "items": items, "reservation_id": reservation_id, "reference": reference})
        return await self._post("/v1/orders", body, idempotency_key)

    async def get(self, order_id: str) -> Order:
        order: Order = await self._transport.call("GET", _order(order_id), Order)
        return order

    def list(self, **filters: Unpack[Listed]) -> Listing[Order]:
        return Listing(self._transport, "/v1/orders", Order, named(filters))

    async def ship(
        self, order_id: str, items: Sequence[Line] | None = None, *, idempotency_key: str | None = None
    ) -> Order:
        """Goods left the house; without `items` all open units."""
        return await self._post(f"{_order(order_id)}/shipments", given({"items": items}), idempotency_key)

    async def cancel(
        self, order_id: str, items: Sequence[Line] | None = None, *, idempotency_key: str | None = None
    ) -> Order:
        """Open units go back to what may be sold; without `items` all of them."""
        return await self._post(f"{_order(order_id)}/cancel", given({"items": items}), idempotency_key)

    async def take_back(
        self, order_id: str, items: Sequence[Line], *, restock: bool = True, idempotency_key: str | None = None
    ) -> Order:
        """Shipped units came back; with `restock=False` they are noted but not put on sale."""
        body = {"items": items, "restock": restock}
        return await self._post(f"{_order(order_id)}/returns", body, idempotency_key)

    async def _post(self, path: str, body: Any, key: str | None) -> Order:
        order: Order = await self._transport.call("POST", path, Order, body=body, key=key)
        return order


def _reservation(reservation_id: str) -> str:
    return f"/v1/reservations/{segment(reservation_id)}"


def _order(order_id: str) -> str:
    return f"/v1/orders/{segment(order_id)}"
