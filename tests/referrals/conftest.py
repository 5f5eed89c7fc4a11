"""A sponsor, what a refusal must leave alone, and a ledger that must add up."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from lango.rules.services import Services
from lango.settings import Settings
from lango.settings import settings as settings_of_process
from models.identity import User
from models.profiles import Profile
from models.referrals import PointsLedgerEntry
from tests.books import balanced, books, configure, owner_engine  # noqa: F401 - fixtures
from tests.factories import Factory, now


@pytest.fixture(scope="session", autouse=True)
def _keys() -> Iterator[None]:
    """The process has a key for keyed hashes."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LANGO_ENCRYPTION_KEYS", f"tests:{base64.b64encode(bytes(range(32))).decode()}")
        settings_of_process.cache_clear()
        yield
    settings_of_process.cache_clear()


@pytest.fixture
def services(engine: AsyncEngine, settings: Settings) -> Services:
    return Services(engine, settings, cast(Any, None))


@pytest.fixture
async def sponsor(make: Factory) -> SimpleNamespace:
    return await person(make)


@pytest.fixture(autouse=True)
async def no_campaigns(owner: asyncpg.Pool[Any]) -> None:
    """What another test left running boosts nothing here."""
    await owner.execute("UPDATE packs.sponsor_campaigns SET status = 'completed' WHERE status = 'active'")


@pytest.fixture
def facts(owner: asyncpg.Pool[Any]) -> Any:
    """Counts and sums of all that these rules write, which a refusal must leave alone."""

    async def read() -> tuple[Any, ...]:
        row = await owner.fetchrow(
            """
            SELECT (SELECT count(*) FROM ledger.ledger_entries), (SELECT sum(balance_cfa::bigint + raised_cfa) FROM pots.pots),
                   (SELECT count(*) FROM pots.pots), (SELECT count(*) FROM platform.outbox_events),
                   (SELECT count(*) FROM notifications.notifications),
                   (SELECT jsonb_object_agg(status, n) FROM (
                       SELECT status, count(*) AS n FROM referrals.referrals GROUP BY 1) r)::text,
                   (SELECT jsonb_object_agg(status, n) FROM (
                       SELECT status, sum(points_earned - points_spent) AS n FROM referrals.points_ledger GROUP BY 1) p)::text,
                   (SELECT count(*) FROM referrals.points_conversions),
                   (SELECT sum(invitations_sent_today) FROM referrals.sponsor_daily_limits),
                   (SELECT jsonb_object_agg(status, n) FROM (
                       SELECT status, count(*) AS n FROM referrals.sponsor_contact_batches GROUP BY 1) b)::text,
                   (SELECT sum(spent_cfa + conversions) FROM packs.sponsor_campaigns)
            """
        )
        return tuple(row.values())

    return read


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
