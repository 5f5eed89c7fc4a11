"""A gateway whose Wave is in memory, a pot that takes donations, and a ledger that must add up."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from lango.db.pipeline import Pipeline
from lango.providers.wave import WAVE
from lango.rules.services import Services
from lango.settings import Settings
from models.identity import User
from models.pots import Pot
from tests.books import balanced, books, configure, owner_engine  # noqa: F401 - fixtures
from tests.client import Api
from tests.donations.giving import Giving
from tests.donations.wave import FakeWave
from tests.factories import Factory

PHONES = itertools.count(3_000_000)


@pytest.fixture(scope="session")
def the_wave() -> FakeWave:
    return FakeWave()


@pytest.fixture
def wave(the_wave: FakeWave) -> Iterator[FakeWave]:
    yield the_wave
    the_wave.down = the_wave.deaf = the_wave.slow = False
    the_wave.refuses.clear()
    the_wave.fails.clear()
    the_wave.calls.clear()


@pytest.fixture(scope="session")
def services(pipeline: Pipeline, settings: Settings, the_wave: FakeWave) -> Services:
    return Services(pipeline, settings, {WAVE: the_wave})


@pytest.fixture(scope="session")
async def api(pipeline: Pipeline, settings: Settings, services: Services) -> AsyncIterator[Api]:
    async with Api.over(pipeline, settings, services=services) as api:
        yield api


@pytest.fixture
async def pot(make: Factory) -> SimpleNamespace:
    """A public pot with a target that no test reaches by accident."""
    owner = await make(User)
    return await make(Pot, owner_user_id=owner.id, visibility="public", target_amount_cfa=10_000_000)


def a_phone() -> str:
    """A phone that is nobody else's."""
    return f"+22177{next(PHONES):07d}"


@pytest.fixture
async def donor(make: Factory) -> SimpleNamespace:
    """Somebody whose account has a phone."""
    return await make(User, phone=a_phone())


@pytest.fixture
def giving(api: Api, wave: FakeWave, services: Services, make: Factory) -> Giving:
    return Giving(api, wave, services, make)


@pytest.fixture
async def templates(owner: asyncpg.Pool[Any]) -> AsyncIterator[Any]:
    """Writes the wording of a notice for the time of a test."""
    keys: list[str] = []

    async def write(key: str, body: str) -> None:
        keys.append(key)
        await owner.execute(
            "INSERT INTO notifications.notification_templates (template_key, name, body_text, channels)"
            " VALUES ($1, $1, $2, ARRAY['email', 'sms', 'whatsapp'])"
            " ON CONFLICT (template_key) DO UPDATE SET body_text = excluded.body_text, is_active = true",
            key, body,
        )  # fmt: skip

    yield write
    await owner.execute(
        "UPDATE notifications.notification_templates SET is_active = false WHERE template_key = ANY ($1)", keys
    )
