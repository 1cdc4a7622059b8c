"""What goes into the ledger and what comes out."""

from __future__ import annotations

from typing import NamedTuple

from stockwire.domain.commands import Actor, Command


class LedgerId(NamedTuple):
    """A store and mode: one serial ledger."""

    store_id: int
    live: bool


class Submission(NamedTuple):
    """A command with who asks, and the idempotency key under which its answer is kept (R12).

    `slice` numbers the parts of a long request under one key (R11); `weight` is its line items, `size` its bytes.
    `secret`: the answer shows a secret, so its kept copy is sealed.
    """

    command: Command
    actor: Actor
    key: str | None = None
    slice: int = 0
    fingerprint: bytes | None = None
    weight: int = 1
    size: int = 0
    secret: bool = False


class Answer(NamedTuple):
    """HTTP status and final JSON bytes; `replayed` where they are an earlier request's."""

    status: int
    body: bytes
    replayed: bool = False


class Unavailable(Exception):  # noqa: N818 - the word of the contract
    """The ledger could not decide: not run, or (code `outcome_unknown`) run with an outcome that nobody can tell."""

    def __init__(self, code: str, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after = retry_after  # seconds
