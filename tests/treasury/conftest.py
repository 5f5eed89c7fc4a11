"""A house of people and DAOs with money, and a ledger that must add up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from lango.rules.services import Services
from tests.books import balanced, books, configure, owner_engine  # noqa: F401 - fixtures
from tests.client import Api
from tests.donations.conftest import templates  # noqa: F401 - fixtures
from tests.factories import Factory
from tests.treasury.house import House

# DAOs that say that they have another number of approved members than they have.
MISCOUNTED = """
    SELECT d.id, d.member_count, count(*) FILTER (WHERE m.status = 'approved')
    FROM treasury.daos d JOIN treasury.dao_members m ON m.dao_id = d.id
    GROUP BY d.id HAVING d.member_count <> count(*) FILTER (WHERE m.status = 'approved')
"""


@pytest.fixture
async def house(api: Api, make: Factory, services: Services, owner: asyncpg.Pool[Any]) -> AsyncIterator[House]:
    """What is done in it leaves every DAO with as many members as it says."""
    before = set(map(tuple, await owner.fetch(MISCOUNTED)))
    yield House(api, make, services)
    assert set(map(tuple, await owner.fetch(MISCOUNTED))) - before == set()
