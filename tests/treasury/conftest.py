"""A house of people and DAOs with money, and a ledger that must add up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from lango.db.pipeline import Pipeline
from lango.providers.mpesa import MPESA
from lango.rules.services import Services
from lango.settings import Settings
from tests.books import balanced, books, configure, owner_engine  # noqa: F401 - fixtures
from tests.client import Api
from tests.donations.conftest import templates  # noqa: F401 - fixtures
from tests.factories import Factory, now
from tests.treasury.daraja import FakeMpesa
from tests.treasury.depositing import Depositing
from tests.treasury.house import House
from tests.treasury.market import Market
from tests.treasury.past import Past
from tests.treasury.reporting import Reports
from tests.treasury.withdrawing import Withdrawing

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


@pytest.fixture(scope="session")
def the_daraja() -> FakeMpesa:
    return FakeMpesa()


@pytest.fixture
def daraja(the_daraja: FakeMpesa) -> Iterator[FakeMpesa]:
    yield the_daraja
    the_daraja.restore()


@pytest.fixture(scope="session")
def services(pipeline: Pipeline, settings: Settings, the_daraja: FakeMpesa) -> Services:
    """With an M-Pesa in memory."""
    return Services(pipeline, settings, {MPESA: the_daraja})


@pytest.fixture(scope="session")
async def api(pipeline: Pipeline, settings: Settings, services: Services) -> AsyncIterator[Api]:
    async with Api.over(pipeline, settings, services=services) as api:
        yield api


@pytest.fixture
def depositing(house: House, daraja: FakeMpesa) -> Depositing:
    return Depositing(house, daraja)


@pytest.fixture
def past(owner: asyncpg.Pool[Any]) -> Past:
    return Past(owner)


@pytest.fixture
def start() -> datetime:
    """Where the period of most reports begins: thirty days long, it ended ten days ago."""
    return (now() - timedelta(days=40)).replace(microsecond=0)


@pytest.fixture
def reports(house: House, start: datetime) -> Reports:
    return Reports(house, start)


@pytest.fixture
def withdrawing(house: House, daraja: FakeMpesa, depositing: Depositing) -> Withdrawing:
    return Withdrawing(house, daraja, depositing)


@pytest.fixture
async def market(make: Factory, owner: asyncpg.Pool[Any]) -> Market:
    """Rates that no other test has stored."""
    opened = Market(make, owner)
    await opened.close()
    return opened
