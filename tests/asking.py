"""What the server says in the end, asked through its API page by page."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from benchmarks.connection import Line, Template

PAGE = 1000


class Page(msgspec.Struct, rename="camel"):
    """A page of any list, its objects still bytes."""

    data: list[msgspec.Raw]
    has_more: bool
    next_after: int = 0
    head_position: int = 0


class Server:
    """Reads of one store and mode."""

    def __init__(self, port: int, api_key: str) -> None:
        self._line = Line("127.0.0.1", port)
        self._api_key = api_key

    async def get(self, path: str) -> bytes:
        """The body of a 200. AssertionError: another answer."""
        reply = await self._line.ask(Template("GET", path, self._api_key).plain())
        assert reply.status == 200, f"GET {path} answered {reply.status}: {reply.body[:300]!r}"
        return reply.body

    async def post(self, path: str, body: Any, key: str) -> dict[str, Any]:
        """The body of a 2xx, under an idempotency key."""
        request = Template("POST", path, self._api_key, msgspec.json.encode(body)).request(key.encode())
        reply = await self._line.ask(request)
        assert reply.status < 300, f"POST {path} answered {reply.status}: {reply.body[:300]!r}"
        answer: dict[str, Any] = msgspec.json.decode(reply.body)
        return answer

    async def listed(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """Every object of a list."""
        path += "&" if "?" in path else "?"
        cursor = ""
        while True:
            page = msgspec.json.decode(await self.get(f"{path}limit={PAGE}{cursor}"), type=Page)
            found = [msgspec.json.decode(raw) for raw in page.data]
            for one in found:
                yield one
            if not page.has_more:
                return
            cursor = f"&startingAfter={found[-1].get('id') or found[-1]['inventoryItemId']}"

    async def feed(self) -> AsyncIterator[bytes]:
        """Every event as its own bytes, in order of position."""
        after = 0
        while True:
            raw = await self.get(f"/v1/events?after={after}&order=asc&limit={PAGE}")
            page = msgspec.json.decode(raw, type=Page)
            for event in page.data:
                yield bytes(event)
            if not page.has_more:
                return
            after = page.next_after

    async def head(self) -> int:
        """The last position."""
        return msgspec.json.decode(await self.get("/v1/events?after=0&limit=1"), type=Page).head_position

    async def when_quiet(self, parts: list[str], seconds: float) -> list[dict[str, Any]]:
        """The levels, once no unit is reserved any more. AssertionError: holds do not end."""
        for _ in range(int(seconds)):
            levels = [level async for level in self.listed("/v1/inventory-levels")]
            mine = [level for level in levels if level["partNumber"] in parts]
            if not any(level["reserved"] for level in mine):
                return mine
            await asyncio.sleep(1)
        raise AssertionError("holds that have expired still count")
