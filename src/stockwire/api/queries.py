"""Query strings: declared as structs, read as strictly as bodies; an unknown parameter is an error."""

from __future__ import annotations

from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from stockwire.api.faults import Pairs, Walk
from stockwire.domain.refusals import Reason, Refusal

Q = TypeVar("Q", bound=msgspec.Struct)

_MOST_PARAMETERS = 1100  # a thousand repeated ids, and the others


class QueryShape(Generic[Q]):
    """The parameters that a route takes."""

    def __init__(self, wanted: type[Q]) -> None:
        self.type = wanted
        self._fields = {field.encode_name: _Parameter(field) for field in msgspec.structs.fields(wanted)}
        self._walk = Walk(wanted)
        self._empty = None if self._walk(Pairs(), "")[1] else wanted()

    def read(self, raw: bytes) -> Q | tuple[Refusal, ...]:
        """The parameters, or every fault among them."""
        if not raw and self._empty is not None:
            return self._empty
        try:
            given = parse_qsl(raw.decode("ascii"), True, errors="strict", max_num_fields=_MOST_PARAMETERS)
        except ValueError:
            return (Refusal(Reason.INVALID_FORMAT, "", "The query string is not UTF-8 in percent-encoding."),)
        plain, faults = self._walk(self._pairs(given), "")
        if faults:
            return tuple(_by_itself(fault) for fault in faults)
        return msgspec.convert(plain, self.type)

    def takes_commas(self, name: str) -> bool:
        """Whether a list is given as one text with commas (it may always be given by repeating the parameter)."""
        return self._fields[name].commas

    def _pairs(self, given: list[tuple[str, str]]) -> Pairs:
        """Texts as the values that they stand for; what cannot be read as such stays text and is found faulty."""
        lists: dict[str, list[str]] = {}
        pairs = Pairs()
        for name, text in given:
            parameter = self._fields.get(name)
            if parameter is None or not parameter.listed:
                pairs.append((name, parameter.value(text) if parameter else text))
                continue
            if name not in lists:
                lists[name] = []
                pairs.append((name, lists[name]))
            lists[name].extend(text.split(",") if parameter.commas else [text])
        return pairs


def _by_itself(fault: Refusal) -> Refusal:
    """What is over a limit or can be no id is simply wrong in a query string: 400."""
    found = fault.reason in (Reason.LIMIT_EXCEEDED, Reason.NOT_FOUND)
    return fault._replace(reason=Reason.INVALID_PARAMETER) if found else fault


class _Parameter:
    """How the text of one parameter is read."""

    def __init__(self, field: Any) -> None:
        wanted = inspect.type_info(field.type)
        self.commas = True
        while isinstance(wanted, inspect.Metadata | inspect.UnionType):
            if isinstance(wanted, inspect.Metadata):
                self.commas = (wanted.extra or {}).get("commas", self.commas)
                wanted = wanted.type
            else:
                wanted = next(part for part in wanted.types if not isinstance(part, inspect.NoneType))
        self.listed = isinstance(wanted, inspect.VarTupleType)
        self.value = _READ.get(type(wanted), str)


def _whole(text: str) -> int | str:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else text


def _truth(text: str) -> bool | str:
    return {"true": True, "false": False}.get(text, text)


_READ: dict[type, Any] = {inspect.IntType: _whole, inspect.BoolType: _truth}
