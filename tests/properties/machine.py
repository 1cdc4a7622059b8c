"""Every command in any order, two rows or a thousand seconds apart: the machine that drives a shop and its model.

Hypothesis chooses the rules and shrinks a history to its fewest steps; the details of a step come from its dice.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, ClassVar

from hypothesis import currently_in_test_context, note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.properties.judging import Judge, Shop
from tests.properties.model import Model
from tests.properties.model.words import LARGEST, Name, Thing, numbers
from tests.shops.in_memory import START

PARTS = ("P1", "P2", "P3")
FULFILLERS = ("main", "east", "west")
ROLES = ("operator", "operator", "admin", "fulfiller:east", "feed", "system")
NOBODY = str(uuid.UUID(int=1))
HOLD_SECONDS = (1_000, 2_000, 5_000, 5_000, 30 * 86_400)
CHANGES = ("set", "adjust", "count", "receive", "transfer")

STEPS: list[str] = []


def tell(text: str) -> None:
    """A line of the history that is shown when a step fails."""
    if currently_in_test_context():
        note(text)


def step(rolled: Callable[[Any, Random], None]) -> Any:
    """A rule with dice. The steps so far count in: the same number twice is not the same step twice."""

    def stepped(self: LedgerMachine, dice: int | Random) -> None:
        rolled(self, dice if isinstance(dice, Random) else Random(f"{dice} after {len(self.asked)}"))

    stepped.__name__ = rolled.__name__
    STEPS.append(rolled.__name__)
    return rule(dice=st.integers(0, 2**32))(stepped)


class LedgerMachine(RuleBasedStateMachine):
    """Subclasses say which shop they open. `reached` counts over all examples."""

    reached: ClassVar[Counter[tuple[str, str]]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.shop = self.open_shop()
        self.model = Model("main", START)
        self.model.reached = self.reached
        self.judge = Judge(self.shop, self.model)
        self.asked: list[Thing] = []

    def open_shop(self) -> Shop:
        """A shop with an empty store whose own fulfiller is `main`."""
        raise NotImplementedError

    def before(self) -> None:
        """The model's clock is the one that the shop will have."""

    def pass_time(self, seconds: float) -> None:
        self.shop.advance(seconds)

    def teardown(self) -> None:
        self.shop.close()

    def ask(self, **request: Any) -> Thing | None:
        """One request, judged."""
        request = {"by": "operator", "key": None, **request}
        self.before()
        tell(f"{self.model.now:%d %H:%M:%S.%f} {request}")
        self.asked.append(request)
        body = self.judge.ask(request)
        self.reached[request["do"], "asked"] += 1
        return body

    def walk(self, seed: int, steps: int) -> None:
        """A long history in which every step is as likely as every other; Hypothesis prefers short and odd ones."""
        dice = Random(seed)
        self.open_items()
        for _ in range(steps):
            name = dice.choice([name for name in STEPS if hasattr(self, name)])
            getattr(self, name)(Random(dice.random()))
        self.teardown()

    @initialize()
    def open_items(self) -> None:
        """A shop that can sell: stock without back order, with some, without end, and a fulfiller's."""
        for part, at, quantity, back_order, limit, managed, product in (
            ("P1", "main", 12, False, None, False, "product-1"),
            ("P1", "east", 8, True, 3, False, "product-1"),
            ("P2", "main", 7, True, None, False, "product-2"),
            ("P3", "east", 15, False, None, True, "product-3"),
        ):
            policy: Thing = {"back_order": back_order, "limit": limit, "threshold": 2, "managed": managed}
            policy |= {"metadata": {}, "products": [(product, None)]}
            self.ask(do="create", part=part, at=at, quantity=quantity, new_id=self.new_id(), **policy)

    def new_id(self, place: int = 0) -> str:
        return str(uuid.UUID(int=(1 << 120) + len(self.asked) * 10 + place))

    def living(self) -> list[Name]:
        return [name for name, item in self.model.items.items() if not item["deleted"]]

    def new_item(self, dice: Random, place: int = 0) -> Thing:
        products = [("product-1", None), ("product-2", "ref-1"), ("product-3", None)]
        return {
            "part": dice.choice(PARTS),
            "at": dice.choice((None, *FULFILLERS)),
            "quantity": dice.choice((0, 3, 9, 9)),
            "new_id": self.new_id(place),
            "back_order": dice.random() < 0.5,
            "limit": dice.choice((None, 0, 3, 6)),
            "threshold": dice.choice((None, 0, 2, 5)),
            "managed": dice.random() < 0.2,
            "products": dice.sample(products, dice.choice((0, 1, 1, 2))),
            "metadata": dict(dice.sample([("shelf", "a"), ("note", "b")], dice.randint(0, 2))),
        }

    @step
    def create_item(self, dice: Random) -> None:
        if dice.random() < 0.7:
            self.ask(do="create", **self.new_item(dice))
        else:
            self.ask(do="create_many", rows=[self.new_item(dice, place) for place in range(dice.randint(1, 3))])

    @step
    def patch_item(self, dice: Random) -> None:
        now = self.new_item(dice)
        named = dice.choice((("back_order",), ("limit", "back_order"), ("threshold", "products"), ("managed",), ()))
        fields = {name: now[name] for name in named}
        if not fields and dice.random() < 0.8:
            fields = {"metadata": dice.choice((None, {"shelf": "a"}, {"shelf": None, "note": "c"}))}
        self.ask(do="patch", item=self.by_id(dice), fields=fields)

    def by_id(self, dice: Random) -> Thing:
        return {"id": dice.choice([*(item["id"] for item in self.model.items.values()), NOBODY])}

    @step
    def delete_item(self, dice: Random) -> None:
        idle = [name for name in self.living() if not self.model.items[name]["R"] + self.model.items[name]["A"]]
        if dice.random() < 0.5 or not idle:
            self.ask(do="delete", item=self.by_id(dice))
            return
        name = dice.choice(idle)
        ref = {"id": self.model.items[name]["id"]}
        self.ask(do="count", item=ref, amount=0, by="feed")
        self.ask(do="delete", item=ref)
        if dice.random() < 0.8:
            self.ask(do="create", **{**self.new_item(dice), "part": name[0], "at": name[1]})

    def ref(self, dice: Random, *, products: bool = True) -> Thing:
        """An item in one of the ways that a request can name it; rarely one that does not exist."""
        draw = dice.random()
        if draw < 0.4 and self.living():
            return {"id": self.model.items[dice.choice(self.living())]["id"]}
        if draw < 0.5 and products:
            return dice.choice(({"product": "product-1"}, {"product": "product-2"}, {"external": "ref-1"}))
        if draw < 0.8 and self.living():
            name = dice.choice(self.living())
            return {"part": name[0], "at": dice.choice((None, name[1]))}
        return {"part": dice.choice(PARTS), "at": dice.choice((None, *FULFILLERS))}

    def line(self, dice: Random) -> Thing:
        """Few units, or just as many as there are, or one more; rarely more than anybody has."""
        ref = self.ref(dice)
        there = sum(numbers(self.model.items[name])["quantity"] for name in self.model.named(ref))
        units = dice.choice((dice.randint(1, 5), dice.randint(1, 5), there, there + 1, there - 1, there // 2))
        line = {"item": ref, "quantity": LARGEST if dice.random() < 0.03 else min(LARGEST, max(1, units))}
        return {**line, "narrow": True} if dice.random() < 0.2 else line

    def lines(self, dice: Random, most: int = 3) -> list[Thing]:
        return [self.line(dice) for _ in range(dice.randint(1, most))]

    def change(self, dice: Random) -> Thing:
        """A change of stock, as a request of its own or a row of many."""
        kind = dice.choice(CHANGES)
        amount = LARGEST if dice.random() < 0.04 else dice.randint(0, 12)
        if kind == "adjust":
            amount = dice.choice((-1, 1)) * (amount or 1)
        elif kind in ("receive", "transfer"):
            amount = amount or 1
        change: Thing = {"do": kind, "item": self.ref(dice, products=False), "amount": amount}
        if kind == "transfer":
            change["to"] = dice.choice(FULFILLERS)
        if dice.random() < 0.15:
            change[dice.choice(("expected", "expected_sequence"))] = dice.randint(0, 8)
        if dice.random() < 0.5:
            change["reason"] = "recount"
        return change

    def key(self, dice: Random) -> str | None:
        """None, or a new one, or rarely one that was used."""
        used = list(self.model.answers)
        if used and dice.random() < 0.1:
            return dice.choice(used)
        return f"key-{len(self.asked)}" if dice.random() < 0.4 else None

    @step
    def change_stock(self, dice: Random) -> None:
        for _ in range(4):
            self.ask(**self.change(dice), by=dice.choice(ROLES), key=self.key(dice))

    @step
    def count_below_promises(self, dice: Random) -> None:
        """A fact that excuses; then what becomes of the promises, and of changes that do not excuse (R1)."""
        promised = [name for name in self.living() if self.model.items[name]["R"] + self.model.items[name]["A"]]
        if not promised:
            return
        item = self.model.items[dice.choice(promised)]
        below = dice.randint(0, min(20, item["R"] + item["A"] - 1))
        self.ask(do="count", item={"id": item["id"]}, amount=below, by="feed")
        self.ask(do="adjust", item={"id": item["id"]}, amount=dice.choice((-1, 1, 1, 2)), by="feed")
        live = [id_ for id_, hold in self.model.holds.items() if hold["status"] == "reserved"]
        if live:
            self._order_from(dice, dice.choice(live))

    @step
    def change_many(self, dice: Random) -> None:
        atomic = dice.random() < 0.5
        rows = [self.change(dice) for _ in range(dice.randint(1, 2 if atomic else 5))]
        self.ask(do="changes", rows=rows, atomic=atomic, by="admin", key=self.key(dice))

    def id_of(self, dice: Random, known: Thing, kind: str, *, new: bool) -> str:
        """Of a reservation or an order: mostly a new one where one is made, mostly a known one elsewhere."""
        fresh = f"{kind}{len(known)}"
        return fresh if not known or (dice.random() < 0.9) == new else dice.choice(list(known))

    def hold_id(self, dice: Random) -> str:
        """Of a reservation, more often one that still holds."""
        live = [id_ for id_, hold in self.model.holds.items() if hold["status"] == "reserved"]
        return dice.choice(live) if live and dice.random() < 0.7 else self.id_of(dice, self.model.holds, "r", new=False)

    @step
    def reserve(self, dice: Random) -> None:
        id_ = self.id_of(dice, self.model.holds, "r", new=True)
        self.ask(do="reserve", id=id_, lines=self.lines(dice), seconds=dice.choice(HOLD_SECONDS), key=self.key(dice))

    @step
    def reserve_and_go_on(self, dice: Random) -> None:
        self.reserve(dice)
        if self.model.holds:
            if dice.random() < 0.5:
                self.pass_time(5_000)
            hold = list(self.model.holds)[-1]
            what = dice.choice(("order", "order", "extend", "release"))
            if what == "order":
                self._order_from(dice, hold)
            else:
                self.ask(do=what, id=hold, **({"seconds": dice.choice(HOLD_SECONDS)} if what == "extend" else {}))

    @step
    def extend(self, dice: Random) -> None:
        self.ask(do="extend", id=self.hold_id(dice), seconds=dice.choice(HOLD_SECONDS))

    @step
    def release(self, dice: Random) -> None:
        self.ask(do="release", id=self.hold_id(dice))

    @step
    def housekeeping(self, dice: Random) -> None:
        self.pass_time(dice.choice((0, 1_000)))
        self.ask(do="expire")

    @step
    def order(self, dice: Random) -> None:
        id_ = self.id_of(dice, self.model.orders, "o", new=True)
        self.ask(do="order", id=id_, lines=self.lines(dice), hold=None, key=self.key(dice))

    @step
    def order_from_hold(self, dice: Random) -> None:
        self._order_from(dice, self.hold_id(dice))

    def _order_from(self, dice: Random, hold: str) -> None:
        id_ = self.id_of(dice, self.model.orders, "o", new=True)
        self.ask(do="order", id=id_, lines=self.lines_of_hold(dice, hold), hold=hold, key=self.key(dice))

    def lines_of_hold(self, dice: Random, hold: str) -> list[Thing] | None:
        """The whole hold, or more, less or other than it holds."""
        held = self.model.holds.get(hold, {"lines": []})["lines"]
        if dice.random() < 0.4 or not held:
            return None
        kept = dice.sample(held, dice.randint(1, len(held)))
        lines: list[Thing] = [
            {"item": {"id": self.model.items[line["item"]]["id"]}, "quantity": max(1, line["quantity"] + more)}
            for line in kept
            for more in [dice.choice((-1, 0, 1))]
        ]
        return [*self.lines(dice, 1), *lines] if dice.random() < 0.3 else lines

    @step
    def order_and_go_on(self, dice: Random) -> None:
        self.order(dice)
        for do in (dice.choice(("ship", "ship", "cancel")), dice.choice(("ship", "return")), "return"):
            self.move_on(dice, do, list(self.model.orders)[-1] if self.model.orders else "o")

    @step
    def move_order_on(self, dice: Random) -> None:
        do = dice.choice(("ship", "ship", "cancel", "return"))
        self.move_on(dice, do, self.id_of(dice, self.model.orders, "o", new=False))

    def move_on(self, dice: Random, do: str, id_: str) -> None:
        whole = do != "return" and dice.random() < 0.5
        extra = {"restock": dice.random() < 0.5} if do == "return" else {}
        self.ask(do=do, id=id_, lines=None if whole else self.order_lines(dice, id_), key=self.key(dice), **extra)

    def order_lines(self, dice: Random, id_: str) -> list[Thing]:
        """Lines of the order, more or less; now and then of something else."""
        known = self.model.orders.get(id_, {"lines": []})["lines"]
        refs = [{"id": self.model.items[line["item"]]["id"]} for line in known]
        refs += [{"part": line["item"][0]} for line in known]
        wanted = [dice.choice(refs) if refs and dice.random() < 0.9 else self.ref(dice) for _ in range(2)]
        return [{"item": ref, "quantity": dice.randint(1, 4)} for ref in wanted[: dice.randint(1, 2)]]

    @step
    def ask_again(self, dice: Random) -> None:
        """The same request once more, with its key or without: a repeat is a repeat, whoever asks (R7, R12)."""
        repeatable = [request for request in self.asked if request["key"] or request["do"] in ("reserve", "order")]
        if repeatable:
            kind = dice.choice(sorted({request["do"] for request in repeatable}))
            request = dice.choice([request for request in repeatable if request["do"] == kind])
            self.ask(**{**request, "key": request["key"] if dice.random() < 0.7 else None})

    @step
    def time_passes(self, dice: Random) -> None:
        self.pass_time(dice.choice((1_000, 1_000, 2_000, 10_000)))


def missing(reached: Counter[tuple[str, str]], wanted: dict[str, str]) -> list[tuple[str, str]]:
    """What a run should have met and did not. `wanted`: by command, words parted by blanks."""
    return [(do, what) for do, words in wanted.items() for what in words.split() if not reached[do, what]]


ALWAYS = "not_found replayed idempotency_key_reused"
NOT_ALLOWED = "not_self_managed stale_quantity"
WANTED: dict[str, str] = {
    "set": f"{ALWAYS} {NOT_ALLOWED} forbidden limit_exceeded",
    "adjust": f"{ALWAYS} {NOT_ALLOWED} below_promised limit_exceeded",
    "count": f"{ALWAYS} {NOT_ALLOWED}",
    "receive": f"{ALWAYS} {NOT_ALLOWED} limit_exceeded",
    "transfer": f"{ALWAYS} {NOT_ALLOWED} invalid_state out_of_inventory",
    "changes": f"{ALWAYS} atomic some_refused all_applied out_of_inventory stale_quantity",
    "reserve": f"{ALWAYS} ambiguous_item already_exists out_of_inventory limit_exceeded repeated",
    "extend": "not_found invalid_state reservation_expired limit_exceeded",
    "release": "not_found invalid_state",
    "order": f"{ALWAYS} ambiguous_item already_exists invalid_state out_of_inventory limit_exceeded repeated"
    " afresh whole_hold hold_and_items",
    "ship": f"{ALWAYS} invalid_state",
    "cancel": f"{ALWAYS} invalid_state",
    "return": f"{ALWAYS} invalid_state",
    "create": "already_exists revived",
    "create_many": "asked",
    "patch": "not_found unchanged",
    "delete": "not_found invalid_state",
    "expire": "asked",
    "take": "split beyond_stock",
}
