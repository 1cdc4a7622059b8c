"""Ids rise with the ledger's clock and never come twice."""

from __future__ import annotations

import uuid
from datetime import timedelta

from stockwire.ids import Ids, lowest_id
from tests.shops.in_memory import START, TICK


def test_ids_of_a_batch_differ_and_rise() -> None:
    ids = Ids(START)
    made = [ids.next() for _ in range(100_000)]
    assert len(set(made)) == len(made)
    assert sorted(made) == made


def test_ids_are_uuids_of_version_7_with_the_ledgers_time() -> None:
    made = uuid.UUID(Ids(START + timedelta(microseconds=999_999)).next())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == int(START.timestamp()) * 1000 + 999


def test_a_batch_a_microsecond_later_has_later_ids() -> None:
    first, second = Ids(START), Ids(START + TICK)
    made = [first.next() for _ in range(5_000)]
    assert made[-1] < lowest_id(START + TICK) <= second.next()
    assert lowest_id(START) <= made[0]
