"""The connection is lost at every moment of a batch; after COMMIT only the server knows what became of it (R13 b)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from stockwire.ledger import Unavailable, writer
from stockwire.store import batch
from stockwire.store.batch import Batch
from stockwire.store.database import Connection
from tests.ledger.conftest import Shop, change, order

Step = Callable[..., Awaitable[Any]]


class Cutter:
    """Cuts the connection of a batch once, before or after one of its steps."""

    def __init__(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shop = shop
        self.monkeypatch = monkeypatch
        self.cuts = 0

    async def cut(self, connection: Connection) -> None:
        """End the server's side, and let our side learn of it."""
        pid = connection.get_server_pid()
        await self.shop.database.work.execute("SELECT pg_terminate_backend($1, 2000)", pid)
        self.cuts += 1

    def before(self, place: Any, name: str) -> None:
        """Cut before the named step is sent."""
        self._around(place, name, before=True)

    def after(self, place: Any, name: str) -> None:
        """Cut when the named step has been carried out, and lose its answer."""
        self._around(place, name, before=False)

    def _around(self, place: Any, name: str, *, before: bool) -> None:
        step: Step = getattr(place, name)

        async def cutting(subject: Any, *values: Any) -> Any:
            connection = subject._connection if isinstance(subject, Batch) else subject
            if not before:
                await step(subject, *values)
            if self.cuts == 0:
                await self.cut(connection)
                if not before:
                    raise ConnectionResetError("the answer was lost")
            return await step(subject, *values) if before else None

        self.monkeypatch.setattr(place, name, cutting)


@pytest.fixture
def cutter(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Cutter:
    return Cutter(shop, monkeypatch)


async def everything_is_there_once(shop: Shop, item: str) -> None:
    assert await shop.level(item) == (10, 0, 3)
    assert await shop.count("orders") == 3
    assert await shop.count("movements") == 4
    assert await shop.positions() == list(range(1, 6))


STEPS = [(batch, "begin"), (Batch, "head"), (Batch, "items"), (Batch, "write"), (batch, "commit")]


@pytest.mark.parametrize(("place", "step"), STEPS, ids=[step for _, step in STEPS])
async def test_lost_before_a_step_nothing_was_changed_and_the_batch_runs_again(
    shop: Shop, cutter: Cutter, place: Any, step: str
) -> None:
    item = await shop.item(quantity=10)
    cutter.before(place, step)
    answers = await asyncio.gather(*(shop.ask(order(f"o{n}"), f"k{n}") for n in range(3)))
    assert cutter.cuts == 1
    assert [answer.status for answer in answers] == [201] * 3
    await everything_is_there_once(shop, item)


async def test_lost_after_commit_the_server_is_asked_and_the_batch_is_not_run_again(shop: Shop, cutter: Cutter) -> None:
    item = await shop.item(quantity=10)
    cutter.after(batch, "commit")
    answers = await asyncio.gather(*(shop.ask(order(f"o{n}")) for n in range(3)))  # without a key: only the xid tells
    assert cutter.cuts == 1
    assert [(answer.status, answer.replayed) for answer in answers] == [(201, False)] * 3
    await everything_is_there_once(shop, item)


async def test_an_outcome_that_nobody_can_tell_is_said_to_be_unknown_and_never_run_again(
    shop: Shop, cutter: Cutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await shop.item(quantity=10)
    cutter.after(batch, "commit")
    monkeypatch.setattr(writer, "ASK_SECONDS", 0.3)

    async def away() -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as cut_off:
        cut_off.setattr(shop.database, "connect", away)
        with pytest.raises(Unavailable) as unknown:
            await shop.ask(order("o1"), "k1")
    assert unknown.value.code == "outcome_unknown"
    again = await shop.ask(order("o1"), "k1")
    assert (again.status, again.replayed) == (201, True), "the same key tells"
    assert await shop.level(item) == (10, 0, 1)


async def test_a_strange_answer_about_an_outcome_is_no_answer(
    shop: Shop, cutter: Cutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong while asking, everybody is answered."""
    await shop.item(quantity=10)
    cutter.after(batch, "commit")
    monkeypatch.setattr(writer, "ASK_SECONDS", 0.3)

    async def strange(*_asked: Any) -> None:
        raise ValueError

    monkeypatch.setattr(batch, "outcome_of", strange)
    with pytest.raises(Unavailable) as unknown:
        await asyncio.wait_for(shop.ask(order("o1"), "k1"), 3)
    assert unknown.value.code == "outcome_unknown"


async def test_a_commit_that_is_still_under_way_is_waited_for(
    shop: Shop, cutter: Cutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`in progress` is no outcome yet."""
    item = await shop.item(quantity=10)
    cutter.after(batch, "commit")
    ask, asked = batch.outcome_of, []

    async def slow(*question: Any) -> str | None:
        asked.append(question)
        return "in progress" if len(asked) < 3 else await ask(*question)

    monkeypatch.setattr(batch, "outcome_of", slow)
    assert (await shop.ask(order("o1"))).status == 201
    assert len(asked) == 3
    assert await shop.level(item) == (10, 0, 1)


async def test_lost_while_commands_run_one_by_one(shop: Shop, cutter: Cutter) -> None:
    """R13 a and b together: the batch was split by a broken command, then the connection goes."""
    item = await shop.item(quantity=10)
    commits: list[int] = []
    commit = batch.commit

    async def third_is_lost(connection: Connection) -> None:
        commits.append(1)
        if len(commits) == 2:
            await cutter.cut(connection)
        await commit(connection)

    cutter.monkeypatch.setattr(batch, "commit", third_is_lost)
    broken = change("receive", 1, reference="\0")
    answers = await asyncio.gather(*(shop.ask(c) for c in (order("o0"), broken, order("o1"), order("o2"))))
    assert [answer.status for answer in answers] == [201, 500, 201, 201]
    await everything_is_there_once(shop, item)


async def test_a_rival_goes_on_at_once_when_a_writer_is_cut_off(shop: Shop, cutter: Cutter) -> None:
    """The lock goes with the connection."""
    item = await shop.item(quantity=10)
    cutter.before(batch, "commit")
    rival = shop.writer()
    begun = time.monotonic()
    answers = await asyncio.gather(shop.ask(order("o0")), shop.ask(order("o1"), by=rival), shop.ask(order("o2")))
    assert [answer.status for answer in answers] == [201] * 3
    assert time.monotonic() - begun < 3
    await everything_is_there_once(shop, item)


async def test_nobody_waits_for_ever_however_a_batch_fails(
    shop: Shop, cutter: Cutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a fault in what follows a loss."""
    await shop.item(quantity=10)
    cutter.after(batch, "commit")

    async def confused(*_about: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(writer.Writer, "_after_loss", confused)
        asked = asyncio.gather(*(shop.ask(order(f"o{n}"), f"k{n}") for n in range(3)), return_exceptions=True)
        faults = await asyncio.wait_for(asked, 5)
    assert [getattr(fault, "code", fault) for fault in faults] == ["outcome_unknown"] * 3
    assert shop.ledger._allowance.commands == 0
    again = await asyncio.gather(*(shop.ask(order(f"o{n}"), f"k{n}") for n in range(3)))
    assert [(answer.status, answer.replayed) for answer in again] == [(201, True)] * 3
