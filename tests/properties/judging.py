"""Whether what a ledger answered and wrote is what the model says."""

from __future__ import annotations

import json
from typing import Any, Protocol

from stockwire.domain.stock import Level, lawful
from stockwire.ledger.submission import Answer, Submission
from tests.properties.asking import submission_of
from tests.properties.model import Model, Verdict, promises
from tests.properties.model.words import Name, Thing, numbers


class Shop(Protocol):
    """A ledger under test: in memory or on a database."""

    def submit(self, *submissions: Submission) -> list[Answer]: ...
    def advance(self, seconds: float) -> None: ...
    def levels(self) -> dict[str, Thing]: ...
    def movements(self, after: int = 0) -> list[Thing]: ...
    def events(self, after: int = 0) -> list[Thing]: ...
    def close(self) -> None: ...


class Judge:
    """Puts every request to a shop and to the model, and compares all that can be seen."""

    def __init__(self, shop: Shop, model: Model) -> None:
        self.shop = shop
        self.model = model
        self.moved = 0  # movements seen
        self.told = 0  # position of the last event seen
        self.ids: set[str] = set()  # of changes, movements and events: none may come twice
        self.bytes: dict[str, Answer] = {}  # first answers by idempotency key
        self.sums: dict[str, list[int]] = {}

    def ask(self, request: Thing) -> Thing | None:
        """The answer's body, after it was judged."""
        must = self.model.must_end(request)
        (answer,) = self.shop.submit(submission_of(request))
        body: Thing | None = self._judged(must, [(request, answer)])[0]
        return body

    def ask_both(self, request: Thing, answers: list[Answer], must: set[str]) -> None:
        """One request under a new key, sent twice at once: one change, two equal answers (R12)."""
        first, second = sorted(answers, key=lambda answer: answer.replayed)
        assert (first.replayed, second.replayed) == (False, True)
        assert (first.status, first.body) == (second.status, second.body)
        self._judged(must, [(request, first)])

    def ask_rush(self, asked: list[tuple[Thing, Answer]], must: set[str]) -> None:
        """Orders of one item, sent to both writers at once: in which order they came shows in the movements."""
        moved = [row["reference"] for row in self.shop.movements(self.moved) if row["type"] == "order"]
        served = sorted((pair for pair in asked if pair[1].status == 201), key=lambda pair: moved.index(pair[0]["id"]))
        self._judged(must, served + [pair for pair in asked if pair[1].status != 201])

    def _judged(self, must: set[str], asked: list[tuple[Thing, Answer]]) -> list[Any]:
        events, moves = self.shop.events(self.told), self.shop.movements(self.moved)
        ended = self._ended(events)
        assert must <= set(ended), f"holds are due and were not ended: {must - set(ended)}"
        expired = self.model.end(ended)
        wanted_moves, wanted_events = list(expired.moves), list(expired.events)
        bodies = []
        for request, answer in asked:
            verdict = self.model.ask(request)
            mine = slice(len(wanted_events), len(wanted_events) + len(verdict.events))
            wanted_moves += verdict.moves
            wanted_events += verdict.events
            bodies.append(json.loads(answer.body) if answer.body else None)
            self._same_answer(request, verdict, answer, bodies[-1], [event["id"] for event in events[mine]])
        self._same_moves(wanted_moves, moves)
        self._same_events(wanted_events, events)
        self._same_levels()
        return bodies

    def _ended(self, events: list[Thing]) -> list[str]:
        return [event["data"]["object"]["id"] for event in events if event["type"] == "reservation.expired"]

    def _id(self, item: Name) -> str:
        return str(self.model.items[item]["id"])

    def _new_id(self, id_: Any) -> None:
        assert str(id_) not in self.ids, f"the id {id_} comes twice"
        self.ids.add(str(id_))

    def _same_moves(self, wanted: list[Thing], found: list[Thing]) -> None:
        shown = [
            (row["item_id"], row["type"], row["sequence"], *(row[f"{c}_delta"] for c in COUNTERS)) for row in found
        ]
        assert shown == [(self._id(m["item"]), m["type"], m["sequence"], *m["deltas"]) for m in wanted]
        self.moved += len(found)
        for change_id in {row["change_id"] for row in found}:
            self._new_id(change_id)
        per_change = [(row["change_id"], row["item_id"]) for row in found]
        assert len(set(per_change)) == len(per_change), "a command makes at most one movement of an item (R2)"
        for row in found:
            self._new_id(row["id"])
            total = self.sums.setdefault(row["item_id"], [0, 0, 0])
            for place, counter in enumerate(COUNTERS):
                total[place] += row[f"{counter}_delta"]
                assert row[counter] == total[place], "a movement's after-values are the sum of all so far (R10)"

    def _same_events(self, wanted: list[Thing], found: list[Thing]) -> None:
        assert [event["type"] for event in found] == [event["type"] for event in wanted]
        assert [event["position"] for event in found] == list(range(self.told + 1, self.told + 1 + len(found)))
        self.told += len(found)
        for event, expected in zip(found, wanted, strict=True):
            self._new_id(event["id"])
            about = event["data"]["object"]
            assert about["eventType"] == event["type"]
            assert expected["object"].items() <= about.items(), (expected, about)
            if expected["item"] is not None:
                assert about["inventoryItemId"] == self._id(expected["item"])
            if expected["previous"] is not None:
                assert event["data"]["previousAttributes"] == expected["previous"]

    def _same_levels(self) -> None:
        found = self.shop.levels()
        assert found.keys() == {item["id"] for item in self.model.items.values() if not item["deleted"]}
        for item in self.model.items.values():
            if item["deleted"]:
                continue
            row, wanted = found[item["id"]], numbers(item)
            shown = [row[name] for name in ("quantity", *COUNTERS, "backordered")]
            assert shown == list(wanted.values()), (item, row)
            assert (row["sequence"], row["published"]) == (item["sequence"], item["published"])
            assert row["excused"] == item["excused"]
            assert [row[counter] for counter in COUNTERS] == self.sums.get(item["id"], [0, 0, 0]), "sum = level"
            assert lawful(Level(*(row[field] for field in Level._fields)))

    def _same_answer(self, request: Thing, verdict: Verdict, answer: Answer, body: Any, event_ids: list[str]) -> None:
        assert (answer.status, answer.replayed) == (verdict.status, verdict.replayed), (request, answer, verdict)
        key = request.get("key")
        if verdict.replayed:
            assert answer.body == self.bytes[str(key)].body, "the first answer, byte for byte (R12)"
            return
        if key is not None and key not in self.bytes and verdict.status != 403:
            self.bytes[key] = answer
        if verdict.codes:
            assert [fault["code"] for fault in body["errors"]] == verdict.codes
            return
        SHOWN[request["do"]](self, verdict.shown, body, event_ids)

    def same_change(self, wanted: Thing, body: Thing, event_ids: list[str]) -> None:
        """The answer of one change."""
        assert body["status"] == wanted["status"]
        levels = [body[name] for name in ("level", "toLevel") if name in body]
        assert len(levels) == len(wanted["levels"])
        for level, expected in zip(levels, wanted["levels"], strict=True):
            assert level["inventoryItemId"] == self._id(expected["item"])
            assert level["availableQuantity"] == expected["quantity"]
            assert [level[name] for name in NAMES] == [expected[name] for name in NAMES]
        assert body["eventIds"] == event_ids

    def same_results(self, wanted: Thing, body: Thing, event_ids: list[str]) -> None:
        """The answer of many rows, in their order."""
        counts = {"applied": 0, "unchanged": 0, "refused": 0}
        left = list(event_ids)
        for expected, result in zip(wanted["results"], body["results"], strict=True):
            counts[expected["status"]] += 1
            assert result["status"] == expected["status"]
            mine, left = left[: len(result["eventIds"])], left[len(result["eventIds"]) :]
            if result["status"] == "refused":
                assert [fault["code"] for fault in result["error"]["errors"]] == expected["codes"]
            elif "levels" in expected:
                self.same_change(expected, result, mine)
            assert result["eventIds"] == mine
        assert not left
        assert {name: body[name] for name in counts} == counts

    def same_hold(self, wanted: Thing, body: Thing, _event_ids: list[str]) -> None:
        """A reservation as the answer shows it."""
        assert (body["id"], body["status"]) == (wanted["id"], wanted["status"])
        shown = [
            (line["partNumber"], line["fulfiller"], line["quantity"], line["backordered"]) for line in body["items"]
        ]
        assert shown == [(*line["item"], line["quantity"], line["backordered"]) for line in wanted["lines"]]

    def same_order(self, wanted: Thing, body: Thing, _event_ids: list[str]) -> None:
        """An order as the answer shows it."""
        assert (body["id"], body["status"]) == (wanted["id"], promises.status_of(wanted))
        fields = ("quantity", "backordered", "shipped", "cancelled", "returned")
        shown = [(line["partNumber"], line["fulfiller"], *(line[field] for field in fields)) for line in body["items"]]
        assert shown == [(*line["item"], *(line[field] for field in fields)) for line in wanted["lines"]]
        assert all(line["open"] == line["quantity"] - line["shipped"] - line["cancelled"] for line in body["items"])

    def same_item(self, wanted: Thing, body: Thing, _event_ids: list[str]) -> None:
        """An item as the answer shows it."""
        item = self.model.items[wanted["item"]]
        shown = {**numbers(item), "sequence": item["sequence"], "id": item["id"], "metadata": item["metadata"]}
        policy = {"allowBackOrder": "back_order", "backOrderLimit": "limit", "lowStockThreshold": "threshold"}
        assert {**shown, **{name: item[field] for name, field in policy.items()}}.items() <= body.items()
        products = [(product["productId"], product["externalReferenceId"]) for product in body["products"]]
        assert products == [tuple(product) for product in item["products"]]


COUNTERS = ("on_hand", "reserved", "allocated")
NAMES = ("onHand", "reserved", "allocated", "backordered", "sequence")


def _nothing(_judge: Judge, _wanted: Any, _body: Any, _event_ids: list[str]) -> None:
    """204, or an answer that says no more than its status."""


SHOWN: dict[str, Any] = {
    **dict.fromkeys(("set", "adjust", "count", "receive", "transfer"), Judge.same_change),
    **dict.fromkeys(("changes", "create_many"), Judge.same_results),
    **dict.fromkeys(("reserve", "extend"), Judge.same_hold),
    **dict.fromkeys(("order", "ship", "cancel", "return"), Judge.same_order),
    **dict.fromkeys(("create", "patch"), Judge.same_item),
    **dict.fromkeys(("release", "delete", "expire"), _nothing),
}
