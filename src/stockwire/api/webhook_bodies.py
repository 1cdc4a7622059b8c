"""What a client says of a webhook: a new one, an edit, a rotation of its secret (R22)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from stockwire.api.faults import Amiss
from stockwire.api.shapes import Body, Fulfiller, PartNumber
from stockwire.api.strict_json import Shape
from stockwire.domain.events import CATALOGUE
from stockwire.domain.refusals import Reason
from stockwire.domain.subscriptions import (
    HIGHEST_CONCURRENCY,
    LONGEST_TIMEOUT_SECONDS,
    SHORTEST_TIMEOUT_SECONDS,
    matches,
)

MOST_HEADERS = 20

Address = Annotated[str, Meta(min_length=1, max_length=2048, description="https://host/path; http in test mode.")]
Type = Annotated[str, Meta(min_length=1, max_length=64, description="A type of event, `inventory.*`, or `*`.")]
Types = Annotated[tuple[Type, ...], Meta(min_length=1, max_length=50)]
Description = Annotated[str, Meta(max_length=500)]
Text255 = Annotated[str, Meta(min_length=1, max_length=255)]
Headers = Annotated[dict[Text255, Annotated[str, Meta(min_length=1, max_length=1024)]], Meta(max_length=MOST_HEADERS)]
Seconds = Annotated[
    int,
    Meta(
        ge=SHORTEST_TIMEOUT_SECONDS,
        le=LONGEST_TIMEOUT_SECONDS,
        description="For a whole attempt, the answer's body included.",
    ),
]
Concurrency = Annotated[int, Meta(ge=1, le=HIGHEST_CONCURRENCY, description="Requests at once.")]

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VISIBLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_RESERVED = frozenset({
    "host", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect", "cookie", "keep-alive",
    "accept-encoding", "digitalriver-signature",
})  # fmt: skip
_RESERVED_BEGINNINGS = ("content-", "proxy-", "webhook-", "stockwire-")


class BasicAuthentication(Body, frozen=True, kw_only=True):
    """User name and password that every attempt carries. The password is never shown again."""

    user_name: Text255 | UnsetType = UNSET
    username: Annotated[Text255, Meta(description="The same as userName.")] | UnsetType = UNSET
    password: Annotated[str, Meta(min_length=1, max_length=1024)]

    def __post_init__(self) -> None:
        if (self.user_name is UNSET) == (self.username is UNSET) or ":" in self.name:
            raise ValueError("userName")

    @property
    def name(self) -> str:
        return self.username if isinstance(self.username, str) else str(self.user_name)

    @staticmethod
    def amiss(given: Mapping[str, Any]) -> list[Amiss]:
        named = [name for name in ("userName", "username") if name in given]
        if not named:
            return [(Reason.MISSING_PARAMETER, "userName", "is missing")]
        if len(named) == 2:
            return [(Reason.INVALID_PARAMETER, "username", "cannot stand beside `userName`")]
        if isinstance(given[named[0]], str) and ":" in given[named[0]]:
            return [(Reason.INVALID_PARAMETER, named[0], "cannot hold a colon")]
        return []


class Filters(Body, frozen=True, kw_only=True):
    """Only events of these fulfillers and part numbers; what is absent or empty lets all pass."""

    fulfillers: Annotated[tuple[Fulfiller, ...], Meta(max_length=1000)] | UnsetType = UNSET
    part_numbers: Annotated[tuple[PartNumber, ...], Meta(max_length=1000)] | UnsetType = UNSET

    def stored(self) -> dict[str, list[str]]:
        """As it stands in the webhook's settings."""
        named = {"fulfillers": self.fulfillers, "partNumbers": self.part_numbers}
        return {name: list(values) for name, values in named.items() if isinstance(values, tuple)}


class NewWebhook(Body, frozen=True, kw_only=True):
    """A webhook to make; the answer holds its first secret."""

    address: Address
    types: Types
    enabled: bool = True
    transport_type: Literal["HTTP"] = "HTTP"
    authentication: BasicAuthentication | None = None
    description: Description | None = None
    headers: Headers | None = None
    filters: Filters | None = None
    ordering: Literal["unordered"] = "unordered"
    timeout_seconds: Seconds | None = None
    max_concurrency: Concurrency | None = None

    def __post_init__(self) -> None:
        _plausible(self.types, self.headers)

    @staticmethod
    def amiss(given: Mapping[str, Any]) -> list[Amiss]:
        return amiss(given)


class WebhookEdit(Body, frozen=True, kw_only=True):
    """What to change: absent keeps, null clears. Headers and filters are replaced whole."""

    address: Address | UnsetType = UNSET
    types: Types | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    transport_type: Literal["HTTP"] | UnsetType = UNSET
    authentication: BasicAuthentication | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    headers: Headers | UnsetType | None = UNSET
    filters: Filters | UnsetType | None = UNSET
    ordering: Literal["unordered"] | UnsetType = UNSET
    timeout_seconds: Seconds | UnsetType | None = UNSET
    max_concurrency: Concurrency | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        _plausible(self.types, self.headers)

    @staticmethod
    def amiss(given: Mapping[str, Any]) -> list[Amiss]:
        return amiss(given)


class Rotation(Body, frozen=True, kw_only=True):
    """How long the secrets so far go on signing beside the new one."""

    expire_previous_in_hours: Literal[0, 1, 3, 6, 12, 24] = 24


def _plausible(types: tuple[str, ...] | UnsetType, headers: dict[str, str] | UnsetType | None) -> None:
    if isinstance(types, tuple) and not all(map(is_known, types)):
        raise ValueError("types")
    if isinstance(headers, dict) and header_faults(headers):
        raise ValueError("headers")


def amiss(given: Mapping[str, Any]) -> list[Amiss]:
    """Types that name nothing, headers that may not be set."""
    found: list[Amiss] = []
    types = given.get("types")
    for place, name in enumerate(types if isinstance(types, list) else ()):
        if isinstance(name, str) and not is_known(name):
            found.append((Reason.INVALID_PARAMETER, f"types[{place}]", "names no type of event"))
    headers = given.get("headers")
    return found + (header_faults(headers) if isinstance(headers, dict) else [])


def is_known(pattern: str) -> bool:
    """Whether a pattern names a type of event that there is."""
    return any(matches(pattern, type_) for type_ in CATALOGUE)


def header_faults(headers: Mapping[str, Any]) -> list[Amiss]:
    """Custom headers may not be those that carry the request or its signature (R22). A message repeats no value."""
    found: list[Amiss] = []
    seen: set[str] = set()
    for name, value in headers.items():
        lowered = name.lower()
        where = f"headers.{name[:80]}"
        if not _TOKEN.fullmatch(name):
            found.append((Reason.INVALID_FORMAT, where, "is no name of a header"))
        elif lowered in _RESERVED or lowered.startswith(_RESERVED_BEGINNINGS):
            found.append((Reason.INVALID_PARAMETER, where, "is reserved"))
        elif lowered in seen:
            found.append((Reason.INVALID_PARAMETER, where, "is given twice"))
        elif isinstance(value, str) and not _VISIBLE.fullmatch(value):
            found.append((Reason.INVALID_FORMAT, where, "must be visible ASCII"))
        seen.add(lowered)
    return found


NEW: Shape[NewWebhook] = Shape(NewWebhook)
EDIT: Shape[WebhookEdit] = Shape(WebhookEdit)
ROTATION: Shape[Rotation] = Shape(Rotation)
