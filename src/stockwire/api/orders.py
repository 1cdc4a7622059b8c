"""Orders: submitted, shipped, cancelled, returned (R7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import uuid4

from msgspec import UNSET, Meta, UnsetType

from stockwire.api.errors import Reply
from stockwire.api.faults import Amiss
from stockwire.api.request import Request
from stockwire.api.reservations import MOST_LINES, HoldLine, same_body
from stockwire.api.shapes import Body, ClientId, NamedItem, Reference, Some, given
from stockwire.api.strict_json import Shape
from stockwire.domain.commands import Cancel, Line, OrderUnits, PlaceOrder, Return, Ship
from stockwire.domain.refusals import Reason

Price = Annotated[str, Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,6})?$")]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]


class NewOrderLine(HoldLine, frozen=True, kw_only=True):
    """Units of an item to take; the price is kept for the record."""

    unit_price: Price | None = None
    currency: Currency | None = None


class NewOrder(Body, frozen=True, kw_only=True):
    """An order from a reservation, from stock, or from both."""

    items: Annotated[list[NewOrderLine], Meta(min_length=1, max_length=MOST_LINES)] | UnsetType = UNSET
    reservation_id: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    id: ClientId | UnsetType = UNSET
    reference: Reference | None = None

    def __post_init__(self) -> None:
        if self.items is UNSET and self.reservation_id is UNSET:
            raise ValueError("items or reservationId")

    @staticmethod
    def amiss(given: Mapping[str, Any]) -> list[Amiss]:
        if "items" in given or "reservationId" in given:
            return []
        return [(Reason.MISSING_PARAMETER, "items", "is missing: give `items`, `reservationId`, or both")]


class UnitsOf(NamedItem, frozen=True, kw_only=True):
    """Units of a line of an order."""

    quantity: Some


Units = Annotated[list[UnitsOf], Meta(min_length=1, max_length=MOST_LINES)]


class SomeUnits(Body, frozen=True, kw_only=True):
    """The units meant; without `items` all that are open."""

    items: Units | UnsetType = UNSET


class Returned(Body, frozen=True, kw_only=True):
    """Shipped units that came back; with `restock` they are on hand again."""

    items: Units
    restock: bool = True


NEW: Shape[NewOrder] = Shape(NewOrder)
SOME_UNITS: Shape[SomeUnits] = Shape(SomeUnits)
RETURNED: Shape[Returned] = Shape(Returned)


async def place(request: Request) -> Reply:
    """Submit an order."""
    asked: NewOrder = request.body
    lines = None if asked.items is UNSET else tuple(_line(line) for line in asked.items)
    command = PlaceOrder(
        given(asked.id) or str(uuid4()), lines, same_body(asked), given(asked.reservation_id), asked.reference
    )
    return await request.submit(command, weight=len(lines or "1"))


def _line(line: NewOrderLine) -> Line:
    return Line(line.ref(), line.quantity, line.allow_back_order, line.unit_price, line.currency)


def _units(items: list[UnitsOf] | UnsetType) -> tuple[OrderUnits, ...] | None:
    return None if items is UNSET else tuple(OrderUnits(line.ref(), line.quantity) for line in items)


async def ship(request: Request) -> Reply:
    """Units leave the building."""
    return await request.submit(Ship(request.path[0], _units(request.body.items)))


async def cancel(request: Request) -> Reply:
    """Open units are no longer promised."""
    return await request.submit(Cancel(request.path[0], _units(request.body.items)))


async def take_back(request: Request) -> Reply:
    """Shipped units come back."""
    lines = _units(request.body.items) or ()
    return await request.submit(Return(request.path[0], lines, request.body.restock))
