"""Decisions folded into rows: what one batch will write, each row once and in its final state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from stockwire import wire
from stockwire.domain.decision import AuditLine, Decision, ItemEdit
from stockwire.domain.events import ITEM_CREATED, ITEM_DELETED, crossings
from stockwire.domain.refusals import Shortage
from stockwire.domain.state import State
from stockwire.domain.stock import Movement, moved
from stockwire.ids import Ids


class Why(NamedTuple):
    """What every row of one command says of its origin."""

    change_id: str
    actor: str
    reason: str | None = None
    reference: str | None = None
    occurred_at: datetime | None = None


class MovementRow(NamedTuple):
    """In the order of the columns of `movements`, after the ledger's."""

    item_id: str
    sequence: int
    id: str
    type: str
    on_hand_delta: int
    reserved_delta: int
    allocated_delta: int
    on_hand: int
    reserved: int
    allocated: int
    change_id: str
    reason: str | None
    reference: str | None
    actor: str
    occurred_at: datetime


class EventRow(NamedTuple):
    """In the order of the columns of `events`, after the ledger's."""

    position: int
    id: str
    type: str
    item_id: str | None
    part_number: str | None
    fulfiller: str | None
    body: str


class AuditRow(NamedTuple):
    """In the order of the columns of `audit_log`, after the ledger's."""

    id: str
    actor: str
    action: str
    subject: str
    details: Mapping[str, Any]


class AnswerRow(NamedTuple):
    """In the order of the columns of `answers`, after the ledger's."""

    key: str
    slice: int
    fingerprint: bytes
    status: int
    sealed: bool
    body: bytes


