"""What a command that is carried out makes true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from stockwire.domain.promises import Endpoint, Order, Reservation
from stockwire.domain.stock import Item, Level, Movement


class ItemEdit(NamedTuple):
    """An item as it becomes, with the event that tells of it and the attributes that had other values before."""

    event: str
    item: Item
    level: Level
    previous: Mapping[str, Any] = {}


class AuditLine(NamedTuple):
    """Who-did-what for anything that is not stock; the ledger adds the actor and the time."""

    action: str
    subject: str
    details: Mapping[str, Any] = {}


class Decision(NamedTuple):
    """Effects of one command, empty where nothing changes. The ledger adds ids, sequence, positions and times.

    An item edit comes before the movements (an item is created, then opened). `notices` are events without movement,
    as (type, object, previous attributes). `items`: those that the answer shows.
    """

    movements: tuple[Movement, ...] = ()
    edit: ItemEdit | None = None
    reservation: Reservation | None = None
    order: Order | None = None
    endpoint: Endpoint | None = None
    endpoint_gone: str | None = None
    notices: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any]], ...] = ()
    audit: AuditLine | None = None
    items: tuple[str, ...] = ()
    repeat: bool = False  # the same object was asked for before and stands: 200, not 201


UNCHANGED = Decision()
