"""The OpenAPI document and the server agree: the document is sound, and requests made from it find no contradiction."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stockwire.api.errors import DOOR_CODES
from stockwire.api.routes import ROUTES
from stockwire.domain.events import CATALOGUE
from stockwire.wire import ERROR_TYPES
from tests.api.documented import whole
from tests.api.server import OTHER, Shop

# A row that is wrong by itself is refused in an answer of 200; a query may be too long for a head (R11, R15).
JUDGING = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 409, 413, 415, 422, 431]

[[operations]]
include-path = ["/v1/inventory-changes", "/v1/inventory-items"]
include-method = "POST"
checks.negative_data_rejection.enabled = false
"""

METHODS = {"get", "post", "patch", "delete"}


def schemas(found: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of the document with its place."""
    if isinstance(found, list):
        for number, part in enumerate(found):
            yield from schemas(part, f"{where}/{number}")
    elif isinstance(found, dict):
        if "type" in found and isinstance(found["type"], str) and "in" not in found and "openIdConnect" not in where:
            yield where, found
        for name, part in found.items():
            yield from schemas(part, f"{where}/{name}")


def test_every_route_is_in_the_document_and_nothing_else() -> None:
    told = {(method.upper(), path) for path, known in whole()["paths"].items() for method in known if method in METHODS}
    assert told == {(route.method, route.path) for route in ROUTES}


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for known in whole()["paths"].values() for operation in known.values()]
    assert len(names) == len(set(names)) == len(ROUTES)


def test_every_schema_is_sound_and_every_reference_leads_somewhere() -> None:
    for name, schema in whole()["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert re.fullmatch(r"[A-Za-z0-9]+", name), "a name that a client generator can use"
    text = str(whole())
    for name in set(re.findall(r"#/components/schemas/([\w.]+)", text)):
        assert name in whole()["components"]["schemas"]


def test_no_object_without_properties() -> None:
    bare = [
        where
        for where, schema in schemas(whole()["paths"] | {"components": whole()["components"]["schemas"]})
        if schema["type"] == "object" and not {"properties", "additionalProperties"} & schema.keys()
    ]
    assert not bare


def test_request_bodies_refuse_unknown_fields() -> None:
    asked = {
        name
        for known in whole()["paths"].values()
        for operation in known.values()
        if "requestBody" in operation
        for name in re.findall(r"schemas/(\w+)", str(operation["requestBody"]))
    }
    assert len(asked) >= 12
    for name in asked:
        assert whole()["components"]["schemas"][name].get("additionalProperties") is False, name


def test_all_types_of_events_are_announced_as_webhooks() -> None:
    assert whole()["webhooks"].keys() == CATALOGUE.keys()
    for webhook in whole()["webhooks"].values():
        assert "#/components/schemas/Event" in str(webhook["post"]["requestBody"])


def test_refusals_have_one_shape_and_known_statuses() -> None:
    for path, known in whole()["paths"].items():
        for operation in known.values():
            for status, answer in operation["responses"].items():
                if int(status) < 400 or (path, status) == ("/readyz", "503"):
                    continue
                assert int(status) in ERROR_TYPES
                assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/Errors"), (path, status)
    assert all(re.fullmatch("[a-z_]+", code) and about.endswith(".") for code, about in DOOR_CODES.items())


async def test_the_page_asks_nobody_for_anything(shop: Shop) -> None:
    page = await shop.get("/docs", role=None)
    text = page.raw.decode()
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(r"(src|href)=['\"]?(https?:)?//|<script|@import|url\(", text)
    for route in ROUTES:
        assert f"<code>{route.path}</code>" in text
    assert (await shop.get("/openapi.json", role=None)).body == whole()


@pytest.mark.timeout(200)
async def test_requests_made_from_the_document_find_no_contradiction(shop: Shop, tmp_path: Path) -> None:
    """schemathesis: every documented request, good and bad, gets a documented answer of the documented shape."""
    item = await shop.item("A", 1000, products=[{"productId": "P"}])
    await shop.item("A", 1000, fulfiller=OTHER)
    await shop.post("/v1/orders", {"id": "o", "items": [{"partNumber": "A", "quantity": 1}]})
    await shop.post("/v1/reservations", {"id": "r", "items": [{"partNumber": "A", "quantity": 1}]})
    assert item["id"]
    arguments = [
        "--config-file", str(tmp_path / "schemathesis.toml"), "run", f"{shop.url}/openapi.json",
        "-H", f"Authorization: Bearer {shop.keys['admin']}", "--no-color",
        "--phases", "examples,coverage,fuzzing", "--max-examples", "8", "--seed", "7", "--request-timeout", "10",
        "--exclude-path", "/v1/events/stream", "--suppress-health-check", "all", "--warnings", "off",
        "--exclude-checks", "positive_data_acceptance", "--workers", "2", "--generation-database", "none",
    ]  # fmt: skip
    config = tmp_path / "schemathesis.toml"
    config.write_text(JUDGING)
    program = "from schemathesis.cli import schemathesis; schemathesis()"
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=tmp_path,
    )  # fmt: skip
    said, _ = await running.communicate()
    text = said.decode().replace(shop.keys["admin"], "[key]")
    assert running.returncode == 0, text[-12_000:]
    made = re.search(r"(\d+) generated", text)
    assert made is not None and int(made[1]) > 1_000, text[-2_000:]
