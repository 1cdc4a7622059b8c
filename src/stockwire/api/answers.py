"""What the doors answer, as types: the documents are made from them, and tests hold every answer against them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from stockwire.domain.events import CATALOGUE

Count = Annotated[int, Meta(ge=0)]
Management = Literal["Self Managed", "Fulfiller Managed"]
Texts = dict[str, str]


class Answer(msgspec.Struct, kw_only=True, rename="camel"):
    """The root of all answers."""


class Product(Answer):
    """What a shop sells."""

    external_reference_id: str | None
    product_id: str


class Item(Answer):
    """One part number at one fulfiller; `quantity` is what may be sold now."""

    id: UUID
    part_number: str
    fulfiller: str
    inventory_management: Management
    allow_back_order: bool
    allow_oversell: Annotated[bool, Meta(description="The older name of allowBackOrder.")]
    back_order_limit: Count | None
    products: list[Product]
    low_stock_threshold: Count | None
    expected_in_stock_date: datetime | None
    metadata: Texts
    quantity: Count
    on_hand: Count
    reserved: Count
    allocated: Count
    backordered: Annotated[Count, Meta(description="Units promised beyond stock.")]
    sequence: Annotated[Count, Meta(description="Of the item's last movement.")]
    live_mode: bool
    created_time: datetime
    updated_time: datetime


class Level(Answer):
    """How much there is of one item; `locationId` is the fulfiller."""

    inventory_item_id: UUID
    part_number: str
    location_id: str
    available: bool
    available_quantity: Count
    available_time: datetime | None
    on_hand: Count
    reserved: Count
    allocated: Count
    backordered: Count
    sequence: Count
    live_mode: bool
    updated_time: datetime | None


class Movement(Answer):
    """One immutable line of the ledger: what changed, and what it came to."""

    id: UUID
    inventory_item_id: UUID
    sequence: Annotated[int, Meta(ge=1)]
    type: Literal[
        "opening", "set", "adjust", "count", "receive", "transfer", "reserve", "release", "expire", "order", "ship",
        "cancel", "return", "feed",
    ]  # fmt: skip
    on_hand_delta: int
    reserved_delta: int
    allocated_delta: int
    on_hand: Count
    reserved: Count
    allocated: Count
    quantity_before: Count
    quantity_after: Count
    change_id: UUID
    reason: str | None
    reference: str | None
    actor: Annotated[str, Meta(description="key:<id>, person:<id>, feed:<id> or system.")]
    occurred_time: datetime
    created_time: datetime


class HeldLine(Answer):
    """Units of one item that a reservation holds."""

    inventory_item_id: UUID
    part_number: str
    fulfiller: str
    quantity: Annotated[int, Meta(ge=1)]
    backordered: Count


class Reservation(Answer):
    """Units held until a time; all lines end together."""

    id: str
    status: Literal["reserved", "ordered", "released", "expired"]
    items: list[HeldLine]
    reference: str | None
    metadata: Texts
    expires_time: datetime
    live_mode: bool
    created_time: datetime
    updated_time: datetime


class OrderLine(HeldLine):
    """Units of one item that an order took: quantity = open + shipped + cancelled."""

    open: Count
    shipped: Count
    cancelled: Count
    returned: Count
    unit_price: str | None
    currency: str | None


class Order(Answer):
    """A submitted order; `items` says what was really taken, per item."""

    id: str
    status: Literal["allocated", "partially_shipped", "shipped", "cancelled"]
    reservation_id: str | None
    reference: str | None
    items: list[OrderLine]
    live_mode: bool
    created_time: datetime
    updated_time: datetime


class Fault(Answer):
    """One thing that is wrong: `code` for programs, `parameter` where, `message` for people. Facts may stand beside."""

    code: str
    parameter: str | None
    message: str


class Errors(Answer):
    """Every refusal."""

    type: str
    errors: Annotated[list[Fault], Meta(min_length=1)]


class Changed(Answer):
    """What one change did; `toLevel` is the other side of a transfer."""

    id: UUID
    status: Literal["applied", "unchanged"]
    level: Level
    event_ids: list[UUID]
    to_level: Level | UnsetType = UNSET


class ChangeResult(Answer):
    """What became of one row of many."""

    status: Literal["applied", "unchanged", "refused"]
    event_ids: list[UUID]
    id: UUID | UnsetType = UNSET
    level: Level | UnsetType = UNSET
    to_level: Level | UnsetType = UNSET
    error: Errors | UnsetType = UNSET


class ChangeResults(Answer):
    """What became of every row, in request order."""

    results: list[ChangeResult]
    applied: Count
    unchanged: Count
    refused: Count


class ItemResult(Answer):
    """What became of one item of many."""

    status: Literal["applied", "refused"]
    event_ids: list[UUID]
    item: Item | UnsetType = UNSET
    error: Errors | UnsetType = UNSET


class ItemResults(Answer):
    """What became of every item, in request order."""

    results: list[ItemResult]
    applied: Count
    unchanged: Count
    refused: Count


class Hold(Answer):
    """A reservation that holds units of the item."""

    reservation_id: str
    quantity: Annotated[int, Meta(ge=1)]
    backordered: Count
    reference: str | None
    expires_time: datetime
    created_time: datetime


class OpenOrder(Answer):
    """An order that has open units of the item."""

    order_id: str
    open: Annotated[int, Meta(ge=1)]
    quantity: Annotated[int, Meta(ge=1)]
    backordered: Count
    reference: str | None
    created_time: datetime


class Reserved(Answer):
    """Units held, and by whom."""

    units: Count
    data: list[Hold]
    has_more: bool


class Allocated(Answer):
    """Units promised to orders, and to which."""

    units: Count
    data: list[OpenOrder]
    has_more: bool


class Explanation(Answer):
    """An item's numbers at a time and what is behind each; `level` is null before the item was made."""

    at: datetime
    level: Level | None
    reserved: Reserved
    allocated: Allocated
    movements: list[Movement]


