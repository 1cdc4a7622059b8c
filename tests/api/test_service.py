"""Health, metrics, and what may never be written anywhere (R17, R23, R25)."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockwire.api import health
from stockwire.api.routes import ROUTES
from stockwire.logs import KeyValueFormatter
from tests.api.server import Shop
from tests.api.stub import KEY, StubDatabase, line_to, stub_server

GET = "GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_ready_means_that_a_commit_reaches_the_disk(shop: Shop) -> None:
    before = await shop.database.reads.fetchval("SELECT pg_current_wal_flush_lsn()::text")
    answer = await shop.get("/readyz", role=None)
    assert (answer.status, answer.body["status"], answer.body["role"]) == (200, "ready", "api")
    assert await shop.database.reads.fetchval("SELECT pg_current_wal_flush_lsn()::text") != before
    assert (await shop.get("/healthz", role=None)).body == {"status": "ok"}


async def test_a_database_that_cannot_commit_makes_the_process_unready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_REMEMBERED_SECONDS", 0.05)
    database = StubDatabase()
    async with stub_server(database=database) as address, line_to(address) as line:
        seen = []
        for fault in (None, ConnectionRefusedError(111, "refused"), None):
            database.reads.fault = fault
            await asyncio.sleep(0.1)
            await line.send(GET.format("/readyz").encode())
            status, _, body = await line.answer()
            seen.append((status, json.loads(body)["status"]))
            await line.send(GET.format("/healthz").encode())
            assert (await line.answer())[0] == 200
    assert seen == [(200, "ready"), (503, "unready"), (200, "ready")]


async def test_a_role_says_itself_what_troubles_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """R23: not whether a batch could commit, but whether the role's own work is done."""
    monkeypatch.setattr(health, "_REMEMBERED_SECONDS", -1.0)
    database = StubDatabase()
    late: list[str] = []
    readiness = health.Readiness(database, {"deliver": lambda: None, "housekeep": lambda: "late" if late else None})
    assert (readiness.role, await readiness.reason()) == ("deliver,housekeep", None)
    late.append("expire_holds")
    assert await readiness.reason() == "late"
    database.reads.fault = ConnectionRefusedError(111, "refused")
    assert await readiness.reason() == "The database does not answer."


async def test_late_deliveries_are_told_and_stop_nothing() -> None:
    database = StubDatabase()
    database.reads.rows = [
        {"name": "acme", "live": True, "behind": 3, "due": 7, "oldest_due_seconds": 90.5, "overdue_hold_seconds": None}
    ]
    async with stub_server(database=database) as address, line_to(address) as line:
        await line.send(GET.format("/readyz").encode())
        status, _, body = await line.answer()
        assert (status, json.loads(body)["deliveries"]) == (200, {"late": True, "oldestDueSeconds": 90.5})
        await line.send(GET.format("/metrics").encode())
        text = (await line.answer())[2].decode()
    assert 'stockwire_deliveries_due{store="acme",mode="live"} 7.0' in text
    assert 'stockwire_deliveries_oldest_due_seconds{store="acme",mode="live"} 90.5' in text
    assert 'stockwire_holds_overdue_seconds{store="acme",mode="live"} 0.0' in text


async def test_requests_are_counted_by_route_not_by_address(shop: Shop) -> None:
    for part in ("a", "b"):
        await shop.get(f"/v1/orders/{part}")
    text = (await shop.get("/metrics")).raw.decode()
    counted = [line for line in text.splitlines() if line.startswith("stockwire_http_request_seconds_count")]
    assert any('method="GET",route="/v1/orders/{id}",status="404"' in line for line in counted)
    assert not any("/v1/orders/a" in line for line in counted)


def test_processes_count_together(tmp_path: Path) -> None:
    """R25: whichever process answers tells of all of them."""
    program = """
import sys
from stockwire.api import metrics
from stockwire.api.routes import ROUTES
for _ in range(int(sys.argv[1])):
    metrics.observe(ROUTES[0], 200, 0.01)
from prometheus_client import generate_latest
print(generate_latest(metrics._registry()).decode())
"""
    told = ""
    for count in (3, 4):
        told = subprocess.run(
            [sys.executable, "-c", program, str(count)],
            env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    (line,) = [line for line in told.splitlines() if line.startswith("stockwire_http_request_seconds_count")]
    assert line.endswith(" 7.0")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Every line that is logged meanwhile, as it would be written."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(KeyValueFormatter("api"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


async def test_no_secret_is_written_or_answered(shop: Shop, written: io.StringIO) -> None:
    """R17: every secret through every route, in every place, then a search of all that was written."""
    secret, signing = shop.keys["operator"], "whsec_" + "S3cr3t" * 6
    body = {"id": signing, "reference": secret, signing: secret, "items": [{"partNumber": secret, "quantity": signing}]}
    for route in ROUTES:
        for named in (secret, signing):
            path = route.path.replace("{id}", named)
            if path.endswith("/stream"):
                path += "?after=999999999"
            sent = body if route.body is not None else None
            more = {
                "X-Secret": signing,
                "Cookie": f"session={signing}",
                "Last-Event-ID": signing,
                "Idempotency-Key": signing,
            }
            answer = await shop.ask(route.method, path, sent, headers=more)
            assert answer.status >= 400 or "{" not in route.path, (route.path, answer.status)
            assert signing.encode() not in answer.raw, (route.path, answer.raw)
            assert secret.encode() not in answer.raw, (route.path, answer.raw)
            query = await shop.ask("GET", f"{path.partition('?')[0]}?key={secret}", role=None)
            assert secret.encode() not in query.raw
    logged = written.getvalue()
    for key in (*shop.keys.values(), KEY, signing):
        assert key not in logged
        assert key[-20:] not in logged
