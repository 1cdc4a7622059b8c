"""`stockwire serve`: binds the port once, runs the embedded database and the children, and stops them all (R24, R25).

Small on purpose: it imports nothing large and waits in `select`. Children hold a lifeline, a pipe that closes when this
process dies however it dies, so that none of them outlives it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from stockwire import logs
from stockwire.config import Settings, WrongSetting
from stockwire.store.embedded import Embedded, EmbeddedFailure

log = logs.named("supervisor")

WRONG = 78  # a child's exit code for what starting again would not change
STOP_SECONDS = 12.0  # until children that were told to stop are killed
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # before a child that died is started again
STEADY_SECONDS = 30.0  # a child that ran so long starts again at once
BACKLOG = 2048
WATCH_SECONDS = 0.2


class CannotListen(Exception):  # noqa: N818 - said to the person who starts the server
    """The address cannot be listened on."""


class Child:
    """One child process, started again when it dies."""

    def __init__(self, roles: tuple[str, ...], number: int) -> None:
        self.name = "+".join(roles) + (f"-{number}" if number else "")
        self.roles = roles
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
        handed = listening.fileno() if listening is not None and "api" in self.roles else -1
        passed = [descriptor for descriptor in (handed, lifeline, say) if descriptor >= 0]
        command = [sys.executable, "-m", "stockwire.app", ",".join(self.roles), str(handed), str(lifeline), str(say)]
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own module
            command, pass_fds=passed, stdin=subprocess.DEVNULL, env=_environment(settings), start_new_session=True
        )
        os.close(say)
        self.started = time.monotonic()
        self.ready = False
        log.info("child_started", role=self.name, child_pid=self.process.pid)

    def look(self) -> None:
        """Hear whether it works by now."""
        if self.ready_pipe < 0:
            return
        with contextlib.suppress(BlockingIOError):
            self.ready = bool(os.read(self.ready_pipe, 1))
            os.close(self.ready_pipe)
            self.ready_pipe = -1

    def died(self) -> int | None:
        """Its exit code, once, if it has ended; when to start it again is noted."""
        code = self.process.poll() if self.process is not None else None
        if code is None:
            return None
        self.look()
        now = time.monotonic()
        self._deaths = 0 if now - self.started > STEADY_SECONDS else self._deaths + 1
        self.start_at = now + (PAUSES[min(self._deaths, len(PAUSES)) - 1] if self._deaths else 0.0)
        self.process = None
        return code


class Supervisor:
    """One server: its socket, its database if embedded, its children."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._embedded = Embedded(settings.data_dir, settings.pg_bin) if settings.embedded else None
        self._children = list(_children(settings))
        self._socket: socket.socket | None = None
        self._lifeline, self._held = os.pipe()  # the children read the one end, this process alone holds the other
        self._wake, self._signalled = os.pipe()
        self._stopping = False
        self._announced = False

    def run(self) -> int:
        """Serve until a signal; the exit code. EmbeddedFailure and CannotListen: it could not start."""
        self._listen_to_signals()
        code = 0
        try:
            if "api" in self._settings.role:
                self._socket = listen(self._settings.host, self._settings.port)
            if self._embedded is not None:
                self._embedded.start()
            self._start_due()
            code = self._watch()
        finally:
            self._stop()
        return code

    def _listen_to_signals(self) -> None:
        os.set_blocking(self._signalled, False)
        signal.set_wakeup_fd(self._signalled, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _told_to_stop(self, number: int, _frame: object) -> None:
        self._stopping = True
        log.info("stopping", signal=signal.Signals(number).name)

    def _watch(self) -> int:
        """Start again what dies, until told to stop, or until something died that cannot live."""
        while not self._stopping:
            pipes = [child.ready_pipe for child in self._children if child.ready_pipe >= 0]
            readable, _, _ = select.select([self._wake, *pipes], [], [], WATCH_SECONDS)
            if self._wake in readable:
                os.read(self._wake, 4096)
            for child in self._children:
                child.look()
                code = child.died()
                if code == WRONG:
                    return 2
                if code is not None and not self._stopping:
                    log.error("child_died", role=child.name, code=code)
            self._keep_database()
            self._start_due()
            self._announce()
        return 0

    def _keep_database(self) -> None:
        """A database that was killed is started again; the children's pools find it by themselves."""
        if self._embedded is not None and not self._stopping and self._embedded.pid is None:
            log.error("database_died")
            try:
                self._embedded.launch()
            except EmbeddedFailure as fault:
                log.error("database_not_started", fault=fault)
                time.sleep(1.0)

    def _start_due(self) -> None:
        for child in self._children:
            if child.process is None and time.monotonic() >= child.start_at and not self._stopping:
                child.start(self._settings, self._socket, self._lifeline)

    def _announce(self) -> None:
        if self._announced or not all(child.ready for child in self._children):
            return
        self._announced = True
        log.info("ready", address=url_of(self._socket) if self._socket is not None else "none")

    def _stop(self) -> None:
        """In order: no new connections, the children, then the database they need."""
        self._stopping = True
        if self._socket is not None:
            self._socket.close()
        living = [child.process for child in self._children if child.process is not None]
        for process in living:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in living:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("child_killed", child_pid=process.pid)
                process.kill()
                process.wait()
        os.close(self._held)
        if self._embedded is not None:
            self._embedded.stop()
        log.info("stopped")


def _children(settings: Settings) -> Iterator[Child]:
    """API processes, and one for everything else."""
    if "api" in settings.role:
        yield from (Child(("api",), number + 1 if settings.workers > 1 else 0) for number in range(settings.workers))
    others = tuple(role for role in settings.role if role != "api")
    if others:
        yield Child(others, 0)


def _environment(settings: Settings) -> dict[str, str]:
    """What a child inherits: everything but our settings, and these as they were decided here."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("STOCKWIRE_")}
    return inherited | settings.environ()


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


def serve(settings: Settings) -> int:
    """Run a server in the foreground; the exit code. What cannot start is said in one line."""
    logs.configure("supervisor", settings.log_level)
    try:
        if not settings.embedded and not settings.secret_key:
            raise WrongSetting("secret_key", "is needed with a database of your own: 32 random characters or more")
        return Supervisor(settings).run()
    except (EmbeddedFailure, CannotListen, WrongSetting) as fault:
        sys.stderr.write(f"stockwire: {fault}\n")
        return 2
