"""An admin who changes what a fulfiller reports is on record (R9)."""

from __future__ import annotations

import uuid

from stockwire.domain.commands import Actor, Change, Changes, Command, CreateItem, ItemRef
from stockwire.ledger.journal import AuditRow
from stockwire.ledger.submission import Submission
from tests.shops.in_memory import ShopInMemory

ADMIN = Actor("key:admin", "admin")
MUG = ItemRef(part_number="MUG", fulfiller="east")


def recorded(command: Command, actor: Actor, *, managed: bool = True) -> list[AuditRow]:
    """Lines of the audit log that the command leaves."""
    shop = ShopInMemory()
    for n, (at, own) in enumerate((("east", managed), ("main", False))):
        create = CreateItem(str(uuid.UUID(int=n + 1)), "MUG", at, quantity=5, fulfiller_managed=own)
        shop.submit(Submission(create, ADMIN))
    shop.submit(Submission(command, actor))
    return shop.journal.audit


def test_an_override_is_recorded_with_who_and_why() -> None:
    (line,) = recorded(Change("set", MUG, 3, reason="recount"), ADMIN)
    assert (line.actor, line.action, line.subject) == ("key:admin", "stock.override", str(uuid.UUID(int=1)))
    assert line.details == {"type": "set", "reason": "recount"}


def test_each_side_of_a_transfer_counts() -> None:
    to_main = Change("transfer", MUG, 1, to_fulfiller="main", reason="moved")
    to_east = to_main._replace(item=MUG._replace(fulfiller="main"), to_fulfiller="east")
    for transfer in (to_main, to_east):
        assert [line.subject for line in recorded(transfer, ADMIN)] == [str(uuid.UUID(int=1))]


def test_what_changes_nothing_or_is_everybodys_right_leaves_no_line() -> None:
    assert recorded(Change("set", MUG, 5, reason="recount"), ADMIN) == []
    assert recorded(Change("set", MUG, 3), ADMIN) == []
    assert recorded(Change("set", MUG, 3, reason="recount"), ADMIN, managed=False) == []
    assert recorded(Change("set", MUG, 3), Actor("key:f", "fulfiller", "east")) == []
    assert recorded(Change("count", MUG, 3), Actor("feed:f", "feed")) == []


def test_a_request_that_is_refused_whole_overrides_nothing() -> None:
    rows = (Change("set", MUG, 3, reason="recount"), Change("set", ItemRef(part_number="CUP"), 1))
    assert recorded(Changes(rows, atomic=True), ADMIN) == []
    assert len(recorded(Changes(rows), ADMIN)) == 1
