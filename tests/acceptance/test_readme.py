"""The README's path from a clone to a first webhook: its two blocks of commands, run as they stand."""

import contextlib
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

from tests.engines import private_folder

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0


def block(name: str) -> str:
    """The README's block of commands marked `sh <name>`, with ports and interpreter of this test."""
    found = re.search(rf"(?ms)^```sh {name}\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert found, f"README.md has no block `sh {name}`"
    here = Path(sys.executable).parent
    return found[1].replace(". .venv/bin/activate", f'export PATH="{here}:$PATH"')


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def bash(script: str, folder: Path, **settings: str) -> "subprocess.Popen[str]":
    """A shell as a newcomer has it, in a session of its own so that all it started ends with it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STOCKWIRE_")}
    return subprocess.Popen(
        ["bash", "-eu", "-c", script],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT / "src"), **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def ended(process: "subprocess.Popen[str]", how: signal.Signals) -> str:
    """What it said, after it and all that it started was told to end."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, how)
    return process.communicate(timeout=PATIENCE_SECONDS)[0]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the newcomer is: what the commands write lands here, the examples are in reach."""
    with private_folder() as made:
        made.chmod(0o755)
        (made / "examples").symlink_to(ROOT / "examples")
        yield made


def wait_for(path: Path, lines: int, while_running: "subprocess.Popen[str]") -> list[str]:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and while_running.poll() is None:
        found = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if len(found) >= lines:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{path.name} does not have {lines} lines: {ended(while_running, signal.SIGTERM)}")


def test_from_a_clone_to_the_first_webhook(folder: Path) -> None:
    port, receiver = str(free_port()), str(free_port())
    settings = {"STOCKWIRE_DATA_DIR": str(folder / "data"), "STOCKWIRE_PORT": port}
    server = bash(block("server").replace("stockwire serve", "exec stockwire serve"), folder, **settings)
    try:
        keys = folder / "data" / "first-keys.json"
        wait_for(keys, 1, server)
        admin = next(key["key"] for key in json.loads(keys.read_text())["keys"] if key["role"] == "admin")
        wait_listening(int(port))
        client = block("client").replace("8080", port).replace("9000", receiver)
        client = re.sub(r"STOCKWIRE_KEY=\S+.*", f"STOCKWIRE_KEY={admin}", client)
        client = client.replace("--secret", f"--port {receiver} --secret")
        shell = bash(client + "\nwait", folder)
        try:
            bodies = [json.loads(line) for line in wait_for(folder / "received.jsonl", 2, shell)]
        finally:
            said = ended(shell, signal.SIGTERM)
    finally:
        log = ended(server, signal.SIGINT)
    assert {body["type"] for body in bodies} == {"inventory.self_managed_updated", "inventory.out_of_stock"}, said
    assert all(body["data"]["object"]["quantity"] == 0 for body in bodies)
    assert '"out_of_inventory"' in said
    assert "event=ready" in log


def wait_listening(port: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the server does not listen")
