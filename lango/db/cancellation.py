"""Cancels what the server is doing on a connection: closing it alone would let a long query run on for a while."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg

from lango.libraries.asyncpg import cancel_request_of

# Seconds that the server has to take the request.
TIMEOUT = 5.0
# The loop alone holds a task weakly.
_pending: set[asyncio.Task[None]] = set()


def cancel(connection: asyncpg.Connection[Any]) -> None:
    """Ask the server to cancel what it is doing for the connection, which must then be closed: the request travels on
    a connection of its own and may arrive when the next query runs."""
    task = asyncio.get_running_loop().create_task(_sent(cancel_request_of(connection)))
    _pending.add(task)
    task.add_done_callback(_pending.discard)


async def _sent(request: Any) -> None:
    # A server that cannot be reached is doing nothing any more.
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(TIMEOUT):
            await request
