"""The processes of the demonstration: a server and a webhook receiver, started, watched and stopped."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

READY_SECONDS = 120.0
STOP_SECONDS = 30.0
PR_SET_PDEATHSIG = 1
LAST_LINES = 15


class ChildFailedError(Exception):
    """A process did not start, or ended by itself; the text says which and what it said last."""


class Child:
    """One process with its output in a file."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: dict[str, str]) -> None:
        self.name = name
        self._command = command
        self._log = log
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, ready: Callable[[], Awaitable[bool]]) -> None:
        """Start and wait until `ready` says so; raises `ChildFailedError` if it ends or takes too long."""
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is ours: we stop them in order
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not await ready():
                    self.check()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise ChildFailedError(f"{self.name} was not ready within {READY_SECONDS:.0f} s{self._said()}") from None

    def check(self) -> None:
        """Raise `ChildFailedError` if the process is gone."""
        if self._process is not None and self._process.returncode is not None:
            raise ChildFailedError(f"{self.name} ended with code {self._process.returncode}{self._said()}")

    async def stop(self) -> None:
        """Ask it to end, and end it if it does not."""
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def _said(self) -> str:
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
        except OSError:
            return ""
        return "; it said last:\n  " + "\n  ".join(lines) if lines else ""


def _die_with_parent() -> None:
    """In the child: if this programme is killed, so is the child; nothing is left behind on the port."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without its Stockwire settings: the demonstration has its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STOCKWIRE_")}
    return kept | settings


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def listens(port: int) -> bool:
    """Whether somebody accepts connections on a port of loopback."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
