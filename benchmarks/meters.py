"""Processor time and memory of processes, as the system counts them."""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
Parts = Mapping[str, Iterable[int]]  # processes by what they are part of


class Spent(NamedTuple):
    """Seconds of the clock, and of processors by part."""

    seconds: float
    processor: dict[str, float]


class ProcessorMeter:
    """From when it is made: what the processes of each part have used.

    A process that ended meanwhile counts with what it had used when it was last looked at.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = {part: list(pids) for part, pids in parts.items()}
        self._begun = time.perf_counter()
        self._before = {pid: processor_seconds(pid) for pids in self._parts.values() for pid in pids}

    def read(self, parts: Parts | None = None) -> Spent:
        """Until now. `parts`: the processes of now, where some may have come since."""
        now = {part: list(pids) for part, pids in (parts or self._parts).items()}
        used = {
            part: sum(max(0.0, processor_seconds(pid) - self._before.get(pid, 0.0)) for pid in pids)
            for part, pids in now.items()
        }
        return Spent(time.perf_counter() - self._begun, used)


def processor_seconds(pid: int) -> float:
    """User and system time of a process with all its threads; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def proportional_bytes(pid: int) -> int:
    """Memory of a process, what is shared counted in proportion (PSS); 0 if it is gone or hidden."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = (path / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(path.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found
