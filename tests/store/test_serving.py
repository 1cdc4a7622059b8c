"""`stockwire serve` as its own processes: first start, restarts, kills, and what it refuses (R17, R24, R25)."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import private_folder
from tests.harness import Server, alive, environment


@pytest.fixture
def folder() -> Iterator[Path]:
    with private_folder() as made:
        made.chmod(0o755)
        yield made


def ask(server: Server, path: str, key: str | None = None) -> dict[str, object]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with urllib.request.urlopen(urllib.request.Request(server.url + path, headers=headers), timeout=10) as answer:
        return json.load(answer)


def gone(pids: list[int], seconds: float = 8.0) -> bool:
    until = time.monotonic() + seconds
    while any(alive(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(alive(pid) for pid in pids)


def test_the_first_start_makes_a_store_with_test_keys_that_only_the_owner_reads(folder: Path) -> None:
    with Server(folder / "data") as server:
        path = folder / "data" / "first-keys.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert set(server.keys) == {"admin", "operator", "viewer", "public"}
        assert ask(server, "/v1/me", server.keys["admin"])["role"] == "admin"
        assert not [line for line in server.lines if any(key in line for key in server.keys.values())]
        assert stat.S_IMODE((folder / "data" / "secret.key").stat().st_mode) == 0o600
        first = path.read_bytes()
    with Server(folder / "data"):
        assert path.read_bytes() == first


@pytest.mark.parametrize("role", ["api", "deliver", "database"])
def test_what_is_killed_is_started_again(folder: Path, role: str) -> None:
    with Server(folder / "data") as server:
        (killed,) = server.kill9(role)
        until = time.monotonic() + 15
        while set(server.pids(role)) <= {killed} and time.monotonic() < until:
            time.sleep(0.05)
        assert set(server.pids(role)) - {killed}
        while time.monotonic() < until:
            try:
                assert ask(server, "/readyz")["status"] == "ready"
                break
            except OSError:
                time.sleep(0.1)
        else:
            pytest.fail("\n".join(server.lines))


def test_children_leave_when_the_supervisor_is_killed_and_the_next_start_takes_over(folder: Path) -> None:
    server = Server(folder / "data")
    server.start()
    children, database = server.pids("api") + server.pids("deliver"), server.pids("database")
    os.kill(server.pid, signal.SIGKILL)
    assert gone(children)
    assert all(alive(pid) for pid in database)  # the orphan
    seconds = server.restart()
    try:
        assert not any(alive(pid) for pid in database)
        assert "event=orphan_found" in "\n".join(server.lines)
        assert ask(server, "/readyz")["status"] == "ready"
        assert seconds < 10
    finally:
        assert server.stop() == 0
    assert gone(server.pids("database"))


def test_children_that_cannot_leave_are_ended_by_the_next_start(folder: Path) -> None:
    server = Server(folder / "data")
    server.start()
    stuck = server.pids("api") + server.pids("deliver")
    for pid in stuck:
        os.kill(pid, signal.SIGSTOP)
    os.kill(server.pid, signal.SIGKILL)
    try:
        server.restart()  # on the port that they hold
        assert not any(alive(pid) for pid in stuck)
        assert ask(server, "/readyz")["status"] == "ready"
    finally:
        server.stop()


def test_everything_killed_at_once_starts_again(folder: Path) -> None:
    server = Server(folder / "data")
    server.start()
    first = server.keys
    for pid in [server.pid, *server.pids("api"), *server.pids("deliver"), *server.pids("database")]:
        os.kill(pid, signal.SIGKILL)
    server.restart()
    try:
        assert ask(server, "/v1/me", first["admin"])["role"] == "admin"
    finally:
        server.stop()


def test_a_server_that_does_not_sell_answers_for_what_it_does(folder: Path, dsn: str) -> None:
    """R23: ready while due work is claimed and jobs run; nothing else is served."""
    with Server(folder / "data", "--database", dsn, "--role", "deliver,housekeep", secret_key="a" * 32) as server:
        answer = ask(server, "/readyz")
        assert (answer["status"], answer["role"]) == ("ready", "deliver,housekeep")
        assert ask(server, "/healthz") == {"status": "ok"}
        with urllib.request.urlopen(server.url + "/metrics", timeout=10) as metrics:
            assert b"stockwire_deliveries_due" in metrics.read()
        for path in ("/v1/me", "/openapi.json", "/docs"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                ask(server, path)


def test_modules_in_the_current_directory_are_not_taken_for_its_own(folder: Path) -> None:
    for name in ("select", "logging", "asyncpg", "stockwire"):
        (folder / f"{name}.py").write_text("raise SystemExit(9)\n")
    server = Server(folder / "data")
    server.folder = folder
    with server:
        assert ask(server, "/readyz")["status"] == "ready"


def test_it_is_small_when_idle(folder: Path) -> None:
    with Server(folder / "data") as server:
        time.sleep(1.0)
        supervisor = memory_megabytes([server.pid])
        everything = memory_megabytes(family(server.pid))
    assert supervisor < 16
    assert everything < 200  # 250 is what is promised; dashboards and planning want some too


def family(pid: int) -> list[int]:
    """A process and all that come of it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def memory_megabytes(pids: list[int]) -> float:
    """What they take together: shared pages counted once (PSS)."""
    rolled = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    return sum(int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1]) for text in rolled) / 1024


