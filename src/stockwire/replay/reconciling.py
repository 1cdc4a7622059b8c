"""Does it add up? Three witnesses are compared: what the client was answered, what the receiver verified, what the
server says now. None of them is derived from another (R27)."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from stockwire.client import Level
from stockwire.replay.evidence import Sum, Told
from stockwire.replay.journal import Fact, Opened, Ordered, Received, WrittenOff

TAKES = ("order", "reserve")


class Check(NamedTuple):
    """One comparison: what was compared, how many, and how many differ (with one example)."""

    what: str
    compared: int
    different: int
    example: str = ""


class Books(NamedTuple):
    """The client's own account of each item, from answers alone."""

    bought: Mapping[str, int]
    on_hand: Mapping[str, int]
    allocated: Mapping[str, int]
    promised: Mapping[str, int]
    taken: int
    """Units that answers said were sold, before cancels and returns."""


class Server(NamedTuple):
    """What the server says: each item's level, its ledger added up, and every event of the feed by id."""

    levels: Mapping[str, Level]
    sums: Mapping[str, Sum]
    published: Mapping[str, Told]


def books(facts: Iterable[Fact]) -> Books:
    """Add the journal up; of an order the last line counts."""
    bought: Counter[str] = Counter()
    orders: dict[str, Ordered] = {}
    for fact in facts:
        match fact:
            case Opened() | Received():
                bought[fact.item] += fact.units
            case WrittenOff():
                bought[fact.item] -= fact.units
            case Ordered():
                orders[fact.order] = fact
            case _:
                pass
    on_hand, allocated, promised = Counter(bought), Counter[str](), Counter[str]()
    lines = [line for order in orders.values() for line in order.lines]
    for line in lines:
        on_hand[line.item] += line.returned - line.shipped
        allocated[line.item] += line.quantity - line.shipped - line.cancelled
        promised[line.item] += line.quantity - line.cancelled - line.returned
    return Books(bought, on_hand, allocated, promised, sum(line.quantity for line in lines))


def reconcile(
    ours: Books, heard: Sequence[Told], server: Server, wanted: Callable[[Told], bool] = lambda event: True
) -> tuple[Check, ...]:
    """Every check of all three witnesses; `wanted` tells the events that the receiver subscribed to."""
    return (
        *reconcile_stock(ours, server.levels, server.sums),
        _promised_without_stock(heard),
        _lost(heard, [id_ for id_, event in server.published.items() if wanted(event)]),
        _bytes(heard, server.published),
        _holes(server.published),
        _chains(heard),
        _units(ours, heard),
        _last_words(heard, server.levels),
    )


def reconcile_stock(ours: Books, levels: Mapping[str, Level], sums: Mapping[str, Sum]) -> tuple[Check, ...]:
    """The checks that need no receiver: the client's books against the server."""
    return _oversold(ours), _levels(ours, levels), _ledger(sums, levels)


def _check(what: str, compared: int, wrong: Sequence[object]) -> Check:
    return Check(what, compared, len(wrong), str(wrong[0]) if wrong else "")


def _oversold(ours: Books) -> Check:
    wrong = [
        f"{item}: {promised} promised of {ours.bought.get(item, 0)}"
        for item, promised in ours.promised.items()
        if promised > ours.bought.get(item, 0)
    ]
    return _check("oversold: parts sold beyond what was bought", len(ours.promised), wrong)


def _promised_without_stock(heard: Sequence[Told]) -> Check:
    wrong = [f"event {event.id}: {event.backordered} backordered" for event in heard if event.backordered]
    return _check("oversold: events with promises beyond stock", len(heard), wrong)


def _lost(heard: Sequence[Told], wanted: Sequence[str]) -> Check:
    missing = sorted(set(wanted) - {event.id for event in heard})
    return _check("lost: ledger's events not at the receiver", len(wanted), missing)


def _bytes(heard: Sequence[Told], published: Mapping[str, Told]) -> Check:
    """Bytes that differ from the ledger's; an event that the ledger does not know differs too."""
    wrong = [event.id for event in heard if (known := published.get(event.id)) is None or known.digest != event.digest]
    return _check("altered: received bytes not the ledger's", len(heard), wrong)


def _holes(published: Mapping[str, Told]) -> Check:
    positions = sorted(event.position for event in published.values())
    wrong = [after for before, after in pairwise(positions) if after != before + 1]
    return _check("holes in the positions", len(positions), wrong)


def _chains(heard: Sequence[Told]) -> Check:
    """Each item's story as the receiver can tell it, from nothing on: each event names the one before it (R2)."""
    wrong = []
    for item, story in _stories(heard).items():
        before = (0, 0)
        for event in story:
            if (event.previous_sequence, event.before) != before:
                wrong.append(f"{item}: sequence {event.sequence} does not follow {before[0]}")
            before = (event.sequence, event.quantity)
    return _check("broken: events that skip the one before", len(heard), wrong)


def _units(ours: Books, heard: Sequence[Told]) -> Check:
    """Units that left the shelf by the receiver's events are the units that the client was told it sold."""
    seen = sum(event.before - event.quantity for event in _updates(heard) if event.cause in TAKES)
    wrong = [] if seen == ours.taken else [f"client {ours.taken}, receiver {seen}"]
    return _check("units sold: client's answers, receiver's events", ours.taken, wrong)


def _levels(ours: Books, levels: Mapping[str, Level]) -> Check:
    items = ours.on_hand.keys() | levels.keys()
    wrong = [
        f"{item}: client's books {expected}, server {seen}"
        for item in sorted(items)
        if (expected := (ours.on_hand.get(item, 0), 0, ours.allocated.get(item, 0)))
        != (seen := _numbers(levels.get(item)))
    ]
    return _check("stock: client's books, server's levels", len(items), wrong)


def _last_words(heard: Sequence[Told], levels: Mapping[str, Level]) -> Check:
    """The last event of each item tells the quantity that the server has now."""
    stories = _stories(heard)
    wrong = [
        f"{item}: receiver {story[-1].quantity}, server {levels[item].available_quantity}"
        for item, story in sorted(stories.items())
        if item in levels and story[-1].quantity != levels[item].available_quantity
    ]
    return _check("quantity: receiver's last event, server's levels", len(stories), wrong)


def _ledger(sums: Mapping[str, Sum], levels: Mapping[str, Level]) -> Check:
    wrong = [
        f"{item}: movements {total}, level {_numbers(levels.get(item))}"
        for item, total in sorted(sums.items())
        if total.broken or (total.on_hand, total.reserved, total.allocated) != _numbers(levels.get(item))
    ]
    return _check("ledger: movements added up, server's levels", len(sums), wrong)


def _numbers(level: Level | None) -> tuple[int, int, int] | None:
    return (level.on_hand, level.reserved, level.allocated) if level else None


def _updates(heard: Iterable[Told]) -> list[Told]:
    """The events that tell of a changed quantity, each once however often it was delivered."""
    once = {
        event.id: event for event in heard if event.type.startswith("inventory.") and event.type.endswith("_updated")
    }
    quantity = (event for event in once.values() if event.type.endswith("_managed_updated"))
    return sorted(quantity, key=lambda event: event.position)


def _stories(heard: Iterable[Told]) -> dict[str, list[Told]]:
    stories: defaultdict[str, list[Told]] = defaultdict(list)
    for event in _updates(heard):
        stories[event.item].append(event)
    return stories
