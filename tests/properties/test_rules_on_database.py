"""The same model against the real ledger: two writers on one database, restarts, time that passes (R1-R12)."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from random import Random
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import rule, run_state_machine_as_test

from tests.properties.asking import submission_of
from tests.properties.machine import WANTED, LedgerMachine, step, tell
from tests.properties.model.words import Name, Thing, numbers
from tests.shops.in_memory import TICK
from tests.shops.on_database import ShopOnDatabase

CHOSEN = settings(
    max_examples=20,
    stateful_step_count=30,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # a history is shown as it was met: shrinking it here would take minutes
    suppress_health_check=list(HealthCheck),
)


class OnDatabase(LedgerMachine):
    """Time passes in leaps of a thousand seconds, so the milliseconds that a test takes decide nothing."""

    reached: ClassVar[Counter[tuple[str, str]]] = Counter()
    database: ClassVar[ShopOnDatabase]
    shop: ShopOnDatabase

    def open_shop(self) -> ShopOnDatabase:
        self.database.open_store()
        return self.database

    def before(self) -> None:
        self.model.now += TICK

    def pass_time(self, seconds: float) -> None:
        super().pass_time(seconds)
        self.model.now += timedelta(seconds=seconds)

    def teardown(self) -> None:
        """The shop stays open for the next example."""

    @rule()
    def restart(self) -> None:
        self.shop.restart()

    @step
    def both_writers_get_the_same_key_at_once(self, dice: Random) -> None:
        """R12: one change, two equal answers."""
        request: Thing = {**self.change(dice), "by": "admin", "key": f"both-{len(self.asked)}"}
        self.before()
        tell(f"both: {request}")
        self.asked.append(request)
        must = self.model.must_end(request)
        self.judge.ask_both(request, self.shop.submit_to_both(submission_of(request)), must)

    @step
    def buyers_rush_for_one_item(self, dice: Random) -> None:
        """R1: whatever their order, exactly as many are served as there are units and room."""
        strict = [
            name
            for name in self.living()
            if not self.model.items[name]["back_order"] and numbers(self.model.items[name])["quantity"] < 20
        ]
        if strict:
            self.rush(dice.choice(strict))

    def rush(self, name: Name) -> None:
        ref = {"id": self.model.items[name]["id"]}
        more = numbers(self.model.items[name])["quantity"] + 3
        first = len(self.model.orders)
        one = {"by": "operator", "do": "order", "lines": [{"item": ref, "quantity": 1}], "hold": None, "key": None}
        requests = [{**one, "id": f"o{first + n}"} for n in range(more)]
        self.before()
        tell(f"rush: {more} for {name}")
        must = set().union(*map(self.model.must_end, requests))
        answers = self.shop.submit_spread([submission_of(request) for request in requests])
        self.judge.ask_rush(list(zip(requests, answers, strict=True)), must)
        self.reached["rush", "out_of_inventory" if any(a.status == 409 for a in answers) else "served"] += 1


def test_the_ledger_agrees_with_the_model(dsn: str) -> None:
    OnDatabase.database = ShopOnDatabase(dsn)
    try:
        run_state_machine_as_test(OnDatabase, settings=CHOSEN)
        for seed in range(8):
            OnDatabase().walk(seed, 80)
    finally:
        OnDatabase.database.close()
    met = {what for (_, what), times in OnDatabase.reached.items() if times}
    wanted = {what for words in WANTED.values() for what in words.split()}
    assert wanted <= met, "every reason was reached by some command; which by which is counted in memory"
