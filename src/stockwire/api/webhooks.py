"""Webhooks: make, list, look at, edit, delete; reveal and rotate secrets (R22)."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from stockwire import wire
from stockwire.address_guard import AddressGuard, AllowList
from stockwire.api.errors import Reply, not_found, ok, refuse
from stockwire.api.faults import Amiss, shown, uuid_of
from stockwire.api.paging import Paged, page
from stockwire.api.queries import QueryShape
from stockwire.api.request import Request
from stockwire.api.webhook_bodies import BasicAuthentication, NewWebhook, WebhookEdit, is_known
from stockwire.domain.commands import (
    CreateEndpoint,
    DeleteEndpoint,
    NewSecret,
    PatchEndpoint,
    RevealSecrets,
    RotateSecret,
)
from stockwire.domain.refusals import Reason
from stockwire.ids import Ids
from stockwire.ledger.loading import endpoints_of
from stockwire.store import reads

SECRET_BYTES = 32
NO_STORE = (b"cache-control", b"no-store")

OneType = Annotated[str, Meta(min_length=1, max_length=64)]


class WebhookQuery(Paged, frozen=True):
    """Filters of the list of webhooks; those given must all hold."""

    q: (
        Annotated[str, Meta(min_length=1, max_length=255, description="Part of an id, address or description.")]
        | UnsetType
    ) = UNSET
    type: Annotated[OneType, Meta(description="Subscribed to this type or pattern.")] | UnsetType = UNSET
    types: Annotated[tuple[OneType, ...], Meta(max_length=20, description="To any of these.")] | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET

    @staticmethod
    def amiss(given: Mapping[str, Any]) -> list[Amiss]:
        found = Paged.amiss(given)
        if "type" in given and "types" in given:
            found.append((Reason.INVALID_PARAMETER, "types", "cannot stand beside `type`"))
        named = [("type", given.get("type")), *((f"types[{n}]", t) for n, t in enumerate(given.get("types") or ()))]
        for where, name in named:
            if isinstance(name, str) and not is_known(name):
                found.append((Reason.INVALID_PARAMETER, where, "names no type of event"))
        return found


QUERY = QueryShape(WebhookQuery)


async def create(request: Request) -> Reply:
    """Make a webhook; the answer holds its first secret."""
    body: NewWebhook = request.body
    refusal = await _vetted(request, body.address)
    if refusal is not None:
        return refusal
    credentials = _credentials({}, body.authentication, body.headers)
    if isinstance(credentials, Reply):
        return credentials
    ids = _ids()
    command = CreateEndpoint(
        id=ids.next(),
        address=body.address,
        types=tuple(dict.fromkeys(body.types)),
        secret=_new_secret(request, ids),
        enabled=body.enabled,
        description=body.description or "",
        settings={name: value for name, value in _settings(body).items() if value is not None},
        credentials=_sealed(request, credentials),
        shown=_shown(credentials),
    )
    return _private(await request.submit(command, secret=True))


async def listed(request: Request) -> Reply:
    """A page of webhooks, newest first. There are at most 50, so they are searched here."""
    query: WebhookQuery = request.query
    found = [row for row in await _rows(request, None) if _fits(row, query)]
    names = [row["id"] for row in found]
    if isinstance(query.ending_before, UnsetType):
        start = _after(names, query.starting_after)
        shown_rows, more = found[start : start + query.limit], len(found) > start + query.limit
    else:
        end = sum(name > query.ending_before for name in names)
        start = max(0, end - query.limit)
        shown_rows, more = found[start:end], start > 0
    return page([_webhook(request, row) for row in shown_rows], more)


def _after(names: list[Any], cursor: Any) -> int:
    return 0 if cursor is UNSET else sum(name >= cursor for name in names)


def _fits(row: Any, query: WebhookQuery) -> bool:
    asked = (query.type,) if isinstance(query.type, str) else query.types
    text = f"{row['id']}\n{row['address']}\n{row['description']}".lower()
    return (
        (isinstance(asked, UnsetType) or not set(asked).isdisjoint(row["types"]))
        and (isinstance(query.enabled, UnsetType) or row["enabled"] is query.enabled)
        and (isinstance(query.q, UnsetType) or query.q.lower() in text)
    )


async def one(request: Request) -> Reply:
    """One webhook."""
    row = await _row(request)
    return _no_webhook(request) if row is None else ok(_webhook(request, row))


async def edit(request: Request) -> Reply:
    """Edit a webhook. Edits act from the next attempt; switched on, it receives what happens from then on."""
    body: WebhookEdit = request.body
    row = await _row(request)
    if row is None:
        return _no_webhook(request)
    refusal = None if body.address is UNSET else await _vetted(request, str(body.address))
    if refusal is not None:
        return refusal
    known = _opened(request, row["credentials"])
    credentials = _credentials(known, body.authentication, body.headers)
    if isinstance(credentials, Reply):
        return credentials
    fields = dict(_fields(body))
    if credentials != known:
        fields["credentials"] = _sealed(request, credentials)
    return await request.submit(PatchEndpoint(str(row["id"]), fields, _shown(credentials)))


def _fields(body: WebhookEdit) -> Iterator[tuple[str, Any]]:
    """The edit in the ledger's names, credentials apart."""
    if isinstance(body.address, str):
        yield "address", body.address
    if isinstance(body.types, tuple):
        yield "types", tuple(dict.fromkeys(body.types))
    if isinstance(body.enabled, bool):
        yield "enabled", body.enabled
    if not isinstance(body.description, UnsetType):
        yield "description", body.description or ""
    settings = _settings(body)
    if settings:
        yield "settings", settings


