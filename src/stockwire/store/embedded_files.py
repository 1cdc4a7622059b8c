"""What the files of an embedded PostgreSQL tell: who runs, where it listens, with which passwords (R24)."""

import json
import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from stockwire import private_file, processes

ROLE = DATABASE = "stockwire"
SUPERUSER = "postgres"
PORT = 5432
PASSWORDS = "postgres.json"


class Passwords(NamedTuple):
    """Of the superuser, who only administers, and of the role that Stockwire connects as."""

    superuser: str
    role: str


class PidFile(NamedTuple):
    """What postmaster.pid says."""

    pid: int
    started: float
    socket_folder: Path | None
    state: str  # starting, ready, stopping, standby; empty while it is written

    cluster: Path

    @property
    def runs(self) -> bool:
        """Whether that very server lives. The number may be another process's by now; the clock may have been set."""
        if processes.is_same(self.pid, self.started):
            return True
        folder = processes.working_folder(self.pid)
        return folder is not None and folder == self.cluster.resolve() and processes.started_at(self.pid) is not None


def read_pid_file(cluster: Path) -> PidFile | None:
    """The cluster's pid file; None: there is none, or nothing can be made of it."""
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        lines += [""] * (8 - len(lines))
        folder = Path(lines[4]) if lines[4] else None
        return PidFile(int(lines[0]), float(lines[2] or 0), folder, lines[7].strip(), cluster)
    except (OSError, ValueError):
        return None


def sessions(cluster: Path) -> list[tuple[int, float]]:
    """Processes of a server (pid, start) that still work in the cluster, where the system tells that."""
    here = cluster.resolve()
    found = [
        (pid, processes.started_at(pid))
        for pid in processes.all_pids()
        if processes.program(pid) == "postgres" and processes.working_folder(pid) == here
    ]
    return [(pid, started) for pid, started in found if started is not None]


def socket_files(folder: Path) -> list[Path]:
    """The socket and the lock of its name."""
    return [folder / f".s.PGSQL.{PORT}", folder / f".s.PGSQL.{PORT}.lock"]


def write_passwords(data_dir: Path, passwords: Passwords) -> None:
    private_file.write(data_dir / PASSWORDS, json.dumps(passwords._asdict()).encode() + b"\n")


def read_passwords(data_dir: Path) -> Passwords:
    """OSError or ValueError if they are not there."""
    raw = private_file.read(data_dir / PASSWORDS)
    if raw is None:
        raise FileNotFoundError(os.fspath(data_dir / PASSWORDS))
    return Passwords(**json.loads(raw))


def address(user: str, password: str, database: str, socket_folder: Path) -> str:
    """A PostgreSQL address over the socket; names the port, since PGPORT would change it."""
    return f"postgresql://{user}:{password}@/{database}?host={quote(str(socket_folder), safe='')}&port={PORT}"


def running_address(data_dir: Path) -> str | None:
    """Address of the server that another process runs in the directory; None: none is ready there."""
    found = read_pid_file(data_dir / "postgres")
    if found is None or found.state != "ready" or found.socket_folder is None or not found.runs:
        return None
    return address(ROLE, read_passwords(data_dir).role, DATABASE, found.socket_folder)
