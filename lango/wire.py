"""The protocols of a connection, bounded: uvicorn waits for ever for a request, keeps headers of any size, and keeps
what a client does not read."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MOST_HEADER_BYTES = 65_536
REASONS = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class Patience:
    """Ends a connection whose client reads nothing for `seconds` while something waits for it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._left = 0

    def start(self, transport: asyncio.Transport) -> None:
        self.stop()
        self._left = transport.get_write_buffer_size()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look, transport)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, transport: asyncio.Transport) -> None:
        if transport.get_write_buffer_size() < self._left:
            # Slow, but it reads.
            self.start(transport)
        else:
            transport.abort()


class BoundedSocket(WebSocketsSansIOProtocol):
    """A WebSocket whose client must read what it is sent."""

    def __init__(self, *args: Any, send_seconds: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._patience = Patience(send_seconds)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._patience.start(self.transport)

    def resume_writing(self) -> None:
        self._patience.stop()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.stop()
        super().connection_lost(exc)


class BoundedProtocol(HttpToolsProtocol):
    """Ends a connection whose request does not arrive whole in `seconds`, whose headers are too large, or whose client
    reads nothing for `send_seconds`."""

    def __init__(self, *args: Any, seconds: float, send_seconds: float = 30.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seconds = seconds
        self._patience = Patience(send_seconds)
        self._deadline: asyncio.TimerHandle | None = None
        self._in_headers = True
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        self._patience.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._patience.start(self.transport)

    def resume_writing(self) -> None:
        self._patience.stop()
        super().resume_writing()

    def handle_websocket_upgrade(self) -> None:
        self._stop_clock()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        if self._deadline is None:
            self._start_clock()
        super().data_received(data)
        if self._in_headers and not self.transport.is_closing():
            self._header_bytes += len(data)
            if self._header_bytes > MOST_HEADER_BYTES:
                self._end(431, "HEADERS_TOO_LARGE", f"The headers are larger than {MOST_HEADER_BYTES} bytes.")

    def on_message_begin(self) -> None:
        self._in_headers, self._header_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_headers = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_clock()
        super().on_message_complete()

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

    def _end(self, status: int, code: str, message: str) -> None:
        """Close, with an answer where one can still be given; a request under way learns that its client is gone."""
        self._stop_clock()
        begun = self._header_bytes or not self._in_headers
        answering = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        answered = not self._in_headers and self.cycle is not None and self.cycle.response_complete
        if begun and not answering and not answered:
            body = orjson.dumps({"errors": [{"message": message, "extensions": {"code": code}}]})
            head = (
                b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
            )
            self.transport.write(head % (status, REASONS[status], len(body)) + body)
        self.transport.close()
