"""Webhooks and their deliveries."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from msgspec import UNSET, UnsetType

from stockwire.client.asking import Listed, given, named, segment
from stockwire.client.paging import Listing
from stockwire.client.shapes import Delivery, Page, Secret, Webhook
from stockwire.client.transport import Transport

WEBHOOKS = "/v1/webhooks"
DELIVERIES = "/v1/deliveries"


class WebhookFilters(Listed, total=False):
    q: str
    type: str
    types: Sequence[str]
    enabled: bool


class DeliveryFilters(Listed, total=False):
    webhook_id: str
    event_id: str
    status: str
    type: str


class Webhooks:
    """`client.webhooks`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self,
        address: str,
        types: Sequence[str] = ("*",),
        *,
        enabled: bool | None = None,
        transport_type: str | None = None,
        authentication: Mapping[str, str] | None = None,
        description: str | None = None,
        headers: Mapping[str, str] | None = None,
        filters: Mapping[str, Sequence[str]] | None = None,
        ordering: str | None = None,
        timeout_seconds: int | None = None,
        max_concurrency: int | None = None,
        idempotency_key: str | None = None,
    ) -> Webhook:
        """Subscribe an address to event types (`inventory.*` names a group); the answer holds the first `secret`."""
        body = given(
            {
                "address": address,
                "types": list(types),
                "enabled": enabled,
                "transport_type": transport_type,
                "authentication": authentication,
                "description": description,
                "headers": headers,
                "filters": filters,
                "ordering": ordering,
                "timeout_seconds": timeout_seconds,
                "max_concurrency": max_concurrency,
            }
        )
        made: Webhook = await self._transport.call("POST", WEBHOOKS, Webhook, body=body, key=idempotency_key)
        return made

    def list(self, **filters: Unpack[WebhookFilters]) -> Listing[Webhook]:
        return Listing(self._transport, WEBHOOKS, Webhook, named(filters))

    async def get(self, webhook_id: str) -> Webhook:
        found: Webhook = await self._transport.call("GET", _webhook(webhook_id), Webhook)
        return found

    async def update(
        self,
        webhook_id: str,
        *,
        address: str | UnsetType = UNSET,
        types: Sequence[str] | UnsetType = UNSET,
        enabled: bool | UnsetType = UNSET,
        transport_type: str | UnsetType = UNSET,
        authentication: Mapping[str, str] | UnsetType | None = UNSET,
        description: str | UnsetType | None = UNSET,
        headers: Mapping[str, str] | UnsetType | None = UNSET,
        filters: Mapping[str, Sequence[str]] | UnsetType | None = UNSET,
        ordering: str | UnsetType | None = UNSET,
        timeout_seconds: int | UnsetType | None = UNSET,
        max_concurrency: int | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> Webhook:
        """Edit: what is left out stays, None clears. Switched on again, it receives what happens from then on."""
        body = named(
            {
                "address": address,
                "types": types,
                "enabled": enabled,
                "transport_type": transport_type,
                "authentication": authentication,
                "description": description,
                "headers": headers,
                "filters": filters,
                "ordering": ordering,
                "timeout_seconds": timeout_seconds,
                "max_concurrency": max_concurrency,
            }
        )
        path = _webhook(webhook_id)
        edited: Webhook = await self._transport.call("PATCH", path, Webhook, body=body, key=idempotency_key)
        return edited

    async def delete(self, webhook_id: str) -> None:
        await self._transport.send("DELETE", _webhook(webhook_id))

    async def secrets(self, webhook_id: str) -> Sequence[Secret]:
        """The live secrets, newest first; the server notes in its audit log that they were shown."""
        page: Page[Secret] = await self._transport.call("GET", f"{_webhook(webhook_id)}/secrets", Page[Secret])
        return page.data

    async def rotate_secret(
        self, webhook_id: str, *, expire_previous_in_hours: int = 24, idempotency_key: str | None = None
    ) -> Secret:
        """Make a new secret; the others go on signing for 0, 1, 3, 6, 12 or 24 hours."""
        body = {"expirePreviousInHours": expire_previous_in_hours}
        path = f"{_webhook(webhook_id)}/secrets"
        made: Secret = await self._transport.call("POST", path, Secret, body=body, key=idempotency_key)
        return made

    async def safelist(self) -> dict[str, Any]:
        """The addresses that webhooks come from."""
        answer: dict[str, Any] = await self._transport.call("GET", "/v1/safelist", dict[str, Any])
        return answer


class Deliveries:
    """`client.deliveries`"""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, **filters: Unpack[DeliveryFilters]) -> Listing[Delivery]:
        return Listing(self._transport, DELIVERIES, Delivery, named(filters))

    async def get(self, delivery_id: str) -> Delivery:
        """One delivery with every attempt."""
        found: Delivery = await self._transport.call("GET", f"{DELIVERIES}/{segment(delivery_id)}", Delivery)
        return found


def _webhook(webhook_id: str) -> str:
    return f"{WEBHOOKS}/{segment(webhook_id)}"
