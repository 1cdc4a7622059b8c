"""A journal as columns: the arrays that the write statements take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from stockwire import wire
from stockwire.ledger.journal import AnswerRow, EventRow, Journal, MovementRow
from stockwire.store.batch import Batch, Columns, Trace

_LEVEL_COLUMNS = 9


def columns_of(journal: Journal) -> dict[str, Columns]:
    """The arrays of every part that has rows; the four of nearly every batch always."""
    columns = {
        "levels": _columns(_levels(journal), _LEVEL_COLUMNS),
        "movements": _columns(journal.movements, len(MovementRow._fields)),
        "events": _columns(journal.events, len(EventRow._fields)),
        "answers": _columns(journal.answers, len(AnswerRow._fields)),
    }
    rare: dict[str, Iterable[Sequence[Any]]] = {
        "items": _items(journal),
        "products": _products(journal),
        "reservations": _reservations(journal),
        "reservation_lines": _reservation_lines(journal),
        "orders": _orders(journal),
        "order_lines": _order_lines(journal),
        "shortages": ((item_id, units, refusals) for item_id, (units, refusals) in journal.shortages.items()),
        "audit": ((*row[:4], _json(row.details)) for row in journal.audit),
    }
    columns.update((name, _columns(rows, 0)) for name, rows in rare.items())
    return columns


def _columns(rows: Iterable[Sequence[Any]], width: int) -> Columns:
    return list(zip(*rows, strict=True)) or [()] * width


def _json(value: Any) -> str:
    return wire.encode(value).decode()


def _levels(journal: Journal) -> Iterable[Sequence[Any]]:
    levels = journal.state.levels
    return ((item_id, *levels[item_id][:8]) for item_id in sorted(journal.levels))


def _items(journal: Journal) -> Iterable[Sequence[Any]]:
    for item_id in journal.items:
        item = journal.state.items[item_id]
        yield (
            item.id,
            item.part_number,
            item.fulfiller,
            item.fulfiller_managed,
            _json(item.products),
            item.low_stock_threshold,
            item.expected_in_stock_at,
            _json(item.metadata),
            item.created_at,
            item.updated_at,
            item.updated_at if item.deleted else None,
        )


def _products(journal: Journal) -> Iterable[Sequence[Any]]:
    for item_id in journal.items:
        for product in journal.state.items[item_id].products:
            yield item_id, product.product_id, product.external_reference_id


def _reservations(journal: Journal) -> Iterable[Sequence[Any]]:
    for reservation_id in journal.reservations:
        hold = journal.state.reservations[reservation_id]
        times = hold.created_at, hold.updated_at
        yield hold.id, hold.status, hold.expires_at, hold.fingerprint, hold.reference, _json(hold.metadata), *times


def _reservation_lines(journal: Journal) -> Iterable[Sequence[Any]]:
    for reservation_id in journal.reservations:
        hold = journal.state.reservations[reservation_id]
        holding = hold.status == "reserved"
        for place, line in enumerate(hold.lines):
            yield hold.id, line.item_id, place, *line[1:], hold.expires_at, holding


def _orders(journal: Journal) -> Iterable[Sequence[Any]]:
    for order_id in journal.orders:
        order = journal.state.orders[order_id]
        yield order.id, order.fingerprint, order.reservation_id, order.reference, order.created_at, order.updated_at


def _order_lines(journal: Journal) -> Iterable[Sequence[Any]]:
    for order_id in journal.orders:
        for place, line in enumerate(journal.state.orders[order_id].lines):
            yield order_id, line.item_id, place, *line[1:]


async def write(journal: Journal, batch: Batch) -> None:
    """Write everything that the journal holds."""
    await batch.write(journal.now, journal.state.position, columns_of(journal))
    for endpoint_id in journal.endpoints:
        known = journal.state.endpoints[endpoint_id]
        row = (*known[:2], list(known.types), *known[3:7], _json(known.settings), known.credentials, *known[10:])
        await batch.write_endpoint(row, (tuple(secret) for secret in known.secrets))
    if journal.endpoints_gone:
        await batch.forget_endpoints(list(journal.endpoints_gone))


def trace_of(journal: Journal) -> Trace | None:
    """A row by which the batch can be known again; None: it only counted refused units."""
    if journal.movements:
        row = journal.movements[0]
        return Trace(journal.now, item_id=row.item_id, movement_id=row.id)
    if journal.answers:
        return Trace(journal.now, key=journal.answers[0].key, slice=journal.answers[0].slice)
    if journal.audit:
        return Trace(journal.now, audit_id=journal.audit[0].id)
    if journal.reservations:
        return Trace(journal.now, reservation_id=min(journal.reservations))
    if journal.orders:
        return Trace(journal.now, order_id=min(journal.orders))
    return None
