"""What may be asked of a store's ledger. Every write of a store is one of these (R28)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from stockwire.domain.refusals import Refusal
from stockwire.domain.stock import Product


class Actor(NamedTuple):
    """Who asks: `key:<id>`, `person:<id>`, `feed:<id>` or `system`, with the role that decides what it may do (R9)."""

    name: str
    role: str
    fulfiller: str | None = None  # of a `fulfiller` key: the only one whose items it sees


SYSTEM = Actor("system", "system")


class ItemRef(NamedTuple):
    """How a request names an item: by id, by part number (and fulfiller), by product, or by external reference (R8)."""

    item_id: str | None = None
    part_number: str | None = None
    fulfiller: str | None = None
    product_id: str | None = None
    external_reference_id: str | None = None


class Line(NamedTuple):
    """Units of an item that a reservation or an order asks for."""

    item: ItemRef
    quantity: int
    allow_back_order: bool = True  # False narrows: this line takes stock only
    unit_price: str | None = None
    currency: str | None = None


class Change(NamedTuple):
    """A change of one item's stock. `amount` is the quantity, delta or count that the type calls for (R1)."""

    type: str  # set | adjust | count | receive | transfer
    item: ItemRef
    amount: int
    to_fulfiller: str | None = None
    expected_quantity: int | None = None
    expected_sequence: int | None = None
    reason: str | None = None
    reference: str | None = None
    occurred_at: datetime | None = None


class Changes(NamedTuple):
    """Rows of one request, or one slice of it: applied in order, each seeing those before it (R11).

    A row that was wrong by itself stands as its faults. `offset` is the place of the first row in the request.
    """

    rows: tuple[Change | tuple[Refusal, ...], ...]
    atomic: bool = False
    offset: int = 0


class Reserve(NamedTuple):
    """Hold units for `seconds`, all lines or none.

    `fingerprint` tells a repeat of a client-chosen id from another body.
    """

    id: str
    lines: tuple[Line, ...]
    seconds: int
    fingerprint: bytes
    reference: str | None = None
    metadata: Mapping[str, str] = {}


class Extend(NamedTuple):
    """Move a live reservation's end to now + `seconds`."""

    reservation_id: str
    seconds: int


class Release(NamedTuple):
    """Give a reservation's units back."""

    reservation_id: str


class ExpireDue(NamedTuple):
    """End the holds whose time has come, at most `limit` reservations (housekeeping, R4)."""

    limit: int = 200


class PlaceOrder(NamedTuple):
    """Submit an order, from a reservation, from stock, or from both (R7)."""

    id: str
    lines: tuple[Line, ...] | None  # None: the whole reservation
    fingerprint: bytes
    reservation_id: str | None = None
    reference: str | None = None


class OrderUnits(NamedTuple):
    """Units of one line of an order that a shipment, cancel or return is about."""

    item: ItemRef
    quantity: int


class Ship(NamedTuple):
    """Units of an order leave the building; without lines all open units."""

    order_id: str
    lines: tuple[OrderUnits, ...] | None = None


class Cancel(NamedTuple):
    """Units of an order are no longer promised; without lines all open units."""

    order_id: str
    lines: tuple[OrderUnits, ...] | None = None


class Return(NamedTuple):
    """Shipped units come back; with `restock` they are on hand again."""

    order_id: str
    lines: tuple[OrderUnits, ...]
    restock: bool = True


class CreateItem(NamedTuple):
    """A new item, or a deleted one revived (R10). `quantity` is its opening stock."""

    id: str
    part_number: str
    fulfiller: str | None = None  # None: the store's own
    fulfiller_managed: bool = False
    allow_back_order: bool = False
    back_order_limit: int | None = None
    products: tuple[Product, ...] = ()
    low_stock_threshold: int | None = None
    expected_in_stock_at: datetime | None = None
    metadata: Mapping[str, str] = {}
    quantity: int = 0


class CreateItems(NamedTuple):
    """Rows of a bulk creation, or one slice of it."""

    rows: tuple[CreateItem | tuple[Refusal, ...], ...]
    offset: int = 0


class PatchItem(NamedTuple):
    """Edit an item's policy and attributes: only the named fields change, None clears (R10).

    Fields: fulfiller_managed, allow_back_order, back_order_limit, products, low_stock_threshold, expected_in_stock_at,
    metadata (merged by key; a None value removes the key).
    """

    item_id: str
    fields: Mapping[str, Any]


class DeleteItem(NamedTuple):
    """Delete an item that holds nothing and promises nothing."""

    item_id: str


class NewSecret(NamedTuple):
    """A signing secret: what is stored is sealed, what is shown appears once in the answer."""

    id: str
    sealed: bytes
    shown: str


class CreateEndpoint(NamedTuple):
    """Subscribe an address to types of events, from the next position on."""

    id: str
    address: str
    types: tuple[str, ...]
    secret: NewSecret
    enabled: bool = True
    description: str = ""
    settings: Mapping[str, Any] = {}
    credentials: bytes | None = None
    shown: Mapping[str, Any] = {}  # what the answer tells of credentials: never a secret


class PatchEndpoint(NamedTuple):
    """Edit a subscription: only the named fields change.

    Fields: address, types, enabled, description, settings (merged by key), credentials.
    """

    endpoint_id: str
    fields: Mapping[str, Any]
    shown: Mapping[str, Any] = {}  # what the answer tells of credentials: never a secret


class DeleteEndpoint(NamedTuple):
    """End a subscription."""

    endpoint_id: str


class DisableEndpoint(NamedTuple):
    """Switch a subscription off because its address is gone or failed for days; its owner learns by event."""

    endpoint_id: str
    reason: str


class RotateSecret(NamedTuple):
    """Add a signing secret; the earlier ones end after `expire_previous_hours` (0: at once)."""

    endpoint_id: str
    secret: NewSecret
    expire_previous_hours: int


class RevealSecrets(NamedTuple):
    """Note in the audit log that the secrets of an endpoint were shown."""

    endpoint_id: str


Command = (
    Change | Changes | Reserve | Extend | Release | ExpireDue | PlaceOrder | Ship | Cancel | Return
    | CreateItem | CreateItems | PatchItem | DeleteItem
    | CreateEndpoint | PatchEndpoint | DeleteEndpoint | DisableEndpoint | RotateSecret | RevealSecrets
)  # fmt: skip
