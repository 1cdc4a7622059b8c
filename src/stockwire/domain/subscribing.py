"""Endpoints: subscribe, edit, switch off, rotate secrets (R19, R28)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from stockwire.domain.commands import (
    CreateEndpoint,
    DeleteEndpoint,
    DisableEndpoint,
    NewSecret,
    PatchEndpoint,
    RevealSecrets,
    RotateSecret,
)
from stockwire.domain.decision import UNCHANGED, AuditLine, Decision
from stockwire.domain.events import WEBHOOK_DISABLED
from stockwire.domain.promises import Endpoint, Secret
from stockwire.domain.refusals import Reason, Refused, refused
from stockwire.domain.state import State

MOST_ENDPOINTS = 50  # of a store and mode
MOST_SECRETS = 5  # live at once


def create_endpoint(command: CreateEndpoint, state: State, now: datetime) -> Decision | Refused:
    """Subscribe from the next position on. The same address with the same types is the webhook that exists."""
    fault = _taken(command.address, command.types, state, None)
    if fault is not None:
        return fault
    if len(state.endpoints) >= MOST_ENDPOINTS:
        return refused(Reason.LIMIT_EXCEEDED, "", f"A store and mode has at most {MOST_ENDPOINTS} webhooks.")
    endpoint = Endpoint(
        command.id,
        command.address,
        command.types,
        command.enabled,
        state.position,
        None,
        command.description,
        dict(command.settings),
        command.credentials,
        (_secret(command.secret, now),),
        now,
        now,
    )
    return Decision(endpoint=endpoint, audit=AuditLine("webhook.create", endpoint.id, {"address": endpoint.address}))


def _secret(new: NewSecret, now: datetime) -> Secret:
    return Secret(new.id, new.sealed, now)


def _taken(address: str, types: tuple[str, ...], state: State, own_id: str | None) -> Refused | None:
    for known in state.endpoints.values():
        if known.id != own_id and known.address == address and set(known.types) == set(types):
            message = f"The webhook {known.id} has this address and these types."
            return refused(Reason.ALREADY_EXISTS, "address", message, id=known.id)
    return None


def _named(endpoint_id: str, state: State) -> Endpoint | Refused:
    return state.endpoints.get(endpoint_id) or refused(Reason.NOT_FOUND, "", f"There is no webhook {endpoint_id}.")


def patch_endpoint(command: PatchEndpoint, state: State, now: datetime) -> Decision | Refused:
    """Edit the named fields. Switching on begins at the next position (R19)."""
    known = _named(command.endpoint_id, state)
    if isinstance(known, Refused):
        return known
    fields: dict[str, Any] = dict(command.fields)
    if "settings" in fields:
        merged = {**known.settings, **fields["settings"]}
        fields["settings"] = {name: value for name, value in merged.items() if value is not None}
    changed = known._replace(**fields)
    if changed == known:
        return UNCHANGED
    fault = _taken(changed.address, changed.types, state, known.id)
    if fault is not None:
        return fault
    if changed.enabled and not known.enabled:
        changed = changed._replace(start_position=state.position, status_reason=None)
    elif known.enabled and not changed.enabled:
        changed = changed._replace(status_reason="switched off")
    edited = sorted(name for name in fields if getattr(known, name) != getattr(changed, name))
    return Decision(
        endpoint=changed._replace(updated_at=now), audit=AuditLine("webhook.update", known.id, {"fields": edited})
    )


def delete_endpoint(command: DeleteEndpoint, state: State) -> Decision | Refused:
    """End a subscription and forget its secrets."""
    known = _named(command.endpoint_id, state)
    if isinstance(known, Refused):
        return known
    return Decision(endpoint_gone=known.id, audit=AuditLine("webhook.delete", known.id, {"address": known.address}))


def disable_endpoint(command: DisableEndpoint, state: State, now: datetime) -> Decision | Refused:
    """Switch off what is gone or has failed for days, and publish it. Once more changes nothing."""
    known = _named(command.endpoint_id, state)
    if isinstance(known, Refused):
        return known
    if not known.enabled:
        return UNCHANGED
    changed = known._replace(enabled=False, status_reason=command.reason, updated_at=now)
    notice = {"id": known.id, "address": known.address, "enabled": False, "statusReason": command.reason}
    return Decision(
        endpoint=changed,
        notices=((WEBHOOK_DISABLED, notice, {"enabled": True}),),
        audit=AuditLine("webhook.disable", known.id, {"reason": command.reason}),
    )


def rotate_secret(command: RotateSecret, state: State, now: datetime) -> Decision | Refused:
    """A new secret signs beside the earlier ones until they end; at most five live at once."""
    known = _named(command.endpoint_id, state)
    if isinstance(known, Refused):
        return known
    ends = now + timedelta(hours=command.expire_previous_hours)
    live = tuple(secret for secret in known.secrets if secret.expires_at is None or secret.expires_at > now)
    kept = tuple(secret._replace(expires_at=min(secret.expires_at or ends, ends)) for secret in live)
    kept = tuple(secret for secret in kept if secret.expires_at is not None and secret.expires_at > now)
    if len(kept) >= MOST_SECRETS:
        message = f"A webhook has at most {MOST_SECRETS} live secrets; let one expire first."
        return refused(Reason.LIMIT_EXCEEDED, "", message)
    changed = known._replace(secrets=(_secret(command.secret, now), *kept), updated_at=now)
    return Decision(endpoint=changed, audit=AuditLine("webhook.rotate_secret", known.id))


def reveal_secrets(command: RevealSecrets, state: State) -> Decision | Refused:
    """Leave a line in the audit log."""
    known = _named(command.endpoint_id, state)
    return known if isinstance(known, Refused) else Decision(audit=AuditLine("webhook.reveal_secrets", known.id))
