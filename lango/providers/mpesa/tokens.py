"""Daraja's access tokens: one for about an hour, for all calls of a process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

# Seconds before its end from which a token is not used any more: it must last until the call is there.
MARGIN = 60.0


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, and for how many seconds it serves."""

    value: str
    serves: float


class Tokens:
    """The token in use. However many callers want one, it is fetched once, and what that raises, all of them get."""

    def __init__(self, fetch: Callable[[], Awaitable[Token]], now: Callable[[], float] = time.monotonic) -> None:
        self.fetch = fetch
        self.now = now
        self.token: str | None = None
        self.until = 0.0
        self.fetching: asyncio.Task[str] | None = None

    async def get(self) -> str:
        if self.token is not None and self.now() < self.until:
            return self.token
        if self.fetching is None:
            self.fetching = asyncio.create_task(self._fetched())
            self.fetching.add_done_callback(self._ended)
        # A caller who gives up does not take it away from the others.
        return await asyncio.shield(self.fetching)

    def drop(self, token: str) -> None:
        """Daraja takes this token no longer. One that has come since stays."""
        if self.token == token:
            self.token = None

    async def _fetched(self) -> str:
        began = self.now()
        token = await self.fetch()
        self.token, self.until = token.value, began + token.serves - MARGIN
        return token.value

    def _ended(self, task: asyncio.Task[str]) -> None:
        self.fetching = None
        if not task.cancelled():
            # Also where everybody who wanted it has given up: nobody is left to be warned of it.
            task.exception()
