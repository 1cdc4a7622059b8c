"""`make run` as a newcomer meets it: real processes, real data, and a verdict that a lossy receiver turns (R27)."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockwire.demo.children import free_port
from tests.engines import private_folder

ROOT = Path(__file__).resolve().parents[2]
RECEIVER = ROOT / "examples" / "receiver.py"
WRITES = 'OUT.write(body + b"\\n")'

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def data() -> Iterator[Path]:
    with private_folder() as folder:
        folder.chmod(0o755)
        yield folder / "data"


def start(data: Path, port: int, *flags: str) -> "subprocess.Popen[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STOCKWIRE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "stockwire.demo", "--data-dir", str(data), "--port", str(port), *flags],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(data: Path, *flags: str) -> tuple[int, str]:
    """Exit code and everything printed."""
    process = start(data, free_port(), *flags)
    output, _ = process.communicate(timeout=240)
    return process.returncode, output


def test_once_ends_with_agreement_and_a_second_run_recognises_it(data: Path) -> None:
    code, output = run(data, "--once")
    assert code == 0, output
    assert re.search(r"oversold 0, lost 0 of [0-9,]{5,} events", output), output
    assert "Everything agrees." in output
    for happened in ("orders refused", "orders taken without short lines", "returns", "cancels", "parcels shipped"):
        assert re.search(rf"{happened} +│ +[1-9]", output), happened
    received = (data / "demo" / "received.jsonl").read_bytes().splitlines()
    positions = {json.loads(line)["position"] for line in received}
    assert len(positions) > 5000
    begun = time.monotonic()
    code, output = run(data, "--once")
    assert (code, "is still here" in output) == (0, True), output
    assert time.monotonic() - begun < 20
    assert (data / "demo" / "received.jsonl").read_bytes().splitlines() == received


def test_a_receiver_that_says_thanks_and_forgets_turns_the_verdict(data: Path, tmp_path: Path) -> None:
    source = RECEIVER.read_text(encoding="utf-8")
    assert source.count(WRITES) == 1
    lossy = tmp_path / "lossy.py"
    lossy.write_text(source.replace(WRITES, f"""b'"position":1000}}' in body or {WRITES}"""), encoding="utf-8")
    code, output = run(data, "--once", "--receiver", str(lossy), "--patience", "3")
    assert code == 1, output
    assert "lost 1 of" in output
    assert "does NOT add up" in output


def test_a_port_in_use_is_said_and_nothing_is_made(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start(data, port, "--once")
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output.startswith(f"make run: port {port} is in use")
    assert not data.exists()


def test_a_directory_that_holds_something_else_is_left_alone(data: Path) -> None:
    data.mkdir()
    (data / "letters.txt").write_text("dear")
    for flags in (("--once",), ("--once", "--fresh")):
        code, output = run(data, *flags)
        assert code == 1
        assert "holds something else" in output
    assert (data / "letters.txt").read_text() == "dear"


def test_interrupted_it_leaves_nothing_running_and_the_next_run_starts_over(data: Path) -> None:
    port = free_port()
    process = start(data, port, "--once")
    journal = data / "demo" / "journal.jsonl"
    until = time.monotonic() + 60
    while not (journal.exists() and journal.stat().st_size) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    code, output = run(data, "--once")
    assert (code, "Starting over" in output) == (0, True), output