async def delete(request: Request) -> Reply:
    """End a subscription."""
    named = uuid_of(request.path[0])
    return _no_webhook(request) if named is None else await request.submit(DeleteEndpoint(str(named)))


async def secrets(request: Request) -> Reply:
    """Show the live secrets, newest first; the audit log keeps that they were shown."""
    named = uuid_of(request.path[0])
    if named is None:
        return _no_webhook(request)
    noted = await request.submit(RevealSecrets(str(named)))
    if noted.status != 204:
        return noted
    rows = await reads.webhooks.webhook_secrets(request.doors.database.reads, *request.caller.ledger, named)
    data = [
        {
            "id": str(row["id"]),
            "secret": request.doors.keyring.open(row["secret"]).decode(),
            "createdTime": wire.moment(row["created_at"]),
            "expiresTime": wire.optional_moment(row["expires_at"]),
        }
        for row in rows
    ]
    return _private(page(data, False))


async def rotate(request: Request) -> Reply:
    """Make a new secret; those so far go on signing beside it for a while."""
    named = uuid_of(request.path[0])
    if named is None:
        return _no_webhook(request)
    command = RotateSecret(str(named), _new_secret(request, _ids()), request.body.expire_previous_in_hours)
    return _private(await request.submit(command, secret=True))


async def safelist(request: Request) -> Reply:
    """The addresses that webhooks come from."""
    return ok({"addresses": list(request.doors.settings.egress_addresses)})


@cache
def _guard(allowed: tuple[str, ...]) -> AddressGuard:
    return AddressGuard(AllowList.of(allowed))


async def _vetted(request: Request, address: str) -> Reply | None:
    """The refusal of an address that webhooks may not have (R22)."""
    refused = await _guard(request.doors.settings.webhook_allow).vet(address, request.live)
    return None if refused is None else refuse(400, "invalid_parameter", refused.reason, "address")


def _ids() -> Ids:
    return Ids(datetime.now(UTC))


def _new_secret(request: Request, ids: Ids) -> NewSecret:
    text = "whsec_" + base64.b64encode(os.urandom(SECRET_BYTES)).decode()
    return NewSecret(ids.next(), request.doors.keyring.seal(text.encode()), text)


def _settings(body: NewWebhook | WebhookEdit) -> dict[str, Any]:
    """What was given of the settings, None where it was cleared."""
    given = {
        "filters": body.filters if body.filters in (None, UNSET) else body.filters.stored(),
        "timeoutSeconds": body.timeout_seconds,
        "maxConcurrency": body.max_concurrency,
    }
    return {name: value for name, value in given.items() if value is not UNSET}


Credentials = dict[str, Any]


def _credentials(
    known: Credentials,
    authentication: BasicAuthentication | UnsetType | None,
    headers: Mapping[str, str] | UnsetType | None,
) -> Credentials | Reply:
    """What is known with what was given; null and an empty map clear."""
    found = dict(known)
    if isinstance(authentication, BasicAuthentication):
        found["authentication"] = {"username": authentication.name, "password": authentication.password}
    elif authentication is None:
        found.pop("authentication", None)
    if headers:
        found["headers"] = dict(headers)
    elif headers is not UNSET:
        found.pop("headers", None)
    if "authentication" in found and any(name.lower() == "authorization" for name in found.get("headers", ())):
        message = "`headers.Authorization` cannot stand beside `authentication`."
        return refuse(400, "invalid_parameter", message, "headers.Authorization")
    return found


def _sealed(request: Request, credentials: Credentials) -> bytes | None:
    return request.doors.keyring.seal(msgspec.json.encode(credentials)) if credentials else None


def _opened(request: Request, sealed: bytes | None) -> Credentials:
    if sealed is None:
        return {}
    opened: Credentials = msgspec.json.decode(request.doors.keyring.open(sealed))
    return opened


def _shown(credentials: Credentials) -> dict[str, Any]:
    """What may be told of credentials: the name, never the password; headers by name, never their values."""
    basic = credentials.get("authentication")
    return {
        "authentication": None if basic is None else {"userName": basic["username"]},
        "headers": dict.fromkeys(credentials.get("headers", ())),
    }


def _private(reply: Reply) -> Reply:
    return reply._replace(headers=(*reply.headers, NO_STORE))


async def _rows(request: Request, named: Any) -> list[Any]:
    rows: list[Any] = await reads.webhooks.webhooks(request.doors.database.reads, *request.caller.ledger, named)
    return rows


async def _row(request: Request) -> Any | None:
    named = uuid_of(request.path[0])
    rows = [] if named is None else await _rows(request, named)
    return rows[0] if rows else None


def _no_webhook(request: Request) -> Reply:
    return not_found(f"There is no webhook {shown(request.path[0])}.")


def _webhook(request: Request, row: Any) -> dict[str, Any]:
    [known] = endpoints_of([row], ())
    fares = {
        "status": "degraded" if row["failing"] else "healthy",
        "last_attempt_at": row["last_attempt_at"],
        "last_success_at": row["last_success_at"],
        "pending": row["pending"],
    }
    return wire.endpoint(known, request.live, _shown(_opened(request, row["credentials"])), fares)
