"""The supervisor with children that do what a test wants: starting, dying, stopping, leaving (R25)."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockwire import processes
from stockwire.run_file import PROGRAM, RunFile

# Becomes the supervisor, whose children run `child.py` instead of the real module.
SUPERVISOR = """
import sys
from stockwire import supervisor
supervisor.python = lambda module, *arguments: [sys.executable, "-P", sys.argv[1], *arguments]
supervisor.STOP_SECONDS = 1.0
supervisor.PORT_SECONDS = 0.3
sys.exit(supervisor.main())
"""

# A child: `start(number)` is the test's, called with how often a child was started before.
CHILD = """
import os, select, signal, socket, sys, time
roles, listening, lifeline, ready = sys.argv[1], *map(int, sys.argv[2:5])
counter = os.path.join(os.path.dirname(sys.argv[0]), "starts")
with open(counter, "a") as file:
    file.write("x")
number = os.path.getsize(counter) - 1

def say_ready():
    os.write(ready, b"r"); os.close(ready)

def answer(*statuses, told=lambda *_: sys.exit(0)):
    # Answer each request with the next status (the last for ever), until told to stop or the lifeline closes.
    signal.signal(signal.SIGTERM, told)
    sock = socket.socket(fileno=listening)
    statuses = list(statuses)
    while True:
        for readable in select.select([sock, lifeline], [], [])[0]:
            if readable == lifeline:
                sys.exit(0)
            asking, _ = sock.accept()
            asking.recv(4096)
            status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
            asking.sendall(b"HTTP/1.1 %d X\\r\\nContent-Length: 0\\r\\n\\r\\n" % status)
            asking.close()

