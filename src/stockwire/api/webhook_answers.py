"""What the doors answer of webhooks and deliveries, as types."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from stockwire.api.answers import Answer, Count, page_of


class WebhookAuthentication(Answer):
    """Who the webhook signs in as; the password is not shown."""

    user_name: str


class WebhookFilters(Answer):
    """Only events of these."""

    fulfillers: list[str] | UnsetType = UNSET
    part_numbers: list[str] | UnsetType = UNSET


class Webhook(Answer):
    """A subscriber. `pending` is counted up to 100,000."""

    id: UUID
    address: str
    types: list[str]
    enabled: bool
    description: str
    transport_type: Literal["HTTP"]
    authentication: WebhookAuthentication | None
    headers: Annotated[dict[str, None], Meta(description="Names only: the values are secrets.")]
    filters: WebhookFilters | None
    ordering: Literal["unordered"]
    timeout_seconds: int
    max_concurrency: int
    status: Literal["healthy", "degraded", "disabled"]
    status_reason: str | None
    last_attempt_time: datetime | None
    last_success_time: datetime | None
    pending: Count
    live_mode: bool
    created_time: datetime
    updated_time: datetime


class CreatedWebhook(Webhook):
    """A webhook just made, with its first secret."""

    secret: str


class WebhookSecret(Answer):
    """A live signing secret."""

    id: UUID
    secret: str
    created_time: datetime
    expires_time: datetime | None


class SecretNote(Answer):
    """A live secret, not shown."""

    id: UUID
    created_time: datetime
    expires_time: datetime | None


class RotatedSecret(Answer):
    """The new secret, and all that are live now, newest first."""

    id: UUID
    secret: str
    secrets: list[SecretNote]


class Delivery(Answer):
    """One event for one webhook."""

    id: UUID
    webhook_id: UUID
    event_id: UUID | None
    type: str | None
    position: int
    status: Literal["pending", "delivered", "failed", "cancelled"]
    attempt_count: Count
    next_attempt_time: datetime | None
    live_mode: bool
    created_time: datetime
    settled_time: datetime | None


class Attempt(Answer):
    """One request and what came of it. Times in microseconds from its start."""

    number: Annotated[int, Meta(ge=1)]
    started_time: datetime
    verdict: Literal["delivered", "failed", "gone"]
    why: Annotated[str | None, Meta(description="timed_out, address_refused, not_connected, status, …")]
    status: int | None
    peer: Annotated[str | None, Meta(description="The address that was connected to.")]
    connect_micros: Count | None
    first_byte_micros: Count | None
    total_micros: Count
    response_head: str | None
    response_body: Annotated[str | None, Meta(description="Its beginning, without credentials.")]
    next_attempt_time: datetime | None


class DeliveryWithAttempts(Delivery):
    """One delivery with every attempt, first to last."""

    attempts: list[Attempt]


class Safelist(Answer):
    """The addresses that webhooks come from, as this server was told."""

    addresses: list[str]


WebhookPage = page_of(Webhook)
SecretPage = page_of(WebhookSecret)
DeliveryPage = page_of(Delivery)
