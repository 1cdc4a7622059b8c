"""A shop for each test; everything that it was answered is held against the OpenAPI document."""

from collections.abc import AsyncIterator

import pytest_asyncio

from stockwire.store.database import Database
from tests.api import documented
from tests.api.server import Shop, open_shop


@pytest_asyncio.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    async with open_shop(database) as opened:
        yield opened
        for method, path, answer in opened.seen:
            documented.hold(method, path, answer.status, answer.headers, answer.raw)
