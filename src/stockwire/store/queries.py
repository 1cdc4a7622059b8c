"""SQL lives in .sql files; this makes the named queries of one file callable on an asyncpg connection."""

import re
from collections.abc import Awaitable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import aiosql
from aiosql.types import SQLOperationType
from aiosql.utils import VAR_REF

# What each mark after a query's name means: rows, ^ one row, $ one value, <! one row of RETURNING, ! status, *! many.
_METHODS = {
    SQLOperationType.SELECT: "fetch",
    SQLOperationType.SELECT_ONE: "fetchrow",
    SQLOperationType.SELECT_VALUE: "fetchval",
    SQLOperationType.INSERT_RETURNING: "fetchrow",
    SQLOperationType.INSERT_UPDATE_DELETE: "execute",
    SQLOperationType.INSERT_UPDATE_DELETE_MANY: "executemany",
    SQLOperationType.SCRIPT: "execute",
}
_CURSOR = "_cursor"  # the end of the name of what aiosql makes beside each query of rows, which nobody here uses


class Query:
    """One named query. `sql` has $1…$n in the order of `parameters`, which is the order declared after its name."""

    __slots__ = ("_method", "name", "parameters", "purpose", "sql")

    def __init__(self, name: str, method: str, sql: str, parameters: tuple[str, ...], purpose: str) -> None:
        self.name = name
        self.sql = sql
        self.parameters = parameters
        self.purpose = purpose
        self._method = method

    def __call__(self, connection: Any, *values: Any, **named: Any) -> Awaitable[Any]:
        """The awaitable of asyncpg itself. Parameters by name, or all by position in the order of `parameters`.

        A query marked `*!` takes one argument: an iterable of rows in the order of `parameters`.
        """
        if named:
            if values or named.keys() != set(self.parameters):
                raise TypeError(f"{self.name} takes {', '.join(self.parameters)}, not {', '.join(named)}")
            values = tuple(named[parameter] for parameter in self.parameters)
        call: Awaitable[Any] = getattr(connection, self._method)(self.sql, *values)
        return call

    def __repr__(self) -> str:
        return f"Query({self.name}({', '.join(self.parameters)}))"


class Queries:
    """The queries of one file, as attributes by name."""

    def __init__(self, source: str, named: dict[str, Query]) -> None:
        self.source = source
        self.named = named
        self.__dict__.update(named)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.source} has no query {name}")


class _Reader:
    """The least that aiosql wants of a driver: our calls go to the connection directly (its own cost 25 µs each)."""

    is_aio_driver = False

    def process_sql(self, _name: str, _operation: SQLOperationType, sql: str) -> str:
        return sql


@cache
def load(filename: str) -> Any:
    """The queries of a file of `stockwire/store/sql`, for example load("keys.sql"). Read once."""
    return load_path(Path(str(files("stockwire.store") / "sql" / filename)))


def load_path(path: Path) -> Any:
    """The queries of any file. Each needs `-- name: some_name(first, second)^` and a line that says what it is for."""
    loaded = aiosql.from_path(path, _Reader, encoding="utf-8")  # type: ignore[arg-type]
    read = {name: getattr(loaded, name) for name in loaded.available_queries}
    named = {name: query for name, query in read.items() if not name.endswith(_CURSOR)}
    made = {name + _CURSOR for name, query in named.items() if query.operation is SQLOperationType.SELECT}
    for name in read.keys() - named.keys() - made:
        raise ValueError(f"{path.name}: {name} cannot be told from what aiosql adds to each query of rows")
    return Queries(path.name, {name: _query(path.name, name, query) for name, query in named.items()})


def _query(source: str, name: str, read: Any) -> Query:
    if not read.__doc__:
        raise ValueError(f"{source}: {name} does not say what it is for")
    parameters = tuple(read.parameters or ())
    return Query(name, _METHODS[read.operation], numbered(read.sql, parameters), parameters, read.__doc__)


def numbered(sql: str, parameters: tuple[str, ...]) -> str:
    """The text with :name as $n, n being its place in `parameters`; quoted text and casts (::) stay."""

    def replaced(found: re.Match[str]) -> str:
        name = found["var_name"]
        if name is None or found["squote"] is not None or found["dquote"] is not None:
            return found[0]
        return f"{found['lead']}${parameters.index(name) + 1}"

    return VAR_REF.sub(replaced, sql)
