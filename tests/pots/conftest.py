"""Pots, those who plan them, and a ledger that must add up."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from models.identity import User
from tests.books import balanced, books, owner_engine  # noqa: F401 - fixtures
from tests.client import Api
from tests.donations.conftest import (  # noqa: F401 - fixtures
    api,
    configure,
    donor,
    giving,
    services,
    templates,
    the_wave,
    wave,
)
from tests.factories import Factory
from tests.pots.planning import Planning


@pytest.fixture
async def owner_of_pots(make: Factory) -> SimpleNamespace:
    return await make(User)


@pytest.fixture
def planning(api: Api, make: Factory) -> Planning:  # noqa: F811 - the fixture
    return Planning(api, make)
