"""GET /docs: the table of routes as one page that loads nothing from anywhere."""

from __future__ import annotations

from functools import cache
from html import escape
from typing import Any

import msgspec

from stockwire.api.errors import Header, Reply, refuse
from stockwire.api.faults import shown
from stockwire.api.openapi import document
from stockwire.api.peer import peer_of
from stockwire.api.request import Request
from stockwire.domain.events import CATALOGUE

# The page runs no script and may ask nobody for anything.
SECURITY: tuple[Header, ...] = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)

_STYLE = """
:root { color-scheme: light dark; --soft: color-mix(in srgb, currentColor 55%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
h2 { margin-top: 2.5rem; } code { font-size: .92em; } nav a { margin-right: .8rem; }
details { border-top: 1px solid var(--soft); padding: .5rem 0; } summary { cursor: pointer; }
summary b { display: inline-block; min-width: 4.5rem; } .soft { color: var(--soft); }
table { border-collapse: collapse; margin: .5rem 0; }
td, th { text-align: left; vertical-align: top; padding: .15rem 1rem .15rem 0; }
pre { overflow: auto; padding: .6rem; border: 1px solid var(--soft); }
"""


@cache
def _page() -> bytes:
    from stockwire.api.routes import ROUTES  # the table names this module's handler

    told = document(ROUTES)
    tags = dict.fromkeys(route.tag for route in ROUTES)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>Stockwire API</title><style>{_STYLE}</style><h1>Stockwire API</h1>",
        f"<p>{escape(told['info']['description'])}</p><p>For programs: <a href=/openapi.json>/openapi.json</a>.</p>",
        "<nav>" + "".join(f"<a href='#{tag}'>{tag}</a>" for tag in tags) + "</nav>",
    ]
    for tag in tags:
        parts.append(f"<h2 id='{tag}'>{tag}</h2>")
        parts += [
            _operation(path, method, operation)
            for path, methods in told["paths"].items()
            for method, operation in methods.items()
            if operation["tags"] == [tag]
        ]
    parts.append("<h2>Events</h2><table>" + _rows(CATALOGUE.items()) + "</table>")
    parts.append("<h2>Schemas</h2>" + "".join(_schema(*known) for known in told["components"]["schemas"].items()))
    return "".join(parts).encode()


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    summary = f"<span class=soft>{escape(operation['summary'])}</span>"
    said = f"<summary><b>{method.upper()}</b> <code>{escape(path)}</code> {summary}</summary>"
    about = f"<p>{escape(operation.get('description', ''))}</p>"
    parameters = _rows((p["name"], p.get("description", _brief(p["schema"]))) for p in operation["parameters"])
    body = operation.get("requestBody")
    taken = f"<p>Body: {_names(body['content']['application/json']['schema'])}</p>" if body else ""
    given = _rows((status, _answer(answer)) for status, answer in operation["responses"].items())
    return f"<details>{said}{about}<table>{parameters}</table>{taken}<table>{given}</table></details>"


def _rows(pairs: Any) -> str:
    return "".join(f"<tr><td><code>{escape(str(name))}</code><td>{about}" for name, about in pairs)


def _answer(answer: dict[str, Any]) -> str:
    content = answer.get("content", {})
    kinds = ", ".join(f"{escape(kind)}: {_names(known['schema'])}" for kind, known in content.items())
    return f"{escape(answer['description'])} <span class=soft>{kinds}</span>"


def _names(schema: dict[str, Any]) -> str:
    """The schemas that are meant, as links."""
    found = schema.get("anyOf", [schema])
    names = [part["$ref"].rpartition("/")[2] for part in found if "$ref" in part]
    return " or ".join(f"<a href='#{name}'>{name}</a>" for name in names) or escape(_brief(schema))


def _brief(schema: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in schema.items() if isinstance(value, str | int))


def _schema(name: str, schema: dict[str, Any]) -> str:
    text = msgspec.json.format(msgspec.json.encode(schema)).decode()
    about = escape(schema.get("description", ""))
    return f"<details id='{name}'><summary><code>{name}</code> {about}</summary><pre>{escape(text)}</pre></details>"


async def docs(request: Request) -> Reply:
    """The page, for browsers that asked for this server by a name that it goes by."""
    peer = peer_of(request)
    if not peer.asked_for(request.doors.settings.hosts):
        message = f"This server does not go by the name {shown(peer.host)}: name it in STOCKWIRE_HOSTS."
        return refuse(400, "invalid_parameter", message, "Host")
    return Reply(200, _page(), SECURITY, b"text/html; charset=utf-8")
