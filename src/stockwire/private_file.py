"""Files that only their owner reads: written whole or not at all, never through a link that somebody else laid."""

import os
from pathlib import Path

MAX_BYTES = 1024 * 1024


def write(path: Path, data: bytes) -> None:
    """Replaces the file with `data`, mode 0600, on disk when it returns. Root's is the folder's owner's."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            give(file.fileno(), path.parent)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def give(handle: int, folder: Path) -> None:
    """As root, makes an open file that of its folder's owner, who could not use it otherwise."""
    if os.geteuid() == 0:
        found = folder.stat()
        os.fchown(handle, found.st_uid, found.st_gid)


def read(path: Path) -> bytes | None:
    """The file's bytes; None: there is none. OSError if it is a link or too long."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(f"{path} is longer than {MAX_BYTES} bytes")
    return data


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
