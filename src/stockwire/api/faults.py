"""Every fault of a body in one answer (R14): a walk over the parsed bytes beside the type that they should have."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import inspect

from stockwire.domain.refusals import Reason, Refusal
from stockwire.domain.stock import LARGEST
from stockwire.logs import redact

# U+0000–001F, and halves of characters that are not one: neither belongs in a name, nor in a PostgreSQL text.
UNPRINTABLE = re.compile("[\x00-\x1f\ud800-\udfff]")
MOST_FAULTS = 5_000
_ID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SHOWN = 80  # characters of a client's text that a message repeats at most

_INVALID, _FORMAT, _LIMIT = Reason.INVALID_PARAMETER, Reason.INVALID_FORMAT, Reason.LIMIT_EXCEEDED


Amiss = tuple[Reason, str, str]  # reason, field, and what is wrong with it


class Pairs(list[tuple[str, Any]]):
    """A JSON object as it stands, repeated keys included."""


class Unreal(NamedTuple):
    """A number that JSON or the contract has not, and why."""

    why: str


# A rule takes (value, type, path) and gives the plain value; what is wrong goes to the walk's list of faults.
_Rule = Callable[["Walk", Any, Any, str], Any]


class _TooManyError(Exception):
    pass


class Walk:
    """Compares values with one msgspec type. So many faults are told at most: 8 MiB have room for a million."""

    def __init__(self, wanted: Any, most: int = MOST_FAULTS) -> None:
        self._type = inspect.type_info(wanted)
        self._most = most
        self.faults: list[Refusal] = []

    def __call__(self, value: Any, where: str) -> tuple[Any, list[Refusal]]:
        """The value in plain JSON types, and all that is wrong with it."""
        self.faults = []
        try:
            return self.check(value, self._type, where), self.faults
        except _TooManyError:
            message = f"Only the first {self._most} faults are listed."
            return None, [*self.faults, Refusal(_INVALID, where, message)]

    def check(self, value: Any, wanted: Any, where: str) -> Any:
        """The rule of the wanted type."""
        return _RULES[type(wanted)](self, value, wanted, where)

    def fault(self, reason: Reason, where: str, message: str) -> None:
        """Note a fault; the message begins with what it is about."""
        if len(self.faults) >= self._most:
            raise _TooManyError
        self.faults.append(Refusal(reason, where, f"`{where}` {message}." if where else f"The body {message}."))


def inside(where: str, name: str) -> str:
    """The path of a field."""
    return f"{where}.{name}" if where else name


def shown(text: str) -> str:
    """A client's text, fit for a message."""
    return redact(UNPRINTABLE.sub("?", text[:_SHOWN]))


def _struct(walk: Walk, value: Any, wanted: inspect.StructType, where: str) -> Any:
    if not isinstance(value, Pairs):
        walk.fault(_INVALID, where, f"must be an object, not {_kind(value)}")
        return None
    fields = {field.encode_name: field for field in wanted.fields}
    plain: dict[str, Any] = {}
    for name, given in value:
        path = inside(where, shown(name))
        if name in plain:
            walk.fault(_INVALID, path, "is given twice")
        elif name in fields:
            plain[name] = walk.check(given, fields[name].type, path)
        elif name == wanted.tag_field:
            plain[name] = given
        else:
            walk.fault(Reason.UNKNOWN_PARAMETER, path, "is not known here")
            plain[name] = None
    for field in wanted.fields:
        if field.required and field.encode_name not in plain:
            walk.fault(Reason.MISSING_PARAMETER, inside(where, field.encode_name), "is missing")
    for reason, name, message in getattr(wanted.cls, "amiss", _nothing)(plain):
        walk.fault(reason, inside(where, name), message)
    return plain


def _nothing(given: Mapping[str, Any]) -> tuple[Amiss, ...]:
    return ()


def _union(walk: Walk, value: Any, wanted: inspect.UnionType, where: str) -> Any:
    if value is None and wanted.includes_none:
        return None
    branches = [branch for branch in wanted.types if not isinstance(branch, inspect.NoneType)]
    if len(branches) == 1:
        return walk.check(value, branches[0], where)
    return _tagged(
        walk, value, {branch.tag: branch for branch in branches if isinstance(branch, inspect.StructType)}, where
    )


def _tagged(walk: Walk, value: Any, branches: dict[Any, inspect.StructType], where: str) -> Any:
    field = next(iter(branches.values())).tag_field or ""
    if not isinstance(value, Pairs):
        walk.fault(_INVALID, where, f"must be an object, not {_kind(value)}")
        return None
    path = inside(where, field)
    tag = dict(value).get(field)
    if field not in dict(value):
        walk.fault(Reason.MISSING_PARAMETER, path, "is missing")
    elif not isinstance(tag, str) or tag not in branches:
        walk.fault(_INVALID, path, f"must be one of {', '.join(map(str, branches))}")
    else:
        return walk.check(value, branches[tag], where)
    return None


def _string(walk: Walk, value: Any, wanted: inspect.StrType, where: str) -> Any:
    if not isinstance(value, str):
        walk.fault(_INVALID, where, f"must be a string, not {_kind(value)}")
    elif UNPRINTABLE.search(value):
        walk.fault(_FORMAT, where, "holds a control character or half a character")
    elif wanted.max_length is not None and len(value) > wanted.max_length:
        walk.fault(_LIMIT, where, f"is longer than {wanted.max_length} characters")
    elif wanted.min_length is not None and len(value) < wanted.min_length:
        walk.fault(_INVALID, where, "must not be empty")
    elif wanted.pattern is not None and not re.search(wanted.pattern, value):
        walk.fault(_FORMAT, where, f"does not match {wanted.pattern}")
    return value