class InventoryObject(Answer):
    """What an inventory event tells. The first eight keys are the format that existing consumers read."""

    quantity: Count
    timestamp: datetime
    products: list[Product]
    event_type: str
    part_number: str
    fulfiller: str
    allow_back_order: bool
    inventory_management: Management
    inventory_item_id: UUID
    sequence: Count
    previous_sequence: Count
    on_hand: Count
    reserved: Count
    allocated: Count
    backordered: Count
    cause: str
    reason: str | None
    reference: str | None
    back_order_limit: Count | UnsetType | None = UNSET
    low_stock_threshold: Count | UnsetType | None = UNSET
    expected_in_stock_date: datetime | UnsetType | None = UNSET
    metadata: Texts | UnsetType = UNSET


class ReservationObject(Reservation):
    """What an event about a reservation tells."""

    event_type: str


class WebhookObject(Answer):
    """What an event about a webhook tells."""

    id: UUID
    event_type: str
    address: str
    enabled: bool
    status_reason: str | None


class PreviousAttributes(Answer):
    """What changed, with the old values."""

    quantity: Count | UnsetType = UNSET
    on_hand: Count | UnsetType = UNSET
    reserved: Count | UnsetType = UNSET
    allocated: Count | UnsetType = UNSET
    backordered: Count | UnsetType = UNSET
    allow_back_order: bool | UnsetType = UNSET
    back_order_limit: Count | UnsetType | None = UNSET
    low_stock_threshold: Count | UnsetType | None = UNSET
    expected_in_stock_date: datetime | UnsetType | None = UNSET
    inventory_management: Management | UnsetType = UNSET
    products: list[Product] | UnsetType = UNSET
    metadata: Texts | UnsetType = UNSET
    status: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


def _any_of(*types: type) -> Any:
    refs = [{"$ref": f"#/components/schemas/{kind.__name__}"} for kind in types]
    return Annotated[Any, Meta(extra_json_schema={"anyOf": refs})]


EVENT_OBJECTS = (InventoryObject, ReservationObject, WebhookObject)


class EventData(Answer):
    """What happened, to what."""

    object: _any_of(*EVENT_OBJECTS)  # type: ignore[valid-type]
    previous_attributes: PreviousAttributes


class Event(Answer):
    """A published fact. Its bytes are fixed when the change commits."""

    id: UUID
    type: Annotated[str, Meta(extra_json_schema={"enum": list(CATALOGUE)})]
    data: EventData
    live_mode: bool
    created_time: datetime
    position: Annotated[int | None, Meta(description="Gap-free in its store and mode; null for a test delivery.")]


class Feed(Answer):
    """A page of the feed: everything up to `nextAfter` was examined."""

    data: list[Event]
    has_more: bool
    next_after: Count
    head_position: Count
    feed_id: UUID


class KeyAbout(Answer):
    """What a key may know of itself."""

    id: UUID
    name: str
    prefix: str
    last_four: str
    created_time: datetime


class Me(Answer):
    """The key's store, mode and role."""

    store: str
    own_fulfiller: str
    live_mode: bool
    role: Literal["admin", "operator", "viewer", "fulfiller", "public"]
    fulfiller: str | None
    key: KeyAbout


class Fulfiller(Answer):
    """Who holds and ships items; `own` is the store's own."""

    name: str
    own: bool


class AuditEntry(Answer):
    """Who did what to anything that is not stock."""

    id: UUID
    actor: str
    action: str
    subject: str
    details: dict[str, str | int | bool | list[str] | None]
    created_time: datetime


class Health(Answer):
    """The process answers."""

    status: Literal["ok"]


class Lateness(Answer):
    """How long the oldest delivery that is due has waited."""

    late: bool
    oldest_due_seconds: Annotated[float, Meta(ge=0)]


class Readiness(Answer):
    """Whether the process can do its work, and why not."""

    status: Literal["ready", "unready"]
    role: Annotated[str, Meta(description="`api`; of a process without it: `deliver`, `housekeep` or both.")]
    reason: str | None
    deliveries: Lateness


class Document(Answer):
    """An OpenAPI document."""

    openapi: str
    info: dict[str, str]
    paths: dict[str, dict[str, dict[str, Any]]]


def page_of(kind: type) -> type[msgspec.Struct]:
    """The page of a list of these."""
    about = f"A page of a list of {kind.__name__}."
    fields = [("data", list[kind]), ("has_more", bool)]  # type: ignore[valid-type]
    return msgspec.defstruct(
        f"{kind.__name__}Page", fields, bases=(Answer,), namespace={"__doc__": about}, rename="camel", kw_only=True
    )


ItemPage = page_of(Item)
LevelPage = page_of(Level)
MovementPage = page_of(Movement)
ReservationPage = page_of(Reservation)
OrderPage = page_of(Order)
EventPage = page_of(Event)
FulfillerPage = page_of(Fulfiller)
AuditPage = page_of(AuditEntry)
