"""Rules of two gateways over two server connections of a pooler: each is done once, as its own caller, or not at all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from lango.actor import Actor
from lango.db.pipeline import Pipeline, make_pipeline
from lango.errors import is_passing
from lango.rules.services import Services
from lango.settings import Settings
from models.identity import User
from resolvers.kernel.running import run
from tests.factories import Factory
from tests.pooler.conftest import Pooler
from tests.rules.trials import plan

RULES, AT_ONCE = 300, 12
ENDINGS = ("well", "well", "refused", "in SQL", "in Python", "in the last batch")


@pytest.fixture
async def gateways(pooled: Settings) -> AsyncIterator[list[Services]]:
    """Each with its own connections, as two processes have."""
    assert pooled.database_url is not None
    pipelines = [make_pipeline(pooled.database_url.get_secret_value(), pooled) for _ in range(2)]
    yield [Services(pipeline, pooled) for pipeline in pipelines]
    for pipeline in pipelines:
        pipeline.close()


def busy(pipeline: Pipeline, settings: Settings) -> int:
    return settings.pool_size - pipeline.shares._free


@pytest.mark.parametrize("key", [False, True])
async def test_each_rule_is_done_once_as_its_own_caller(
    gateways: list[Services], pooler: Pooler, pooled: Settings, make: Factory, owner: asyncpg.Pool[Any], key: bool
) -> None:
    """`plan` looks at its role and its caller in each of its batches."""
    people = [Actor((await make(User)).id) for _ in range(6)]
    chance, numbers = random.Random(1021), iter(range(RULES))
    done: dict[str, Actor] = {}
    away: list[Exception] = []

    async def go_on() -> None:
        for number in numbers:
            caller, ending, title = chance.choice(people), chance.choice(ENDINGS), f"{number}"
            keyed = str(uuid4()) if key else None
            given = {"title": title, "ending": ending}
            try:
                outcome = await run(gateways[number % 2], caller, plan, given, key=keyed)
            except KeyError:
                assert ending == "in Python"
            except asyncpg.DivisionByZeroError:
                assert ending in ("in SQL", "in the last batch")
            except Exception as error:
                away.append(error)
            else:
                assert [refusal["code"] for refusal in outcome.refusals] == (
                    ["NOT_TODAY"] if ending == "refused" else []
                )
                if ending == "well":
                    done[title] = caller

    await asyncio.gather(*(go_on() for _ in range(AT_ONCE)))

    made = await owner.fetch(
        "SELECT title, owner_user_id FROM pots.pots WHERE owner_user_id = ANY ($1)", [each.user_id for each in people]
    )
    found = {row["title"]: row["owner_user_id"] for row in made}
    assert len(found) == len(made)
    assert {title: caller.user_id for title, caller in done.items()}.items() <= found.items()
    assert all(map(is_passing, away)), away
    if pooler.keeps_apart:
        assert away == []
        assert len(made) == len(done)
    assert [busy(services.pipeline, pooled) for services in gateways] == [0, 0]


async def test_the_same_key_at_two_gateways_is_one_call(
    gateways: list[Services], pooler: Pooler, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    caller, key = Actor((await make(User)).id), str(uuid4())
    given = {"title": "once", "ending": "well"}

    away: list[Exception] = []

    async def until_done(services: Services) -> Any:
        while True:
            try:
                outcome = await run(services, caller, plan, given, key=key)
            except Exception as error:
                away.append(error)
            else:
                if [refusal["code"] for refusal in outcome.refusals] != ["IN_PROGRESS"]:
                    return outcome

    outcomes = await asyncio.gather(*(until_done(gateways[number % 2]) for number in range(8)))

    assert all(map(is_passing, away)), away
    assert away == [] or not pooler.keeps_apart
    assert len({outcome.values["pot"][0] for outcome in outcomes}) == 1
    assert await owner.fetchval("SELECT count(*) FROM pots.pots WHERE owner_user_id = $1", caller.user_id) == 1
