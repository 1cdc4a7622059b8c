"""Reservations and orders: units promised, by whom and until when (R7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple


class ReservationLine(NamedTuple):
    """Units of one item that a reservation holds."""

    item_id: str
    quantity: int
    backordered: int = 0
    allow_back_order: bool = True


class Reservation(NamedTuple):
    """Units held for a cart until a time; all lines end together."""

    id: str
    status: str  # reserved | ordered | released | expired
    lines: tuple[ReservationLine, ...]
    expires_at: datetime
    fingerprint: bytes
    reference: str | None
    metadata: Mapping[str, str]
    created_at: datetime
    updated_at: datetime


class OrderLine(NamedTuple):
    """Units of one item that an order took: quantity = open + shipped + cancelled, returned <= shipped."""

    item_id: str
    quantity: int
    backordered: int = 0
    shipped: int = 0
    cancelled: int = 0
    returned: int = 0
    unit_price: str | None = None
    currency: str | None = None

    @property
    def open(self) -> int:
        """Units promised and neither shipped nor cancelled."""
        return self.quantity - self.shipped - self.cancelled


class Order(NamedTuple):
    """A submitted order; its status follows from its lines."""

    id: str
    lines: tuple[OrderLine, ...]
    fingerprint: bytes
    reservation_id: str | None
    reference: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def status(self) -> str:
        """allocated | partially_shipped | shipped | cancelled."""
        if all(line.cancelled == line.quantity for line in self.lines):
            return "cancelled"
        if all(line.open == 0 for line in self.lines):
            return "shipped"
        if any(line.shipped for line in self.lines):
            return "partially_shipped"
        return "allocated"


class Secret(NamedTuple):
    """A signing secret of an endpoint, sealed."""

    id: str
    sealed: bytes
    created_at: datetime
    expires_at: datetime | None = None


class Endpoint(NamedTuple):
    """A subscriber: where its events go, which ones, and with which secrets they are signed."""

    id: str
    address: str
    types: tuple[str, ...]
    enabled: bool
    start_position: int
    status_reason: str | None
    description: str
    settings: Mapping[str, Any]
    credentials: bytes | None
    secrets: tuple[Secret, ...]
    created_at: datetime
    updated_at: datetime
