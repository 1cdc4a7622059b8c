"""The page about the Python client: its code runs, from top to bottom, against a real server."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from stockwire.store.database import Database
from tests.api.server import open_shop

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


async def test_every_snippet_runs(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    snippets = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(snippets) >= 9
    async with open_shop(database) as server:
        monkeypatch.setenv("STOCKWIRE_URL", server.url)
        monkeypatch.setenv("STOCKWIRE_KEY", server.keys["admin"])
        names: dict[str, Any] = {}
        await _run("from stockwire.client import Stockwire\nshop = Stockwire()", names)
        for snippet in snippets:
            await _run(snippet, names)
        order = await names["shop"].orders.get("1001")
        await names["shop"].close()
    assert names["receive"](b"{}", {}) == 400
    assert (order.items[0].shipped, order.items[0].cancelled, order.items[0].returned) == (1, 1, 1)


async def _run(code: str, names: dict[str, Any]) -> None:
    running = eval(compile(code, str(PAGE), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if running is not None:
        await running
