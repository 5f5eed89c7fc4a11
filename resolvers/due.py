"""What is due: done row by row, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from lango.prepared import Lookup
from lango.services import Services

log = structlog.get_logger("lango.due")


async def each(
    services: Services, what: Lookup, act: Callable[[AsyncSession, UUID], Awaitable[None]], **given: Any
) -> None:
    """Act on each row that `what` finds by its id. `act` locks the row and looks again: another worker may have acted.

    One that fails does not hold up the others, and is due again the next time. Raises ExceptionGroup of what failed.
    """
    async with services.work() as session:
        keys = [key for (key,) in await what.all(session, **given)]
    failed = []
    for key in keys:
        try:
            async with services.work() as session:
                await act(session, key)
        except Exception as error:
            log.exception("due_failed", job=act.__name__, key=str(key))
            failed.append(error)
    if failed:
        raise ExceptionGroup(f"{len(failed)} of {len(keys)} rows could not be done", failed)
