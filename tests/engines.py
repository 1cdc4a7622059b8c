"""Which PostgreSQL the tests run on: STOCKWIRE_TEST_ENGINE = embedded-18 (default), embedded-16, or system."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stockwire.store.embedded import Embedded, EmbeddedFailure, find_programs
from stockwire.store.embedded_programs import wheel_folders

ENGINE = os.environ.get("STOCKWIRE_TEST_ENGINE", "embedded-18")


def programs_folder(engine: str = ENGINE) -> Path | None:
    """The folder of the engine's programs; None: this machine does not have it."""
    if engine == "system":
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
        return found[-1].parent if found else None
    wanted = int(engine.removeprefix("embedded-"))
    for folder in wheel_folders():
        if find_programs(folder).version == wanted:
            return folder
    return None


def required_programs() -> Path:
    """As `programs_folder`; a missing engine is a skip by hand and a failure in CI."""
    folder = programs_folder()
    if folder is None:
        said = f"this machine has no PostgreSQL for {ENGINE}"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    return folder


def described() -> str:
    folder = programs_folder()
    try:
        return f"engine: {ENGINE}, PostgreSQL {find_programs(folder).version} in {folder}" if folder else "no engine"
    except EmbeddedFailure as fault:
        return f"engine: {fault}"


@contextmanager
def private_folder() -> Iterator[Path]:
    """A new data directory under /tmp that the account of a server started by root can pass through, removed after."""
    folder = Path(tempfile.mkdtemp(prefix="stockwire-test-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def embedded_server() -> Iterator[Embedded]:
    """A running embedded server of the chosen engine in a private folder."""
    programs = required_programs()
    with private_folder() as folder:
        server = Embedded(folder, programs)
        server.start()
        try:
            yield server
        finally:
            server.stop()
