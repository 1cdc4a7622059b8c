"""GET /metrics: what the processes of this server count, for Prometheus (R25)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from stockwire.api.auth import bearer
from stockwire.api.errors import Reply, refuse
from stockwire.api.peer import peer_of
from stockwire.api.request import Request
from stockwire.api.route import READERS, Route
from stockwire.store.queries import load

if TYPE_CHECKING:
    from stockwire.store.database import Database

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Histogram(
    "stockwire_http_request_seconds",
    "Time from a request's head to its answer, by route and status.",
    ("method", "route", "status"),
    buckets=_SECONDS,
)

_doctor = load("doctor.sql")
_series: dict[tuple[Route | None, int], Histogram] = {}


def observe(route: Route | None, status: int, seconds: float) -> None:
    """Count one answer."""
    series = _series.get((route, status))
    if series is None:
        method, path = (route.method, route.path) if route is not None else ("", "none")
        series = _series[route, status] = REQUESTS.labels(method, path, str(status))
    series.observe(seconds)


async def metrics(request: Request) -> Reply:
    """The counts of all processes, for a key that may read or a client on this machine."""
    if not await _allowed(request):
        message = "Metrics are for a reading key, or for a client on this machine."
        return refuse(401, "unauthorized", message, headers=((b"www-authenticate", b"Bearer"),))
    counted = generate_latest(_registry())
    queues = await queues_of(request.doors.database)
    return Reply(200, counted + told(queues).encode(), kind=CONTENT_TYPE_LATEST.encode())


# What each ledger waits for: the name of the gauge, the column, and what it says.
_GAUGES = (
    ("stockwire_events_behind", "behind", "Events that are not fanned out to webhooks yet."),
    ("stockwire_deliveries_due", "due", "Deliveries whose time has come."),
    ("stockwire_deliveries_oldest_due_seconds", "oldest_due_seconds", "How long the oldest of them waits."),
    ("stockwire_holds_overdue_seconds", "overdue_hold_seconds", "How long the end of a hold has not been written."),
)


async def queues_of(database: Database) -> Sequence[Mapping[str, Any]]:
    """What waits in each ledger."""
    rows: Sequence[Mapping[str, Any]] = await _doctor.queues(database.reads)
    return rows


def told(queues: Sequence[Mapping[str, Any]]) -> str:
    """The queues as gauges, in Prometheus's text format."""
    lines = []
    for name, column, about in _GAUGES:
        lines += [f"# HELP {name} {about}", f"# TYPE {name} gauge"]
        lines += [
            f'{name}{{store="{row["name"]}",mode="{"live" if row["live"] else "test"}"}} {float(row[column] or 0)}'
            for row in queues
        ]
    return "\n".join(lines) + "\n"


def _registry() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


async def _allowed(request: Request) -> bool:
    key = bearer(request.headers.get(b"authorization"))
    if key is not None:
        caller = await request.doors.keys.caller(key)
        return caller is not None and caller.role in READERS
    return peer_of(request).on_this_machine
