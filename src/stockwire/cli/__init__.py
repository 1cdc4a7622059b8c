"""The command line: one file a command, one line in the table below; a command's file is read when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Annotated

import typer

# name: module, and what `stockwire --help` says of it
COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("stockwire.cli.serve", "Run the server: API, deliveries and housekeeping."),
    "migrate": ("stockwire.cli.migrate", "Bring a database's schema to this version."),
    "stores": ("stockwire.cli.stores", "Make and list stores."),
    "keys": ("stockwire.cli.keys", "Make, list and revoke API keys."),
    "doctor": ("stockwire.cli.doctor", "Check configuration, database, clock, queues and ledgers."),
    "items": ("stockwire.cli.items", "The catalogue, from and to CSV."),
    "events": ("stockwire.cli.events", "Watch the events that the server publishes."),
    "replay": ("stockwire.cli.replay", "Replay a shop's invoices through the API."),
    "export": ("stockwire.cli.export", "Everything of a store as JSON Lines."),
}


def program(called: str | None) -> typer.Typer:
    """The whole program, of which only the called command's file is read: `--help` is quick."""
    whole = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Stockwire: how much of each part can be sold now, and everybody told at once.",
    )
    whole.callback()(_whole)
    for name, (module, said) in COMMANDS.items():
        if name == called:
            _add(whole, name, import_module(module))
        else:
            whole.command(name, help=said)(_nothing)
    return whole


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"stockwire {version('stockwire')}")
        raise typer.Exit


def _whole(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """What `stockwire` itself takes; the option acts when it is read."""


def _nothing() -> None:
    """Stands for a command that is only listed."""


def _add(whole: typer.Typer, name: str, module: ModuleType) -> None:
    """A file has an `app` of several commands, or one function called like the command."""
    if hasattr(module, "app"):
        whole.add_typer(module.app, name=name)
    else:
        whole.command(name)(getattr(module, name))


def main() -> None:
    """The entry point of the `stockwire` program."""
    program(sys.argv[1] if len(sys.argv) > 1 else None)()
