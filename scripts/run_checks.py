"""`make check`: everything that can be judged without a database, each check with its time. All run; one failure fails.

The slowest (types, tests) run beside each other; a check's output is shown only if it failed.
"""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Check(NamedTuple):
    name: str
    module: str
    arguments: tuple[str, ...]


CHECKS = (
    Check("types", "mypy", ()),
    Check("tidy and documents", "pytest", ("-q", "--no-header", "-p", "no:cacheprovider", "tests/architecture")),
    Check("imports", "importlinter.cli", ("--no-cache",)),
    Check("format", "ruff", ("format", "--check", "--quiet", ".")),
    Check("lint", "ruff", ("check", "--quiet", ".")),
)


class Outcome(NamedTuple):
    check: Check
    passed: bool
    seconds: float
    output: str


def carry_out(check: Check) -> Outcome:
    begun = time.monotonic()
    done = subprocess.run(command(check), cwd=ROOT, capture_output=True, text=True, check=False)
    return Outcome(check, done.returncode == 0, time.monotonic() - begun, done.stdout + done.stderr)


def command(check: Check) -> list[str]:
    if check.module == "importlinter.cli":  # has no `python -m`
        return [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", *check.arguments]
    return [sys.executable, "-m", check.module, *check.arguments]


def main() -> int:
    begun = time.monotonic()
    failed = 0
    with ThreadPoolExecutor(max_workers=2) as pool:
        for outcome in pool.map(carry_out, CHECKS):
            failed += not outcome.passed
            print(
                f"{'passed' if outcome.passed else 'FAILED'}  {outcome.seconds:5.1f} s  {outcome.check.name}",
                flush=True,
            )
            if not outcome.passed:
                print(outcome.output, flush=True)
    print(f"{len(CHECKS) - failed} of {len(CHECKS)} checks passed in {time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
