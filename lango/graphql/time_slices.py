"""Long computations on the event loop, in slices between which it serves everybody else.

A thread would not do: it takes the interpreter from the loop for as long as it may, at each of the steps of which even
a small answer has several. A computation here stops only where it says so itself, at a `pause` (docs/adr/0019).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from contextvars import copy_context
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]

T = TypeVar("T")
# Seconds; a small query takes about as long.
SLICE = 0.003


class Sliced(greenlet):  # type: ignore[misc]
    """A computation that can stop in the middle and go on later."""

    ends = 0.0


def pause() -> None:
    """Let others go first, in a computation whose slice is used up; elsewhere it does nothing."""
    current = getcurrent()
    if isinstance(current, Sliced) and time.perf_counter() >= current.ends:
        assert current.parent is not None
        current.parent.switch()


class Slices:
    """Runs computations, one slice of one of them each time that the event loop goes round."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._making: dict[Hashable, asyncio.Event] = {}

    async def run(self, compute: Callable[[], T]) -> T:
        """What `compute` gives. Cancelled, it ends at its last pause."""
        sliced: Any = Sliced(compute)
        sliced.gr_context = copy_context()
        try:
            while True:
                # In the order of their coming: a short computation waits for one slice of each long one.
                async with self._turn:
                    sliced.parent = getcurrent()
                    sliced.ends = time.perf_counter() + SLICE
                    result: T = sliced.switch()
                    if sliced.dead:
                        return result
                    await asyncio.sleep(0)
        finally:
            if not sliced.dead:
                sliced.parent = getcurrent()
                sliced.throw()

    async def make(self, key: Hashable, find: Callable[[], T | None], make: Callable[[], T]) -> T:
        """What `find` finds, or else what `make` makes, which puts it where it is found: one at a time for each key."""
        while (found := find()) is None:
            other = self._making.get(key)
            if other is not None:
                await other.wait()
                continue
            done = self._making[key] = asyncio.Event()
            try:
                return await self.run(make)
            finally:
                del self._making[key]
                done.set()
        return found
