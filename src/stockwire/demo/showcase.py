"""The demonstration itself, from an empty directory to a verdict."""

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from stockwire.client import Stockwire, Webhook
from stockwire.demo import programs
from stockwire.demo.children import ChildFailedError, free_port, is_free, listens
from stockwire.demo.keys import admin_key
from stockwire.demo.place import Finished, Place
from stockwire.replay import showing
from stockwire.replay.journal import Journal
from stockwire.replay.planning import plan
from stockwire.replay.proving import SUBSCRIBED, Proof, prove
from stockwire.replay.reading import read_files
from stockwire.replay.running import Replay

SLICE = Path(__file__).with_name("online_retail_slice.csv.gz")


class Settings(NamedTuple):
    """How to run it. `patience_seconds`: how long a receiver that lacks events may write nothing."""

    port: int
    concurrency: int
    receiver: Path
    patience_seconds: float


class Showcase:
    """One run of the demonstration in a place."""

    def __init__(self, console: Console, place: Place, settings: Settings) -> None:
        self._console = console
        self._place = place
        self._port = settings.port
        self._concurrency = settings.concurrency
        self._settings = settings
        self._url = f"http://127.0.0.1:{settings.port}"

    async def show(self, fresh: bool, stay: bool) -> bool:
        """Run it; `stay` keeps the server up until Ctrl-C. True if everything agrees."""
        if not is_free(self._port):
            raise ChildFailedError(f"port {self._port} is in use; choose another one: make run PORT={self._port + 1}")
        finished = None if fresh else self._place.finished()
        if finished is None:
            if self._place.begun():
                self._say("Starting over in " + str(self._place.data_dir))
            self._place.clear()
        self._place.prepare()
        self._say(f"Everything is kept in {self._place.data_dir}")
        async with contextlib.AsyncExitStack() as stack:
            shop = await self._serve(stack)
            if finished is None:
                finished = await self._replay(shop, stack)
            else:
                self._say(f"The replay of {finished.at} is still here (FRESH=1 starts over). {finished.summary}")
                await self._receive_again(shop, stack, finished.webhook_id)
            if stay:
                await self._stay()
        return finished.agreed

    async def _serve(self, stack: contextlib.AsyncExitStack) -> Stockwire:
        arguments = ("--port", str(self._port), "--data-dir", str(self._place.data_dir))
        server = programs.server("the server", arguments, self._place.server_log)
        begun = time.monotonic()
        stack.push_async_callback(server.stop)
        await server.start(programs.ready(self._port))
        self._say(f"Stockwire is ready at {self._url} after {time.monotonic() - begun:.1f} s")
        key = admin_key(self._place.data_dir)
        return await stack.enter_async_context(Stockwire(self._url, key, connections=self._concurrency))

    async def _replay(self, shop: Stockwire, stack: contextlib.AsyncExitStack) -> Finished:
        invoices = read_files([SLICE])
        planned = plan(invoices.lines)
        self._say(
            f"Replaying {len(invoices.lines):,} lines of UCI Online Retail (Chen, Sain and Guo 2012, CC BY 4.0): "
            f"{len(planned.opening):,} parts, {len(planned.steps):,} steps, {self._concurrency} at once"
        )
        port = free_port()
        address = f"http://127.0.0.1:{port}/stock"
        webhook = await shop.webhooks.create(address, SUBSCRIBED, description="make run", timeout_seconds=30)
        await self._receive(stack, port, webhook.secret or "")
        with Journal(self._place.journal) as journal:
            replay = Replay(shop, planned, journal, concurrency=self._concurrency)
            begun = time.monotonic()
            with showing.progress(self._console, "catalogue and stock", len(planned.opening)) as done:
                await replay.stock_up(done)
            with showing.progress(self._console, "orders", len(planned.steps)) as done:
                await replay.run(lambda step: done(1))
            self._console.print(showing.tale(replay.tally, time.monotonic() - begun))
            proof = await self._prove(shop, journal)
        return self._conclude(proof, webhook)

    async def _prove(self, shop: Stockwire, journal: Journal) -> Proof:
        with showing.progress(self._console, "events at the receiver", 0) as done:
            seen = 0

            def tell(there: int, wanted: int) -> None:
                nonlocal seen
                done(there - seen, wanted)
                seen = there

            patience = self._settings.patience_seconds
            return await prove(shop, journal.facts, self._place.received, progress=tell, patience_seconds=patience)

    def _conclude(self, proof: Proof, webhook: Webhook) -> Finished:
        table, agreed = showing.verdict(proof.checks)
        self._console.print(table)
        summary = showing.summary(proof)
        self._console.print(summary, style="bold green" if agreed else "bold red", highlight=False)
        finished = Finished(datetime.now(UTC).isoformat(timespec="seconds"), agreed, webhook.id, summary)
        self._place.remember(finished)
        return finished

    async def _receive(self, stack: contextlib.AsyncExitStack, port: int, secret: str) -> None:
        place, script = self._place, self._settings.receiver
        receiver = programs.receiver(port, secret, place.received, place.receiver_log, script)
        stack.push_async_callback(receiver.stop)
        await receiver.start(lambda: listens(port))

    async def _receive_again(self, shop: Stockwire, stack: contextlib.AsyncExitStack, webhook_id: str) -> None:
        """The receiver of an earlier run, on a port that is free now."""
        port = free_port()
        secrets = await shop.webhooks.secrets(webhook_id)
        await self._receive(stack, port, secrets[0].secret)
        await shop.webhooks.update(webhook_id, address=f"http://127.0.0.1:{port}/stock")

    async def _stay(self) -> None:
        self._console.print(
            f"\nThe server stays up until Ctrl-C.\n"
            f"  documentation   {self._url}/docs\n"
            f"  API keys        {self._place.data_dir}/first-keys.json\n"
            f"  receiver's file {self._place.received}\n"
            f"  watch events    STOCKWIRE_URL={self._url} STOCKWIRE_KEY=<a key> stockwire events tail\n",
            highlight=False,
        )
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        self._say("Stopping")

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False)
