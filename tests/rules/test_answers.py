"""What a caller is answered when the payload that goes with the COMMIT cannot be given: the rule is done, and it says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from lango.settings import Settings
from models.pots import Pot
from tests.client import Api
from tests.factories import Factory

LIMIT = 20_000
LARGE = "pot { " + " ".join(f"a{number}: description" for number in range(30)) + " }"
ANALYTICS = "pot { rowId analytics { totalCount } }"


@pytest.fixture
async def pot(make: Factory, member: SimpleNamespace) -> SimpleNamespace:
    return await make(Pot, owner_user_id=member.id, description="before")


@pytest.fixture(params=["on", "off"])
async def small(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[Api]:
    """A gateway of small answers, with the planner and without."""
    async with Api.alone(settings.model_copy(update={"planner": request.param, "max_answer_bytes": LIMIT})) as api:
        yield api


@asynccontextmanager
async def analytics_locked(owner: asyncpg.Pool[Any]) -> AsyncIterator[None]:
    """Meanwhile nobody reads how a pot did; the rule itself does not."""
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE pots.pot_analytics IN ACCESS EXCLUSIVE MODE")
        yield


async def description(owner: asyncpg.Pool[Any], pot: SimpleNamespace) -> str:
    return str(await owner.fetchval("SELECT description FROM pots.pots WHERE id = $1", pot.id))


@pytest.mark.parametrize("key", [False, True])
async def test_a_payload_that_is_too_large_leaves_the_rule_done(
    small: Api, owner: asyncpg.Pool[Any], member: SimpleNamespace, pot: SimpleNamespace, key: bool
) -> None:
    given: dict[str, Any] = {"potId": pot, "description": "é" * 900}
    if key:
        given["idempotencyKey"] = str(uuid4())
    answer = await small.mutate("updatePot", member, show=LARGE, **given)

    (error,) = answer.errors
    assert error["extensions"] == {"code": "QUERY_TOO_COMPLEX", "limit": LIMIT, "outcome": "DONE"}
    assert "data" not in answer.body
    assert await description(owner, pot) == "é" * 900
    if key:
        # The same key shows what is small enough.
        assert (await small.mutate("updatePot", member, show="pot { title }", **given)).refusals("updatePot") == []


@pytest.mark.parametrize("planner", ["on", "off"])
async def test_a_payload_that_fails_is_an_error_of_its_field(
    settings: Settings, owner: asyncpg.Pool[Any], member: SimpleNamespace, pot: SimpleNamespace, planner: str
) -> None:
    """Also where the server gives it up in the batch of the COMMIT."""
    changed = settings.model_copy(update={"planner": planner, "statement_timeout": 0.3})
    async with Api.alone(changed) as api, analytics_locked(owner):
        answer = await api.mutate("updatePot", member, show=ANALYTICS, potId=pot, description="after")

    assert answer.body["data"]["updatePot"]["userErrors"] == []
    (error,) = answer.errors
    assert error["path"][:2] == ["updatePot", "pot"]
    assert error["extensions"]["code"] == "QUERY_TOO_COMPLEX"
    assert await description(owner, pot) == "after"
