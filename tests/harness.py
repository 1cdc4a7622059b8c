"""A real server: `stockwire serve` as its own processes, on a free port, on a data directory or a given database."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tests import engines

READY_SECONDS = 30.0


class NotReadyError(Exception):
    """The server did not become ready; the text is what it said."""


class Server:
    """`with Server(data_dir) as server:`; `server.url`, `server.keys["admin"]`, `server.pids("api")`."""

    def __init__(self, data_dir: Path, *arguments: str, **settings: str) -> None:
        self.data_dir = data_dir
        self.folder: Path | None = None  # to start it in, if not where the tests run
        self.lines: list[str] = []
        self.url = ""
        self._arguments: Sequence[str] = arguments
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._ready = threading.Event()

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # Life

    def launch(self, port: int = 0) -> None:
        """Start it and return at once."""
        self._ready = threading.Event()  # a new one: the reader of a killed server may still be at its end
        self.url = ""
        arguments = ["--data-dir", str(self.data_dir), "--port", str(port), *self._arguments]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "stockwire", "serve", *arguments],
            cwd=self.folder,
            env=environment(**self._settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process, self._ready), daemon=True)
        self._reader.start()

    def start(self, port: int = 0) -> float:
        """Start it; the seconds until it was ready."""
        began = time.monotonic()
        self.launch(port)
        self.wait_ready()
        return time.monotonic() - began

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until it says that it works."""
        if not self._ready.wait(seconds) or not self.url:
            raise NotReadyError("\n".join(self.lines[-40:]))

    def restart(self) -> float:
        """Start a stopped or killed server again on its old port; the seconds until it was ready."""
        return self.start(self.port)

    def stop(self, seconds: float = 30.0) -> int:
        """Stop it in order; its exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.terminate()
        code = self._process.wait(seconds)
        assert self._reader is not None
        self._reader.join(5)
        return code

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def keys(self) -> dict[str, str]:
        """The first keys, by role."""
        made = json.loads((self.data_dir / "first-keys.json").read_text())
        return {key["role"]: key["key"] for key in made["keys"]}

    # Processes

    @property
    def pid(self) -> int:
        """The supervisor's."""
        assert self._process is not None
        return self._process.pid

    def pids(self, role: str) -> list[int]:
        """Of the living children whose name begins with the role: `api`, `deliver`; `database`: the postmaster."""
        if role == "supervisor":
            return [self.pid]
        word, name = ("database_started", "database_pid") if role == "database" else ("child_started", "child_pid")
        found = [line for line in self.lines if f"event={word} " in line]
        if role != "database":
            found = [line for line in found if re.search(rf" role={role}\b", line)]
        pids = [int(re.search(rf" {name}=(\d+)", line)[1]) for line in found]
        return [pid for pid in pids if alive(pid)]

    def kill9(self, role: str) -> list[int]:
        """SIGKILL every process of a role; which they were."""
        pids = self.pids(role)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return pids

    def _read(self, process: "subprocess.Popen[str]", ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(line.rstrip("\n"))
            if found := re.search(r"event=ready .*address=(\S+)", line):
                self.url = found[1]
                ready.set()
        ready.set()


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without settings of Stockwire, with these; the engine is the tests' own."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("STOCKWIRE_")}
    kept["STOCKWIRE_PG_BIN"] = str(engines.required_programs())
    kept["PYTHONPATH"] = str(Path(__file__).parent.parent / "src")
    return kept | {f"STOCKWIRE_{name.upper()}": text for name, text in settings.items()}
