"""Commands that talk to a server: where it is, which key, and one clear line when something fails."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer
import uvloop

from stockwire import config
from stockwire.cli.leaving import UNFIT, leave
from stockwire.client import ApiError, Retries, Stockwire

T = TypeVar("T")
PATIENCE = Retries(tries=4, first_seconds=0.2, most_seconds=2.0)
NO_KEY = "set STOCKWIRE_KEY to a secret key (those of the first start are in first-keys.json in the data directory)"


def call(work: Callable[[Stockwire], Awaitable[T]], *, connections: int = 64, retries: Retries = PATIENCE) -> T:
    """Run `work` with a client made from the environment; a failure is one line on standard error and exit code 1."""
    url, key = server_and_key()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_with_shop(work, url, key, connections, retries))
    except ApiError as error:
        leave(_in_words(error, url))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


async def _with_shop(
    work: Callable[[Stockwire], Awaitable[T]], url: str, key: str, connections: int, retries: Retries
) -> T:
    async with Stockwire(url, key, connections=connections, retries=retries) as shop:
        return await work(shop)


def server_and_key() -> tuple[str, str]:
    """Where the server is and which key to use, from STOCKWIRE_URL and STOCKWIRE_KEY (or their _FILE)."""
    try:
        settings = config.load({}, os.environ)
    except config.WrongSetting as wrong:
        leave(f"setting {wrong}", UNFIT)
    if not settings.key:
        leave(NO_KEY, UNFIT)
    return settings.url, settings.key


def _in_words(error: ApiError, url: str) -> str:
    if error.status == 0:
        return f"{error.errors[0].message} (is the server running? start it with: stockwire serve)"
    if error.status == 401:
        return f"the server at {url} does not accept this key; look at STOCKWIRE_KEY"
    if error.status == 403:
        return f"this key may not do that: {error}"
    return str(error)
