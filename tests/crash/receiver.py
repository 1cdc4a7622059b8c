"""The receiver outside: appends each delivery to its file, then acknowledges it. `python -m tests.crash.receiver FILE`

A line is the arrival on the monotonic clock, the webhook-id and the body as it came, separated by spaces.
"""

import asyncio
import hashlib
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import uvloop

ACKNOWLEDGED = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Arrival(NamedTuple):
    """One line of the file; of the body its SHA-256 and, to tell old from new, its `createdTime`."""

    at: float
    event_id: str
    digest: bytes
    created: str


class Deliveries(asyncio.Protocol):
    """A keep-alive connection on which deliveries come."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._part = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        data = self._part + data
        while (head_end := data.find(b"\r\n\r\n")) >= 0:
            head = data[:head_end].lower()
            whole = head_end + 4 + int(_header(head, b"content-length") or 0)
            if len(data) < whole:
                break
            self._take(_header(head, b"webhook-id"), data[head_end + 4 : whole])
            data = data[whole:]
        self._part = data

    def _take(self, event_id: bytes, body: bytes) -> None:
        os.write(self._file, b"%.6f %s %s\n" % (time.monotonic(), event_id, body))
        self._transport.write(ACKNOWLEDGED)


def _header(head: bytes, name: bytes) -> bytes:
    at = head.find(b"\r\n" + name + b":")
    if at < 0:
        return b""
    begin = at + len(name) + 3
    end = head.find(b"\r\n", begin)
    return head[begin : end if end >= 0 else None].strip()


def read_arrivals(path: Path, after: int = 0) -> tuple[list[Arrival], int]:
    """Whole lines of the file behind that byte, and where they end."""
    with path.open("rb") as file:
        file.seek(after)
        raw = file.read()
    whole = raw.rfind(b"\n") + 1
    return [_arrival(line) for line in raw[:whole].split(b"\n")[:-1]], after + whole


def _arrival(line: bytes) -> Arrival:
    at, event_id, body = line.split(b" ", 2)
    created = body.rpartition(b'"createdTime":"')[2][:27]
    return Arrival(float(at), event_id.decode(), hashlib.sha256(body).digest(), created.decode())


async def serve(path: Path) -> None:
    """Listen on a free port, say which, and take deliveries for ever."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    server = await asyncio.get_running_loop().create_server(lambda: Deliveries(file), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
