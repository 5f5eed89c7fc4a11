"""Timers that nearly all are stopped before they go off, and what each operation needs of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from types import TracebackType


class EqualTimers:
    """Timers that all run for the same time. The event loop has one for all of them, the one that goes off next: to set
    a timer there and take it back for each operation would take 5 µs."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # When each goes off and what it does then, in that order.
        self._running: dict[Hashable, tuple[float, Callable[[], None]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.TimerHandle | None = None

    def start(self, owner: Hashable, act: Callable[[], None]) -> None:
        """Call `act` when the time is over, unless the timer of that owner is stopped before."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._next = loop, None
            self._running.clear()
        self._running[owner] = loop.time() + self._seconds, act
        if self._next is None:
            self._next = loop.call_later(self._seconds, self._go_off)

    def stop(self, owner: Hashable) -> None:
        self._running.pop(owner, None)

    def _go_off(self) -> None:
        assert self._loop is not None
        self._next, now = None, self._loop.time()
        for owner, (when, act) in [*self._running.items()]:
            if when > now:
                self._next = self._loop.call_at(when, self._go_off)
                return
            del self._running[owner]
            act()


class Deadline:
    """Ends a block that takes longer than its timer, as asyncio.timeout does: it is cancelled, and raises
    TimeoutError."""

    __slots__ = ("_cancelling", "_passed", "_task", "_timers")

    def __init__(self, timers: EqualTimers) -> None:
        self._timers = timers

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelling, self._passed = task, task.cancelling(), False
        self._timers.start(self, self._pass)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timers.stop(self)
        # One that is cancelled from outside as well goes on being cancelled.
        if self._passed and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _pass(self) -> None:
        self._passed = True
        self._task.cancel()
