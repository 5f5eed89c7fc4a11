"""Two databases with the small demo data, loaded on their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

import seeds
from lango.db import migrate
from tests.clusters import Cluster


def nothing(_name: str, _done: int, _total: int) -> None:
    """Nobody watches the progress."""


async def load(template_url: str) -> AsyncIterator[str]:
    cluster = Cluster(template_url)
    address = await cluster.create()
    await migrate.upgrade(address)
    await seeds.load(address, "small", nothing)
    yield address
    await cluster.drop(address)


@pytest.fixture(scope="session")
async def loaded(template_url: str) -> AsyncIterator[str]:
    """The small demo data."""
    async for address in load(template_url):
        yield address


@pytest.fixture(scope="session")
async def loaded_again(template_url: str) -> AsyncIterator[str]:
    """The same, loaded into another database."""
    async for address in load(template_url):
        yield address


@pytest.fixture
async def connection(loaded: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    opened = await asyncpg.connect(loaded)
    yield opened
    await opened.close()
