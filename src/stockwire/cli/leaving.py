"""How a command ends when it cannot go on: one line, and an exit code that a script can tell apart."""

from typing import NoReturn

import typer

UNFIT = 2  # a wrong setting, a data directory in use, a database that cannot be used: nothing was tried


def leave(line: str, code: int = 1) -> NoReturn:
    """Say why in one line on standard error and end: with exit code 1, or UNFIT."""
    typer.echo(f"stockwire: {line}", err=True)
    raise typer.Exit(code)
