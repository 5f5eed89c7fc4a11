"""A sponsor, and a ledger that must add up."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from models.identity import User
from models.profiles import Profile
from models.referrals import PointsLedgerEntry
from tests.books import balanced, books, configure, owner_engine  # noqa: F401 - fixtures
from tests.factories import Factory, now
from tests.keys import keyless  # noqa: F401 - fixtures


@pytest.fixture
async def sponsor(make: Factory) -> SimpleNamespace:
    return await person(make)


@pytest.fixture(autouse=True)
async def no_campaigns(owner: asyncpg.Pool[Any]) -> None:
    """What another test left running boosts nothing here."""
    await owner.execute("UPDATE packs.sponsor_campaigns SET status = 'completed' WHERE status = 'active'")


async def person(make: Factory, **given: Any) -> SimpleNamespace:
    """A user with a profile."""
    user = await make(User, **given.pop("user", {}))
    await make(Profile, user_id=user.id, **({"full_name": "Awa Ndiaye"} | given))
    return user


async def minor(make: Factory, **given: Any) -> tuple[SimpleNamespace, SimpleNamespace]:
    """Somebody of twelve, and the guardian."""
    guardian = await person(make)
    born = date(date.today().year - 12, 1, 1)
    child = await person(make, date_of_birth=born, guardian_user_id=guardian.id, relationship_type="parent",
                         guardian_accepted_at=now(), **given)  # fmt: skip
    return child, guardian


async def matured(make: Factory, user: SimpleNamespace, points: int, **given: Any) -> SimpleNamespace:
    """Points that may be spent."""
    return await make(PointsLedgerEntry, **{
        "sponsor_user_id": user.id, "event_type": "referral_accepted", "points_earned": points, "status": "matured",
        "matured_at": now(), **given,
    })  # fmt: skip


def in_days(least: int) -> date:
    """A day of this or the next month that every year has, so many days ahead or a few more."""
    days = (date.today() + timedelta(days=least + more) for more in range(7))
    return next(day for day in days if day.day <= 28)
