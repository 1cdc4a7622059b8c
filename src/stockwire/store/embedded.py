"""The embedded PostgreSQL: a real server over the programs of a wheel, in Stockwire's data directory (R24).

In the data directory: `lock` (held by flock while a process owns the directory), `postgres/` (the cluster),
`postgres.log`, `postgres.json` (passwords, 0600), `socket/`, and for root `programs-<version>/`. Nothing outside it
is ever changed; where the path cannot hold a socket (too long, or with a comma, which would divide two hosts), a
private directory under /tmp does.
"""

import contextlib
import fcntl
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from stockwire import private_file, processes
from stockwire.logs import named
from stockwire.store.embedded_files import (
    DATABASE,
    PORT,
    ROLE,
    SUPERUSER,
    Passwords,
    address,
    read_passwords,
    read_pid_file,
    running_address,
    sessions,
    socket_files,
    write_passwords,
)
from stockwire.store.embedded_programs import (
    Account,
    EmbeddedFailure,
    Programs,
    account,
    as_account,
    closed_to,
    copied,
    environment,
    find_programs,
    locales,
)

__all__ = ["Cancelled", "DataDirectoryInUse", "Embedded", "EmbeddedFailure", "find_programs", "running_address"]

log = named("embedded")

SOCKET_PATH_BYTES = 103  # of sun_path on every system, with its end
STALL_SECONDS = 60.0  # a recovery that shows no progress for so long has failed
SAY_EVERY_SECONDS = 5.0
CONNECTIONS = 80
LOG_BYTES = 10 * 1024 * 1024
STOP_SIGNALS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))  # fast, immediate, by force
CRASH_SIGNALS = ((signal.SIGQUIT, 2.0), (signal.SIGKILL, 5.0))

# Small, and durable: nothing here touches fsync, full_page_writes or synchronous_commit.
CONFIGURATION = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "cluster_name": "stockwire",
    "shared_buffers": "48MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "max_worker_processes": "2",
    "max_parallel_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "2",
    "max_wal_senders": "3",
    "max_wal_size": "512MB",
    "wal_buffers": "4MB",
    "wal_compression": "pglz",
    "checkpoint_timeout": "5min",
    "random_page_cost": "1.1",
    "jit": "off",
    "lc_messages": "C",
    "log_min_messages": "warning",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
}
CONFIGURATION_SINCE = {18: {"io_method": "sync"}}  # no processes of its own for reading


class Cancelled(EmbeddedFailure):
    """The server was told to stop while it started."""


class DataDirectoryInUse(EmbeddedFailure):
    """Another process owns the data directory."""


