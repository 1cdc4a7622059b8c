"""Names on the wire: the one place where the domain's objects become JSON as docs/reference says (http.md, events.md).

Every function gives JSON-ready values; `encode` makes the bytes. Ledger answers, events and reads all pass here,
so the same object always looks the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from stockwire.domain.promises import Endpoint, Order, Reservation
from stockwire.domain.refusals import Reason, Refusal
from stockwire.domain.stock import Item, Level, Product
from stockwire.domain.subscriptions import DEFAULT_CONCURRENCY, DEFAULT_TIMEOUT_SECONDS
from stockwire.logs import redact

encode = msgspec.json.Encoder().encode

SELF_MANAGED, FULFILLER_MANAGED = "Self Managed", "Fulfiller Managed"

ERROR_TYPES: dict[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    410: "gone",
    413: "payload_too_large",
    415: "unsupported_media_type",
    422: "unprocessable",
    429: "too_many_requests",
    431: "request_header_fields_too_large",
    500: "internal_server_error",
    503: "service_unavailable",
}

# Reasons as HTTP statuses (R14): 404 names what is not there, 409 is right but refused by state, 422 is over a limit.
STATUS_OF: dict[Reason, int] = {
    Reason.INVALID_PARAMETER: 400,
    Reason.INVALID_FORMAT: 400,
    Reason.MISSING_PARAMETER: 400,
    Reason.UNKNOWN_PARAMETER: 400,
    Reason.FORBIDDEN: 403,
    Reason.NOT_FOUND: 404,
    Reason.ALREADY_EXISTS: 409,
    Reason.OUT_OF_INVENTORY: 409,
    Reason.STALE_QUANTITY: 409,
    Reason.BELOW_PROMISED: 409,
    Reason.AMBIGUOUS_ITEM: 409,
    Reason.RESERVATION_EXPIRED: 409,
    Reason.INVALID_STATE: 409,
    Reason.NOT_SELF_MANAGED: 409,
    Reason.LIMIT_EXCEEDED: 422,
}


def moment(at: datetime) -> str:
    """ISO 8601 UTC with microseconds and `Z`."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def moment_ms(at: datetime) -> str:
    """The same with milliseconds, as existing consumers know `timestamp`."""
    return moment(at)[:-4] + "Z"


def optional_moment(at: datetime | None) -> str | None:
    """`moment`, or null."""
    return None if at is None else moment(at)


def management(fulfiller_managed: bool) -> str:
    """The label of who manages an item's stock."""
    return FULFILLER_MANAGED if fulfiller_managed else SELF_MANAGED


def products(known: Iterable[Product]) -> list[dict[str, str | None]]:
    """Products in the order the item lists them."""
    return [
        {"externalReferenceId": product.external_reference_id, "productId": product.product_id} for product in known
    ]


def item(known: Item, level: Level, live: bool) -> dict[str, Any]:
    """An inventory item with its numbers."""
    return {
        "id": known.id,
        "partNumber": known.part_number,
        "fulfiller": known.fulfiller,
        "inventoryManagement": management(known.fulfiller_managed),
        "allowBackOrder": level.allow_back_order,
        "allowOversell": level.allow_back_order,
        "backOrderLimit": level.back_order_limit,
        "products": products(known.products),
        "lowStockThreshold": known.low_stock_threshold,
        "expectedInStockDate": optional_moment(known.expected_in_stock_at),
        "metadata": dict(known.metadata),
        "quantity": level.available,
        "onHand": level.on_hand,
        "reserved": level.reserved,
        "allocated": level.allocated,
        "backordered": level.backordered,
        "sequence": level.sequence,
        "liveMode": live,
        "createdTime": moment(known.created_at),
        "updatedTime": moment(known.updated_at),
    }


def level(known: Item, numbers: Level, live: bool) -> dict[str, Any]:
    """An item's level."""
    available = numbers.available
    return {
        "inventoryItemId": known.id,
        "partNumber": known.part_number,
        "locationId": known.fulfiller,
        "available": available > 0,
        "availableQuantity": available,
        "availableTime": None if available else optional_moment(known.expected_in_stock_at),
        "onHand": numbers.on_hand,
        "reserved": numbers.reserved,
        "allocated": numbers.allocated,
        "backordered": numbers.backordered,
        "sequence": numbers.sequence,
        "liveMode": live,
        "updatedTime": optional_moment(numbers.updated_at),
    }


