"""Answers as a stream of events: GraphQL over SSE, one operation a connection (the "distinct connections mode").

The protocol is https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md. Each event's `id` is its cursor, so
that a browser that lost its connection resumes by itself, with the header Last-Event-ID.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from lango.events.outbox import Event
from lango.http.negotiation import MediaType
from lango.http.streaming.send_buffer import BufferFull, SendBuffer
from lango.observability.metrics import Metrics
from lango.settings import Settings

HEADERS = (
    (b"content-type", f"{MediaType.EVENTS}; charset=utf-8".encode()),
    (b"cache-control", b"no-store"),
    (b"vary", b"Accept, Authorization, Cookie, Origin"),
    # nginx would keep events back until it has a buffer full of them.
    (b"x-accel-buffering", b"no"),
)
COMPLETE = b"event: complete\ndata:\n\n"
HEARTBEAT = b":\n\n"


def next_of(result: bytes, cursor: str | None = None) -> bytes:
    """A result as an event. Line breaks between the tokens of JSON from the database would end its data."""
    data = result.replace(b"\r", b" ").replace(b"\n", b" ")
    return b"event: next\n%bdata: %b\n\n" % (f"id: {cursor}\n".encode() if cursor else b"", data)


class EventStream:
    """One answer, from its first event to its end; also the subscriber, where it is a subscription's."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._heartbeat = settings.stream_heartbeat
        self._metrics = metrics
        self._out = SendBuffer[bytes](settings.stream_buffer, settings.stream_buffer_bytes)
        self._at_end: list[Callable[[], None]] = []

    def at_end(self, call: Callable[[], None]) -> None:
        """Have this called when the stream has ended."""
        self._at_end.append(call)

    def send(self, event: Event, text: bytes) -> None:
        try:
            self._out.put(next_of(text, event.cursor))
        except BufferFull:
            # Its client reconnects by itself, and resumes after the last event that it has seen.
            self._metrics.slow_clients.inc()
            self._out.close(drop=True)
        else:
            self._metrics.events_sent.inc()

    async def drain(self) -> None:
        await self._out.drain()

    def end(self, errors: list[dict[str, Any]]) -> None:
        self.finish(orjson.dumps({"errors": errors}))

    def finish(self, result: bytes) -> None:
        """The last result, and nothing after it."""
        if not self._out.closed:
            self._out.put(next_of(result) + COMPLETE)
            self._out.close()

    def interrupt(self) -> None:
        """End without a message: the client reconnects by itself, and resumes after the last event it has seen."""
        self._out.close()

    def stop(self, _reason: str) -> None:
        """End without a message: the client is to reconnect, with a valid token, or to another gateway."""
        self._out.close()

    def release(self) -> None:
        """Release what the stream holds."""
        for call in self._at_end:
            call()
        self._at_end.clear()

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        watcher = asyncio.create_task(self._watch(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
            # Something at once: proxies and browsers then know that the stream is open.
            await self._body(send, HEARTBEAT)
            while (text := await self._next()) is not None:
                await self._body(send, text)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            watcher.cancel()
            self.release()

    async def _next(self) -> bytes | None:
        try:
            async with asyncio.timeout(self._heartbeat):
                return await self._out.get()
        except TimeoutError:
            return HEARTBEAT

    async def _body(self, send: Send, text: bytes) -> None:
        await send({"type": "http.response.body", "body": text, "more_body": True})

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._out.close(drop=True)
