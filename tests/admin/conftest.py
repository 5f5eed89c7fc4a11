"""Staff, with the sessions they work in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from tests.books import balanced, books, configure, owner_engine  # noqa: F401 - fixtures
from tests.factories import Factory
from tests.profiles.conftest import People


class Staff(People):
    """Members of the staff."""

    async def member(self, *roles: str) -> SimpleNamespace:
        user = await self.adult("Khady Seck")
        await self.owner.execute("UPDATE identity.users SET roles = $2 WHERE id = $1", user.id, ["user", *roles])
        return user


@pytest.fixture
def staff(make: Factory, owner: asyncpg.Pool[Any]) -> Staff:
    return Staff(make, owner)
