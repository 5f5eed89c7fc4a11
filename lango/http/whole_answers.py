"""Answers that come whole: head and body are written by one system call, which costs as much as a small plan.

uvicorn writes the head when it is sent and then the body, as it must where the rest of an answer takes its time.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lango.libraries.uvicorn import STATUS_LINE, RequestResponseCycle

# What may stand in a header; a line break would begin another.
TEXT = bytes(each for each in range(256) if each == 9 or (each >= 32 and each != 127))


class WholeAnswers:
    """An application, as one request on a connection calls it."""

    def __init__(self, app: ASGIApp, cycle: RequestResponseCycle) -> None:
        self._app = app
        self._cycle = cycle
        # What begins the answer, until its body comes.
        self._start: Message | None = None

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        await self._app(scope, receive, self._send)

    async def _send(self, message: Message) -> None:
        start, self._start = self._start, None
        if start is not None:
            if self._is_whole(start, message):
                self._write(start, message.get("body", b""))
                return
            await self._cycle.send(start)  # type: ignore[arg-type]
        elif message["type"] == "http.response.start" and not self._cycle.response_started:
            self._start = message
            return
        await self._cycle.send(message)  # type: ignore[arg-type]

    def _is_whole(self, start: Message, message: Message) -> bool:
        """Whether this is all of a plain answer, on a connection that stays open and can be written to."""
        cycle, headers = self._cycle, dict(start["headers"])
        return (
            message["type"] == "http.response.body"
            and not message.get("more_body", False)
            and headers.get(b"content-length") == b"%d" % len(message.get("body", b""))
            and b"connection" not in headers
            and cycle.scope["method"] != "HEAD"
            and cycle.keep_alive
            and not cycle.disconnected
            and not cycle.flow.write_paused
        )

    def _write(self, start: Message, body: bytes) -> None:
        cycle = self._cycle
        headers = [*cycle.default_headers, *start["headers"]]
        head = STATUS_LINE[start["status"]] + b"".join([b"%b: %b\r\n" % header for header in headers])
        if head.translate(None, TEXT) != b"\r\n" * (len(headers) + 1):
            raise RuntimeError("A header holds a control character.")
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(b"%b\r\n%b" % (head, body))
        cycle.message_event.set()
        cycle.on_response()
