"""What waits to be sent over one connection: bounded, because a client may read more slowly than things happen."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

# Bytes above which no answers are added: a client brings those about by itself.
LOW_WATER = 65_536
Item = TypeVar("Item", str, bytes)


class BufferFull(Exception):
    """The buffer holds as much as it may."""


class SendBuffer(Generic[Item]):
    """Messages in their order, up to a number and a size; `get` returns None when there will be no more."""

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._waiting: deque[Item] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._half_empty = asyncio.Event()
        self._half_empty.set()
        self._low = asyncio.Event()
        self._low.set()
        self.closed = False

    def put(self, item: Item) -> None:
        """Raises Full."""
        if self.closed:
            return
        if len(self._waiting) >= self._max_items or (self._waiting and self._bytes + len(item) > self._max_bytes):
            raise BufferFull
        self._waiting.append(item)
        self._bytes += len(item)
        self._filled.set()
        if len(self._waiting) * 2 > self._max_items or self._bytes * 2 > self._max_bytes:
            self._half_empty.clear()
        if self._bytes > LOW_WATER:
            self._low.clear()

    async def drain(self) -> None:
        """Wait until half of it is free."""
        await self._half_empty.wait()

    async def drain_low(self) -> None:
        """Wait until it is at most half full and below LOW_WATER: for answers, which a client may request without
        limit."""
        await self._half_empty.wait()
        await self._low.wait()

    def close(self, *, drop: bool = False) -> None:
        """Take nothing more; `drop` also what is in it."""
        self.closed = True
        if drop:
            self._waiting.clear()
        self._filled.set()
        self._half_empty.set()
        self._low.set()

    async def get(self) -> Item | None:
        while not self._waiting:
            if self.closed:
                return None
            self._filled.clear()
            await self._filled.wait()
        item = self._waiting.popleft()
        self._bytes -= len(item)
        if len(self._waiting) * 2 <= self._max_items and self._bytes * 2 <= self._max_bytes:
            self._half_empty.set()
        if self._bytes <= LOW_WATER:
            self._low.set()
        return item
