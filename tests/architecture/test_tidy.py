"""Style as a test: sizes, names, comments and words that a reader should never meet in this project."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tracked import ROOT, SOURCE, name_of, our_text, python_files

LONGEST_FILE = 400
LONGEST_FUNCTION = 50
# path: why it is longer than it should be.
LONG_FILES: dict[str, str] = {
    "src/stockwire/api/answers.py": "one structure for each answer of the API: a list without logic",
    "src/stockwire/store/embedded.py": "the whole life of one server, from claim to stop (R24)",
}
# path:function: why it is longer than it should be.
LONG_FUNCTIONS: dict[str, str] = {}

NO_ROOM_IS_CALLED = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "base",
    "core",
    "manager",
    "managers",
    "misc",
    "shared",
}


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Every function of a file with its length in lines, docstring and signature not counted."""
    for node in ast.walk(ast.parse(our_text()[path])):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            yield node.name, (node.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_files_are_short() -> None:
    long = {name_of(path) for path in python_files() if our_text()[path].count("\n") > LONGEST_FILE}
    assert long == set(LONG_FILES), "give it a better shape, or a reason here; drop reasons that are no longer needed"


def test_functions_are_short() -> None:
    long = {
        f"{name_of(path)}:{name}"
        for path in python_files()
        for name, lines in functions(path)
        if lines > LONGEST_FUNCTION
    }
    assert long == set(LONG_FUNCTIONS), (
        "give it a better shape, or a reason here; drop reasons that are no longer needed"
    )


def test_rooms_have_names_that_say_something() -> None:
    parts = {
        (part, name_of(path)) for path in python_files() for part in (*path.relative_to(ROOT).parts[:-1], path.stem)
    }
    assert not {(part, path) for part, path in parts if part in NO_ROOM_IS_CALLED}


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK")) + r")\b")
    assert not found(later)


def test_only_people_facing_rooms_print() -> None:
    speaking = {SOURCE / "cli", SOURCE / "demo"}
    printing = {
        f"{name_of(path)}:{node.lineno}"
        for path in python_files("src")
        if not any(path.is_relative_to(room) or path == room.with_suffix(".py") for room in speaking)
        for node in ast.walk(ast.parse(our_text()[path]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert not printing


@pytest.mark.parametrize("path", sorted((SOURCE / "store" / "sql").glob("*.sql")), ids=name_of)
def test_every_query_says_what_it_is_for(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    named = [number for number, line in enumerate(lines) if line.startswith("-- name:")]
    assert named, f"{name_of(path)} holds no named query"
    silent = [
        lines[number]
        for number in named
        if not re.match(r"-- (?!name:)\S+ \S+", "".join(lines[number + 1 : number + 2]))
    ]
    assert not silent, f"no purpose line below {silent}"


# Pieces are put together here so that this file does not hold what it looks for.
OUTSIDE = (
    "../" + "shared",
    "/work" + "/main",
    "/work" + "/",
    "/tmp/" + "venv",
    "/opt/" + "pypi",
    "/root" + "/",
    "pypi" + ".org",
    "files.python" + "hosted.org",
    "registry.npm" + "js.org",
    "deb.debian" + ".org",
    "ghcr" + ".io",
)


def test_nothing_points_outside_the_checkout() -> None:
    assert not found(re.compile("|".join(re.escape(needle) for needle in OUTSIDE)))


def test_what_is_installed_is_used() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    modules = {re.split(r"[^\w-]", needed)[0].replace("-", "_") for needed in project["dependencies"]}
    text = "\n".join(our_text()[path] for path in python_files("src"))
    assert not {module for module in modules if not re.search(rf"(import|from) .*\b{module}|\"{module}\"", text)}


def test_lock_files_hold_no_address() -> None:
    for name in ("requirements.lock", "requirements-test.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"(?m)://|^\s*--(extra-)?(index|find)|@ ", text), name
        pinned = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert all("==" in line for line in pinned), name
        assert text.count("--hash=sha256:") >= len(pinned), name


def test_the_project_speaks_of_itself_alone() -> None:
    words = (
        "sub" + "agent",
        "co" + "pilot",
        "chat" + "gpt",
        "clau" + "de",
        "lang" + "uage model",
        r"as an a" + "i",
        "CE" + "O's",
    )
    assert not found(re.compile(r"\b(" + "|".join(words) + r")\b", re.IGNORECASE))


def test_secrets_are_not_in_the_tree() -> None:
    assert not found(re.compile(r"-----BEGIN [A-Z ]*PRIVATE " + "KEY-----|" + r"\bsk_live_[a-z0-9]+_[A-Za-z0-9]{32}\b"))


def found(pattern: re.Pattern[str]) -> list[str]:
    """Places (path:line) in the project's own text where the pattern stands."""
    return [
        f"{name_of(path)}:{number}: {line.strip()[:80]}"
        for path, text in our_text().items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
