"""The protocols of a connection, bounded: uvicorn waits for ever for a request, keeps headers of any size, and keeps
what a client does not read."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import orjson
from websockets.http11 import Request

from lango.http.streaming.messages import INITIALISED, TOO_MANY_INITS
from lango.http.whole_answers import WholeAnswers
from lango.libraries.uvicorn import HttpToolsProtocol, RequestResponseCycle, WebSocketsSansIOProtocol

MAX_HEADER_BYTES = 65_536
MAX_URL_BYTES = 65_536
REASONS = {408: b"Request Timeout", 414: b"URI Too Long", 431: b"Request Header Fields Too Large"}
# Seconds for which a client that was refused may go on sending, so that it gets to read why.
LINGER = 1.0
# Bytes that a socket may send before its connection_init has been taken, all its messages together, and the largest
# message of a socket on which nobody has signed in.
MAX_BEFORE_INIT = 65_536
LARGEST_OF_NOBODY = 65_536
# Bytes of a socket that are parsed at once: small messages take twenty times the memory of their bytes.
SLICE = 16_384


class WriteTimeout:
    """Ends a connection whose client reads nothing for `seconds` while something is waiting to be sent."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._left = 0

    def start(self, transport: asyncio.Transport) -> None:
        self.stop()
        self._left = transport.get_write_buffer_size()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._check, transport)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, transport: asyncio.Transport) -> None:
        if transport.get_write_buffer_size() < self._left:
            # Slow, but it reads.
            self.start(transport)
        else:
            transport.abort()


class BoundedSocket(WebSocketsSansIOProtocol):
    """A WebSocket that is read from only while its client reads, and little by little.

    uvicorn answers pings of a client that reads nothing, and parses all that has arrived, without bound. What a
    socket may send before anybody has signed in on it is bounded further; the application says when, by the function
    that it finds among the scope's extensions under INITIALISED.
    """

    def __init__(self, *args: Any, send_seconds: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._write_timeout = WriteTimeout(send_seconds)
        self._initialised = False
        self._before_init = 0
        # What has arrived and is not parsed yet.
        self._unread = b""
        self.conn.max_message_size = min(LARGEST_OF_NOBODY, self.config.ws_max_size)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            self.scope["extensions"][INITIALISED] = {"call": self._initialise}

    def data_received(self, data: bytes) -> None:
        if self.handshake_initiated and not self._initialised:
            self._before_init += len(data)
            if self._before_init > MAX_BEFORE_INIT:
                self._refuse(TOO_MANY_INITS, "Too much was sent before connection_init was acknowledged")
                return
        self._unread += data
        self._take()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timeout.start(self.transport)
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self._write_timeout.stop()
        super().resume_writing()
        self._take()

    async def receive(self) -> Any:
        message = await self.queue.get()
        if self.queue.empty():
            self.read_paused = False
            self._take()
        return message

    def connection_lost(self, exc: Exception | None) -> None:
        self._write_timeout.stop()
        self._unread = b""
        super().connection_lost(exc)

    def _initialise(self, *, signed_in: bool) -> None:
        self._initialised = True
        if signed_in:
            self.conn.max_message_size = self.config.ws_max_size

    def _take(self) -> None:
        """Parse what has arrived, until there is a message or the client does not read; then read on, or not."""
        while self._unread and self._may_read():
            piece, self._unread = self._unread[:SLICE], self._unread[SLICE:]
            super().data_received(piece)
        if self.transport.is_closing():
            self._unread = b""
        elif self._may_read():
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def _may_read(self) -> bool:
        return not self.read_paused and self.writable.is_set() and not self.transport.is_closing()

    def _refuse(self, code: int, reason: str) -> None:
        if not self.handshake_complete:
            self.transport.abort()
            return
        self.conn.fail(code, reason)
        self.handle_parser_exception()
        # Closing waits until what was written has been read.
        self._write_timeout.start(self.transport)


class TooLarge(Exception):
    """The request is not read further."""


class BoundedProtocol(HttpToolsProtocol):
    """Ends a connection whose request does not arrive whole in `seconds`, whose headers are too large, or whose client
    reads nothing for `send_seconds`."""

    def __init__(self, *args: Any, seconds: float, send_seconds: float = 30.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seconds = seconds
        self._write_timeout = WriteTimeout(send_seconds)
        self._deadline: asyncio.TimerHandle | None = None
        self._in_headers = True
        self.url = b""
        # Of the request that is being read: of headers without their end, and of those that are complete.
        self._header_bytes = 0
        self._complete_bytes = 0
        # What still arrives is discarded.
        self._ended = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        self._write_timeout.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timeout.start(self.transport)

    def resume_writing(self) -> None:
        self._write_timeout.stop()
        super().resume_writing()

    def handle_websocket_upgrade(self) -> None:
        self._stop_clock()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        if self._deadline is None:
            self._start_clock()
        super().data_received(data)
        if self._in_headers and not self._ended and not self.transport.is_closing():
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self._end_headers()

    def on_message_begin(self) -> None:
        self._in_headers, self._header_bytes, self._complete_bytes = True, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_URL_BYTES:
            raise TooLarge

    def on_header(self, name: bytes, value: bytes) -> None:
        self._complete_bytes += len(name) + len(value)
        if self._complete_bytes > MAX_HEADER_BYTES:
            raise TooLarge
        super().on_header(name, value)

    def send_400_response(self, msg: str) -> None:
        """What the parser cannot go on with: requests that are malformed, and those that were too large for us."""
        if len(self.url or b"") > MAX_URL_BYTES:
            self._end(414, "URI_TOO_LONG", f"The address is longer than {MAX_URL_BYTES} bytes: send it by POST.")
        elif self._complete_bytes > MAX_HEADER_BYTES:
            self._end_headers()
        else:
            super().send_400_response(msg)

    def on_headers_complete(self) -> None:
        self._in_headers = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_clock()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, WholeAnswers(app, cycle))  # type: ignore[arg-type]

    def _start_clock(self) -> None:
        self._deadline = self.loop.call_later(self._seconds, self._expire)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        if self.flow.read_paused:
            # It is we who do not read: a request before this one is not answered yet.
            self._start_clock()
        elif not self.transport.is_closing():
            self._end(408, "REQUEST_TIMEOUT", f"The request did not arrive whole in {self._seconds:g} seconds.")

    def _end_headers(self) -> None:
        self._end(431, "HEADERS_TOO_LARGE", f"The headers are larger than {MAX_HEADER_BYTES} bytes.")

    def _end(self, status: int, code: str, message: str) -> None:
        """Close, with an answer where one can still be given; a running request learns of the disconnect."""
        self._stop_clock()
        begun = self._header_bytes or self._complete_bytes or self.url or not self._in_headers
        answering = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        answered = not self._in_headers and self.cycle is not None and self.cycle.response_complete
        if begun and not answering and not answered:
            body = orjson.dumps({"errors": [{"message": message, "extensions": {"code": code}}]})
            head = (
                b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
            )
            self.transport.write(head % (status, REASONS[status], len(body)) + body)
        if self.transport.can_write_eof():
            # To close while something arrives would take back what was written.
            self._ended = True
            self.transport.write_eof()
            self.loop.call_later(LINGER, self.transport.close)
        else:
            self.transport.close()
