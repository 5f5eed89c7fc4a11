"""Worker processes and the one that supervises them: none goes on serving when that one has died."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing import parent_process

INTERVAL = 1.0


@asynccontextmanager
async def bound_to_supervisor() -> AsyncIterator[None]:
    """Meanwhile, stop as upon SIGTERM when the supervisor is gone; a process that serves alone has none."""
    supervisor = parent_process()
    if supervisor is None or supervisor.pid is None:
        yield
        return
    watch = asyncio.create_task(_end_with(supervisor.pid))
    try:
        yield
    finally:
        watch.cancel()


async def _end_with(supervisor: int) -> None:
    # It may have died before we came to look: then we have another parent already.
    while os.getppid() == supervisor:  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(INTERVAL)
    signal.raise_signal(signal.SIGTERM)
