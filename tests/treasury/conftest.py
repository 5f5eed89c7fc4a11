"""A house of people and DAOs with money, and a ledger that must add up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from lango.rules.services import Services
from tests.books import balanced, books, configure, owner_engine  # noqa: F401 - fixtures
from tests.client import Api
from tests.factories import Factory
from tests.treasury.house import House


@pytest.fixture
def house(api: Api, make: Factory, services: Services) -> House:
    return House(api, make, services)


@pytest.fixture(autouse=True)
async def _members_are_counted(owner: asyncpg.Pool[Any]) -> AsyncIterator[None]:
    """After every test, a DAO says how many approved members it has."""
    yield
    wrong = await owner.fetch(
        "SELECT d.id, d.member_count, count(*) FILTER (WHERE m.status = 'approved') AS counted FROM treasury.daos d"
        " JOIN treasury.dao_members m ON m.dao_id = d.id"
        " GROUP BY d.id HAVING d.member_count <> count(*) FILTER (WHERE m.status = 'approved')"
    )
    assert [tuple(each) for each in wrong] == []
