"""Reservations: reserve, extend, release, expire (R4, R7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from stockwire.domain.commands import Extend, Release, Reserve
from stockwire.domain.decision import UNCHANGED, Decision
from stockwire.domain.promises import Reservation, ReservationLine
from stockwire.domain.refusals import Reason, Refused, refused
from stockwire.domain.sourcing import source
from stockwire.domain.state import State
from stockwire.domain.stock import Movement

LONGEST_HOLD = timedelta(days=30)  # from creation, extensions included


def reserve(command: Reserve, state: State, now: datetime) -> Decision | Refused:
    """Hold every line or none. A repeat of the same client-chosen id and body is the same reservation."""
    known = state.reservations.get(command.id)
    if known is not None:
        return same_or_taken(known.fingerprint, command.fingerprint, "reservation", known.id) or Decision(
            reservation=known, repeat=True
        )
    taken = source(command.lines, state)
    if isinstance(taken, Refused):
        return taken
    reservation = Reservation(
        command.id,
        "reserved",
        tuple(ReservationLine(line.item_id, line.quantity, line.backordered, line.allow_back_order) for line in taken),
        now + timedelta(seconds=command.seconds),
        command.fingerprint,
        command.reference,
        command.metadata,
        now,
        now,
    )
    return Decision(
        tuple(Movement(line.item_id, "reserve", reserved=line.quantity) for line in taken), reservation=reservation
    )


def same_or_taken(known: bytes, asked: bytes, kind: str, object_id: str) -> Refused | None:
    """A client-chosen id that stands for another body is taken (R7)."""
    if known == asked:
        return None
    return refused(Reason.ALREADY_EXISTS, "id", f"The {kind} {object_id} was made with another body.", id=object_id)


def no_reservation(reservation_id: str, where: str = "") -> Refused:
    """The refusal of a reservation id that names nothing."""
    return refused(Reason.NOT_FOUND, where, f"There is no reservation {reservation_id}.")


def extend(command: Extend, state: State, now: datetime) -> Decision | Refused:
    """Move the end of a live reservation, no further than 30 days from its creation."""
    known = state.reservations.get(command.reservation_id)
    if known is None:
        return no_reservation(command.reservation_id)
    if known.status == "expired":
        return refused(Reason.RESERVATION_EXPIRED, "", f"The reservation {known.id} has expired.")
    if known.status != "reserved":
        return refused(Reason.INVALID_STATE, "", f"The reservation {known.id} is {known.status}.", status=known.status)
    expires_at = now + timedelta(seconds=command.seconds)
    if expires_at > known.created_at + LONGEST_HOLD:
        message = "A reservation lasts at most 30 days from its creation."
        return refused(Reason.LIMIT_EXCEEDED, "expiresInSeconds", message)
    return Decision(reservation=known._replace(expires_at=expires_at, updated_at=now))


def release(command: Release, state: State, now: datetime) -> Decision | Refused:
    """Give the units back; once more changes nothing."""
    known = state.reservations.get(command.reservation_id)
    if known is None:
        return no_reservation(command.reservation_id)
    if known.status == "ordered":
        return refused(Reason.INVALID_STATE, "", f"The reservation {known.id} is ordered.", status=known.status)
    if known.status != "reserved":
        return UNCHANGED
    return Decision(_given_back(known, "release"), reservation=known._replace(status="released", updated_at=now))


def expire(known: Reservation, now: datetime, notice: Mapping[str, Any]) -> Decision:
    """End a due reservation whole; its movements count from its expiry (R4). `notice` is the object of its event."""
    ended = known._replace(status="expired", updated_at=now)
    notices = (("reservation.expired", notice, {"status": "reserved"}),)
    return Decision(_given_back(known, "expire", known.expires_at), reservation=ended, notices=notices)


def _given_back(known: Reservation, why: str, occurred_at: datetime | None = None) -> tuple[Movement, ...]:
    return tuple(Movement(line.item_id, why, reserved=-line.quantity, occurred_at=occurred_at) for line in known.lines)
