"""A partner with an owner, a manager and a cashier, whom rules may serve."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from models.identity import User
from models.packs import Partner
from tests.books import balanced, books, configure, owner_engine  # noqa: F401 - fixtures
from tests.factories import Factory

VENUES = '[{"id": "plateau", "name": "Le Plateau"}, {"id": "almadies", "name": "Les Almadies"}]'


@pytest.fixture
async def shop(make: Factory) -> SimpleNamespace:
    """An active partner with two venues, an owner, a manager and a cashier."""
    partner = await make(Partner, venues=VENUES)
    people = {role: await make(User) for role in ("owner", "manager", "cashier")}
    for role, user in people.items():
        await make.member(partner, user, role)
    return SimpleNamespace(partner=partner, **people)
