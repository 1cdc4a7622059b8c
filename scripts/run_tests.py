"""`make test`: every test on the embedded PostgreSQL 18, then the rooms that hold SQL again on the system's, if any.

Arguments go to pytest as they are; then only the first of the two runs is made. ENGINES names others to run on
(`ENGINES="embedded-16"`). Says at its end what was used; with CI=1 (or true) an engine that is missing is a failure.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from stockwire.store.embedded import find_programs  # noqa: E402
from tests.engines import programs_folder  # noqa: E402

FIRST, AGAIN = "embedded-18", "system"
ON_EVERY_ENGINE = ("tests/store", "tests/ledger", "tests/api", "tests/delivery")
STRICT = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def run_on(engine: str, arguments: list[str]) -> tuple[bool, str]:
    """Whether the tests passed on this engine, and what to say of it."""
    folder = programs_folder(engine)
    if folder is None:
        hint = " (on Debian and Ubuntu: apt-get install postgresql)" if engine == AGAIN else ""
        return not STRICT and engine == AGAIN, f"not on {engine}: this machine has none{hint}"
    environment = {**os.environ, "STOCKWIRE_TEST_ENGINE": engine}
    done = subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=environment, check=False)
    of_what = " ".join(arguments) or "all tests"
    said = f"{of_what} on PostgreSQL {find_programs(folder).version} ({engine})"
    return done.returncode == 0, said if done.returncode == 0 else f"{said} FAILED"


def main(arguments: list[str]) -> int:
    begun = time.monotonic()
    first, *others = os.environ.get("ENGINES", f"{FIRST} {AGAIN}").split()
    outcomes = [run_on(first, arguments)]
    if not arguments:
        again = [folder for folder in ON_EVERY_ENGINE if any((ROOT / folder).glob("test_*.py"))]
        outcomes += [run_on(engine, again) for engine in others]
    passed = all(good for good, _ in outcomes)
    print("\nTests run:", *(f"  {said}" for _, said in outcomes), "  no browser: there are no pages yet", sep="\n")
    print(f"make test {'passed' if passed else 'FAILED'} in {time.monotonic() - begun:.0f} s", flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
