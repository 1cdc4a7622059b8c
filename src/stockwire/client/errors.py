"""The one exception of the client."""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec


class Fault(NamedTuple):
    """One thing that was wrong: `code` for programs, `parameter` where in the request, `message` for people.

    `facts` is what the server adds to help mend it: `available` units of a short line, the true `quantity` and
    `sequence` of a stale change, the `id` of what exists already.
    """

    code: str = ""
    parameter: str | None = None
    message: str = ""
    facts: Mapping[str, Any] = MappingProxyType({})


class ApiError(Exception):
    """The server refused, failed, or could not be reached.

    `status` is the HTTP status, 0 when no answer came (`type` is then `unreachable`); `errors` lists every fault of the
    request; `request_id` is the answer's `X-Request-Id`, to be quoted to whoever runs the server.
    """

    def __init__(self, status: int, kind: str, errors: tuple[Fault, ...] = (), request_id: str | None = None) -> None:
        super().__init__(status, kind, errors, request_id)
        self.status = status
        self.type = kind
        self.errors = errors
        self.request_id = request_id

    def has(self, code: str) -> bool:
        """Whether one of the faults has this code, for instance `out_of_inventory`."""
        return any(fault.code == code for fault in self.errors)

    def __str__(self) -> str:
        said = "; ".join(fault.message or fault.code for fault in self.errors) or "no details"
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.status} {self.type}: {said}{request}" if self.status else f"{self.type}: {said}"


class ErrorBody(msgspec.Struct):
    """The error answer as it stands on the wire."""

    type: str = "internal_server_error"
    errors: list[dict[str, Any]] = []

    @property
    def faults(self) -> tuple[Fault, ...]:
        return tuple(_fault(error) for error in self.errors)

    def has(self, code: str) -> bool:
        """Whether one of the faults has this code."""
        return any(error.get("code") == code for error in self.errors)


def _fault(error: dict[str, Any]) -> Fault:
    rest = {name: value for name, value in error.items() if name not in Fault._fields}
    return Fault(str(error.get("code", "")), error.get("parameter"), str(error.get("message", "")), rest)


def refusal(status: int, body: bytes, request_id: str | None) -> ApiError:
    """The exception for an error answer; one that is not in the contract's shape (a proxy's page) is named as such."""
    try:
        said = msgspec.json.decode(body, type=ErrorBody)
    except (msgspec.DecodeError, UnicodeDecodeError):
        fault = Fault("unreadable_answer", None, "the answer is not an error of this API; a proxy may have sent it")
        return ApiError(status, "unreadable_answer", (fault,), request_id)
    return ApiError(status, said.type, said.faults, request_id)


def unreachable(url: str, why: BaseException) -> ApiError:
    """The exception for a request that got no answer at all."""
    system = getattr(why, "os_error", None) or why
    number = system.errno if isinstance(system, OSError) else None
    reason = os.strerror(number).lower() if number else str(why) or type(why).__name__
    return ApiError(0, "unreachable", (Fault("unreachable", None, f"no answer from {url}: {reason}"),))
