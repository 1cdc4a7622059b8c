"""The rules against their model, without a database: many short histories in milliseconds (R1-R10, R12)."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from random import Random
from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.machine import WANTED, LedgerMachine, missing, step
from tests.shops.in_memory import TICK, ShopInMemory

CHOSEN = settings(
    max_examples=150,
    stateful_step_count=50,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class InMemory(LedgerMachine):
    """Time is exact here: a hold counts until the microsecond before its end (R4)."""

    reached: ClassVar[Counter[tuple[str, str]]] = Counter()
    shop: ShopInMemory

    def open_shop(self) -> ShopInMemory:
        return ShopInMemory("main")

    def before(self) -> None:
        self.model.now = self.shop.now + TICK

    @step
    def time_reaches_the_end_of_a_hold(self, dice: Random) -> None:
        ends = sorted(hold["expires"] for hold in self.model.holds.values() if hold["expires"] > self.shop.now + TICK)
        if ends:
            early = dice.choice((timedelta(0), TICK))
            self.shop.now = dice.choice(ends) - TICK - early
            self.extend(dice)

    def teardown(self) -> None:
        by_item = {self.model.items[name]["id"]: units for name, units in self.model.short.items()}
        assert self.shop.shortages == by_item, "refused units are counted by item (R7)"


def test_rules_agree_with_their_model() -> None:
    run_state_machine_as_test(InMemory, settings=CHOSEN)
    for seed in range(60):
        InMemory().walk(seed, 100)
    assert not missing(InMemory.reached, WANTED), InMemory.reached
