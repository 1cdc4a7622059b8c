"""Who runs the embedded PostgreSQL when root starts it, with which programs; ordinary and nameless users (R24)."""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from stockwire.sealing import own_key
from stockwire.store.embedded import Embedded, EmbeddedFailure
from stockwire.store.embedded_programs import Account, as_account, closed_to
from tests import engines
from tests.store.cluster import mode

NAMELESS = 54321
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs a server as somebody else")


def somebody() -> Account:
    """An account that is neither root nor nobody."""
    entry = next(entry for entry in pwd.getpwall() if entry.pw_uid not in (0, 65534))
    return Account(entry.pw_uid, entry.pw_gid)


@as_root
def test_root_runs_it_as_nobody_and_widens_nothing(unmade: Embedded) -> None:
    outside = {path: mode(path) for path in unmade.data_dir.parents}
    unmade.start()
    assert unmade.pid is not None
    owner = Path(f"/proc/{unmade.pid}").stat().st_uid
    assert owner == 65534
    groups = Path(f"/proc/{unmade.pid}/status").read_text().partition("Groups:")[2].partition("\n")[0]
    assert not groups.strip()
    assert {path: mode(path) for path in unmade.data_dir.parents} == outside
    assert (unmade.data_dir / "postgres.json").stat().st_uid == 0


@as_root
def test_root_runs_it_as_the_owner_of_the_data_directory(folder: Path) -> None:
    data = folder / "data"
    data.mkdir(mode=0o700)
    owner = somebody()
    os.chown(data, *owner)
    server = Embedded(data, engines.required_programs())
    try:
        server.start()
        assert Path(f"/proc/{server.pid}").stat().st_uid == owner.uid
        assert mode(data) == 0o700
        own_key(data)
        made = [
            path for path in data.iterdir() if not path.name.startswith("programs-")
        ]  # those are root's, to be run only
        assert {path.lstat().st_uid for path in made} == {owner.uid}
    finally:
        server.stop()
    assert _asked_by(owner, data) == "1"  # what root left, its owner can use


@as_root
def test_an_ordinary_user_runs_it_as_themselves(folder: Path) -> None:
    data = folder / "data"
    data.mkdir(mode=0o755)
    owner = somebody()
    os.chown(data, *owner)
    assert _asked_by(owner, data / "deep" / "er") == "1"
    assert {path.lstat().st_uid for path in (data / "deep" / "er").iterdir()} == {owner.uid}


@as_root
def test_an_account_without_a_name_is_refused_before_anything_is_made(folder: Path) -> None:
    data = folder / "data"
    data.mkdir()
    os.chown(data, NAMELESS, NAMELESS)
    with pytest.raises(EmbeddedFailure, match=f"would run as user {NAMELESS}, for whom this system has no name"):
        Embedded(data, engines.required_programs()).start()
    assert not list(data.iterdir())


ASK = """
import sys
from pathlib import Path
from stockwire.store.embedded import Embedded
import psycopg
server = Embedded(Path(sys.argv[1]), Path(sys.argv[2]))
try:
    print(psycopg.connect(server.start()).execute("SELECT 1").fetchone()[0])
finally:
    server.stop()
"""


def _asked_by(owner: Account, data: Path) -> str:
    """What a process of that account is answered by the server that it starts there."""
    here, packages = Path("src").absolute(), Path(psycopg.__file__).parent.parent
    python = _python_for(owner)
    for needed in (here, packages, engines.required_programs()):
        if closed_to(needed, owner) is not None:
            pytest.skip(f"others may not enter {closed_to(needed, owner)}")
    done = subprocess.run(
        [str(python), "-c", ASK, str(data), str(engines.required_programs())],
        capture_output=True,
        text=True,
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{here}:{packages}"},
        **as_account(owner),
        check=False,
    )
    return done.stdout.strip() or done.stderr


def _python_for(owner: Account) -> Path:
    """An interpreter like ours that others can run."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (Path(sys.executable), Path("/usr/bin") / version):
        if python.exists() and closed_to(python, owner) is None:
            return python
    pytest.skip(f"no {version} that others may run")


@as_root
def test_programs_that_only_root_can_enter_are_copied_once(folder: Path) -> None:
    source = engines.required_programs().parent
    closed = folder / "closed"
    shutil.copytree(source, closed / source.parent.name / source.name, symlinks=True)
    libraries = source.parent.with_name(f"{source.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, closed / libraries.name)
    closed.chmod(0o700)
    data = folder / "data"
    server = Embedded(data, closed / source.parent.name / source.name / "bin")
    try:
        server.start()
        (copy,) = data.glob("programs-*")
        (program,) = copy.rglob("bin/postgres")
        assert (copy.stat().st_uid, mode(copy), mode(program)) == (0, 0o755, 0o755)
        assert mode(closed) == 0o700
        made = copy.stat().st_ctime
        server.stop()
        server.start()
        assert [path.stat().st_ctime for path in data.glob("programs-*")] == [made]
    finally:
        server.stop()


@as_root
def test_a_folder_that_nobody_may_enter_is_named_and_left_closed(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EmbeddedFailure, match=f"nobody, .* cannot enter {closed}: choose a data directory"):
        Embedded(closed / "data", engines.required_programs()).start()
    assert mode(closed) == 0o700
