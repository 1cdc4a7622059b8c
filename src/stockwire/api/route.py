"""One row of the table of routes, and how a path finds its row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from stockwire.api.errors import Reply, not_found, refuse
from stockwire.api.faults import UNPRINTABLE
from stockwire.api.paging import Query
from stockwire.api.queries import QueryShape
from stockwire.api.request import Request
from stockwire.domain.refusals import Refusal

ADMIN = frozenset({"admin"})
WRITERS = frozenset({"admin", "operator"})
READERS = frozenset({"admin", "operator", "viewer"})
FULFILLER = frozenset({"fulfiller"})
EVERYBODY: frozenset[str] = frozenset()  # no key asked


class Streaming(NamedTuple):
    """An answer without an end: written as it comes, until either side leaves."""

    chunks: AsyncIterator[bytes]
    kind: bytes
    leave: Callable[[], Awaitable[None]]  # called once, when it has ended


Handler = Callable[[Request], Awaitable[Reply | Streaming]]


class BodyShape(Protocol):
    """How a body is read; `type` is what the documents say of it."""

    type: Any

    def read(self, raw: bytes) -> Any | tuple[Refusal, ...]:
        """The parsed body, or every fault."""


NO_QUERY = QueryShape(Query)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """What stands in the table: routing, role checks, documents and tests are made from it."""

    method: str
    path: str
    handler: Handler
    roles: frozenset[str]
    summary: str
    answer: Any = None  # type of the body of a success, None where it has none
    status: int = 200
    also: tuple[int, ...] = ()  # other successes
    refusals: tuple[int, ...] = ()  # statuses of refusals, beyond those that every route may give
    body: BodyShape | None = None
    body_optional: bool = False
    query: QueryShape[Any] = NO_QUERY
    kind: str = "application/json"  # media type of a success
    alias_of: str = ""  # path and method of the route that this one repeats

    @property
    def keyed(self) -> bool:
        """Whether an Idempotency-Key is taken."""
        return self.method in ("POST", "PATCH")

    @property
    def refused_statuses(self) -> tuple[int, ...]:
        """Every status of a refusal that this route may give."""
        found = {400, 431, 500, 503, *self.refusals}
        if self.roles:
            found |= {401, 403}
        if self.parameters:
            found |= {404}
        if self.keyed:
            found |= {404, 409, 413, 415, 422}
        return tuple(sorted(found))

    @property
    def operation_id(self) -> str:
        """A name for programs, unique in the table."""
        return f"{self.method.lower()}_{self.handler.__module__.rpartition('.')[2]}_{self.handler.__name__}"

    @property
    def tag(self) -> str:
        """What the route is about: the first part of its path behind the version."""
        parts = self.path.strip("/").split("/")
        return parts[1] if parts[0] == "v1" and len(parts) > 1 else "service"

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parts of the path that vary."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))


class _Node:
    """A place in the tree of paths."""

    __slots__ = ("children", "methods", "variable")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.methods: dict[str, Route] = {}


class Table:
    """Finds the route of a request."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        self._fixed: dict[str, _Node] = {}
        for route in routes:
            node = self._root
            for part in route.path.split("/")[1:]:
                node = self._step(node, part)
            if route.method in node.methods:
                raise ValueError(f"{route.method} {route.path} stands twice in the table")
            node.methods[route.method] = route
            if not route.parameters:
                self._fixed[route.path] = node

    def _step(self, node: _Node, part: str) -> _Node:
        if part.startswith("{"):
            node.variable = node.variable or _Node()
            return node.variable
        return node.children.setdefault(part, _Node())

    def find(self, method: str, path: str) -> tuple[Route, tuple[str, ...]] | Reply:
        """The route and the varying parts of the path, or 404 or 405."""
        node = self._fixed.get(path)
        varying: tuple[str, ...] = ()
        if node is None:
            node, varying = self._walk(path)
        if node is None or not node.methods:
            return not_found("There is nothing at this path; `/docs` lists what there is.")
        route = node.methods.get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = ", ".join(sorted(node.methods))
            headers = ((b"allow", allowed.encode()),)
            return refuse(405, "method_not_allowed", f"This path takes {allowed}.", headers=headers)
        return route, varying

    def _walk(self, path: str) -> tuple[_Node | None, tuple[str, ...]]:
        node: _Node = self._root
        varying = []
        for part in path.split("/")[1:]:
            child = node.children.get(part)
            if child is None:
                child = node.variable
                varying.append(part)
            if child is None or not part or UNPRINTABLE.search(part):
                return None, ()
            node = child
        return node, tuple(varying)
