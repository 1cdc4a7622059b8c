"""A slow, simple ledger in plain dicts, written from the rules alone (R1-R10, R12). It judges the real one.

A request is a dict: {"do": "set", "item": {"part": "P1", "at": "main"}, "amount": 5, "by": "operator", "key": None}.
The answer says status, error codes, what is shown, and every movement and event in order.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from tests.properties.model import catalogue, changes, promises
from tests.properties.model.words import LARGEST, Name, Refusal, Thing, numbers, room

STATUS = {"forbidden": 403, "not_found": 404, "limit_exceeded": 422}


class Verdict(NamedTuple):
    """What the real ledger must answer and do."""

    status: int
    codes: list[str]
    shown: Any
    moves: list[Thing]
    events: list[Thing]
    replayed: bool = False


class Model:
    """One store's ledger. `now` is set before each request."""

    def __init__(self, own: str, now: datetime) -> None:
        self.own = own
        self.now = now
        self.items: dict[Name, Thing] = {}
        self.holds: dict[str, Thing] = {}
        self.orders: dict[str, Thing] = {}
        self.answers: dict[str, tuple[Thing, Verdict]] = {}
        self.short: Counter[Name] = Counter()
        self.moves: list[Thing] = []
        self.events: list[Thing] = []
        self.reached: Counter[tuple[str, str]] = Counter()

    def ask(self, request: Thing) -> Verdict:
        """Carry a request out, or give the first answer to its key (R12)."""
        key, body = request.get("key"), {name: value for name, value in request.items() if name != "key"}
        if key in self.answers:
            first_body, first = self.answers[key]
            self._note(request, "replayed" if first_body == body else "idempotency_key_reused")
            if first_body == body:
                return first._replace(moves=[], events=[], replayed=True)
            return Verdict(409, ["idempotency_key_reused"], None, [], [])
        self.moves, self.events = [], []
        verdict = self._decided(request)
        if key is not None and verdict.status != 403:
            self.answers[key] = body, verdict
        return verdict

    def _decided(self, request: Thing) -> Verdict:
        try:
            status, shown = self.attempt(lambda: RULES[request["do"]](self, request))
        except Refusal as refusal:
            for code in refusal.codes:
                self._note(request, code)
            status = min(STATUS.get(code, 409) for code in refusal.codes)
            return Verdict(409 if request["do"] == "changes" else status, refusal.codes, None, [], [])
        return Verdict(status, [], copy.deepcopy(shown), self.moves, self.events)

    def attempt(self, do: Callable[[], Any]) -> Any:
        """All or nothing: what was done before a refusal is undone."""
        kept = copy.deepcopy((self.items, self.holds, self.orders)), len(self.moves), len(self.events)
        try:
            return do()
        except Refusal:
            (self.items, self.holds, self.orders), moves, events = kept
            del self.moves[moves:], self.events[events:]
            raise

    def _note(self, request: Thing, what: str) -> None:
        self.reached[request["do"], what] += 1

    def move(self, name: Name, kind: str, h: int = 0, r: int = 0, a: int = 0) -> None:
        """One movement of one item, and the events that tell of it."""
        item = self.items[name]
        before = numbers(item)
        item["H"], item["R"], item["A"] = item["H"] + h, item["R"] + r, item["A"] + a
        for counter in "HRA":
            assert 0 <= item[counter] <= LARGEST, (name, item)
        needed = max(0, item["R"] + item["A"] - item["H"] - room(item))
        assert kind in ("count", "feed") or needed <= item["excused"], f"oversold: {name} {item}"
        item["excused"] = needed
        item["sequence"] += 1
        self.moves.append({"item": name, "type": kind, "deltas": (h, r, a), "sequence": item["sequence"]})
        self._tell(name, kind, before)

    def _tell(self, name: Name, kind: str, before: Thing) -> None:
        item, after = self.items[name], numbers(self.items[name])
        was, is_now, threshold = before["quantity"], after["quantity"], item["threshold"]
        types = []
        if was != is_now:
            types.append(f"inventory.{'fulfiller' if item['managed'] else 'self'}_managed_updated")
            if kind != "opening":
                if threshold and was > threshold >= is_now:
                    types.append("inventory.low_stock")
                if was > 0 == is_now:
                    types.append("inventory.out_of_stock")
                if was == 0 < is_now:
                    types.append("inventory.back_in_stock")
        elif before["backordered"] != after["backordered"]:
            types.append("inventory.backorder_updated")
        changed = {field: before[field] for field in before if before[field] != after[field]}
        for type_ in types:
            about = {**after, "sequence": item["sequence"], "previousSequence": item["published"], "cause": kind}
            self.events.append({"type": type_, "item": name, "object": about, "previous": changed})
        if types:
            item["published"] = item["sequence"]

    def tell_of_item(self, name: Name, what: str) -> None:
        """The life of an item: no movement."""
        about = numbers(self.items[name])
        self.events.append({"type": f"inventory.item_{what}", "item": name, "object": about, "previous": None})

    def named(self, ref: Thing) -> list[Name]:
        """Living items that a reference means: the store's own fulfiller first, then by name."""
        found = [
            name
            for name, item in self.items.items()
            if not item["deleted"]
            and ("id" not in ref or item["id"] == ref["id"])
            and ("part" not in ref or name[0] == ref["part"])
            and (ref.get("at") is None or name[1] == ref["at"])
            and ("product" not in ref or ref["product"] in [product for product, _ in item["products"]])
            and ("external" not in ref or ref["external"] in [external for _, external in item["products"]])
        ]
        return sorted(found, key=lambda name: (name[0], name[1] != self.own, name[1]))

    def candidates(self, ref: Thing) -> list[Name]:
        """Items of one part number, or a refusal."""
        found = self.named(ref)
        if not found:
            raise Refusal("not_found")
        if len({part for part, _ in found}) > 1:
            raise Refusal("ambiguous_item")
        if ("product" in ref or "external" in ref) and ref.get("at") is None:
            return self.named({"part": found[0][0]})
        return found

    def due(self) -> set[str]:
        """Reservations whose time has come and that still stand as reserved."""
        return {id_ for id_, hold in self.holds.items() if hold["status"] == "reserved" and hold["expires"] <= self.now}

    def end(self, ids: list[str]) -> Verdict:
        """These due holds end, in this order."""
        self.moves, self.events = [], []
        assert set(ids) <= self.due(), "a hold was ended that is not due"
        assert ids == sorted(ids, key=lambda id_: (self.holds[id_]["expires"], id_)), "due holds end earliest first"
        for id_ in ids:
            hold = self.holds[id_]
            hold["status"] = "expired"
            for line in hold["lines"]:
                self.move(line["item"], "expire", r=-line["quantity"])
            self.events.append({"type": "reservation.expired", "item": None, "object": {"id": id_}, "previous": None})
        return Verdict(200, [], None, self.moves, self.events)

    def must_end(self, request: Thing) -> set[str]:
        """The due holds that a batch with this request has to end first: those on the items it is about."""
        if request.get("key") in self.answers:
            return set()
        if request["do"] == "expire":
            return self.due()
        holds = {request.get("hold"), request["id"] if request["do"] in ("reserve", "extend", "release") else None}
        touched = {name for ref in refs_of(request) for name in self.named(ref)}
        touched |= {line["item"] for id_ in holds for line in self.holds.get(id_ or "", {"lines": []})["lines"]}
        if request["do"] in ("ship", "cancel", "return"):
            touched |= {line["item"] for line in self.orders.get(request["id"], {"lines": []})["lines"]}
        return {
            id_ for id_ in self.due() if id_ in holds or touched & {line["item"] for line in self.holds[id_]["lines"]}
        }


def refs_of(request: Thing) -> list[Thing]:
    """Every item reference in a request, the other side of transfers included."""
    rows = [request, *request.get("rows", ()), *(request.get("lines") or ())]
    refs = [row["item"] for row in rows if "item" in row]
    refs += [{"part": row["part"]} for row in rows if "part" in row]
    for row in rows:
        if "to" in row:
            refs.append({**row["item"], "at": row["to"]})
    return refs


RULES: dict[str, Callable[[Model, Thing], tuple[int, Any]]] = {
    **changes.RULES,
    **promises.RULES,
    **catalogue.RULES,
}