def _integer(walk: Walk, value: Any, wanted: inspect.IntType, where: str) -> Any:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON has one kind of number: 5.0 is 5
    if isinstance(value, Unreal):
        walk.fault(_INVALID, where, value.why)
    elif not isinstance(value, int) or isinstance(value, bool):
        walk.fault(_INVALID, where, f"must be an integer, not {_kind(value)}")
    elif abs(value) > LARGEST:
        walk.fault(_INVALID, where, "is beyond 2^53 − 1")
    elif wanted.ge is not None and value < wanted.ge:
        walk.fault(_INVALID, where, f"must be at least {wanted.ge}")
    elif wanted.le is not None and value > wanted.le:
        walk.fault(_LIMIT, where, f"must be at most {wanted.le}")
    return value


def _boolean(walk: Walk, value: Any, wanted: inspect.BoolType, where: str) -> Any:
    if not isinstance(value, bool):
        walk.fault(_INVALID, where, f"must be true or false, not {_kind(value)}")
    return value


def _choice(walk: Walk, value: Any, wanted: inspect.LiteralType, where: str) -> Any:
    if value not in wanted.values:
        walk.fault(_INVALID, where, f"must be one of {', '.join(map(str, wanted.values))}")
    return value


def _list(walk: Walk, value: Any, wanted: inspect.ListType | inspect.VarTupleType, where: str) -> Any:
    if not isinstance(value, list) or isinstance(value, Pairs):
        walk.fault(_INVALID, where, f"must be an array, not {_kind(value)}")
        return None
    if wanted.max_length is not None and len(value) > wanted.max_length:
        walk.fault(_LIMIT, where, f"has more than {wanted.max_length} entries")
        return None
    if wanted.min_length is not None and len(value) < wanted.min_length:
        walk.fault(_INVALID, where, "must not be empty")
    return [walk.check(entry, wanted.item_type, f"{where}[{place}]") for place, entry in enumerate(value)]


def _mapping(walk: Walk, value: Any, wanted: inspect.DictType, where: str) -> Any:
    if not isinstance(value, Pairs):
        walk.fault(_INVALID, where, f"must be an object, not {_kind(value)}")
        return None
    if wanted.max_length is not None and len(value) > wanted.max_length:
        walk.fault(_LIMIT, where, f"has more than {wanted.max_length} entries")
    plain: dict[str, Any] = {}
    for name, given in value:
        path = inside(where, shown(name))
        if name in plain:
            walk.fault(_INVALID, path, "is given twice")
        walk.check(name, wanted.key_type, path)
        plain[name] = walk.check(given, wanted.value_type, path)
    return plain


_MOMENT = Annotated[datetime, msgspec.Meta(tz=True)]


def _moment(walk: Walk, value: Any, wanted: inspect.DateTimeType, where: str) -> Any:
    try:
        at = msgspec.convert(value, _MOMENT) if isinstance(value, str) else None
    except msgspec.ValidationError:
        at = None
    if at is None:
        walk.fault(_FORMAT, where, "must be a time such as 2026-02-06T09:07:01Z")
    elif not plausible(at):
        walk.fault(_INVALID, where, "must lie in the years 1970 to 9998")
    return value


def plausible(at: datetime) -> bool:
    """Whether a time can be turned to UTC and stored."""
    return 1970 <= at.year <= 9998


def _id(walk: Walk, value: Any, wanted: inspect.UUIDType, where: str) -> Any:
    """Ids are opaque to clients: one that cannot be ours names what is not there."""
    if not isinstance(value, str):
        walk.fault(_INVALID, where, f"must be a string, not {_kind(value)}")
    elif uuid_of(value) is None:
        walk.fault(Reason.NOT_FOUND, where, f"names nothing: {shown(value)}")
    return value


def uuid_of(text: str) -> UUID | None:
    """The id, or None where the text is none. Python would read other alphabets' digits, signs and blanks too."""
    return UUID(text) if _ID.fullmatch(text) else None


def _unread(walk: Walk, value: Any, wanted: inspect.RawType, where: str) -> Any:
    return value


def _described(walk: Walk, value: Any, wanted: inspect.Metadata, where: str) -> Any:
    return walk.check(value, wanted.type, where)


_RULES: dict[type, _Rule] = {
    inspect.StructType: _struct,
    inspect.UnionType: _union,
    inspect.StrType: _string,
    inspect.IntType: _integer,
    inspect.BoolType: _boolean,
    inspect.LiteralType: _choice,
    inspect.ListType: _list,
    inspect.VarTupleType: _list,
    inspect.DictType: _mapping,
    inspect.DateTimeType: _moment,
    inspect.UUIDType: _id,
    inspect.RawType: _unread,
    inspect.Metadata: _described,
}

_KINDS: tuple[tuple[type, str], ...] = (
    (Unreal, "such a number"),
    (Pairs, "an object"),
    (list, "an array"),
    (str, "a string"),
    (bool, "a truth value"),
    (int, "an integer"),
    (float, "a fraction"),
)


def _kind(value: Any) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "null")
