"""Jobs to try the worker with. What they did is in a table of its own, written in the rules' role."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text

from lango.jobs.job import job, scheduled
from lango.rules.services import Services

QUOTED = "a secret value"


async def note(services: Services, what: str, value: str = "") -> None:
    async with services.work() as tx:
        await tx.execute(text("INSERT INTO jobs.trial VALUES (:what, :value)"), {"what": what, "value": value})


async def times(services: Services, what: str) -> int:
    async with services.work() as tx:
        counted = text("SELECT count(*) FROM jobs.trial WHERE what = :what")
        return int((await tx.execute(counted, {"what": what})).scalar_one())


@job("trials.greet")
async def greet(services: Services, *, who: str) -> None:
    await note(services, "greet", who)


@job("trials.remember")
async def remember(
    services: Services,
    *,
    id: UUID | None = None,
    whole: int = 0,
    exact: Decimal = Decimal(0),
    day: date | None = None,
    moment: datetime | None = None,
    sure: bool = False,
    words: str | None = None,
) -> None:
    at = moment and moment.isoformat()
    await note(services, "remember", repr((id, whole, exact, day, at, sure, words)))


@job("trials.fail", retries=2)
async def fail(services: Services, *, times_over: int) -> None:
    """Fails so often; the error quotes a value, as PostgreSQL's do."""
    await note(services, "fail")
    if await times(services, "fail") <= times_over:
        async with services.work() as tx:
            twice = text("INSERT INTO jobs.trial_unique VALUES (:value), (:value)")
            await tx.execute(twice, {"value": QUOTED})


@job("trials.dawdle", retries=0, timeout=0.1)
async def dawdle(services: Services) -> None:
    await asyncio.sleep(60)


@job("trials.take_long", timeout=60.0)
async def take_long(services: Services, *, seconds: float) -> dict[str, Any] | None:
    """Says when it begins and when it ends; the first time only it takes long."""
    await note(services, "begun")
    if await times(services, "begun") == 1:
        await asyncio.sleep(seconds)
    await note(services, "ended")
    return {"seconds": seconds}


@scheduled("trials.falter", "* * * * *")
async def falter(services: Services) -> None:
    await note(services, "falter")
    raise ZeroDivisionError


@scheduled("trials.sweep", "* * * * *")
async def sweep(services: Services) -> None:
    await note(services, "sweep")
