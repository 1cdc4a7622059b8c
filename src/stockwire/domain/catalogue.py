"""Items: create, revive, edit, delete (R10)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from stockwire.domain import events
from stockwire.domain.commands import CreateItem, DeleteItem, PatchItem
from stockwire.domain.decision import AuditLine, Decision, ItemEdit
from stockwire.domain.refusals import Reason, Refused, refused
from stockwire.domain.state import State
from stockwire.domain.stock import Item, Level, Movement, under_policy


def create_item(command: CreateItem, state: State, now: datetime, where: str = "") -> Decision | Refused:
    """A new item, with its opening stock; a deleted one comes back under its old id, its sequence going on."""
    fulfiller = command.fulfiller or state.own_fulfiller
    known = state.item_at(command.part_number, fulfiller)
    if known is not None and not known.deleted:
        message = f"Part number {command.part_number} exists at fulfiller {fulfiller}."
        return refused(Reason.ALREADY_EXISTS, f"{where}partNumber", message, id=known.id)
    before = state.levels[known.id] if known else Level()
    item = Item(
        known.id if known else command.id,
        command.part_number,
        fulfiller,
        command.fulfiller_managed,
        command.products,
        command.low_stock_threshold,
        command.expected_in_stock_at,
        dict(command.metadata),
        known.created_at if known else now,
        now,
    )
    level = Level(
        allow_back_order=command.allow_back_order,
        back_order_limit=command.back_order_limit,
        sequence=before.sequence,
        published=before.published,
        updated_at=now,
    )
    opening = (Movement(item.id, "opening", on_hand=command.quantity),) if command.quantity else ()
    edit = ItemEdit(events.ITEM_CREATED, item, level)
    audit = AuditLine("item.create", item.id, {"partNumber": item.part_number})
    return Decision(opening, edit, audit=audit, items=(item.id,))


def _named(item_id: str, state: State) -> Item | Refused:
    item = state.items.get(item_id)
    if item is None or item.deleted:
        return refused(Reason.NOT_FOUND, "", f"There is no inventory item {item_id}.")
    return item


def patch_item(command: PatchItem, state: State, now: datetime) -> Decision | Refused:
    """Edit the named fields. What stays as it was is no edit."""
    item = _named(command.item_id, state)
    if isinstance(item, Refused):
        return item
    level = state.levels[item.id]
    current = _attributes(item, level)
    wanted = {**current, **command.fields, "metadata": _merged(item.metadata, command.fields.get("metadata", {}))}
    previous = {name: value for name, value in current.items() if wanted[name] != value}
    if not previous:
        return Decision(items=(item.id,))
    policy = wanted["allow_back_order"], wanted["back_order_limit"]
    changed = item._replace(
        fulfiller_managed=wanted["fulfiller_managed"],
        products=wanted["products"],
        low_stock_threshold=wanted["low_stock_threshold"],
        expected_in_stock_at=wanted["expected_in_stock_at"],
        metadata=wanted["metadata"],
        updated_at=now,
    )
    if policy != (level.allow_back_order, level.back_order_limit):
        level = under_policy(level, *policy)
    edit = ItemEdit(events.ITEM_UPDATED, changed, level, previous)
    audit = AuditLine("item.update", item.id, {"fields": sorted(previous)})
    return Decision(edit=edit, audit=audit, items=(item.id,))


def _attributes(item: Item, level: Level) -> dict[str, Any]:
    return {
        "fulfiller_managed": item.fulfiller_managed,
        "allow_back_order": level.allow_back_order,
        "back_order_limit": level.back_order_limit,
        "products": item.products,
        "low_stock_threshold": item.low_stock_threshold,
        "expected_in_stock_at": item.expected_in_stock_at,
        "metadata": dict(item.metadata),
    }


def _merged(known: Mapping[str, str], edits: Mapping[str, str | None] | None) -> dict[str, str]:
    if edits is None:
        return {}
    merged = {**known, **edits}
    return {key: value for key, value in merged.items() if value is not None}


def delete_item(command: DeleteItem, state: State, now: datetime) -> Decision | Refused:
    """Leave a tombstone, where nothing is on hand, reserved or allocated."""
    item = _named(command.item_id, state)
    if isinstance(item, Refused):
        return item
    level = state.levels[item.id]
    if level.on_hand or level.promised:
        message = "An item is deleted when nothing is on hand, reserved or allocated."
        return refused(
            Reason.INVALID_STATE, "", message, onHand=level.on_hand, reserved=level.reserved, allocated=level.allocated
        )
    gone = item._replace(deleted=True, updated_at=now)
    edit = ItemEdit(events.ITEM_DELETED, gone, level)
    return Decision(edit=edit, audit=AuditLine("item.delete", item.id, {"partNumber": item.part_number}))
