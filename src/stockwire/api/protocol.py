"""HTTP/1.1 on a socket, bounded: uvicorn alone bounds neither the size of a head nor how long a request takes (R15)."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from stockwire.api.errors import Reply, refuse, unavailable

LARGEST_HEAD = 32 * 1024
HEAD_SECONDS = 10.0
BODY_SECONDS = 30.0
KEEP_ALIVE_SECONDS = 65
LINGER_SECONDS = 1.0
UNREAD_SECONDS = 30  # an answer that the client does not take for so long is dropped with its connection


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `most_connections` is set by the server."""

    most_connections = 1000

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or refuse at once where there are as many connections as may be."""
        super().connection_made(transport)
        self._in_head = True
        self._in_body = False
        self._overhead = 0  # bytes of a head, or of what is no body in a body's place: chunk sizes, trailers
        self._passing_over = False
        self._running: RequestResponseCycle | None = None  # the oldest request that is not answered; others wait behind
        self._refused = False
        self._deadline: asyncio.TimerHandle | None = None
        _set_options(transport)
        if len(self.connections) > self.most_connections:
            self._refuse(unavailable("service_unavailable", "The server has all the connections it may have.", 1))
        else:
            self._start_clock(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock with the connection, and tell the request under way: uvicorn tells the newest alone."""
        self._stop_clock()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; then see whether a head grows too long, or the request is still incomplete."""
        if self._refused:
            return
        if self._in_head or self._in_body:
            self._overhead += len(data)
        self._unset_keepalive_if_required()
        self._feed(data)
        if self._refused or self.transport.is_closing():
            return
        if self._overhead > LARGEST_HEAD:
            self._refuse(_head_too_large())
        elif self._deadline is None:
            self._watch()

    def _feed(self, data: bytes) -> None:
        while data and not self._refused:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as offer:
                data = data[offer.args[0] :]
                self._pass_over()
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return

    def _pass_over(self) -> None:
        """Go on behind a head that offers to upgrade: the parser ends there and would take the body for a request."""
        self.parser = httptools.HttpRequestParser(self)
        framing = self._framing()
        if framing:
            self._passing_over = True
            self.parser.feed_data(b"POST / HTTP/1.1\r\n%s: %s\r\n\r\n" % framing[0])
            self._passing_over = False

    def _framing(self) -> list[tuple[bytes, bytes]]:
        """The header that announces a body; the parser lets no two pass."""
        return [header for header in self.headers if header[0] in (b"content-length", b"transfer-encoding")]

    def _watch(self) -> None:
        if self._in_head:
            self._start_clock(HEAD_SECONDS)
        elif self._in_body:
            self._start_clock(BODY_SECONDS)
        elif self.cycle.response_complete and self.timeout_keep_alive_task is None:
            self._start_clock(HEAD_SECONDS)  # empty lines between requests are no request

    def on_message_begin(self) -> None:
        """A head begins, somewhere in the bytes that are being fed."""
        if not self._passing_over:
            self._in_head = True
            super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of a head. Trailers are dropped: they would speak for the head, Authorization and all."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: the application starts, unless it was too long after all."""
        if self._passing_over:
            return
        self._in_head, self._in_body = False, True
        self._overhead = 0
        self._stop_clock()
        if sum(len(name) + len(value) + 4 for name, value in self.headers) + len(self.url) > LARGEST_HEAD:
            self._refuse(_head_too_large())
        elif not self._refused:
            super().on_headers_complete()
            if not self.pipeline:
                self._running = self.cycle

    def on_response_complete(self) -> None:
        """The next request that waits begins."""
        if self.pipeline:
            self._running = self.pipeline[-1][0]
        super().on_response_complete()

    def on_body(self, body: bytes) -> None:
        """More of a body."""
        self._overhead = 0
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole, unless the parser only believes so for an offer to upgrade."""
        if self.parser.should_upgrade() and self._framing():
            return
        self._in_body = False
        self._overhead = 0
        self._stop_clock()
        if not self._refused:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        self._refuse(refuse(400, "invalid_format", msg))

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came; bytes that are still unsent after so long are not waited for."""
        self.transport.abort()

    def _too_slow(self) -> None:
        self._deadline = None
        answered = self.cycle is not None and (self.cycle.response_started or bool(self.pipeline))
        if answered and not self._in_head:
            self.transport.abort()
            return
        part = "head" if self._in_head else "body"
        self._refuse(refuse(400, "request_timeout", f"The {part} of the request did not arrive in time."))

    def _refuse(self, reply: Reply) -> None:
        """Answer on the bare connection and end it; a request under way learns that its client is gone.

        What the client still sends is dropped for a second: closing on unread bytes would destroy the answer.
        """
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._stop_clock()
        unanswered = self.cycle is not None and not self.cycle.response_complete
        if unanswered:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.pipeline or (unanswered and self.cycle.response_started):
            self.transport.abort()
            return
        lines = [(b"content-type", reply.kind), (b"content-length", b"%d" % len(reply.body)), *reply.headers]
        lines += [(b"x-request-id", b"%x-0" % id(self)), (b"connection", b"close")]
        head = b"".join(name + b": " + value + b"\r\n" for name, value in lines)
        self.transport.write(STATUS_LINE[reply.status] + head + b"\r\n" + reply.body)
        self.transport.write_eof()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def shutdown(self) -> None:
        """The server stops: finish the request under way, or leave."""
        if self._refused:
            self.transport.abort()
        else:
            super().shutdown()

    def _start_clock(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self._too_slow)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _head_too_large() -> Reply:
    message = f"The request line and headers have at most {LARGEST_HEAD} bytes."
    return refuse(431, "request_header_fields_too_large", message)


def _set_options(transport: Any) -> None:
    """Answers leave at once (asyncio forgets it for sockets that say no protocol), and readers must read."""
    raw = transport.get_extra_info("socket")
    if raw is None or raw.family not in (socket.AF_INET, socket.AF_INET6):
        return
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
