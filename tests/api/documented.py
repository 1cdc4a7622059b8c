"""Holds answers against the OpenAPI document: the status is announced, the body is of its schema and no more."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import jsonschema

from stockwire.api.errors import Reply
from stockwire.api.openapi import document
from stockwire.api.route import Table
from stockwire.api.routes import ROUTES

TABLE = Table(ROUTES)
OPEN = {"Fault", "Document"}  # facts stand beside a fault's three fields


@cache
def whole() -> dict[str, Any]:
    """The document as a client would read it."""
    found: dict[str, Any] = json.loads(json.dumps(document(ROUTES)))
    return found


@cache
def _strict() -> dict[str, Any]:
    """The same, with every object closed: an answer must not tell what the document does not."""
    told = copy.deepcopy(whole())
    for name, schema in told["components"]["schemas"].items():
        if "properties" in schema and name not in OPEN:
            schema["additionalProperties"] = False
    return told


@cache
def _validator(path: str, method: str, status: str, kind: str) -> Any:
    answer = _strict()["paths"][path][method]["responses"][status]
    schema = answer["content"][kind]["schema"]
    found = {**schema, "components": _strict()["components"]}
    checked = jsonschema.Draft202012Validator
    return checked(found, format_checker=checked.FORMAT_CHECKER)


def hold(method: str, address: str, status: int, headers: dict[str, str], body: bytes) -> None:
    """Fails where the answer is not as the document says."""
    assert headers["x-request-id"]
    found = TABLE.find(method, address.partition("?")[0])
    if isinstance(found, Reply):
        assert status == found.status
        _errors(body)
        return
    route = found[0]
    announced = whole()["paths"][route.path][route.method.lower()]["responses"]
    assert str(status) in announced, f"{method} {address} answered {status}, announced are {sorted(announced)}"
    if status == 204:
        assert body == b""
        return
    kind = headers["content-type"].partition(";")[0]
    assert kind in announced[str(status)]["content"], kind
    if kind == "application/json":
        faults = sorted(
            _validator(route.path, route.method.lower(), str(status), kind).iter_errors(json.loads(body)), key=str
        )
        assert not faults, f"{method} {address} {status}: {faults[0].message} at {faults[0].json_path}"


def _errors(body: bytes) -> None:
    schema = {"$ref": "#/components/schemas/Errors", "components": whole()["components"]}
    jsonschema.validate(json.loads(body), schema)
