"""`stockwire serve`: binds the port once, runs the embedded database and the children, and stops them all (R24, R25).

Small on purpose: it imports nothing large and waits in `select`. Children hold a lifeline, a pipe that closes when this
process dies however it dies, so that none of them outlives it.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import site
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from stockwire import logs
from stockwire.config import Settings, WrongSetting, load
from stockwire.run_file import RunFile
from stockwire.sealing import KeyRing
from stockwire.store.embedded import Cancelled, Embedded, EmbeddedFailure

log = logs.named("supervisor")

WRONG = 78  # a child's exit code for what starting again would not change
AWAY = 75  # for a database that does not answer
STOP_SECONDS = 12.0  # until children that were told to stop are killed
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # before a child that died is started again
STEADY_SECONDS = 30.0  # a child that ran so long starts again at once
BACKLOG = 2048
CONNECTIONS_OF_A_CHILD = 20  # to an embedded database: its pools at their largest, and some beside them
OTHER_CONNECTIONS = 40  # commands, and the sessions of a killed child that have not ended yet
PORT_SECONDS = 2.0  # a port may still be held by children of a killed server, who are leaving
PROBE_SECONDS = 1.0
STARTING_SECONDS = 0.05  # between looks while somebody starts
WATCHING_SECONDS = 5.0  # and when all runs: signals, deaths and pipes wake it before


class CannotListen(Exception):  # noqa: N818 - said to the person who starts the server
    """The address cannot be listened on."""


class Child:
    """One child process, started again when it dies."""

    def __init__(self, roles: tuple[str, ...], number: int, listens: bool) -> None:
        self.name = "+".join(roles) + (f"-{number}" if number else "")
        self.roles = roles
        self.listens = listens
        self.process: subprocess.Popen[bytes] | None = None
        self.ready = False
        self.started = 0.0
        self.start_at = 0.0
        self.ready_pipe = -1
        self._deaths = 0

    def start(self, settings: Settings, listening: socket.socket | None, lifeline: int) -> None:
        """Start it, with the socket, the lifeline and a pipe on which it says that it works."""
        self.ready_pipe, say = os.pipe()
        os.set_blocking(self.ready_pipe, False)
        handed = listening.fileno() if listening is not None and self.listens else -1
        passed = [descriptor for descriptor in (handed, lifeline, say) if descriptor >= 0]
        command = python("stockwire.app", ",".join(self.roles), str(handed), str(lifeline), str(say))
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own module
            command, pass_fds=passed, stdin=subprocess.DEVNULL, env=environment(settings), start_new_session=True
        )
        os.close(say)
        self.started = time.monotonic()
        self.ready = False
        log.info("child_started", role=self.name, child_pid=self.process.pid)

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None else None

    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.started

    def look(self) -> bool:
        """Hear whether it works by now; true when that is news."""
        if self.ready_pipe < 0:
            return False
        with contextlib.suppress(BlockingIOError):
            self.ready = bool(os.read(self.ready_pipe, 1))
            os.close(self.ready_pipe)
            self.ready_pipe = -1
            return self.ready
        return False

    def died(self) -> int | None:
        """Its exit code, once, if it has ended; when to start it again is noted."""
        code = self.process.poll() if self.process is not None else None
        if code is None:
            return None
        self.look()
        self.ready = False
        self._deaths = 0 if self.age() > STEADY_SECONDS else self._deaths + 1
        pause = PAUSES[min(self._deaths, len(PAUSES)) - 1] if self._deaths else 0.0
        self.start_at = time.monotonic() + pause
        self.process = None
        return code


class Supervisor:
    """One server: its socket, its database if embedded, its children."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._embedded = self._own_database() if settings.embedded else None
        self._run_file = RunFile(settings.data_dir) if settings.embedded else None
        self._children = list(_children(settings))
        self._socket: socket.socket | None = None
        self._lifeline, self._held = os.pipe()  # the children read the one end, this process alone holds the other
        self._wake, self._signalled = os.pipe()
        self._signals: list[signal.Signals] = []
        self._launch_at = 0.0
        self._announced = False
        self._counts = share_counts() if settings.workers > 1 else None

    def _own_database(self) -> Embedded:
        connections = OTHER_CONNECTIONS + CONNECTIONS_OF_A_CHILD * len(list(_children(self._settings)))
        return Embedded(self._settings.data_dir, self._settings.pg_bin, self._is_stopping, connections)

    def run(self) -> int:
        """Serve until a signal; the exit code. EmbeddedFailure and CannotListen: it could not start."""
        self._listen_to_signals()
        try:
            self._take_places()
            if self._embedded is not None:
                self._embedded.start()
            self._start_due()
            return self._watch()
        except Cancelled:
            return 0
        finally:
            self._stop()

    def _take_places(self) -> None:
        """The data directory and the port: what another server would have."""
        if self._embedded is not None:
            self._embedded.claim()
        if self._run_file is not None:
            self._run_file.end_leftovers()
        self._socket = listen_soon(self._settings.host, self._settings.port, self._is_stopping)

    def _listen_to_signals(self) -> None:
        os.set_blocking(self._signalled, False)
        signal.set_wakeup_fd(self._signalled, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _frame: self._signals.append(signal.Signals(number)))
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _is_stopping(self) -> bool:
        return bool(self._signals)

    def _watch(self) -> int:
        """Start again what dies, until told to stop, or until something died that cannot live."""
        while not self._is_stopping():
            self._wait()
            self._keep_database()
            for child in self._children:
                if child.look():
                    log.info("child_ready", role=child.name, child_pid=child.pid, seconds=f"{child.age():.3f}")
                code = child.died()
                if code is None or self._is_stopping():
                    continue
                if self._is_hopeless(code):
                    return 2
                log.error("child_died", role=child.name, code=code)
            self._start_due()
            self._announce()
        return 0

    def _wait(self) -> None:
        """Until something happened or somebody is due."""
        now = time.monotonic()
        due = [child.start_at for child in self._children if child.process is None]
        if self._embedded is not None and self._embedded.pid is None:
            due.append(self._launch_at)
        longest = WATCHING_SECONDS if self._announced else STARTING_SECONDS
        pipes = [child.ready_pipe for child in self._children if child.ready_pipe >= 0]
        seconds = max(0.0, min([now + longest, *due]) - now)
        if self._wake in select.select([self._wake, *pipes], [], [], seconds)[0]:
            os.read(self._wake, 4096)

    def _is_hopeless(self, code: int) -> bool:
        """Whether a server that never worked ends with this child, which said why; one that worked goes on trying."""
        return not self._announced and (code == WRONG or (code == AWAY and self._embedded is None))

    def _keep_database(self) -> None:
        """A database that was killed is started again; the children's pools find it by themselves."""
        if self._embedded is None or self._embedded.pid is not None or time.monotonic() < self._launch_at:
            return
        if not self._launch_at:
            log.error("database_died")
        try:
            self._embedded.launch()
            self._launch_at = 0.0
        except Cancelled:
            return
        except (EmbeddedFailure, OSError) as fault:  # a full disk, for example: it may have room again
            log.error("database_not_started", fault=fault)
            self._launch_at = time.monotonic() + 1.0

    def _start_due(self) -> None:
        started = False
        for child in self._children:
            if child.process is None and time.monotonic() >= child.start_at and not self._is_stopping():
                child.start(self._settings, self._socket, self._lifeline)
                started = True
        if started and self._run_file is not None:
            self._run_file.note([child.pid for child in self._children if child.pid is not None])

    def _announce(self) -> None:
        """Say `event=ready` once the server answers from outside."""
        if self._announced or not all(child.ready for child in self._children):
            return
        if self._socket is None or not answers(self._socket):
            return
        self._announced = True
        log.info("ready", address=url_of(self._socket))

    def _stop(self) -> None:
        """In order: no new connections, the children, then the database they need. A second signal ends it sooner."""
        if self._signals:
            log.info("stopping", signal=self._signals[0].name)
        if self._socket is not None:
            self._socket.close()
        living = [child.process for child in self._children if child.process is not None]
        for process in living:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while any(process.poll() is None for process in living):
            if time.monotonic() > deadline or len(self._signals) > 1:
                break
            time.sleep(0.01)
        for process in living:
            if process.poll() is None:
                log.warning("child_killed", child_pid=process.pid)
                process.kill()
                process.wait()
        os.close(self._held)
        if self._counts is not None:
            shutil.rmtree(self._counts, ignore_errors=True)
        if self._run_file is not None and self._embedded is not None and self._embedded.claimed:
            self._run_file.forget()
        if self._embedded is not None:
            self._embedded.stop()
        log.info("stopped")


