"""Do the witnesses agree? The journal of the load, the receiver's file, and the server's own word (R27)."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from stockwire.delivery.worker import MOST_UNSETTLED
from stockwire.domain.subscriptions import DEFAULT_CONCURRENCY
from tests.asking import Server
from tests.crash.journal import Answered, Reader, Sent
from tests.crash.receiver import Arrival

UNDER_WAY_SECONDS = 0.5  # what a killed process had written to a socket may arrive a little later
MOST_IN_FLIGHT = DEFAULT_CONCURRENCY + MOST_UNSETTLED  # of one endpoint: attempts under way, attempts not settled yet
NOT_SENT = "webhook."  # is never sent to the webhook that it is about
PROMISES = ("/v1/orders", "/v1/reservations")
ONCE = ("order", "reserve", "adjust", "receive")  # movements that name the operation they belong to


class Check(NamedTuple):
    """One comparison: what, how many were compared, what was found wrong."""

    what: str
    compared: int
    wrong: list[str]


class Event(NamedTuple):
    """What the pull feed says of one event; of its bytes the SHA-256."""

    id: str
    position: int
    type: str
    digest: bytes


class Account(NamedTuple):
    """What the answers add up to: by part number, and movements by (operation, part number)."""

    answered: int
    on_hand: Counter[str]
    allocated: Counter[str]
    orders: dict[str, str]  # id: operation
    moved: set[tuple[str, str]]  # (operation, part number) that answers said were moved
    refused: set[str]
    unsettled: set[str]
    twice_answered: list[str]


def account_of(journal: Path, opening: int, parts: Iterable[str]) -> Account:
    """Add up the answers. An order is counted as last answered: cancelled, shipped or as placed."""
    sent: dict[str, Sent] = {}
    answers: dict[str, Answered] = {}
    twice: list[str] = []
    for line in Reader(journal).new():
        if isinstance(line, Sent):
            sent.setdefault(line.operation, line)
        elif isinstance(line, Answered):
            twice += [line.operation] if line.operation in answers else []
            answers[line.operation] = line
    found = Account(len(answers), Counter(), Counter(), {}, set(), set(), set(sent) - set(answers), twice)
    for part in parts:
        found.on_hand[part] = opening
    for operation, answer in answers.items():
        if answer.status >= 300:
            found.refused.add(operation)
        else:
            _add_up(found, sent[operation], json.loads(bytes(answer.body)))
    return found


def _add_up(account: Account, sent: Sent, body: Any) -> None:
    if sent.path == "/v1/inventory-changes":
        part = body["level"]["partNumber"]
        account.moved.add((sent.operation, part))
        account.on_hand[part] += sent.units
        return
    if sent.path == "/v1/orders":
        account.orders[body["id"]] = sent.operation
    for line in body["items"]:
        part = line["partNumber"]
        if sent.path not in PROMISES:  # cancelled or shipped
            account.allocated[part] -= line["cancelled"] + line["shipped"]
            account.on_hand[part] -= line["shipped"]
            continue
        account.moved.add((sent.operation, part))
        if sent.path == "/v1/orders":
            account.allocated[part] += line["quantity"]


class Judge:
    """Compares."""

    def __init__(self, server: Server, account: Account, parts: list[str]) -> None:
        self._server = server
        self._account = account
        self._parts = parts
        self._movements: dict[str, list[dict[str, Any]]] = {}

    async def checks(self, arrivals: list[Arrival], holds_seconds: float) -> list[Check]:
        """Every comparison, in the order in which they are reported."""
        levels = await self._server.when_quiet(self._parts, holds_seconds)
        for part in self._parts:
            path = f"/v1/inventory-movements?partNumber={part}&order=asc"
            self._movements[part] = [one async for one in self._server.listed(path)]
        orders = [order async for order in self._server.listed("/v1/orders")]
        events = [_event(raw) async for raw in self._server.feed()]
        return [
            Check("requests settled", self._account.answered, sorted(self._account.unsettled)),
            Check("one answer for each key", self._account.answered, self._account.twice_answered),
            self._acknowledged_there(),
            self._nothing_twice(),
            self._orders_once(orders),
            self._sums_are_levels(levels),
            self._sequences_whole(),
            self._positions_whole(events),
            self._at_receiver(events, arrivals),
        ]

    def _acknowledged_there(self) -> Check:
        there = {(move["reference"], part) for part, moves in self._movements.items() for move in moves}
        lost = [f"{operation} on {part}" for operation, part in self._account.moved - there]
        return Check("acknowledged changes in the ledger (lost)", len(self._account.moved), lost)

    def _nothing_twice(self) -> Check:
        """Movements of a request: one for each item. Those of refused requests: none."""
        moves = [(part, move) for part, moves in self._movements.items() for move in moves]
        counted = Counter((move["reference"], part) for part, move in moves if move["type"] in ONCE)
        twice = [f"{operation} on {part}: {count} times" for (operation, part), count in counted.items() if count > 1]
        twice += [f"{key[0]} was refused and moved {key[1]}" for key in counted if key[0] in self._account.refused]
        return Check("changes applied once (twice)", len(counted), twice)

    def _orders_once(self, orders: list[dict[str, Any]]) -> Check:
        """The server's orders are those that were answered, each once."""
        counted = Counter(order["reference"] for order in orders)
        wrong = [f"{operation}: {count} orders" for operation, count in counted.items() if count > 1]
        ids = {order["id"] for order in orders}
        wrong += [f"order {id_} is gone" for id_ in self._account.orders if id_ not in ids]
        wrong += [f"order {id_} was never answered" for id_ in ids if id_ not in self._account.orders]
        return Check("orders answered are orders placed", len(self._account.orders), wrong)

    def _sums_are_levels(self, levels: list[dict[str, Any]]) -> Check:
        wrong = []
        for level in levels:
            part = level["partNumber"]
            told = self._account.on_hand[part], self._account.allocated[part]
            if told != (level["onHand"], level["allocated"]):
                wrong.append(f"{part}: answered {told}, level {(level['onHand'], level['allocated'])}")
        return Check("sums of the answers are the levels", len(levels), wrong)

    def _sequences_whole(self) -> Check:
        wrong = []
        for part, moves in self._movements.items():
            if [move["sequence"] for move in moves] != list(range(1, len(moves) + 1)):
                wrong.append(f"{part}: a hole or a repetition among {len(moves)}")
            for name in ("onHand", "reserved", "allocated"):
                if moves and sum(move[f"{name}Delta"] for move in moves) != moves[-1][name]:
                    wrong.append(f"{part}: {name} is not the sum of its movements")
            wrong += [f"{part}: oversold at {move['sequence']}" for move in moves if oversold(move)]
        return Check("sequences without a hole, never oversold", sum(map(len, self._movements.values())), wrong)

    def _positions_whole(self, events: list[Event]) -> Check:
        positions = [event.position for event in events]
        wrong = [] if positions == list(range(1, len(events) + 1)) else [f"{len(events)} events, last {positions[-1:]}"]
        return Check("positions without a hole", len(events), wrong)

    def _at_receiver(self, events: list[Event], arrivals: list[Arrival]) -> Check:
        """Each event's bytes, the same in every arrival; nothing else arrived."""
        digests: dict[str, set[bytes]] = defaultdict(set)
        for arrival in arrivals:
            digests[arrival.event_id].add(arrival.digest)
        due = [event for event in events if not event.type.startswith(NOT_SENT)]
        wrong = [
            f"event {event.id} at {event.position}" for event in due if digests.pop(event.id, None) != {event.digest}
        ]
        wrong += [f"{id_} was delivered and is no event" for id_ in digests]
        return Check("events at the receiver, byte for byte", len(due), wrong)


