"""One command in, one decision or refusal out: the table of all rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from stockwire.domain import catalogue, changes, commands, holding, selling, subscribing
from stockwire.domain.commands import Actor, Command
from stockwire.domain.decision import Decision
from stockwire.domain.refusals import Refused
from stockwire.domain.state import State

Outcome = Decision | Refused

_RULES: dict[type, Callable[[Any, State, Actor, datetime], Outcome]] = {
    commands.Change: lambda c, state, actor, now: changes.change_stock(c, state, actor),
    commands.Reserve: lambda c, state, actor, now: holding.reserve(c, state, now),
    commands.Extend: lambda c, state, actor, now: holding.extend(c, state, now),
    commands.Release: lambda c, state, actor, now: holding.release(c, state, now),
    commands.PlaceOrder: lambda c, state, actor, now: selling.place_order(c, state, now),
    commands.Ship: lambda c, state, actor, now: selling.ship(c, state, now),
    commands.Cancel: lambda c, state, actor, now: selling.cancel(c, state, now),
    commands.Return: lambda c, state, actor, now: selling.take_back(c, state, now),
    commands.CreateItem: lambda c, state, actor, now: catalogue.create_item(c, state, now),
    commands.PatchItem: lambda c, state, actor, now: catalogue.patch_item(c, state, now),
    commands.DeleteItem: lambda c, state, actor, now: catalogue.delete_item(c, state, now),
    commands.CreateEndpoint: lambda c, state, actor, now: subscribing.create_endpoint(c, state, now),
    commands.PatchEndpoint: lambda c, state, actor, now: subscribing.patch_endpoint(c, state, now),
    commands.DeleteEndpoint: lambda c, state, actor, now: subscribing.delete_endpoint(c, state),
    commands.DisableEndpoint: lambda c, state, actor, now: subscribing.disable_endpoint(c, state, now),
    commands.RotateSecret: lambda c, state, actor, now: subscribing.rotate_secret(c, state, now),
    commands.RevealSecrets: lambda c, state, actor, now: subscribing.reveal_secrets(c, state),
}


def decide(command: Command, state: State, actor: Actor, now: datetime) -> Outcome:
    """Decide one command on the state that the commands before it left.

    `now` is the ledger's time (R5). Commands of many rows are decided row by row by the ledger.
    """
    return _RULES[type(command)](command, state, actor, now)


def decide_row(
    row: commands.Change | commands.CreateItem, where: str, state: State, actor: Actor, now: datetime
) -> Outcome:
    """Decide one row of a request of many. `where` is the row's path in the request, with its dot."""
    if isinstance(row, commands.Change):
        return changes.change_stock(row, state, actor, where)
    return catalogue.create_item(row, state, now, where)
