"""What docs/reference/cli.md lists is what the command line has, both ways."""

from typing import Any

import typer

from tests.architecture.test_documents import room, table


def commands() -> dict[str, str]:
    """Every command that does something, as it is called, with the first line of its help."""
    listed = room("stockwire.cli").COMMANDS
    found: dict[str, str] = {}
    for name in listed:
        command = typer.main.get_command(room("stockwire.cli").program(name))
        found |= leaves(f"stockwire {name}", command.commands[name])  # type: ignore[attr-defined]
    return found


def leaves(called: str, command: Any) -> dict[str, str]:
    if not hasattr(command, "commands"):
        return {called: (command.help or "").split("\n")[0].replace("`", "")}
    return {
        said: line
        for name, below in command.commands.items()
        for said, line in leaves(f"{called} {name}", below).items()
    }


def test_every_command_is_documented() -> None:
    there = commands()
    assert {tuple(row) for row in table("cli.md", "command", "what it does")} == set(there.items())
    assert all(there.values()), "a command says what it does in the first line of its docstring"