def _event(raw: bytes) -> Event:
    read = json.loads(raw)
    return Event(read["id"], read["position"], read["type"], hashlib.sha256(raw).digest())


def oversold(move: dict[str, Any]) -> bool:
    """Whether more is promised than there is after a movement (no item here allows back orders)."""
    return bool(move["reserved"] + move["allocated"] > move["onHand"])


def again(arrivals: list[Arrival], signals: list[float]) -> tuple[Check, dict[float, int]]:
    """Deliveries that arrived more than once, and how many of them belong to which signal.

    At least once is the promise; but only what was in flight when a process was hit may come again.
    """
    first: dict[str, float] = {}
    belonging: Counter[float] = Counter()
    wrong = []
    for arrival in arrivals:
        before = first.setdefault(arrival.event_id, arrival.at)
        if before == arrival.at:
            continue
        hit = next((at for at in signals if before < at + UNDER_WAY_SECONDS and at < arrival.at), None)
        if hit is None:
            wrong.append(f"{arrival.event_id} came again after {arrival.at - before:.1f} s, and nothing was killed")
        else:
            belonging[hit] += 1
    wrong += [f"{count} came again after one signal" for count in belonging.values() if count > MOST_IN_FLIGHT]
    return Check(f"deliveries, of which {belonging.total()} came again", len(arrivals), wrong), dict(belonging)