class Embedded:
    """One embedded server. `start` takes the data directory and answers the address; `stop` gives both back.

    Synchronous and small on purpose: the supervisor, which runs it, imports nothing that waits.
    """

    def __init__(
        self,
        data_dir: Path,
        pg_bin: Path | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        connections: int = CONNECTIONS,
    ) -> None:
        """`cancelled` is asked while a start waits, which a recovery can make long. `connections`: at most, at once."""
        self.data_dir = data_dir
        self.cluster = data_dir / "postgres"
        self.fresh = False  # whether this start made the cluster
        self._pg_bin = pg_bin
        self._cancelled = cancelled
        self._connections = connections
        self._lock: IO[bytes] | None = None
        self._programs: Programs | None = None
        self._account: Account | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._log_read_to = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def claimed(self) -> bool:
        """Whether the data directory is ours."""
        return self._lock is not None

    @property
    def dsn(self) -> str:
        """Address for Stockwire's role; holds its password."""
        return address(ROLE, read_passwords(self.data_dir).role, DATABASE, self._socket_folder())

    @property
    def superuser_dsn(self) -> str:
        """Address for administration; holds the superuser's password."""
        return address(SUPERUSER, read_passwords(self.data_dir).superuser, "postgres", self._socket_folder())

    def start(self) -> str:
        """Owns the data directory, makes the cluster if there is none, and waits until the server accepts connections.

        DataDirectoryInUse, EmbeddedFailure.
        """
        self.claim()
        try:
            self.launch()
        except BaseException:
            self.stop()
            raise
        return self.dsn

    def claim(self) -> None:
        """Takes the data directory; made if it is not there. DataDirectoryInUse: another process has it."""
        if self._lock is not None:
            return
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._account = account(self.data_dir, self.cluster)
            self._lock = _locked(self.data_dir / "lock")
        except PermissionError as fault:
            raise EmbeddedFailure(f"cannot use the data directory {self.data_dir}: {fault.strerror}") from None

    def launch(self) -> None:
        """Starts the server in the claimed directory, whatever an earlier one left behind."""
        began = time.monotonic()
        self._programs = self._usable_programs()
        if not (self.cluster / "PG_VERSION").exists():
            self._create()
            log.info("database_made", path=self.cluster, version=self._programs.version, seconds=_since(began))
        self._require_same_version()
        self._end_leftovers()
        self._spawn()
        try:
            self._wait_ready()
        except BaseException:
            self._end_process()
            raise
        log.info("database_started", database_pid=self.pid, version=self._programs.version, seconds=_since(began))

    def stop(self) -> None:
        """Ends the server in order (a checkpoint, so that the next start is quick) and releases the directory."""
        self._end_process()
        if self._lock is not None:
            self._leave_short_folder()
            self._lock.close()
            self._lock = None

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            _end_child(process)
            log.info("database_stopped", database_pid=process.pid)

    # What the server needs around it

    def _usable_programs(self) -> Programs:
        found = find_programs(self._pg_bin)
        if self._account is None:
            return found
        if self.data_dir.stat().st_uid == 0:
            self.data_dir.chmod(stat.S_IMODE(self.data_dir.stat().st_mode) | 0o011)  # to pass through, not to look
        closed = closed_to(self.data_dir, self._account)
        if closed is not None:
            raise EmbeddedFailure(
                f"{self._account.name}, who runs the database when root starts it, cannot enter {closed}: "
                "choose a data directory that others may enter, for example --data-dir /var/lib/stockwire"
            )
        if closed_to(found.bin / "postgres", self._account) is None:
            return found
        return Programs(copied(found, self.data_dir), found.version)

    def _create(self) -> None:
        assert self._programs is not None
        making = self.data_dir / "postgres.making"
        _remove(making)
        passwords = Passwords(os.urandom(24).hex(), os.urandom(24).hex())
        write_passwords(self.data_dir, passwords)
        self._make_folder(making)
        self._initdb(making, passwords.superuser)
        self._run_single(
            making,
            f"CREATE ROLE {ROLE} LOGIN PASSWORD '{passwords.role}';\n",
            f"CREATE DATABASE {DATABASE} OWNER {ROLE};\n",
        )
        making.rename(self.cluster)
        self.fresh = True

    def _initdb(self, folder: Path, password: str) -> None:
        assert self._programs is not None
        socket_folder = self._socket_folder(make=True)
        password_file = socket_folder / "password"
        private_file.write(password_file, password.encode() + b"\n")
        arguments = ["--pgdata", str(folder), "--username", SUPERUSER, "--pwfile", str(password_file)]
        arguments += ["--auth=scram-sha-256", "--encoding=UTF8", "--data-checksums", "--no-instructions"]
        try:
            for locale in locales(self._programs.version):
                done = self._run("initdb", [*arguments, *locale])
                if done.returncode == 0:
                    return
        finally:
            password_file.unlink()
        raise EmbeddedFailure(f"initdb failed: {_last_line(done.stderr)}")

    def _run_single(self, folder: Path, *statements: str) -> None:
        """Statements without a server that others could reach, for what must be there before anybody connects."""
        arguments = ["--single", "-j", "-D", str(folder), "-c", "log_min_messages=error", "template1"]
        done = self._run("postgres", arguments, text=";\n\n".join(s.rstrip(";\n") for s in statements) + ";\n\n")
        if done.returncode != 0 or "ERROR:" in done.stderr or "FATAL:" in done.stderr:
            raise EmbeddedFailure(f"cannot prepare the database: {_last_line(done.stderr)}")

    def _run(self, program: str, arguments: list[str], text: str = "") -> "subprocess.CompletedProcess[str]":
        assert self._programs is not None
        return subprocess.run(  # noqa: S603 - PostgreSQL's programs with our arguments
            [str(self._programs.bin / program), *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
            cwd=self.data_dir,
            umask=0o077,
            **as_account(self._account),
        )

    def _require_same_version(self) -> None:
        assert self._programs is not None
        cluster = (self.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        if cluster != str(self._programs.version):
            raise EmbeddedFailure(
                f"the data directory was made by PostgreSQL {cluster}, the programs are {self._programs.version}: "
                f"move the data by backup and restore, or give PostgreSQL {cluster} in STOCKWIRE_PG_BIN"
            )

    # The process

    def _end_leftovers(self) -> None:
        """Ends what a killed owner left: its server if it still runs, and the sessions of a server that was killed."""
        names = [self.cluster / "postmaster.pid", *socket_files(self._socket_folder(make=True))]
        if not any(name.exists() for name in names):
            return
        left = read_pid_file(self.cluster)
        if left is not None and left.runs:
            log.warning("orphan_found", database_pid=left.pid)
            if not processes.end(left.pid, left.started, STOP_SIGNALS):
                raise EmbeddedFailure(f"the database of an earlier start (process {left.pid}) does not end")
        for pid, started in sessions(self.cluster):
            processes.end(pid, started, CRASH_SIGNALS)
        for name in names:  # the number in them may belong to anybody by now, or to a process that nobody reaps
            name.unlink(missing_ok=True)

    def _spawn(self) -> None:
        assert self._programs is not None
        settings = configuration(self._programs.version) | {"max_connections": str(self._connections)}
        folder = str(self._socket_folder(make=True)).replace('"', '""')
        settings["unix_socket_directories"] = f'"{folder}"'
        command = [str(self._programs.bin / "postgres"), "-D", str(self.cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self._open_log() as output:
            self._log_read_to = output.tell()
            self._process = subprocess.Popen(  # noqa: S603 - as above
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(),
                cwd=self.data_dir,
                umask=0o077,
                start_new_session=True,  # Ctrl-C in a terminal is for the supervisor, which stops it last
                **as_account(self._account),
            )

    def _wait_ready(self) -> None:
        """Waits as long as the server makes progress: recovery after a crash takes the time it takes."""
        assert self._process is not None
        progress, size, said = time.monotonic(), 0, time.monotonic()
        while True:
            left = read_pid_file(self.cluster)
            if left is not None and left.pid == self._process.pid and left.state == "ready":
                return
            if self._process.poll() is not None:
                raise EmbeddedFailure(f"the database did not start: {self._last_words()}")
            if self._cancelled():
                raise Cancelled("told to stop while the database starts")
            now = time.monotonic()
            if (grown := self._log_path.stat().st_size) != size:
                progress, size = now, grown
            if now - progress > STALL_SECONDS:
                raise EmbeddedFailure(f"the database makes no progress in starting: {self._last_words()}")
            if now - said > SAY_EVERY_SECONDS:
                said = now
                log.info("database_recovering", database_pid=self._process.pid, said=self._last_words())
            time.sleep(0.01)

    # Files

    @property
    def _log_path(self) -> Path:
        return self.data_dir / "postgres.log"

    def _open_log(self) -> IO[bytes]:
        path = self._log_path
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        file = os.fdopen(handle, "ab")
        private_file.give(handle, path.parent)
        file.seek(0, os.SEEK_END)
        return file

    def _last_words(self) -> str:
        with self._log_path.open("rb") as file:
            file.seek(self._log_read_to)
            return _last_line(file.read(64 * 1024).decode("utf-8", "replace"))

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        if self._account is not None:
            os.chown(folder, *self._account)

    def _socket_folder(self, *, make: bool = False) -> Path:
        """Where the socket is: in the data directory, or where that path cannot be used, as noted there."""
        folder = self.data_dir / "socket"
        if len(os.fsencode(folder / f".s.PGSQL.{PORT}.lock")) > SOCKET_PATH_BYTES or "," in str(folder):
            folder = self._short_folder(make=make)
        elif make and not folder.exists():
            self._make_folder(folder)
        return folder

    def _leave_short_folder(self) -> None:
        """Take a socket directory outside the data directory away again; one that is still used stays."""
        note = self.data_dir / "socket.path"
        with contextlib.suppress(OSError):
            noted = private_file.read(note)
            if noted is not None:
                Path(noted.decode().strip()).rmdir()
                note.unlink()

    def _short_folder(self, *, make: bool) -> Path:
        noted = private_file.read(self.data_dir / "socket.path")
        wanted = self._account.uid if self._account is not None else os.geteuid()
        if noted is not None:
            folder = Path(noted.decode().strip())
            with contextlib.suppress(FileNotFoundError):
                found = folder.lstat()
                if stat.S_ISDIR(found.st_mode) and found.st_uid == wanted and stat.S_IMODE(found.st_mode) == 0o700:
                    return folder
        if not make:
            raise EmbeddedFailure("the database's socket directory is gone: start the server again")
        folder = Path("/tmp") / f"stockwire-{os.urandom(8).hex()}"  # noqa: S108 - private, made new, 0700
        self._make_folder(folder)
        private_file.write(self.data_dir / "socket.path", str(folder).encode() + b"\n")
        return folder


def configuration(version: int) -> dict[str, str]:
    """The settings of a server of this version on this system."""
    settings = dict(CONFIGURATION)
    for since, more in CONFIGURATION_SINCE.items():
        settings |= more if version >= since else {}
    if _whole_disk_syncs_tell_errors():
        settings["recovery_init_sync_method"] = "syncfs"  # after a crash: 0.1 s instead of an fsync of 1,000 files
    return settings


def _whole_disk_syncs_tell_errors() -> bool:
    """Linux since 5.8; before, and elsewhere, every file is synchronised by itself."""
    system = os.uname()
    release = re.match(r"(\d+)\.(\d+)", system.release)
    return system.sysname == "Linux" and release is not None and (int(release[1]), int(release[2])) >= (5, 8)


def _locked(path: Path) -> IO[bytes]:
    """The file, locked for as long as it stays open. It names the process, for the message to the next one."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    file = os.fdopen(handle, "r+b", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = file.read(20).decode("ascii", "replace").strip()
        file.close()
        problem = f"data directory {path.parent} is in use by process {holder or 'unknown'}"
        raise DataDirectoryInUse(f"{problem}; choose another with --data-dir") from None
    private_file.give(handle, path.parent)
    file.truncate(0)
    file.write(f"{os.getpid()}\n".encode())
    return file


def _end_child(process: "subprocess.Popen[bytes]") -> None:
    for number, seconds in STOP_SIGNALS:
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


def _remove(folder: Path) -> None:
    if folder.exists():
        import shutil

        shutil.rmtree(folder)


def _last_line(text: str) -> str:
    """What a program said last; what was fatal goes before what followed from it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    return (fatal or lines or ["it said nothing"])[-1]


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.3f}"
