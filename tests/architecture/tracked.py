"""The files of the project, as the tidy and documentation tests see them."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "stockwire"
# Locked versions, licences of others, vendored and sample data are not the project's own words.
NOT_OURS = {"requirements.lock", "requirements-test.lock", "LICENSE"}


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that git tracks or would track, so that a test sees a new file before it is committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = (ROOT / name for name in listed.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


@cache
def our_text() -> dict[Path, str]:
    """Text of every tracked file that is ours and is text, by path."""
    found = {}
    for path in tracked():
        if path.name in NOT_OURS or "vendor" in path.parts:
            continue
        try:
            found[path] = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):  # not text; or taken away while we look
            continue
    return found


def python_files(*under: str) -> list[Path]:
    """Python files below the named top-level folders (all of ours if none is named)."""
    folders = [ROOT / name for name in under] or [ROOT]
    return [
        path for path in our_text() if path.suffix == ".py" and any(path.is_relative_to(folder) for folder in folders)
    ]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