def refusal(*arguments: str, **settings: str) -> tuple[int, str]:
    """Exit code of a server that must not start, and the line that says why."""
    done = subprocess.run(
        [sys.executable, "-m", "stockwire", "serve", *arguments],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("stockwire: ")]
    return done.returncode, said[-1] if said else done.stderr


def test_a_data_directory_in_use_is_refused(folder: Path) -> None:
    with Server(folder / "data") as server:
        code, said = refusal("--data-dir", str(folder / "data"), "--port", "0")
        assert code == 2
        in_use = f"stockwire: data directory {folder / 'data'} is in use by process {server.pid}"
        assert said == f"{in_use}; choose another with --data-dir"
        assert ask(server, "/readyz")["status"] == "ready"


def test_a_port_in_use_is_refused(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = refusal("--data-dir", str(folder / "data"), "--port", port)
    assert code == 2
    assert said.startswith(f"stockwire: cannot listen on 127.0.0.1 port {port}: ")


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (["--port", "many"], {}, "setting port: must be a whole number"),
        (["--role", "sell"], {}, "setting role: must be one or more of"),
        ([], {"prot": "80"}, "setting STOCKWIRE_PROT: there is no such setting"),
        (["--database", "postgresql://u:hidden@127.0.0.1:1/x"], {}, "secret_key: is needed with a database"),
        (["--database", "postgresql://127.0.0.1:1/x"], {"secret_key": "short"}, "secret_key: each key needs 32"),
        (["--database", "mysql://x"], {}, "setting database: must be an address such as"),
    ],
)
def test_a_wrong_setting_is_named_and_refused(
    folder: Path, arguments: list[str], settings: dict[str, str], said: str
) -> None:
    code, line = refusal("--data-dir", str(folder / "data"), *arguments, **settings)
    assert code == 2
    assert said in line
    assert "hidden" not in line


def test_a_database_without_the_schema_is_refused_with_what_to_do(folder: Path, empty_dsn: str) -> None:
    code, line = refusal("--database", empty_dsn, "--port", "0", secret_key="k" * 32)
    assert code == 2
    assert "run `stockwire migrate`" in line


def test_another_secret_key_than_the_database_knows_is_refused(folder: Path, dsn: str) -> None:
    with Server(folder / "data", "--database", dsn, secret_key="a" * 32):
        pass
    code, line = refusal("--database", dsn, "--port", "0", secret_key="b" * 32)
    assert code == 2
    assert "secret_key: is not the key that this database's secrets are encrypted with" in line
    with Server(folder / "data", "--database", dsn, secret_key="b" * 32 + "," + "a" * 32):
        pass
