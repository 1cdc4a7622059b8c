"""Which processes a server started, noted in its data directory, so that the next start can end what a kill left (R25).

Children leave by themselves when their supervisor dies; one that is stopped or stuck cannot, and would keep the port.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path

from stockwire import private_file, processes
from stockwire.logs import named

log = named("run_file")

FILE = "run.json"
PROGRAM = "stockwire.app"  # stands in the command line of every child
END = ((signal.SIGKILL, 5.0),)


class RunFile:
    """`run.json` of a data directory whose lock is held."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE

    def note(self, pids: list[int]) -> None:
        """Write down the living children. A disk without room is no reason to stop: the note is only for bad days."""
        started = {str(pid): at for pid in pids if (at := processes.started_at(pid)) is not None}
        try:
            private_file.write(self._path, json.dumps({"children": started}).encode() + b"\n")
        except OSError as fault:
            log.warning("run_file_not_written", fault=fault)

    def end_leftovers(self) -> None:
        """Kill the children of an earlier start that are still there."""
        for pid, started in self._noted().items():
            if processes.is_same(pid, started) and PROGRAM in processes.command_line(pid):
                log.warning("leftover_ended", child_pid=pid)
                processes.end(pid, started, END)
        self.forget()

    def forget(self) -> None:
        """After an end in order."""
        self._path.unlink(missing_ok=True)

    def _noted(self) -> dict[int, float]:
        try:
            raw = json.loads(private_file.read(self._path) or b"{}")
            return {int(pid): float(started) for pid, started in raw.get("children", {}).items()}
        except (OSError, ValueError, AttributeError):
            return {}
