"""Which process is meant: a number alone is not enough, since numbers are used again."""

import os
import signal
import subprocess
import time
from pathlib import Path

CLOCK_SLACK_SECONDS = 5.0


def started_at(pid: int) -> float | None:
    """When a living process started (seconds since 1970, by the machine's clock); None: there is none, or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None if Path("/proc/self/stat").exists() else _started_by_ps(pid)
    if fields[0] in {"Z", "X"}:
        return None
    return _boot_time() + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def is_same(pid: int, started: float) -> bool:
    """Whether `pid` lives and is the process that started at that time."""
    actual = started_at(pid)
    return actual is not None and abs(actual - started) <= CLOCK_SLACK_SECONDS


def working_folder(pid: int) -> Path | None:
    """The current directory of a process, where the system tells it."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None


def program(pid: int) -> str | None:
    """The short name of a process's program, where the system tells it."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def command_line(pid: int) -> str:
    """The words of a process's command, where the system tells them; otherwise nothing."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def all_pids() -> list[int]:
    """Every process that can be seen; empty where there is no /proc."""
    try:
        return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    except OSError:
        return []


def wait_gone(pid: int, started: float, seconds: float) -> bool:
    """Whether the process ended within the time (it need not be a child of ours)."""
    until = time.monotonic() + seconds
    while is_same(pid, started):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def end(pid: int, started: float, signals: tuple[tuple[signal.Signals, float], ...]) -> bool:
    """Sends one signal after another, each with its time to work, until that very process is gone."""
    for number, seconds in signals:
        if not is_same(pid, started):
            return True
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        if wait_gone(pid, started, seconds):
            return True
    return False


def _boot_time() -> float:
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    raise OSError("/proc/stat does not tell when the machine started")


def _started_by_ps(pid: int) -> float | None:
    found = subprocess.run(  # noqa: S603 - a number is all that is passed
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, env={"LC_ALL": "C"}, check=False
    )
    text = found.stdout.strip()
    return time.mktime(time.strptime(text)) if text else None