def movement(row: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the ledger, from a row of `movements`."""
    after = row["on_hand"] - row["reserved"] - row["allocated"]
    before = after - row["on_hand_delta"] + row["reserved_delta"] + row["allocated_delta"]
    return {
        "id": str(row["id"]),
        "inventoryItemId": str(row["item_id"]),
        "sequence": row["sequence"],
        "type": row["type"],
        "onHandDelta": row["on_hand_delta"],
        "reservedDelta": row["reserved_delta"],
        "allocatedDelta": row["allocated_delta"],
        "onHand": row["on_hand"],
        "reserved": row["reserved"],
        "allocated": row["allocated"],
        "quantityBefore": max(0, before),
        "quantityAfter": max(0, after),
        "changeId": str(row["change_id"]),
        "reason": row["reason"],
        "reference": row["reference"],
        "actor": row["actor"],
        "occurredTime": moment(row["occurred_at"]),
        "createdTime": moment(row["created_at"]),
    }


def reservation(known: Reservation, items: Mapping[str, Item], live: bool) -> dict[str, Any]:
    """A reservation. `items` holds at least those of its lines."""
    return {
        "id": known.id,
        "status": known.status,
        "items": [
            {**_line_item(items[line.item_id]), "quantity": line.quantity, "backordered": line.backordered}
            for line in known.lines
        ],
        "reference": known.reference,
        "metadata": dict(known.metadata),
        "expiresTime": moment(known.expires_at),
        "liveMode": live,
        "createdTime": moment(known.created_at),
        "updatedTime": moment(known.updated_at),
    }


def order(known: Order, items: Mapping[str, Item], live: bool) -> dict[str, Any]:
    """An order. `items` holds at least those of its lines."""
    return {
        "id": known.id,
        "status": known.status,
        "reservationId": known.reservation_id,
        "reference": known.reference,
        "items": [
            {
                **_line_item(items[line.item_id]),
                "quantity": line.quantity,
                "backordered": line.backordered,
                "open": line.open,
                "shipped": line.shipped,
                "cancelled": line.cancelled,
                "returned": line.returned,
                "unitPrice": line.unit_price,
                "currency": line.currency,
            }
            for line in known.lines
        ],
        "liveMode": live,
        "createdTime": moment(known.created_at),
        "updatedTime": moment(known.updated_at),
    }


def _line_item(known: Item) -> dict[str, Any]:
    return {"inventoryItemId": known.id, "partNumber": known.part_number, "fulfiller": known.fulfiller}


def endpoint(known: Endpoint, live: bool, shown: Mapping[str, Any], delivery: Mapping[str, Any]) -> dict[str, Any]:
    """A webhook. `shown`: what may be told of credentials; `delivery`: how its deliveries fare."""
    settings = known.settings
    return {
        "id": known.id,
        "address": known.address,
        "types": list(known.types),
        "enabled": known.enabled,
        "description": known.description,
        "transportType": "HTTP",
        "filters": settings.get("filters"),
        "ordering": "unordered",
        "timeoutSeconds": settings.get("timeoutSeconds", DEFAULT_TIMEOUT_SECONDS),
        "maxConcurrency": settings.get("maxConcurrency", DEFAULT_CONCURRENCY),
        **shown,
        "status": delivery.get("status", "healthy") if known.enabled else "disabled",
        "statusReason": known.status_reason,
        "lastAttemptTime": optional_moment(delivery.get("last_attempt_at")),
        "lastSuccessTime": optional_moment(delivery.get("last_success_at")),
        "pending": delivery.get("pending", 0),
        "liveMode": live,
        "createdTime": moment(known.created_at),
        "updatedTime": moment(known.updated_at),
    }


# ---- events: the first eight keys of the object, and the envelope, are what existing consumers parse


def inventory_object(
    known: Item,
    numbers: Level,
    *,
    timestamp: str,
    sequence: int,
    previous_sequence: int,
    cause: str,
    reason: str | None = None,
    reference: str | None = None,
) -> dict[str, Any]:
    """`data.object` of an inventory event, without its `eventType`'s value, which each companion sets."""
    return {
        "quantity": numbers.available,
        "timestamp": timestamp,
        "products": products(known.products),
        "eventType": "",
        "partNumber": known.part_number,
        "fulfiller": known.fulfiller,
        "allowBackOrder": numbers.allow_back_order,
        "inventoryManagement": management(known.fulfiller_managed),
        "inventoryItemId": known.id,
        "sequence": sequence,
        "previousSequence": previous_sequence,
        "onHand": numbers.on_hand,
        "reserved": numbers.reserved,
        "allocated": numbers.allocated,
        "backordered": numbers.backordered,
        "cause": cause,
        "reason": reason,
        "reference": reference,
    }


def item_object(known: Item, numbers: Level, *, timestamp: str, cause: str) -> dict[str, Any]:
    """`data.object` of an item's life. It carries the last published sequence: the chain of movements stays whole."""
    base = inventory_object(
        known,
        numbers,
        timestamp=timestamp,
        sequence=numbers.published,
        previous_sequence=numbers.published,
        cause=cause,
    )
    return {
        **base,
        "backOrderLimit": numbers.back_order_limit,
        "lowStockThreshold": known.low_stock_threshold,
        "expectedInStockDate": optional_moment(known.expected_in_stock_at),
        "metadata": dict(known.metadata),
    }


def changed_numbers(before: Level, after: Level) -> dict[str, int]:
    """`previousAttributes` of a movement: what changed, with the old values."""
    pairs = (
        ("quantity", before.available, after.available),
        ("onHand", before.on_hand, after.on_hand),
        ("reserved", before.reserved, after.reserved),
        ("allocated", before.allocated, after.allocated),
        ("backordered", before.backordered, after.backordered),
    )
    return {name: old for name, old, new in pairs if old != new}


_ATTRIBUTES: dict[str, str] = {
    "allow_back_order": "allowBackOrder",
    "back_order_limit": "backOrderLimit",
    "low_stock_threshold": "lowStockThreshold",
    "metadata": "metadata",
}


def changed_attributes(previous: Mapping[str, Any]) -> dict[str, Any]:
    """`previousAttributes` of an edited item, from the domain's field names."""
    named = {wire: previous[name] for name, wire in _ATTRIBUTES.items() if name in previous}
    if "fulfiller_managed" in previous:
        named["inventoryManagement"] = management(previous["fulfiller_managed"])
    if "products" in previous:
        named["products"] = products(previous["products"])
    if "expected_in_stock_at" in previous:
        named["expectedInStockDate"] = optional_moment(previous["expected_in_stock_at"])
    return named


def event(
    event_id: str,
    event_type: str,
    about: Mapping[str, Any],
    previous: Mapping[str, Any],
    *,
    live: bool,
    created: str,
    position: int | None,
) -> str:
    """The bytes of an event, as text: fixed here, the same in every delivery, retry and read."""
    return encode(
        {
            "id": event_id,
            "type": event_type,
            "data": {"object": about, "previousAttributes": previous},
            "liveMode": live,
            "createdTime": created,
            "position": position,
        }
    ).decode()


# ---- refusals


def fault(refusal: Refusal) -> dict[str, Any]:
    """One entry of `errors`: the code, where, why, and the facts that help to mend it."""
    return {
        "code": refusal.reason.value,
        "parameter": refusal.where or None,
        "message": redact(refusal.message),  # it may repeat what the client sent
        **dict(refusal.facts),
    }


def status_of(refusals: Sequence[Refusal]) -> int:
    """The first applicable status of several faults (R14)."""
    return min(STATUS_OF[refusal.reason] for refusal in refusals)


def errors(status: int, faults: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The contract's error object."""
    return {"type": ERROR_TYPES[status], "errors": list(faults)}


def refusals(faults: Sequence[Refusal]) -> tuple[int, dict[str, Any]]:
    """Status and error object of a refused command."""
    status = status_of(faults)
    return status, errors(status, [fault(refusal) for refusal in faults])