"""


class Run:
    """A supervisor under test."""

    def __init__(self, folder: Path, child: str, **settings: str) -> None:
        (folder / "child.py").write_text(CHILD + child)
        self.folder = folder
        self.said = folder / "said"
        kept = {name: text for name, text in os.environ.items() if not name.startswith("STOCKWIRE_")}
        known = {"database": "postgresql://nobody@127.0.0.1:1/x", "secret_key": "k" * 32, "role": "api", "port": "0"}
        kept |= {f"STOCKWIRE_{name.upper()}": text for name, text in (known | settings).items() if text}
        with self.said.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", SUPERVISOR, str(folder / "child.py")],
                env=kept | {"PYTHONPATH": str(Path("src").absolute())},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stderr=output,
            )

    def log(self) -> str:
        return self.said.read_text()

    def wait_for(self, words: str, times: int = 1, seconds: float = 20.0) -> str:
        until = time.monotonic() + seconds
        while self.log().count(words) < times:
            assert self.process.poll() is None or self.log().count(words) >= times, self.log()
            assert time.monotonic() < until, self.log()
            time.sleep(0.02)
        return self.log()

    def starts(self) -> int:
        return (self.folder / "starts").stat().st_size

    def child_pids(self) -> list[int]:
        return [int(pid) for pid in re.findall(r"event=child_started .*child_pid=(\d+)", self.log())]

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = 15.0) -> int:
        self.process.send_signal(number)
        return self.process.wait(seconds)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[type[Run]]:
    made: list[Run] = []

    class Kept(Run):
        def __init__(self, child: str, **settings: str) -> None:
            super().__init__(tmp_path, child, **settings)
            made.append(self)

    yield Kept
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def gone(pid: int, seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while processes.started_at(pid) is not None and time.monotonic() < until:
        time.sleep(0.02)
    return processes.started_at(pid) is None


def test_ready_is_said_when_the_server_answers_and_not_before(run: type[Run]) -> None:
    server = run("say_ready(); time.sleep(0.5); answer(503, 503, 200)")
    assert "event=child_ready" in server.wait_for("event=ready ")
    assert server.log().count("event=ready ") == 1
    assert re.search(r"event=ready .* address=http://127\.0\.0\.1:\d+", server.log())
    assert server.log().index("event=child_ready") < server.log().index("event=ready ")


def test_a_server_that_does_not_sell_listens_too(run: type[Run]) -> None:
    """R23: every role has a door at which it is asked how it fares."""
    server = run("assert listening >= 0; say_ready(); answer(200)", role="deliver,housekeep")
    assert re.search(r"event=ready .* address=http://127\.0\.0\.1:\d+", server.wait_for("event=ready "))
    assert server.starts() == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_in_order(run: type[Run], number: signal.Signals) -> None:
    server = run("say_ready(); answer(200)")
    server.wait_for("event=ready ")
    assert server.end(number) == 0
    assert f"signal={number.name}" in server.log()
    assert "event=stopped" in server.log()
    assert "child_killed" not in server.log()
    assert all(gone(pid, 0) for pid in server.child_pids())


def test_a_child_that_does_not_stop_is_killed(run: type[Run]) -> None:
    server = run("say_ready(); answer(200, told=signal.SIG_IGN)")
    server.wait_for("event=ready ")
    began = time.monotonic()
    assert server.end() == 0
    assert 0.9 < time.monotonic() - began < 6
    assert "event=child_killed" in server.log()
    assert all(gone(pid, 0) for pid in server.child_pids())


def test_a_second_signal_does_not_wait(run: type[Run]) -> None:
    server = run("say_ready(); answer(200, told=signal.SIG_IGN)")
    server.wait_for("event=ready ")
    server.process.send_signal(signal.SIGINT)
    server.wait_for("event=stopping")
    began = time.monotonic()
    assert server.end(signal.SIGINT) == 0
    assert time.monotonic() - began < 0.9


def test_a_child_that_dies_is_started_again_and_more_slowly_each_time(run: type[Run]) -> None:
    server = run("if number in (1, 2, 3, 4): sys.exit(1)\nsay_ready(); answer(200) if number else sys.exit(3)")
    began = time.monotonic()
    server.wait_for("event=child_ready", 2)
    assert time.monotonic() - began > 0.1 + 0.2 + 0.5 + 1.0
    assert "event=child_died" in server.log()
    assert "code=3" in server.log()
    assert server.starts() == 6


def test_what_starting_again_would_not_change_ends_a_server_that_never_worked(run: type[Run]) -> None:
    server = run("sys.exit(78)")
    assert server.process.wait(15) == 2
    assert server.starts() == 1


def test_a_database_that_does_not_answer_ends_a_server_that_never_worked(run: type[Run]) -> None:
    assert run("sys.exit(75)").process.wait(15) == 2


@pytest.mark.parametrize("code", [75, 78])
def test_a_server_that_worked_goes_on_trying(run: type[Run], code: int) -> None:
    server = run(f"sys.exit({code}) if number in (1, 2) else None\nsay_ready(); answer(200)")
    server.wait_for("event=ready ")
    os.kill(server.child_pids()[0], signal.SIGKILL)
    server.wait_for("event=child_ready", 2)
    assert server.log().count(f"code={code}") == 2
    assert server.end() == 0


def test_children_leave_when_it_is_killed(run: type[Run]) -> None:
    server = run("say_ready(); answer(200)", workers="3")
    server.wait_for("event=ready ")
    assert len(server.child_pids()) == 3
    server.process.kill()
    assert all(gone(pid, 2) for pid in server.child_pids())


def test_nothing_happens_while_nothing_happens(run: type[Run]) -> None:
    """Idle, it wakes once in some seconds and asks nothing of the processor."""
    server = run("say_ready(); answer(200)")
    server.wait_for("event=ready ")
    before = _switches(server.process.pid)
    time.sleep(2)
    assert _switches(server.process.pid) - before <= 2


def _switches(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)
    assert found
    return int(found[1])


def test_leftovers_are_ended_only_if_they_are_what_was_noted(tmp_path: Path) -> None:
    ours = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", PROGRAM])
    other = subprocess.Popen(["sleep", "60"])  # its number was ours once
    file = RunFile(tmp_path)
    try:
        file.note([ours.pid, other.pid])
        noted = json.loads((tmp_path / "run.json").read_text())
        assert set(noted["children"]) == {str(ours.pid), str(other.pid)}
        os.kill(ours.pid, signal.SIGSTOP)
        file.end_leftovers()
        assert ours.wait(5) == -signal.SIGKILL
        assert other.poll() is None
        assert not (tmp_path / "run.json").exists()
    finally:
        ours.kill()
        other.kill()
        ours.wait()
        other.wait()


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"children": 3}', b'{"children": {"x": 1}}'])
def test_a_run_file_that_says_nothing_ends_nobody(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    RunFile(tmp_path).end_leftovers()
