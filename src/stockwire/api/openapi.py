"""The OpenAPI 3.1 document, made from the table of routes (contract: the document and the server must agree)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import msgspec

from stockwire import wire
from stockwire.api import answers
from stockwire.api.errors import Reply
from stockwire.api.request import Request
from stockwire.api.route import Route
from stockwire.domain.events import CATALOGUE
from stockwire.wire import ERROR_TYPES

VERSION = "1"
_REF = "#/components/schemas/{name}"

_INTRODUCTION = """\
A store's stock, as one gap-free ledger. Send `Authorization: Bearer <key>`; a key belongs to one store and one mode.
Every refusal has the shape `Errors` and lists every fault. Every POST and PATCH takes an `Idempotency-Key`: the same
key and body give the first answer again, byte for byte."""


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The document as JSON-ready values."""
    listed = list(_types(routes))
    schemas, components = msgspec.json.schema_components(listed, ref_template=_REF)
    named = {_name(kind): schema for kind, schema in zip(listed, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, named)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Stockwire", "version": VERSION, "description": _INTRODUCTION},
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "webhooks": {name: _webhook(name, about) for name, about in CATALOGUE.items()},
        "components": {
            "schemas": {name: _tidy(schema) for name, schema in sorted(components.items())},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key: `sk_test_…`."}},
        },
    }


def _name(kind: Any) -> str:
    return repr(kind)


def _types(routes: Iterable[Route]) -> Iterable[Any]:
    """Every type that the document speaks of, once."""
    seen: dict[str, Any] = {_name(kind): kind for kind in (answers.Errors, answers.Event, *answers.EVENT_OBJECTS)}
    for route in routes:
        for kind in (*alternatives(route.answer), *alternatives(route.body and route.body.type)):
            seen.setdefault(_name(kind), kind)
    return seen.values()


def alternatives(kind: Any) -> tuple[Any, ...]:
    """The types that a body or an answer may be of."""
    if kind is None:
        return ()
    return kind if isinstance(kind, tuple) else (kind,)


def _schema(kind: Any, named: dict[str, Any]) -> dict[str, Any]:
    found = [_tidy(named[_name(part)]) for part in alternatives(kind)]
    return found[0] if len(found) == 1 else {"anyOf": found}


def _operation(route: Route, named: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": list(_parameters(route)),
        "responses": _responses(route, named),
    }
    if route.body is not None:
        content = {"application/json": {"schema": _schema(route.body.type, named)}}
        operation["requestBody"] = {"required": not route.body_optional, "content": content}
    if not route.roles:
        operation["security"] = [{}]
    else:
        operation["description"] = f"For keys of role {', '.join(sorted(route.roles))}."
    if route.alias_of:
        operation["description"] = f"The same as {route.alias_of}."
    return operation


def _parameters(route: Route) -> Iterable[dict[str, Any]]:
    for name in route.parameters:
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    yield from query_parameters(route)
    if route.keyed:
        about = "Makes a repeat safe: the same key and body give the first answer again."
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
        yield {"name": "Idempotency-Key", "in": "header", "description": about, "schema": schema}


def query_parameters(route: Route) -> Iterable[dict[str, Any]]:
    """The query parameters of a route."""
    _, components = msgspec.json.schema_components([route.query.type], ref_template=_REF)
    schema = components[route.query.type.__name__]
    for name, found in schema["properties"].items():
        known = _tidy(found)
        parameter = {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": known}
        if "description" in known:
            parameter["description"] = known.pop("description")
        if known.get("type") == "array":
            parameter.update(style="form", explode=not route.query.takes_commas(name))
        yield parameter


def _responses(route: Route, named: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status in (route.status, *route.also):
        found[str(status)] = _success(route, status, named)
    for status in route.refused_statuses:
        if str(status) not in found:
            found[str(status)] = _refusal(status)
    return found


def _success(route: Route, status: int, named: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": route.summary, "headers": {"X-Request-Id": _HEADERS["X-Request-Id"]}}
    if route.keyed:
        answer["headers"]["Idempotent-Replayed"] = _HEADERS["Idempotent-Replayed"]
    if status != 204:
        schema = _schema(route.answer, named) if route.answer is not None else {"type": "string"}
        answer["content"] = {route.kind: {"schema": schema}}
    return answer


def _refusal(status: int) -> dict[str, Any]:
    headers = {"X-Request-Id": _HEADERS["X-Request-Id"]}
    if status in (429, 503):
        headers["Retry-After"] = _HEADERS["Retry-After"]
    content = {"application/json": {"schema": {"$ref": _REF.format(name="Errors")}}}
    return {"description": ERROR_TYPES[status], "headers": headers, "content": content}


_HEADERS: dict[str, Any] = {
    "X-Request-Id": {"description": "Finds the request in the server's log.", "schema": {"type": "string"}},
    "Idempotent-Replayed": {
        "description": "`true`: this is the first answer to the same Idempotency-Key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
}


def _webhook(name: str, about: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": _REF.format(name="Event")}}}
    return {
        "post": {
            "operationId": "event_" + name.replace(".", "_"),
            "summary": about,
            "requestBody": {"required": True, "content": content},
            "responses": {"2XX": {"description": "Taken; any other answer is a failure and is tried again."}},
        }
    }


def _tidy(schema: Any) -> Any:
    """msgspec's schema without what says nothing: titles, empty `required`, defaults that are not JSON."""
    if isinstance(schema, list | tuple):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _tidy(part) for name, part in schema.items() if name != "title" or not isinstance(part, str)}
    if kept.get("required") == []:
        del kept["required"]
    if kept.get("type") == "object" and not {"properties", "additionalProperties"} & kept.keys():
        kept["additionalProperties"] = True  # a map of anything says so
    return kept


@cache
def _bytes() -> bytes:
    from stockwire.api.routes import ROUTES  # the table names this module's handler

    return wire.encode(document(ROUTES))


async def openapi(_request: Request) -> Reply:
    """The document."""
    return Reply(200, _bytes(), ((b"access-control-allow-origin", b"*"),))