def _children(settings: Settings) -> Iterator[Child]:
    """API processes, and one for everything else, which answers for its own roles where it is alone (R23)."""
    selling = "api" in settings.role
    if selling:
        for number in range(settings.workers):
            yield Child(("api",), number + 1 if settings.workers > 1 else 0, listens=True)
    others = tuple(role for role in settings.role if role != "api")
    if others:
        yield Child(others, 0, listens=not selling)


def share_counts() -> Path:
    """A new directory where the API processes count together: whichever answers `/metrics` tells of all of them."""
    folder = tempfile.mkdtemp(prefix="stockwire-counts-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    return Path(folder)


def python(module: str, *arguments: str) -> list[str]:
    """A command that runs one of our modules. -P: what lies in the current directory is no part of the programme."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment(settings: Settings) -> dict[str, str]:
    """What a process of ours inherits: everything but our settings, and these as they were decided here."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("STOCKWIRE_")}
    here = str(Path(__file__).parent.parent)
    if here not in site.getsitepackages():  # a checkout
        inherited["PYTHONPATH"] = os.pathsep.join(filter(None, (here, inherited.get("PYTHONPATH"))))
    return inherited | settings.environ()


def listen_soon(host: str, port: int, cancelled: Callable[[], bool]) -> socket.socket:
    """As `listen`, with a little patience for a port that is being left."""
    until = time.monotonic() + PORT_SECONDS
    while True:
        try:
            return listen(host, port)
        except CannotListen:
            if time.monotonic() > until or cancelled():
                raise
        time.sleep(0.05)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. CannotListen: the port is taken, or the address is not this machine's."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as fault:
        raise CannotListen(f"cannot listen on {host}: {fault.strerror or fault}") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError as fault:
        bound.close()
        message = f"cannot listen on {host} port {port}: {fault.strerror}; choose another with --port"
        raise CannotListen(message) from None
    bound.setblocking(False)
    return bound


def url_of(listening: socket.socket) -> str:
    """The address of a listening socket, as a client would write it."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def answers(listening: socket.socket) -> bool:
    """Whether GET /readyz on the socket's own address says 200."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - listened on by choice of the person
    try:
        with socket.create_connection((host, port), PROBE_SECONDS) as asking:
            asking.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return asking.recv(64).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


def exec_with(settings: Settings) -> NoReturn:
    """Become the supervisor: the same process, without what a command line needed (half of its memory)."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, python("stockwire.supervisor"), environment(settings))  # noqa: S606 - ourselves


def main() -> int:
    """Run a server in the foreground, settings from the environment; the exit code. What cannot start says so."""
    try:
        settings = load({}, os.environ)
        logs.configure("supervisor", settings.log_level)
        if settings.secret_key or not settings.embedded:
            KeyRing(settings.secret_key)  # so that a missing or short key is said before anything starts
        return Supervisor(settings).run()
    except (EmbeddedFailure, CannotListen, WrongSetting) as fault:
        sys.stderr.write(f"stockwire: {fault}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
