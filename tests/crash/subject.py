"""What is killed: one server on its embedded database, as processes known by their part."""

import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import IO

from benchmarks.subjects import PARTS, SERVE, environment, free_port, parts_of
from stockwire import processes
from stockwire.demo.keys import admin_key
from stockwire.store.embedded_files import read_pid_file
from tests.engines import required_programs

WORKERS = 2
READY_SECONDS = 60.0


class Subject:
    """`stockwire serve` in a data directory, started again by us when it has ended, as an init system would."""

    def __init__(self, folder: Path, workers: int = WORKERS) -> None:
        folder.chmod(0o711)  # the account of a server started by root must pass through
        self.data_dir = folder / "data"
        self.port = free_port()
        self._workers = workers
        self.log = folder / "server.log"
        self._output: IO[bytes] = self.log.open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self) -> None:
        """Start it; `wait_ready` waits."""
        command = [*SERVE, "--data-dir", str(self.data_dir), "--port", str(self.port)]
        command += ["--workers", str(self._workers)]
        command += ["--pg-bin", str(required_programs()), "--webhook-allow", "127.0.0.0/8"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output, env=environment()
        )
        self.starts += 1

    def revive(self) -> None:
        """Start it again if it has ended."""
        if self._process is None or self._process.poll() is not None:
            self.start()

    def wait_ready(self) -> None:
        """Until it is whole: `/readyz` answers 200 and every process is there. RuntimeError: it takes too long."""
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            self.revive()
            if self._whole() and self._answers():
                return
            time.sleep(0.02)
        said = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"not ready after {READY_SECONDS:.0f} s; there are {self.pids()}; the server said\n{said}")

    def _whole(self) -> bool:
        pids = self.pids()
        return len(pids["api"]) == self._workers and all(pids[part] for part in (*PARTS, "postmaster"))

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                ready: bool = answer.status == 200
                return ready
        except OSError:
            return False

    def pids(self) -> dict[str, list[int]]:
        """Living processes by part: supervisor, api, deliver, postmaster."""
        found: dict[str, list[int]] = {"supervisor": [], "postmaster": [], **{part: [] for part in PARTS}}
        if self._process is not None and self._process.poll() is None:
            found |= parts_of(self._process.pid)
        database = read_pid_file(self.data_dir / "postgres")
        if database is not None and database.runs:
            found["postmaster"] = [database.pid]
        return found

    def api_key(self) -> str:
        """The admin key that the first start made."""
        return admin_key(self.data_dir)

    def end(self) -> None:
        """Stop it in order; by force if it does not."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill(self.pids())
        self._end_database()

    def stop(self) -> None:
        """End it for good."""
        self.end()
        self._output.close()

    def _end_database(self) -> None:
        database = read_pid_file(self.data_dir / "postgres")
        if database is not None and database.runs:
            processes.end(database.pid, database.started, ((signal.SIGINT, 10.0), (signal.SIGKILL, 5.0)))

    @staticmethod
    def kill(pids: dict[str, list[int]], number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to every one of these processes."""
        for pid in (pid for some in pids.values() for pid in some):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
