"""Pools of a chosen size over a database of this folder's own, and what the trial rules have left in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from lango.actor import Actor
from lango.rules.rule import Rule
from lango.rules.services import Services
from lango.settings import Settings
from models.identity import User
from resolvers.kernel.running import Outcome, run
from tests import conftest as shared
from tests.factories import Factory
from tests.reads.conftest import (  # noqa: F401 - fixtures
    Pool,
    _without_logs,
    activity,
    address,
    directly,
    end,
    make_pool,
    pool,
)
from tests.relay import Relay, relay

# A database of this folder's own: what the trials write is no true ledger, which other tests demand of theirs.
owner_url, gateway_url, settings, pipeline = shared.owner_url, shared.gateway_url, shared.settings, shared.pipeline
owner, make, api = shared.owner, shared.make, shared.api

Run = Callable[..., Awaitable[Outcome]]
Titles = Callable[[], Awaitable[list[str]]]


def services_over(over: Pool) -> Services:
    return Services(over, over._settings)


def runs(over: Pool, actor: Actor) -> Run:
    """`await run(plan, title="A", ending="well", key="…")`, by that caller over those connections."""

    async def run_(rule: Rule[..., Any], *, key: str | None = None, reading: Any = None, **arguments: Any) -> Outcome:
        options = {} if reading is None else {"reading": reading}
        return await run(services_over(over), actor, rule, arguments, key=key, **options)

    return run_


@pytest.fixture
async def member(make: Factory) -> SimpleNamespace:
    return await make(User)


@pytest.fixture
def caller(member: SimpleNamespace) -> Actor:
    return Actor(member.id)


@pytest.fixture
def do(pool: Pool, caller: Actor) -> Run:  # noqa: F811
    """Runs a rule as the caller, over the one connection of the pool."""
    return runs(pool, caller)


@pytest.fixture
def titles(owner: asyncpg.Pool[Any], member: SimpleNamespace) -> Titles:
    """Of the pots that the trials have made for the caller, in their order."""

    async def found() -> list[str]:
        rows = await owner.fetch(
            "SELECT title FROM pots.pots WHERE owner_user_id = $1 ORDER BY created_at, title", member.id
        )
        return [row["title"] for row in rows]

    return found


@pytest.fixture
async def trials(owner: asyncpg.Pool[Any]) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """A sequence that counts tries, which no rollback takes back; gives how many there were."""
    await owner.execute(
        "DROP SEQUENCE IF EXISTS lango.trials; CREATE SEQUENCE lango.trials; GRANT USAGE ON lango.trials TO lango_rules"
    )

    async def counted() -> int:
        return int(await owner.fetchval("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM lango.trials"))

    yield counted
    await owner.execute("DROP SEQUENCE lango.trials")


@pytest.fixture
async def network(gateway_url: str) -> AsyncIterator[tuple[Relay, str]]:
    """A network that fails where a test says, and the address behind which it is."""
    async with relay(gateway_url) as made:
        yield made


@pytest.fixture
async def relayed(network: tuple[Relay, str], settings: Settings) -> AsyncIterator[Pool]:
    """One connection over that network."""
    from lango.db.postgres import async_url

    changed = {"pool_size": 1, "pool_timeout": 5.0, "caller_share": 1.0}
    made = Pool(async_url(network[1]), settings.model_copy(update=changed))
    yield made
    made.close()


@pytest.fixture
def do_relayed(relayed: Pool, caller: Actor) -> Run:
    """Runs a rule as the caller, over that network."""
    return runs(relayed, caller)


@pytest.fixture
def kept(owner: asyncpg.Pool[Any]) -> Callable[[str], Awaitable[Any]]:
    """The outcome that is kept under a key: None where there is no such key."""

    async def found(key: str) -> Any:
        return await owner.fetchrow("SELECT outcome FROM platform.idempotency_keys WHERE key = $1", key)

    return found


__all__ = ["activity"]
