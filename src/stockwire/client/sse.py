"""Server-sent events: lines in, messages out."""

from typing import NamedTuple


class Message(NamedTuple):
    """`data` is None for a message that only moves the cursor (the server's sign of life)."""

    id: str | None
    event: str | None
    data: str | None


class Messages:
    """Collects the lines of a stream; `line` gives a message when an empty line completes one."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._event: str | None = None
        self._data: list[str] = []

    def line(self, line: str) -> Message | None:
        if line == "":
            return self._complete()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            self._id = value
        elif name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        return None  # a comment (": ping") has an empty name and is passed over

    def _complete(self) -> Message | None:
        if self._id is None and not self._data:
            return None
        message = Message(self._id, self._event, "\n".join(self._data) if self._data else None)
        self._id, self._event, self._data = None, None, []
        return message
