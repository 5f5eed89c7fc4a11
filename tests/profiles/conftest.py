"""Children, their guardians, and people who are neither."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from models.identity import User
from models.profiles import Profile
from tests.books import balanced, books, configure, owner_engine  # noqa: F401 - fixtures
from tests.factories import Factory, now


def born(years: int, *, days: int = 0) -> date:
    """The birthday of somebody who turns that old in so many days."""
    today = now().date() + timedelta(days=days)
    return date(today.year - years, today.month, min(today.day, 28))


class People:
    """Users with profiles."""

    def __init__(self, make: Factory, owner: asyncpg.Pool[Any]) -> None:
        self.make = make
        self.owner = owner

    async def adult(self, name: str = "Awa Ndiaye", **given: Any) -> SimpleNamespace:
        user = await self.make(User)
        await self.make(Profile, user_id=user.id, full_name=name, date_of_birth=born(35), **given)
        return user

    async def child(self, guardian: SimpleNamespace, *, accepted: bool = True, **given: Any) -> SimpleNamespace:
        user = await self.make(User)
        await self.make(
            Profile, user_id=user.id, guardian_user_id=guardian.id,
            **{"full_name": "Moussa Diop", "date_of_birth": born(12), "relationship_type": "parent",
               "guardian_accepted_at": now() if accepted else None, **given},
        )  # fmt: skip
        return user

    async def profile(self, user: SimpleNamespace) -> Any:
        return await self.owner.fetchrow("SELECT * FROM profiles.profiles WHERE user_id = $1", user.id)

    async def events(self, user: SimpleNamespace) -> list[str]:
        rows = await self.owner.fetch(
            "SELECT event_type FROM security.security_events WHERE user_id = $1 ORDER BY created_at", user.id
        )
        return [row["event_type"] for row in rows]


@pytest.fixture
def people(make: Factory, owner: asyncpg.Pool[Any]) -> People:
    return People(make, owner)
