"""A shop for each test; what it was answered is held against the OpenAPI document when the test ends."""

from collections.abc import AsyncIterator

import pytest_asyncio

from stockwire.store.database import Database
from tests.api.server import Shop, open_shop


@pytest_asyncio.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    async with open_shop(database) as opened:
        yield opened
