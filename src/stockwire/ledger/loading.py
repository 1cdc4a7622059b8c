"""Rows into the state that a batch decides on (R4, R6)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec
from asyncpg import Record

from stockwire.domain.promises import Endpoint, Order, OrderLine, Reservation, ReservationLine, Secret
from stockwire.domain.state import State
from stockwire.domain.stock import Item, Level, Product
from stockwire.ledger.needs import Needs
from stockwire.store.batch import Batch

_decode = msgspec.json.decode
_NO_PRODUCTS: tuple[Product, ...] = ()


def item_of(row: Record) -> Item:
    """An item from a row with the columns of `items`."""
    products = row["products"]
    metadata = row["metadata"]
    return Item(
        str(row["id"]),
        row["part_number"],
        row["fulfiller"],
        row["fulfiller_managed"],
        _NO_PRODUCTS if products == "[]" else tuple(Product(*pair) for pair in _decode(products)),
        row["low_stock_threshold"],
        row["expected_in_stock_at"],
        {} if metadata == "{}" else _decode(metadata),
        row["created_at"],
        row["updated_at"],
        row["deleted"],
    )


def level_of(row: Record) -> Level:
    """A level from a row with the columns of `levels`, its time as `level_updated_at`."""
    return Level(
        row["on_hand"],
        row["reserved"],
        row["allocated"],
        row["allow_back_order"],
        row["back_order_limit"],
        row["excused"],
        row["sequence"],
        row["published"],
        row["level_updated_at"],
    )


def reservations_of(rows: Iterable[Record]) -> list[Reservation]:
    """Reservations from rows of lines, ordered by reservation."""
    return [_reservation(list(lines)) for _, lines in groupby(rows, lambda row: row["id"])]


def _reservation(rows: list[Record]) -> Reservation:
    first = rows[0]
    lines = (
        ReservationLine(str(row["item_id"]), row["quantity"], row["backordered"], row["allow_back_order"])
        for row in rows
    )
    return Reservation(
        first["id"],
        first["status"],
        tuple(lines),
        first["expires_at"],
        first["fingerprint"],
        first["reference"],
        _decode(first["metadata"]),
        first["created_at"],
        first["updated_at"],
    )


def orders_of(rows: Iterable[Record]) -> list[Order]:
    """Orders from rows of lines, ordered by order."""
    return [_order(list(lines)) for _, lines in groupby(rows, lambda row: row["id"])]


_LINE = ("quantity", "backordered", "shipped", "cancelled", "returned", "unit_price", "currency")


def _order(rows: list[Record]) -> Order:
    first = rows[0]
    return Order(
        first["id"],
        tuple(OrderLine(str(row["item_id"]), *(row[name] for name in _LINE)) for row in rows),
        first["fingerprint"],
        first["reservation_id"],
        first["reference"],
        first["created_at"],
        first["updated_at"],
    )


def endpoints_of(rows: Iterable[Record], secrets: Iterable[Record]) -> list[Endpoint]:
    """Endpoints with their secrets, newest first."""
    signing: dict[Any, list[Secret]] = {}
    for row in secrets:
        secret = Secret(str(row["id"]), row["secret"], row["created_at"], row["expires_at"])
        signing.setdefault(row["endpoint_id"], []).append(secret)
    return [
        Endpoint(
            str(row["id"]),
            row["address"],
            tuple(row["types"]),
            row["enabled"],
            row["start_position"],
            row["status_reason"],
            row["description"],
            _decode(row["settings"]),
            row["credentials"],
            tuple(signing.get(row["id"], ())),
            row["created_at"],
            row["updated_at"],
        )
        for row in rows
    ]


async def load_state(batch: Batch, state: State, needs: Needs, now: datetime) -> None:
    """Load what the commands name: their promises, the items of these, the due holds on the items, and theirs (R4)."""
    named = set(needs.reservations)
    if needs.due:
        named.update(await batch.due(now, needs.due))
    await _load_reservations(batch, state, named)
    if needs.orders:
        for order in orders_of(await batch.orders(sorted(needs.orders))):
            state.orders[order.id] = order
    ids = needs.ids | {line.item_id for hold in state.reservations.values() for line in hold.lines}
    ids |= {line.item_id for order in state.orders.values() for line in order.lines}
    parts = set(needs.parts)
    if ids or needs.products or needs.references:
        parts.update(await batch.parts_of(list(ids), list(needs.products), list(needs.references)))
    due = await _load_items(batch, state, now, parts) if parts else set()
    await _load_due_holds(batch, state, now, due - named)
    ended = [hold for hold in state.reservations.values() if hold.status == "reserved" and hold.expires_at <= now]
    state.due = [hold.id for hold in sorted(ended, key=lambda hold: (hold.expires_at, hold.id))]
    if needs.endpoints:
        for endpoint in endpoints_of(*await batch.endpoints()):
            state.endpoints[endpoint.id] = endpoint


async def _load_reservations(batch: Batch, state: State, ids: set[str]) -> None:
    if ids:
        for hold in reservations_of(await batch.reservations(sorted(ids))):
            state.reservations[hold.id] = hold


async def _load_items(batch: Batch, state: State, now: datetime, parts: set[str]) -> set[str]:
    """Load the items of these parts; the ids of reservations on them that are due."""
    due: set[str] = set()
    for row in await batch.items(now, list(parts)):
        state.put_item(item_of(row), level_of(row))
        if row["due"]:
            due.update(row["due"])
    return due


async def _load_due_holds(batch: Batch, state: State, now: datetime, due: set[str]) -> None:
    """Due holds end whole: items reached only through them are loaded, but not searched for further holds (R4)."""
    if not due:
        return
    await _load_reservations(batch, state, due)
    ids = {line.item_id for id_ in due for line in state.reservations[id_].lines} - state.items.keys()
    if ids:
        await _load_items(batch, state, now, set(await batch.parts_of(list(ids), [], [])))
