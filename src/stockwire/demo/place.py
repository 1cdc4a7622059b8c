"""Where the demonstration keeps its things, and what it remembers there.

`<data-dir>` is the server's data directory; `<data-dir>/demo` holds the journal of the replay, the receiver's file, the
logs of the processes, and `finished.json` once a replay has been reconciled.
"""

import os
import shutil
import zlib
from pathlib import Path

import msgspec

OPEN_TO_ALL = Path("/var/lib")


class Finished(msgspec.Struct):
    """What is remembered of a replay that ended: when, whether it added up, and the webhook's id."""

    at: str
    agreed: bool
    webhook_id: str
    summary: str


class NotOursError(Exception):
    """The directory holds something that the demonstration did not make."""


class Place:
    """One data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.demo = data_dir / "demo"
        self.journal = self.demo / "journal.jsonl"
        self.received = self.demo / "received.jsonl"
        self.server_log = self.demo / "server.log"
        self.receiver_log = self.demo / "receiver.log"
        self._finished = self.demo / "finished.json"

    def finished(self) -> Finished | None:
        """The replay that was finished here, if one was."""
        try:
            return msgspec.json.decode(self._finished.read_bytes(), type=Finished)
        except (OSError, msgspec.DecodeError):
            return None

    def remember(self, finished: Finished) -> None:
        self._finished.write_bytes(msgspec.json.encode(finished) + b"\n")

    def begun(self) -> bool:
        """Whether a replay was begun here."""
        return self.demo.is_dir()

    def clear(self) -> None:
        """Remove everything; raises `NotOursError` rather than remove what the demonstration did not make."""
        if self.data_dir.is_dir() and any(self.data_dir.iterdir()) and not self.begun():
            raise NotOursError(f"{self.data_dir} holds something else; remove it yourself, or give another --data-dir")
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def prepare(self) -> None:
        self.demo.mkdir(parents=True, exist_ok=True)


def default_place() -> Place:
    """`./data`; for root, if other users cannot pass through to it, a directory of this checkout's own that they can
    (R24: as root the database runs as another user)."""
    here = Path("data").absolute()
    closed = os.geteuid() == 0 and not all(parent.stat().st_mode & 0o001 for parent in here.parents)
    return Place(OPEN_TO_ALL / f"stockwire-demo-{zlib.crc32(bytes(here)):08x}" if closed else here)
