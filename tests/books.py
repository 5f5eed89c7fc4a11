"""Books that must add up: the ledger before a module's tests and after them, and what the database holds behind the API.

A folder whose tests write rows that move money takes these fixtures in its conftest; its rows are made by rules, or by
factories that post them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from lango.db.postgres import async_url
from resolvers.ledger import ledger


@pytest.fixture(scope="session")
async def owner_engine(owner_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(async_url(owner_url), poolclass=NullPool)
    yield engine
    await engine.dispose()


def _proved(*, fixture_name: str, config: pytest.Config) -> Literal["function", "module"]:
    """Proofs scan the whole ledger, so a module has one; `--prove-each` finds which of its tests is to blame."""
    return "function" if config.getoption("prove_each") else "module"


@pytest.fixture(autouse=True, scope=_proved)
async def balanced(owner_engine: AsyncEngine) -> AsyncIterator[None]:
    """After the tests, the ledger bears out every balance."""
    async with proving(owner_engine):
        yield


async def verified(session: AsyncSession) -> list[ledger.Difference]:
    """What the ledger does not bear out, also of what the session has not committed."""
    raw = await (await session.connection()).get_raw_connection()
    driver: Any = raw.driver_connection
    return await ledger.verify(driver)


@asynccontextmanager
async def proving(engine: AsyncEngine) -> AsyncIterator[None]:
    """What happens meanwhile adds no difference to the ledger's proofs.

    Differences that were there before are another's: one database serves many modules.
    """

    async def differences() -> Counter[ledger.Difference]:
        async with AsyncSession(engine) as session:
            return Counter(await verified(session))

    before = await differences()
    yield
    assert [*(await differences() - before)] == []


@pytest.fixture
async def configure(owner: asyncpg.Pool[Any]) -> AsyncIterator[Any]:
    """Sets a number that staff may change: `await configure("donations.hold_score", 0)`."""
    keys: list[str] = []

    async def set_number(key: str, value: Any) -> None:
        keys.append(key)
        await owner.execute(
            "INSERT INTO admin.system_config (config_key, config_value, data_type)"
            " VALUES ($1, to_jsonb($2::numeric), 'number')"
            " ON CONFLICT (config_key) DO UPDATE SET config_value = excluded.config_value",
            key, value,
        )  # fmt: skip

    yield set_number
    await owner.execute("DELETE FROM admin.system_config WHERE config_key = ANY ($1)", keys)


class Books:
    """What the database holds behind the API."""

    def __init__(self, owner: asyncpg.Pool[Any]) -> None:
        self.owner = owner

    async def owed(self, account: str) -> int:
        """What is owed on a liability account."""
        total = await self.owner.fetchval(
            "SELECT coalesce(-sum(e.amount), 0) FROM ledger.ledger_entries e"
            " JOIN ledger.ledger_accounts a ON a.id = e.account_id WHERE a.code = $1",
            account,
        )
        return int(total)

    async def attempts(self, presented: str) -> list[str]:
        """The results of every attempt with that code, in order."""
        rows = await self.owner.fetch(
            "SELECT validation_result FROM redemption.qr_redemption_logs"
            " WHERE presented_code_sha256 = encode(sha256(convert_to($1, 'UTF8')), 'hex') ORDER BY created_at",
            presented,
        )
        return [row["validation_result"] for row in rows]

    async def code(self, key: Any) -> Any:
        return await self.owner.fetchrow("SELECT * FROM redemption.qr_codes WHERE id = $1", key)

    async def events(self, key: Any) -> list[str]:
        rows = await self.owner.fetch("SELECT topic FROM platform.outbox_events WHERE key = $1 ORDER BY id", str(key))
        return [row["topic"] for row in rows]


@pytest.fixture(scope="session")
def books(owner: asyncpg.Pool[Any]) -> Books:
    return Books(owner)
