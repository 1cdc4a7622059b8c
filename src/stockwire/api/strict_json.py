"""Strict JSON (R14): msgspec decodes; where it fails, or could be lenient, the bytes are walked to list every fault.

msgspec stops at the first fault, keeps the last of two equal keys and takes escaped control characters. The first is
mended by the walk in `faults.py`, the other two are looked for on every write, cheaply.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Generic, TypeVar

import msgspec

from stockwire.api.faults import MOST_FAULTS, Pairs, Unreal, Walk, shown
from stockwire.domain.refusals import Reason, Refusal

T = TypeVar("T")

Faults = tuple[Refusal, ...]

# What a decoder may raise over bytes that a client sent. Deep nesting is a RecursionError, bad UTF-8 a ValueError.
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
# Walking builds every value as Python sees it, while other requests wait: a longer body is told its first fault.
LARGEST_WALK = 1024 * 1024
# A longer integer is beyond 2^53 whatever it is; Python would refuse to read one of more than 4,300 digits.
_LONGEST_INTEGER = 20


class _RepeatedKeyError(Exception):
    pass


def _no_repeats(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > 1 and len(dict(pairs)) != len(pairs):
        raise _RepeatedKeyError


_scan = json.JSONDecoder(object_pairs_hook=_no_repeats).decode


def repeats(raw: bytes) -> bool:
    """Whether some object has a key twice. Bytes that cannot be read count as such: the walk says what is wrong."""
    try:
        _scan(raw.decode())
    except (_RepeatedKeyError, ValueError, RecursionError):
        return True
    return False


def _integer(digits: str) -> int | Unreal:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else Unreal("is beyond 2^53 − 1")


def _float(digits: str) -> float | Unreal:
    number = float(digits)
    return number if math.isfinite(number) else Unreal("is too large")


def _constant(name: str) -> Unreal:
    return Unreal(f"is {name}, which JSON does not have")


_walkable = json.JSONDecoder(
    object_pairs_hook=Pairs, parse_int=_integer, parse_float=_float, parse_constant=_constant
).decode


def pairs_of(raw: bytes) -> Any | Refusal:
    """The JSON value with its objects as lists of pairs, repeated keys kept; or why it is no JSON."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as fault:
        return Refusal(Reason.INVALID_FORMAT, "", f"The body is not UTF-8 (byte {fault.start}).")
    if not text or text.isspace():
        return Refusal(Reason.INVALID_FORMAT, "", "The body is empty; a JSON object is expected.")
    try:
        return _walkable(text)
    except json.JSONDecodeError as fault:
        what = (
            f"The body is not JSON: {fault.msg[0].lower()}{fault.msg[1:]} at line {fault.lineno} column {fault.colno}."
        )
        return Refusal(Reason.INVALID_FORMAT, "", what)
    except RecursionError:
        return Refusal(Reason.INVALID_FORMAT, "", "The body is nested too deeply.")


class Shape(Generic[T]):
    """What a request body must be: a msgspec type, read strictly."""

    def __init__(self, wanted: Any, most_faults: int = MOST_FAULTS) -> None:
        self.type = wanted
        self.decode = msgspec.json.Decoder(wanted).decode
        self._most_faults = most_faults
        self._walk: Walk | None = None

    def read(self, raw: bytes, where: str = "", *, unique: bool = False) -> T | Faults:
        """The value, or every fault with its path behind `where`. `unique`: no key is known to stand twice."""
        try:
            value: T = self.decode(raw)
        except UNREADABLE as fault:
            return (first_fault(fault, where),) if len(raw) > LARGEST_WALK else self._careful(raw, where)
        if b"\\" in raw or not (unique or not repeats(raw)):
            return self._careful(raw, where)
        return value

    def _careful(self, raw: bytes, where: str) -> T | Faults:
        pairs = pairs_of(raw)
        if isinstance(pairs, Refusal):
            return (pairs._replace(where=where.rstrip(".")),)
        if self._walk is None:
            self._walk = Walk(self.type, self._most_faults)
        plain, faults = self._walk(pairs, where.rstrip("."))
        if faults:
            return tuple(faults)
        try:
            value: T = msgspec.convert(plain, self.type)
        except msgspec.ValidationError as fault:
            return (first_fault(fault, where),)
        return value


_WORDS = (
    ("length <=", Reason.LIMIT_EXCEEDED),
    ("unknown field", Reason.UNKNOWN_PARAMETER),
    ("missing required field", Reason.MISSING_PARAMETER),
)
_PATH = re.compile(r" - at `\$\.?(.*)`$")


def first_fault(fault: Exception, where: str = "") -> Refusal:
    """One fault, in msgspec's words: of what the walk let pass, and of bodies too long to be walked."""
    said = str(fault)
    if not isinstance(fault, msgspec.ValidationError):
        return Refusal(Reason.INVALID_FORMAT, where.rstrip("."), f"The body cannot be read: {shown(said)}.")
    found = _PATH.search(said)
    path = where + found[1] if found else where
    reason = next((reason for words, reason in _WORDS if words in said), Reason.INVALID_PARAMETER)
    return Refusal(reason, path.rstrip("."), _PATH.sub("", said) + ".")
