"""What the documents list is what there is, both ways: settings, event types, errors, decisions, rules, links."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.architecture.tracked import ROOT, SOURCE, our_text, tracked

HERE = Path(__file__).parent
REFERENCE = ROOT / "docs" / "reference"


def room(name: str) -> Any:
    """A module of the product, imported when a test asks for it."""
    return importlib.import_module(name)


def table(document: str, *header: str) -> list[list[str]]:
    """Rows of the tables of a reference page whose first columns have these headings; cells without backticks."""
    rows: list[list[str]] = []
    wanted = False
    for line in (REFERENCE / document).read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            wanted = False
            continue
        cells = [cell.strip().replace("`", "") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells[: len(header)] == list(header):
            wanted = True
        elif wanted and not set("".join(cells)) <= set("-: "):
            rows.append(cells)
    assert rows, f"docs/reference/{document} has no table that begins with {header}"
    return rows


def test_every_setting_is_documented() -> None:
    serve = typer.main.get_command(room("stockwire.cli").program("serve")).commands["serve"]  # type: ignore[attr-defined]
    flags = {flag for option in serve.params for flag in option.opts}
    there = {
        (row.variable, row.flag if row.flag in flags else "", row.default) for row in room("stockwire.config").TABLE
    }
    assert {tuple(row[:3]) for row in table("settings.md", "variable", "flag", "default")} == there
    assert flags - {"--help"} <= {row.flag for row in room("stockwire.config").TABLE}


def test_every_event_type_is_documented() -> None:
    assert dict(row[:2] for row in table("events.md", "type", "when")) == room("stockwire.domain.events").CATALOGUE


def test_every_error_is_documented() -> None:
    types = {(kind, str(status)) for status, kind in room("stockwire.wire").ERROR_TYPES.items()}
    assert {tuple(row[:2]) for row in table("errors.md", "type", "status")} == types
    codes = {reason.value for reason in room("stockwire.domain.refusals").Reason}
    codes |= set(room("stockwire.api.errors").DOOR_CODES)
    assert {row[0] for row in table("errors.md", "code", "what to do")} == codes


def test_every_route_is_documented() -> None:
    there = {
        (route.method, route.path, ", ".join(sorted(route.roles)) or "everybody", route.summary.replace("`", ""))
        for route in room("stockwire.api.routes").ROUTES
    }
    assert {tuple(row) for row in table("http.md", "method", "path", "roles", "what")} == there


def test_every_room_is_described() -> None:
    rows = re.findall(
        r"(?m)^\| (`.+?) \|", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("## A reservation")[0]
    )
    described = {name.rstrip("/") for row in rows for name in re.findall(r"`(\w+)/?`", row)}
    there = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert described == there - {"__init__", "__main__"}


def markdown() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".md"]


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"(?m)^#+ (.+)$", path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", markdown(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"(?s)```.*?```", "", path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


def test_decisions_are_numbered_and_listed() -> None:
    folder = ROOT / "docs" / "adr"
    files = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [int(name[:4]) for name in files] == list(range(1, len(files) + 1))
    listed = re.findall(r"\((\d{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert listed == files


def test_cited_rules_and_decisions_exist() -> None:
    rules = {
        int(number)
        for number in re.findall(r"(?m)^### R(\d+) ", (ROOT / "docs" / "rules.md").read_text(encoding="utf-8"))
    }
    assert rules == set(range(1, 29))
    ours = {path: text for path, text in our_text().items() if path.suffix in {".py", ".sql", ".md", ".toml", ""}}
    cited = {(path.name, int(number)) for path, text in ours.items() for number in re.findall(r"\(R(\d{1,2})\b", text)}
    assert not {(name, number) for name, number in cited if number not in rules}
    foreign = {path.name for path, text in ours.items() if re.search(r"\(" + r"D\d{1,2}\)|\bfind" + r"ings D\d", text)}
    assert not foreign, "cite docs/rules.md (R…) or docs/adr, which a reader has"


def test_every_rule_that_is_built_is_named_by_a_test() -> None:
    planned = {20, 21}
    tests = (text for path, text in our_text().items() if path.is_relative_to(ROOT / "tests") and path.parent != HERE)
    named = {int(number) for text in tests for number in re.findall(r"(?i)(?<![a-z0-9])r(\d{1,2})(?!\d)", text)}
    assert not set(range(1, 29)) - planned - named
