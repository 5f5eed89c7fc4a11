"""One transaction a test, as the owner, on each of two servers; nothing of it stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from tests.clusters import cluster, migrated
from tests.factories import Factory

__all__ = ["cluster", "migrated"]


class Lender:
    """Lends the one connection, where a pool would lend one of its own."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self.connection = connection

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        yield self.connection


@pytest.fixture(scope="session")
async def connection(migrated: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(migrated)
    yield connection
    await connection.close()


@pytest.fixture
async def db(connection: asyncpg.Connection[Any]) -> AsyncIterator[asyncpg.Connection[Any]]:
    """The owner's connection, inside a transaction that is rolled back."""
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("SET LOCAL ROLE lango_owner; SET LOCAL timezone = 'UTC'")
    yield connection
    await transaction.rollback()


@pytest.fixture
def make(db: asyncpg.Connection[Any]) -> Factory:
    return Factory(Lender(db))  # type: ignore[arg-type]
