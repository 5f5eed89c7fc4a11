"""A client that disconnects before its answer is ready: its query is cancelled."""

from __future__ import annotations

import asyncio
from types import TracebackType

from starlette.types import Receive

from lango.http.parameters import ClientDisconnected
from lango.http.timers import EqualTimers

# Seconds before a client is watched.
MOMENT = 0.01


class UntilDisconnect:
    """Runs a block for as long as the client is connected; then the block is cancelled and ClientDisconnected raised.

    The request's body must have been read: the next message is then the client's disconnect. It is waited for after a
    moment only, because most blocks have ended by then and watching costs as much as a small one.
    """

    def __init__(self, receive: Receive, moments: EqualTimers) -> None:
        self._receive = receive
        self._moments = moments
        self._gone = False
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._moments.start(self, self._start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._moments.stop(self)
        if self._watcher is not None:
            self._watcher.cancel()
        if self._gone:
            # Our own cancelling is taken back; one from outside, at the server's end, goes on.
            still_cancelled = self._task.uncancel()
            if kind is asyncio.CancelledError and not still_cancelled:
                raise ClientDisconnected from None

    def _start(self) -> None:
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._task.cancel()