class Journal:
    """Everything that one batch changes. The state always shows what the decisions so far have left."""

    def __init__(self, state: State, now: datetime, live: bool) -> None:
        self.state = state
        self.now = now
        self.live = live
        self.ids = Ids(now)
        self.movements: list[MovementRow] = []
        self.events: list[EventRow] = []
        self.answers: list[AnswerRow] = []
        self.audit: list[AuditRow] = []
        self.shortages: dict[str, tuple[int, int]] = {}  # item id: units, refusals
        self.levels: set[str] = set()  # ids of what was touched; the rows are made from the state at the end
        self.items: set[str] = set()
        self.reservations: set[str] = set()
        self.orders: set[str] = set()
        self.endpoints: set[str] = set()
        self.endpoints_gone: set[str] = set()
        self._timestamp = wire.moment_ms(now)
        self._created = wire.moment(now)

    @property
    def empty(self) -> bool:
        """Nothing to write, not even an answer to keep."""
        touched = (self.movements, self.events, self.answers, self.audit, self.shortages, self.levels, self.items)
        return not (any(touched) or self.reservations or self.orders or self.endpoints or self.endpoints_gone)

    def apply(self, decision: Decision, why: Why) -> list[str]:
        """Fold one decision in; the ids of the events it publishes, in the order of their positions."""
        first = len(self.events)
        if decision.edit is not None:
            self._edit(decision.edit, why)
        for movement in decision.movements:
            self._move(movement, why)
        if decision.reservation is not None and not decision.repeat:
            self.state.reservations[decision.reservation.id] = decision.reservation
            self.reservations.add(decision.reservation.id)
        if decision.order is not None and not decision.repeat:
            self.state.orders[decision.order.id] = decision.order
            self.orders.add(decision.order.id)
        self._subscribe(decision)
        for event_type, about, previous in decision.notices:
            self._publish(event_type, {**about, "eventType": event_type}, previous, None)
        if decision.audit is not None:
            self._audit(decision.audit, why)
        return [event.id for event in self.events[first:]]

    def _move(self, movement: Movement, why: Why) -> None:
        state = self.state
        item_id = movement.item_id
        before = state.levels[item_id]
        after = moved(before, movement, self.now)
        state.levels[item_id] = after
        self.levels.add(item_id)
        self.movements.append(
            MovementRow(
                item_id,
                after.sequence,
                self.ids.next(),
                movement.type,
                movement.on_hand,
                movement.reserved,
                movement.allocated,
                after.on_hand,
                after.reserved,
                after.allocated,
                why.change_id,
                why.reason,
                why.reference,
                why.actor,
                movement.occurred_at or min(why.occurred_at or self.now, self.now),
            )
        )
        if after.published != after.sequence:
            return
        item = state.items[item_id]
        happened = self._timestamp if movement.occurred_at is None else wire.moment_ms(movement.occurred_at)
        about = wire.inventory_object(
            item,
            after,
            timestamp=happened,
            sequence=after.sequence,
            previous_sequence=before.published,
            cause=movement.type,
            reason=why.reason,
            reference=why.reference,
        )
        previous = wire.changed_numbers(before, after)
        for event_type in crossings(item, before, after, movement.type):
            about["eventType"] = event_type
            self._publish(event_type, about, previous, item_id)

    def _publish(
        self, event_type: str, about: Mapping[str, Any], previous: Mapping[str, Any], item_id: str | None
    ) -> None:
        self.state.position += 1
        position, event_id = self.state.position, self.ids.next()
        body = wire.event(
            event_id, event_type, about, previous, live=self.live, created=self._created, position=position
        )
        item = self.state.items[item_id] if item_id else None
        part, fulfiller = (item.part_number, item.fulfiller) if item else (None, None)
        self.events.append(EventRow(position, event_id, event_type, item_id, part, fulfiller, body))

    def _edit(self, edit: ItemEdit, why: Why) -> None:
        self.state.put_item(edit.item, edit.level)
        self.items.add(edit.item.id)
        self.levels.add(edit.item.id)
        cause = "opening" if edit.event == ITEM_CREATED else "policy"
        about = wire.item_object(edit.item, edit.level, timestamp=self._timestamp, cause=cause)
        about.update(eventType=edit.event, reason=why.reason, reference=why.reference)
        self._publish(edit.event, about, wire.changed_attributes(edit.previous), edit.item.id)
        if edit.event == ITEM_DELETED:
            self.state.put_item(edit.item._replace(products=()), edit.level)

    def _subscribe(self, decision: Decision) -> None:
        if decision.endpoint is not None:
            self.state.endpoints[decision.endpoint.id] = decision.endpoint
            self.endpoints.add(decision.endpoint.id)
        if decision.endpoint_gone is not None:
            del self.state.endpoints[decision.endpoint_gone]
            self.endpoints.discard(decision.endpoint_gone)
            self.endpoints_gone.add(decision.endpoint_gone)

    def _audit(self, line: AuditLine, why: Why) -> None:
        self.audit.append(AuditRow(self.ids.next(), why.actor, line.action, line.subject, line.details))

    def note_shortages(self, shortages: Iterable[Shortage]) -> None:
        """Count refused units by item (R7)."""
        for short in shortages:
            units, refusals = self.shortages.get(short.item_id, (0, 0))
            self.shortages[short.item_id] = (units + short.units, refusals + 1)

    def save(self) -> Saved:
        """What `restore` needs to drop everything that is folded in from here on."""
        touched = (self.levels, self.items, self.reservations, self.orders)
        lengths = (len(self.movements), len(self.events), len(self.audit))
        return Saved(self.state.fork(), lengths, tuple(set(ids) for ids in touched))

    def restore(self, saved: Saved) -> None:
        """Drop what was folded in since `save`."""
        self.state = saved.state
        movements, events, audit = saved.lengths
        del self.movements[movements:], self.events[events:], self.audit[audit:]
        self.levels, self.items, self.reservations, self.orders = saved.touched


class Saved(NamedTuple):
    """A point to go back to."""

    state: State
    lengths: tuple[int, int, int]
    touched: tuple[set[str], ...]
