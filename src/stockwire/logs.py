"""Log lines: `event=` first, then key=value, one line each, with one redactor in front of everything written (R17)."""

import logging
import re
import sys
import time
from typing import Any, TextIO

HIDDEN = "[hidden]"
MAX_VALUE_CHARACTERS = 4000

# Keys and signing secrets, wherever they stand. The mark stays, so that a reader sees what was hidden.
_TOKEN = re.compile(r"(?<![A-Za-z0-9])(sk_|pk_|whsec_|whsk_)[A-Za-z0-9_+/=.-]+")
# Authorization and Cookie headers as text lines, mappings, pairs and byte strings.
_HEADER = re.compile(
    r"""((?:proxy-)?authorization|(?:set-)?cookie)(b?\\?["']?\s*[:=,]\s*b?)(\\?"[^"\r\n]*"|\\?'[^'\r\n]*'|[^\r\n"'}\]]*)""",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
# The scheme is bounded: without that, a long run of letters costs its length squared.
_ADDRESS_PASSWORD = re.compile(r"([a-z][a-z0-9+.-]{0,30}://[^/\s:@'\"]*):[^/\s'\"]*@", re.IGNORECASE)
_PLAIN = re.compile(r"[^\s\"=\x00-\x1f\x7f]+")
_ESCAPED = {ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}


# Every secret below stands beside one of these; a text without any is left alone, in a tenth of the time.
_MARKS = ("sk_", "pk_", "whsec_", "whsk_", "authorization", "cookie", "bearer", "basic", "://")


def redact(text: str) -> str:
    """The text without keys, signing secrets, Authorization and Cookie values, and passwords in addresses."""
    lowered = text.lower()
    if not any(mark in lowered for mark in _MARKS):
        return text
    text = _TOKEN.sub(rf"\1{HIDDEN}", text)
    text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
    text = _SCHEME.sub(rf"\1 {HIDDEN}", text)
    return _ADDRESS_PASSWORD.sub(rf"\1:{HIDDEN}@", text)


class EventLog:
    """Writes events by name: `log.info("key_revoked", key_id=…)`. Names and facts are matched by tests and people."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, **facts: Any) -> None:
        self._write(logging.DEBUG, event, facts)

    def info(self, event: str, **facts: Any) -> None:
        self._write(logging.INFO, event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        self._write(logging.WARNING, event, facts)

    def error(self, event: str, *, exc_info: bool | BaseException = False, **facts: Any) -> None:
        """With `exc_info` the exception being handled is added, its trace on the same line."""
        self._write(logging.ERROR, event, facts, exc_info=exc_info)

    def _write(self, level: int, event: str, facts: dict[str, Any], *, exc_info: bool | BaseException = False) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, exc_info=exc_info, extra={"facts": facts})


def named(name: str) -> EventLog:
    return EventLog(f"stockwire.{name}")


class KeyValueFormatter(logging.Formatter):
    """One line a record; records of other libraries become `event=log message="…"`."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", None)
        own = facts is not None
        line: dict[str, Any] = {"event": record.getMessage() if own else "log", "level": record.levelname.lower()}
        line |= {"time": _instant(record.created), "process": self._process, "pid": record.process}
        line |= facts if facts is not None else {"logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[0] is not None:
            line["trace"] = self.formatException(record.exc_info)
        return redact(" ".join(f"{key}={quoted(value)}" for key, value in line.items()))


def _instant(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


def quoted(value: Any) -> str:
    """A value as it stands in a line: bare if it is one word, otherwise in double quotes with \\n and \\" escaped."""
    text = str(value)[:MAX_VALUE_CHARACTERS]
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.translate(_ESCAPED)
    return '"' + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in escaped) + '"'


def configure(process: str, level: str = "info", stream: TextIO | None = None) -> None:
    """Sets up the logging of a process: `process` is its role, as every line says. Replaces any earlier set-up."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(KeyValueFormatter(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.getLevelNamesMapping()[level.upper()])
    for talkative in ("alembic", "asyncio", "aiosql"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
