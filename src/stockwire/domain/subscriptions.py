"""Which events an endpoint wants, and within which bounds it is served. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

# Of one attempt, the answer's body included.
SHORTEST_TIMEOUT_SECONDS: Final = 1
LONGEST_TIMEOUT_SECONDS: Final = 30
DEFAULT_TIMEOUT_SECONDS: Final = 10
# Requests at once.
HIGHEST_CONCURRENCY: Final = 64
DEFAULT_CONCURRENCY: Final = 8


class Subscription(NamedTuple):
    """What an endpoint asked for. Empty filters let everything pass."""

    endpoint_id: str
    start_position: int  # it receives events after this position
    types: tuple[str, ...]  # exact names, `inventory.*`, or `*`
    fulfillers: frozenset[str] = frozenset()
    part_numbers: frozenset[str] = frozenset()


class Published(NamedTuple):
    """The part of an event that decides who gets it. `about` is the endpoint that a `webhook.*` event tells of."""

    position: int
    type: str
    part_number: str | None
    fulfiller: str | None
    about: str | None = None


def wants(subscription: Subscription, event: Published) -> bool:
    """Whether the event goes to the endpoint. An event without a part number passes no filter on part numbers."""
    return (
        event.position > subscription.start_position
        and event.about != subscription.endpoint_id
        and _passes(subscription.fulfillers, event.fulfiller)
        and _passes(subscription.part_numbers, event.part_number)
        and any(matches(pattern, event.type) for pattern in subscription.types)
    )


def matches(pattern: str, type_: str) -> bool:
    """`*` is every type, `inventory.*` every type below `inventory.`, anything else itself."""
    if pattern == "*":
        return True
    return type_.startswith(pattern[:-1]) if pattern.endswith(".*") else pattern == type_


def _passes(allowed: frozenset[str], value: str | None) -> bool:
    return not allowed or value in allowed
