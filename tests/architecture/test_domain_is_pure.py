"""The rules import the standard library without its I/O, and take their time from outside (R5)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tracked import SOURCE, name_of

# Modules of values and types alone. A new one is added here by hand, with a thought.
PURE = {
    "__future__", "abc", "collections", "collections.abc", "dataclasses", "datetime", "decimal", "enum", "functools",
    "itertools", "math", "operator", "types", "typing", "uuid", "bisect", "heapq", "fractions", "statistics", "string",
    "email.utils",  # only to read a date as HTTP writes it (Retry-After)
}  # fmt: skip
# `datetime.now()`, `uuid4()` and the like ask the world; the rules may only compute.
ASKS_THE_WORLD = {"now", "utcnow", "today", "uuid1", "uuid4", "getnode", "open", "input", "print"}

MODULES = sorted((SOURCE / "domain").rglob("*.py"))


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "stockwire.domain" if node.level else node.module or ""


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            yield called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def test_there_are_rules() -> None:
    assert MODULES


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_values_only(path: Path) -> None:
    foreign = {
        name
        for name in imports(ast.parse(path.read_text(encoding="utf-8")))
        if name not in PURE and not name.startswith("stockwire.domain")
    }
    assert not foreign, f"{name_of(path)} imports {sorted(foreign)}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_asks_nobody(path: Path) -> None:
    asked = ASKS_THE_WORLD & set(calls(ast.parse(path.read_text(encoding="utf-8"))))
    assert not asked, f"{name_of(path)} calls {sorted(asked)}"


def test_the_check_can_fail() -> None:
    tree = ast.parse("import asyncio\nfrom datetime import datetime\nx = datetime.now()\n")
    assert set(imports(tree)) - PURE == {"asyncio"}
    assert ASKS_THE_WORLD & set(calls(tree)) == {"now"}
