"""The doors of one process, on a socket that was bound by somebody else (R25)."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from stockwire.api import metrics
from stockwire.api.auth import Keys, find_key
from stockwire.api.dispatch import Api
from stockwire.api.health import Readiness, Trouble
from stockwire.api.protocol import KEEP_ALIVE_SECONDS, BoundedProtocol
from stockwire.api.request import Doors, Writes
from stockwire.api.route import Route
from stockwire.api.routes import ROUTES
from stockwire.api.stream import Tails

if TYPE_CHECKING:
    from stockwire.config import Settings
    from stockwire.sealing import KeyRing
    from stockwire.store.database import Database

STOP_SECONDS = 10  # for requests under way when the server stops
_SPARE_FILES = 128  # descriptors that are not connections of clients
_MOST_CONNECTIONS = 10_000
_OF_EVERY_ROLE = ("/healthz", "/readyz", "/metrics")


async def serve(
    database: Database, ledger: Writes, settings: Settings, keyring: KeyRing, sock: socket.socket, stop: asyncio.Event
) -> None:
    """Answer requests on the socket until `stop` is set: streams close at once, requests have 10 s."""
    await _listen(_doors(database, ledger, settings, keyring, Readiness(database)), ROUTES, sock, stop)


async def serve_health(
    database: Database,
    ledger: Writes,
    settings: Settings,
    keyring: KeyRing,
    sock: socket.socket,
    stop: asyncio.Event,
    roles: Mapping[str, Trouble],
) -> None:
    """As `serve`, of a process without the API role: only how it and its roles fare (R23)."""
    routes = [route for route in ROUTES if route.path in _OF_EVERY_ROLE]
    await _listen(_doors(database, ledger, settings, keyring, Readiness(database, roles)), routes, sock, stop)


def _doors(database: Database, ledger: Writes, settings: Settings, keyring: KeyRing, readiness: Readiness) -> Doors:
    return Doors(database, ledger, settings, keyring, Tails(database), Keys(partial(find_key, database)), readiness)


async def _listen(doors: Doors, routes: Iterable[Route], sock: socket.socket, stop: asyncio.Event) -> None:
    server = _Server(_config(Api(doors, routes, metrics.observe)))
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        await doors.tails.close()
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """Signals are the process's affair, not the server's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


def _config(api: Api) -> uvicorn.Config:
    return uvicorn.Config(
        api,
        http=type("Protocol", (BoundedProtocol,), {"most_connections": most_connections()}),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # what clients send wrongly is answered, not logged
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        backlog=2048,
    )


def most_connections() -> int:
    """As many as there are file descriptors to spare."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(64, min(_MOST_CONNECTIONS, soft - _SPARE_FILES))
