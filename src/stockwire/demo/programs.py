"""How the processes are called: the server by its command line, the example receiver as the script that it is."""

import contextlib
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from stockwire.client import ApiError, Retries, Stockwire
from stockwire.demo.children import Child, ChildFailedError, environment, listens

RECEIVER = Path(__file__).parents[3] / "examples" / "receiver.py"
LOOPBACK = "127.0.0.0/8,::1/128"  # webhooks may go to this machine: it is a demonstration


def stockwire(*arguments: str) -> list[str]:
    """The command line of this very installation."""
    return [sys.executable, "-m", "stockwire", *arguments]


def server(name: str, arguments: Sequence[str], log: Path, **settings: str) -> Child:
    """`stockwire serve` with these arguments; webhooks to this machine are allowed."""
    command = stockwire("serve", *arguments)
    return Child(name, command, log, environment(STOCKWIRE_WEBHOOK_ALLOW=LOOPBACK, **settings))


def receiver(port: int, secret: str, received: Path, log: Path, script: Path = RECEIVER) -> Child:
    """The example receiver: a process of its own, which knows nothing but the secret."""
    if not script.exists():
        raise ChildFailedError(f"{script} is not there: the demonstration runs in a checkout")
    command = [sys.executable, str(script), "--port", str(port), "--file", str(received), "--quiet"]
    return Child("the receiver", command, log, environment(STOCKWIRE_WEBHOOK_SECRET=secret))


def ready(port: int) -> Callable[[], Awaitable[bool]]:
    """Whether the server on this port says that it is ready."""

    async def ask() -> bool:
        if not await listens(port):
            return False
        url = f"http://127.0.0.1:{port}"
        async with Stockwire(url, "none", retries=Retries(tries=1), timeout_seconds=5.0) as probe:
            with contextlib.suppress(ApiError):
                await probe.transport.send("GET", "/readyz")
                return True
        return False

    return ask
