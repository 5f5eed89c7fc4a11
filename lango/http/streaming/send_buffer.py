"""What waits to be sent over one connection: bounded, because a client may read more slowly than things happen."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

# Bytes beyond which nothing is added that the client brings about by itself.
LITTLE = 65_536
Item = TypeVar("Item", str, bytes)


class Full(Exception):
    """As much is waiting as may wait."""


class Outgoing(Generic[Item]):
    """Messages in their order, up to a number and a size; `None` comes out when there will be no more."""

    def __init__(self, most: int, size: int) -> None:
        self._most = most
        self._size = size
        self._waiting: deque[Item] = deque()
        self._held = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._calm = asyncio.Event()
        self._calm.set()
        self.closed = False

    def put(self, item: Item) -> None:
        """Raises Full."""
        if self.closed:
            return
        if len(self._waiting) >= self._most or (self._waiting and self._held + len(item) > self._size):
            raise Full
        self._waiting.append(item)
        self._held += len(item)
        self._filled.set()
        if len(self._waiting) * 2 > self._most or self._held * 2 > self._size:
            self._emptied.clear()
        if self._held > LITTLE:
            self._calm.clear()

    async def room(self) -> None:
        """Wait until half of it is free: for what can wait."""
        await self._emptied.wait()

    async def little(self) -> None:
        """Wait until there is room and little waits: for answers, of which a client may ask for as many as it likes."""
        await self._emptied.wait()
        await self._calm.wait()

    def close(self, *, drop: bool = False) -> None:
        """Take nothing more; `drop` also what waits."""
        self.closed = True
        if drop:
            self._waiting.clear()
        self._filled.set()
        self._emptied.set()
        self._calm.set()

    async def get(self) -> Item | None:
        while not self._waiting:
            if self.closed:
                return None
            self._filled.clear()
            await self._filled.wait()
        item = self._waiting.popleft()
        self._held -= len(item)
        if len(self._waiting) * 2 <= self._most and self._held * 2 <= self._size:
            self._emptied.set()
        if self._held <= LITTLE:
            self._calm.set()
        return item
