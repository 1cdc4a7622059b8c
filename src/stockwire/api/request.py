"""What a handler is given: who asks, for what, and the way to the ledger."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from stockwire.api.auth import Caller, Keys
from stockwire.api.errors import Reply, refuse
from stockwire.domain.commands import Command
from stockwire.ledger.submission import Answer, LedgerId, Submission

if TYPE_CHECKING:
    from stockwire.api.health import Readiness
    from stockwire.api.stream import Tails
    from stockwire.config import Settings
    from stockwire.sealing import KeyRing
    from stockwire.store.database import Database

REPLAYED = (b"idempotent-replayed", b"true")
_PRINTABLE = re.compile(rb"[\x20-\x7e]{1,255}")


class Writes(Protocol):
    """The ledger as the doors see it."""

    async def submit(self, ledger: LedgerId, submission: Submission) -> Answer:
        """Decide and commit one command; raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class Doors:
    """What all requests of a process share."""

    database: Database
    ledger: Writes
    settings: Settings
    keyring: KeyRing
    tails: Tails
    keys: Keys
    readiness: Readiness


class Request:
    """One authenticated request, its body and query parsed."""

    __slots__ = ("body", "caller", "doors", "fingerprint", "headers", "key", "path", "query", "raw", "scope")

    def __init__(self, doors: Doors, scope: Any, headers: dict[bytes, bytes], path: tuple[str, ...]) -> None:
        self.doors = doors
        self.scope = scope
        self.headers = headers
        self.path = path  # what stands in the place of each {…}
        self.caller: Caller = None  # type: ignore[assignment]  # set before the handler of a closed route runs
        self.query: Any = None
        self.raw = b""
        self.body: Any = None
        self.key: str | None = None
        self.fingerprint: bytes | None = None  # of method, path and body, where a key was sent (R12)

    @property
    def live(self) -> bool:
        """Whether the key is of the live ledger."""
        return self.caller.ledger.live

    async def submit(self, command: Command, *, weight: int = 1, secret: bool = False) -> Reply:
        """The ledger's answer to one command, under the request's idempotency key."""
        caller = self.caller
        answer = await self.doors.ledger.submit(
            caller.ledger,
            Submission(command, caller.actor, self.key, 0, self.fingerprint, weight, len(self.raw), secret),
        )
        return Reply(answer.status, answer.body, (REPLAYED,) if answer.replayed else ())


def idempotency_key(request: Request) -> str | Reply | None:
    """The key as sent; a refusal where it cannot be one, or is not one alone."""
    header = request.headers.get(b"idempotency-key")
    if header is None:
        return None
    sent = request.scope["headers"]
    alone = len(sent) == len(request.headers) or sum(name == b"idempotency-key" for name, _ in sent) == 1
    if alone and _PRINTABLE.fullmatch(header):
        return header.decode("ascii")
    message = "An Idempotency-Key has 1 to 255 printable characters, and is one."
    return refuse(400, "invalid_parameter", message, "Idempotency-Key")
