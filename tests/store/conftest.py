"""Embedded servers of a test's own, not started yet."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockwire.store.embedded import Embedded
from tests import engines


@pytest.fixture
def folder() -> Iterator[Path]:
    with engines.private_folder() as made:
        yield made


@pytest.fixture
def unmade(folder: Path) -> Iterator[Embedded]:
    """A server whose data directory is empty."""
    server = Embedded(folder, engines.required_programs())
    yield server
    server.stop()


@pytest.fixture(scope="session")
def a_cluster() -> Iterator[Path]:
    """The data directory of a server that was made, and stopped."""
    with engines.private_folder() as folder:
        server = Embedded(folder, engines.required_programs())
        server.start()
        server.stop()
        yield folder


@pytest.fixture
def server(unmade: Embedded, a_cluster: Path) -> Embedded:
    """A server that ran before: a copy, which is quicker than making one."""
    names = ("postgres", "postgres.json", "socket")
    subprocess.run(["cp", "-a", *(str(a_cluster / name) for name in names), str(unmade.data_dir)], check=True)
    return unmade
