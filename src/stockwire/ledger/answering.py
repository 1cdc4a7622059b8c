"""What a decided command answers: status and JSON, by kind of command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stockwire import wire
from stockwire.domain import commands
from stockwire.domain.decision import Decision
from stockwire.domain.refusals import Refused
from stockwire.ledger.journal import Journal

Shown = tuple[int, Any]  # status and JSON-ready body; None for an empty body


def answer(
    command: commands.Command, outcome: Decision | Refused, journal: Journal, change_id: str, event_ids: list[str]
) -> Shown:
    """Status and body of one command's answer."""
    if isinstance(outcome, Refused):
        return wire.refusals(outcome.refusals)
    return _ANSWERS[type(command)](command, outcome, journal, change_id, event_ids)


def row_result(outcome: Decision | Refused, journal: Journal, change_id: str, event_ids: list[str]) -> dict[str, Any]:
    """One entry of `results` in a request of many changes."""
    if isinstance(outcome, Refused):
        return _refused(outcome)
    return _changed(outcome, journal, change_id, event_ids)


def item_result(outcome: Decision | Refused, journal: Journal, event_ids: list[str]) -> dict[str, Any]:
    """One entry of `results` in a bulk creation."""
    if isinstance(outcome, Refused):
        return _refused(outcome)
    return {"status": "applied", "item": _item(outcome.items[0], journal), "eventIds": event_ids}


def _refused(outcome: Refused) -> dict[str, Any]:
    return {"status": "refused", "error": wire.refusals(outcome.refusals)[1], "eventIds": []}


def _changed(outcome: Decision, journal: Journal, change_id: str, event_ids: list[str]) -> dict[str, Any]:
    levels = [wire.level(journal.state.items[id_], journal.state.levels[id_], journal.live) for id_ in outcome.items]
    status = "applied" if outcome.movements else "unchanged"
    shown: dict[str, Any] = {"id": change_id, "status": status, "level": levels[0]}
    if len(levels) > 1:
        shown["toLevel"] = levels[1]
    shown["eventIds"] = event_ids
    return shown


def _item(item_id: str, journal: Journal) -> dict[str, Any]:
    return wire.item(journal.state.items[item_id], journal.state.levels[item_id], journal.live)


def _reservation(outcome: Decision, journal: Journal, status: int) -> Shown:
    assert outcome.reservation is not None
    return 200 if outcome.repeat else status, wire.reservation(outcome.reservation, journal.state.items, journal.live)


def _order(outcome: Decision, journal: Journal, status: int) -> Shown:
    assert outcome.order is not None
    return 200 if outcome.repeat else status, wire.order(outcome.order, journal.state.items, journal.live)


def _created_endpoint(command: commands.CreateEndpoint, outcome: Decision, journal: Journal) -> Shown:
    assert outcome.endpoint is not None
    shown = wire.endpoint(outcome.endpoint, journal.live, command.shown, {})
    return 201, {**shown, "secret": command.secret.shown}


def _patched_endpoint(command: commands.PatchEndpoint, journal: Journal) -> Shown:
    known = journal.state.endpoints[command.endpoint_id]
    return 200, wire.endpoint(known, journal.live, command.shown, {})


def _rotated(command: commands.RotateSecret, journal: Journal) -> Shown:
    known = journal.state.endpoints[command.endpoint_id]
    secrets = [
        {
            "id": secret.id,
            "createdTime": wire.moment(secret.created_at),
            "expiresTime": wire.optional_moment(secret.expires_at),
        }
        for secret in known.secrets
    ]
    return 201, {"id": command.secret.id, "secret": command.secret.shown, "secrets": secrets}


_Answering = Callable[[Any, Decision, Journal, str, list[str]], Shown]

_ANSWERS: dict[type, _Answering] = {
    commands.Change: lambda c, d, j, change_id, event_ids: (200, _changed(d, j, change_id, event_ids)),
    commands.Reserve: lambda c, d, j, *_: _reservation(d, j, 201),
    commands.Extend: lambda c, d, j, *_: _reservation(d, j, 200),
    commands.Release: lambda *_: (204, None),
    commands.PlaceOrder: lambda c, d, j, *_: _order(d, j, 201),
    commands.Ship: lambda c, d, j, *_: _order(d, j, 200),
    commands.Cancel: lambda c, d, j, *_: _order(d, j, 200),
    commands.Return: lambda c, d, j, *_: _order(d, j, 200),
    commands.CreateItem: lambda c, d, j, *_: (201, _item(d.items[0], j)),
    commands.PatchItem: lambda c, d, j, *_: (200, _item(d.items[0], j)),
    commands.DeleteItem: lambda *_: (204, None),
    commands.CreateEndpoint: lambda c, d, j, *_: _created_endpoint(c, d, j),
    commands.PatchEndpoint: lambda c, d, j, *_: _patched_endpoint(c, j),
    commands.DeleteEndpoint: lambda *_: (204, None),
    commands.DisableEndpoint: lambda *_: (204, None),
    commands.RotateSecret: lambda c, d, j, *_: _rotated(c, j),
    commands.RevealSecrets: lambda *_: (204, None),
}
