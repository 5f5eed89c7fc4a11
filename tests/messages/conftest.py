"""A queue without others' messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

QUEUED = "DELETE FROM jobs.pgqueuer WHERE entrypoint LIKE 'messages.%'"


@pytest.fixture(autouse=True)
async def _queue(owner: asyncpg.Pool[Any]) -> AsyncIterator[None]:
    await owner.execute(QUEUED)
    yield
    await owner.execute(QUEUED)
