"""A replay whose server is killed again and again: writes are repeated under their keys, the books agree (R12, R27)."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
import pytest_asyncio

from stockwire.client import Stockwire
from stockwire.demo import programs
from stockwire.demo.children import free_port, listens
from stockwire.demo.keys import admin_key
from stockwire.demo.showcase import SLICE
from stockwire.replay.journal import Journal
from stockwire.replay.planning import plan
from stockwire.replay.proving import SUBSCRIBED, prove
from stockwire.replay.reading import read_files
from stockwire.replay.running import Replay
from tests.engines import private_folder

KILLS = 5
STEPS_BETWEEN_KILLS = 150


class Served:
    """A server in a folder, and a client of it."""

    def __init__(self, folder: Path, shop: Stockwire) -> None:
        self.folder = folder
        self.shop = shop

    def api_pid(self) -> int:
        """The newest API process, by the server's own log."""
        log = (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")
        return int(re.findall(r"event=child_started .*role=api child_pid=(\d+)", log)[-1])


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(private_folder())
        folder.chmod(0o755)
        port = free_port()
        arguments = ("--port", str(port), "--data-dir", str(folder / "data"))
        server = programs.server("the server", arguments, folder / "server.log")
        stack.push_async_callback(server.stop)
        await server.start(programs.ready(port))
        key = admin_key(folder / "data")
        shop = await stack.enter_async_context(Stockwire(f"http://127.0.0.1:{port}", key))
        yield Served(folder, shop)


@pytest.mark.timeout(300)
async def test_an_api_process_killed_five_times_loses_and_doubles_nothing(served: Served) -> None:
    received = served.folder / "received.jsonl"
    port = free_port()
    webhook = await served.shop.webhooks.create(f"http://127.0.0.1:{port}/", SUBSCRIBED, timeout_seconds=30)
    receiver = programs.receiver(port, webhook.secret or "", received, served.folder / "receiver.log")
    try:
        await receiver.start(lambda: listens(port))
        journal = Journal()
        replay = Replay(served.shop, plan(read_files([SLICE]).lines), journal, concurrency=64)
        await replay.stock_up()
        killed = await _replay_under_fire(served, replay)
        proof = await prove(served.shop, journal.facts, received)
    finally:
        await receiver.stop()
    assert len(killed) == KILLS
    assert served.shop.transport.repeated > 50, "a kill that interrupted nothing proves nothing"
    assert [check for check in proof.checks if check.different] == []


async def _replay_under_fire(served: Served, replay: Replay) -> set[int]:
    """Kill the API process each time another batch of steps is through; the pids that were killed."""
    killed: set[int] = set()
    through = 0

    def count(_: object) -> None:
        nonlocal through
        through += 1
        if through >= STEPS_BETWEEN_KILLS * (len(killed) + 1) and len(killed) < KILLS:
            pid = served.api_pid()
            if pid not in killed:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                killed.add(pid)

    await replay.run(count)
    await asyncio.sleep(0)
    return killed
