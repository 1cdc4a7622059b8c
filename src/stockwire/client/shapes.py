"""What the server answers, as typed structs.

Attributes are the wire's names in snake case (`partNumber` is `part_number`). Unknown fields are passed over and most
fields have defaults, so a newer server does not break an older client.
"""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec

from stockwire.client.errors import ErrorBody

T = TypeVar("T")


class Answer(msgspec.Struct, rename="camel", kw_only=True):
    """The root of everything that is read from the wire."""


class Asking(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The root of everything that is written: what was not given is left out."""


class Page(Answer, Generic[T]):
    """One page of a list."""

    data: list[T]
    has_more: bool = False


class Product(Answer):
    product_id: str
    external_reference_id: str | None = None


class Item(Answer):
    """One part number at one fulfiller; `quantity` is what may be sold now."""

    id: str
    part_number: str
    fulfiller: str
    inventory_management: str = "Self Managed"
    allow_back_order: bool = False
    back_order_limit: int | None = None
    products: list[Product] = []
    low_stock_threshold: int | None = None
    expected_in_stock_date: str | None = None
    metadata: dict[str, Any] = {}
    quantity: int = 0
    on_hand: int = 0
    reserved: int = 0
    allocated: int = 0
    backordered: int = 0
    sequence: int = 0
    live_mode: bool = False
    created_time: datetime | None = None
    updated_time: datetime | None = None


class NewItem(Asking):
    """An item to be made; `quantity` is its opening stock, `fulfiller` defaults to the store's own."""

    part_number: str
    fulfiller: str | None = None
    quantity: int | None = None
    inventory_management: Literal["Self Managed", "Fulfiller Managed"] | None = None
    allow_back_order: bool | None = None
    back_order_limit: int | None = None
    products: list[Product] | None = None
    low_stock_threshold: int | None = None
    expected_in_stock_date: str | None = None
    metadata: dict[str, str] | None = None


class Level(Answer):
    """How much there is of one item; `location_id` is the fulfiller."""

    inventory_item_id: str
    part_number: str = ""
    location_id: str = ""
    available: bool = False
    available_quantity: int = 0
    available_time: datetime | None = None
    on_hand: int = 0
    reserved: int = 0
    allocated: int = 0
    backordered: int = 0
    sequence: int = 0
    live_mode: bool = False
    updated_time: datetime | None = None


class Change(Asking):
    """One change of stock: `set`, `adjust`, `count`, `receive` or `transfer`, of a part number or an item."""

    type: Literal["set", "adjust", "count", "receive", "transfer"]
    part_number: str | None = None
    fulfiller: str | None = None
    inventory_item_id: str | None = None
    quantity: int | None = None
    delta: int | None = None
    on_hand: int | None = None
    to_fulfiller: str | None = None
    expected_quantity: int | None = None
    expected_sequence: int | None = None
    reason: str | None = None
    reference: str | None = None
    occurred_time: str | None = None


class Changed(Answer):
    """What a single change did."""

    status: str
    id: str = ""
    level: Level | None = None
    to_level: Level | None = None
    event_ids: list[str] = []


class Row(Answer):
    """The fate of one row of a batch, in request order: `applied`, `unchanged`, `created` or `refused`."""

    status: str
    id: str = ""
    level: Level | None = None
    item: Item | None = None
    error: ErrorBody | None = None
    event_ids: list[str] = []


class BatchAnswer(Answer):
    results: list[Row]
    applied: int = 0
    unchanged: int = 0
    refused: int = 0


class Movement(Answer):
    """One line of the ledger: what changed (deltas) and what it came to."""

    id: str
    inventory_item_id: str
    sequence: int
    type: str
    on_hand_delta: int = 0
    reserved_delta: int = 0
    allocated_delta: int = 0
    on_hand: int = 0
    reserved: int = 0
    allocated: int = 0
    quantity_before: int = 0
    quantity_after: int = 0
    change_id: str = ""
    reason: str | None = None
    reference: str | None = None
    actor: str = ""
    occurred_time: datetime | None = None
    created_time: datetime | None = None


class Line(Asking):
    """A line of a reservation, an order, a shipment, a cancel or a return: name the goods in one way, and how many."""

    quantity: int
    inventory_item_id: str | None = None
    part_number: str | None = None
    fulfiller: str | None = None
    product_id: str | None = None
    external_reference_id: str | None = None
    allow_back_order: bool | None = None
    unit_price: str | None = None
    currency: str | None = None


class HeldLine(Answer):
    inventory_item_id: str
    part_number: str = ""
    fulfiller: str = ""
    quantity: int = 0
    backordered: int = 0


class Reservation(Answer):
    id: str
    status: str
    items: list[HeldLine] = []
    expires_time: datetime | None = None
    reference: str | None = None
    metadata: dict[str, Any] = {}
    created_time: datetime | None = None
    updated_time: datetime | None = None


class OrderLine(HeldLine):
    open: int = 0
    shipped: int = 0
    cancelled: int = 0
    returned: int = 0


class Order(Answer):
    """`items` says what was really taken, item by item."""

    id: str
    status: str
    items: list[OrderLine] = []
    reservation_id: str | None = None
    reference: str | None = None
    created_time: datetime | None = None
    updated_time: datetime | None = None


class EventData(Answer):
    object: dict[str, Any]
    previous_attributes: dict[str, Any] = {}


class Event(Answer):
    """A published fact. `data.object` has the keys of the wire; `position` is None only for a test delivery."""

    id: str
    type: str
    data: EventData
    live_mode: bool = False
    created_time: datetime | None = None
    position: int | None = None


class FeedPage(Answer):
    """A page of the pull feed: everything up to `next_after` has been examined."""

    data: list[Event]
    has_more: bool = False
    next_after: int = 0
    head_position: int = 0
    feed_id: str = ""


class RawFeedPage(Answer):
    """The same page with the events left as they stand on the wire."""

    data: list[msgspec.Raw]
    has_more: bool = False
    next_after: int = 0


class Secret(Answer):
    secret: str
    id: str = ""
    created_time: datetime | None = None
    expires_time: datetime | None = None


class Webhook(Answer):
    """A subscriber; `secret` is there only in the answer that made it."""

    id: str
    address: str
    types: list[str] = []
    enabled: bool = True
    status: str = ""
    status_reason: str | None = None
    transport_type: str = "HTTP"
    description: str | None = None
    ordering: str = "unordered"
    secret: str | None = None
    pending: int | None = None
    last_attempt_time: datetime | None = None
    last_success_time: datetime | None = None
    live_mode: bool = False
    created_time: datetime | None = None
    updated_time: datetime | None = None


class Delivery(Answer):
    """One event for one webhook; `attempts` is filled when one delivery is read."""

    id: str
    webhook_id: str = ""
    event_id: str = ""
    type: str = ""
    status: str = ""
    position: int | None = None
    attempts: Any = None
    created_time: datetime | None = None


class Me(Answer):
    """Who the key is: its store, mode and role."""

    role: str = ""
    store: str = ""
    own_fulfiller: str = ""
    live_mode: bool = False
    fulfiller: str | None = None
    key: dict[str, Any] = {}


class Fulfiller(Answer):
    name: str = ""
    own: bool = False


class AuditEntry(Answer):
    id: str
    actor: str = ""
    action: str = ""
    subject: str = ""
    details: dict[str, Any] = {}
    created_time: datetime | None = None
