"""Lists that fetch their next page when it is needed."""

from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

from stockwire.client.shapes import Page
from stockwire.client.transport import Query, Transport

T = TypeVar("T")
LARGEST_PAGE = 1000


def by_id(row: Any) -> str:
    return str(row.id)


class Listing(Generic[T]):
    """`async for row in listing` walks everything; `await listing.page()` gives one page.

    `limit` in the query is the size of a page, not of the whole.
    """

    def __init__(
        self, transport: Transport, path: str, shape: Any, query: Query, cursor: Callable[[T], str] = by_id
    ) -> None:
        self._transport = transport
        self._path = path
        self._shape = Page[shape]
        self._query = {"limit": LARGEST_PAGE, **{name: value for name, value in query.items() if value is not None}}
        self._cursor = cursor

    async def page(self, starting_after: str | None = None) -> Page[T]:
        query = self._query if starting_after is None else {**self._query, "startingAfter": starting_after}
        page: Page[T] = await self._transport.call("GET", self._path, self._shape, query=query)
        return page

    async def first(self) -> T | None:
        """The first row, or None."""
        page: Page[T] = await self._transport.call("GET", self._path, self._shape, query={**self._query, "limit": 1})
        return page.data[0] if page.data else None

    async def __aiter__(self) -> AsyncIterator[T]:
        after = None
        while True:
            page = await self.page(after)
            for row in page.data:
                yield row
            if not page.has_more or not page.data:
                return
            after = self._cursor(page.data[-1])
