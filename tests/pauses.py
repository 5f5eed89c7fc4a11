"""Pauses of rows that a job could not do something about."""

from __future__ import annotations

from typing import Any

import asyncpg


async def end_pauses(owner: asyncpg.Pool[Any]) -> None:
    """As when the time has passed: each row that failed is tried again by the next run."""
    await owner.execute("UPDATE platform.due_failures SET next_try_at = now() - interval '1 second'")
