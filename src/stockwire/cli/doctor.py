"""`stockwire doctor`: is everything as it should be?"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from stockwire.cli.at_database import DatabaseOption, DataDir, Json, settings_of, with_connection
from stockwire.config import Settings, WrongSetting
from stockwire.first_start import key_ring
from stockwire.store import migrate
from stockwire.store.audit import audit
from stockwire.store.database import Connection
from stockwire.store.queries import load

_sql = load("doctor.sql")

SKEW_SECONDS = 2.0
OLD_SECONDS = 60.0


class Finding(NamedTuple):
    """One thing looked at: what was found, and whether it is as it should be."""

    check: str
    ok: bool
    found: str


def doctor(
    *,
    no_audit: Annotated[bool, typer.Option("--no-audit", help="Leave the ledgers unread: they may be large.")] = False,
    as_json: Json = False,
    database: DatabaseOption = None,
    data_dir: DataDir = None,
) -> None:
    """Check configuration, database, clock, queues and ledgers. Ends with exit code 1 if anything is wrong.

    The server may be running meanwhile.

    Example:

      stockwire doctor --data-dir ./data
    """
    settings = settings_of(database, data_dir)
    findings = with_connection(lambda connection: _look(connection, settings, not no_audit), database, data_dir)
    _show(findings, as_json)
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


async def _look(connection: Connection, settings: Settings, with_audit: bool) -> list[Finding]:
    findings = [Finding("configuration", True, "every setting can be used")]
    findings.append(Finding("schema", True, f"{await migrate.version_of(connection)}"))
    findings.append(await _server(connection))
    findings.append(await _secret_key(connection, settings))
    findings.append(await _clock(connection))
    findings += [finding async for finding in _queues(connection)]
    if with_audit:
        findings += [finding async for finding in _ledgers(connection)]
    return findings


async def _server(connection: Connection) -> Finding:
    """What makes a commit durable was refused at connecting if it was off (R6)."""
    row = await _sql.server(connection)
    said = f"PostgreSQL {row['version']}, fsync {row['fsync']}, full_page_writes {row['full_page_writes']}"
    return Finding("database", True, f"{said}, synchronous_commit {row['synchronous_commit']}")


async def _secret_key(connection: Connection, settings: Settings) -> Finding:
    """The key that opens what the database keeps sealed: without it, signing secrets are lost."""
    if not settings.embedded and not settings.secret_key:
        return Finding("secret key", True, "not given to this command, so not tried")
    try:
        await key_ring(connection, settings, make=False)
    except WrongSetting as wrong:
        return Finding("secret key", False, wrong.problem)
    return Finding("secret key", True, "opens what the database keeps sealed")


async def _clock(connection: Connection) -> Finding:
    """The ledger goes by the database's clock (R5); a client's clock that is far off confuses people."""
    asked = time.time()
    there: datetime = await _sql.clock(connection)
    between = (asked + time.time()) / 2
    skew = between - there.timestamp()
    here = datetime.fromtimestamp(between, UTC)
    return Finding("clock", abs(skew) <= SKEW_SECONDS, f"{skew:+.3f} s from the database's ({here:%H:%M:%S} UTC here)")


async def _queues(connection: Connection) -> AsyncIterator[Finding]:
    """Deliveries that are due and holds that should have ended: both are seconds old at most where all is well."""
    for row in await _sql.queues(connection):
        name = f"{row['name']} {'live' if row['live'] else 'test'}"
        lag, due = row["behind"], row["due"]
        oldest = row["oldest_due_seconds"] or 0.0
        said = f"{lag} events to fan out, {due} deliveries due, the oldest for {oldest:.0f} s"
        yield Finding(f"queues {name}", oldest <= OLD_SECONDS, said)
        overdue = row["overdue_hold_seconds"] or 0.0
        if overdue > OLD_SECONDS:
            yield Finding(f"holds {name}", False, f"a hold's time came {overdue:.0f} s ago; is housekeeping running?")


async def _ledgers(connection: Connection) -> AsyncIterator[Finding]:
    for row in await _sql.ledgers(connection):
        name = f"ledger {row['name']} {'live' if row['live'] else 'test'}"
        differences = await audit(connection, row["store_id"], row["live"])
        summed = f"{row['position']} positions without a hole, movements re-summed: no difference"
        yield Finding(name, not differences, "; ".join(map(str, differences[:5])) or summed)


def _show(findings: list[Finding], as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode([finding._asdict() for finding in findings]).decode())
        return
    table = Table("", "Check", "Found", show_edge=False)
    for finding in findings:
        mark = "[green]ok[/green]" if finding.ok else "[bold red]wrong[/bold red]"
        table.add_row(mark, finding.check, finding.found)
    Console().print(table)
