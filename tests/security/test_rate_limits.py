"""Rate limits: exact across connections and workers, and said in the headers of the answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from ipaddress import ip_address
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import strawberry
from sqlalchemy import make_url
from strawberry.types import Info

from lango.actor import Actor
from lango.db.pipeline import Pipeline, make_pipeline
from lango.errors import RateLimited, Unauthenticated
from lango.http.app import create_app
from lango.jobs.maintenance import forget_old_windows
from lango.rules.services import Services
from lango.security.rate_limits import RateLimit, address_of, key_of, take
from lango.settings import Settings

LIMIT = RateLimit("tries", most=3, seconds=60)
WIDE = RateLimit("tries_of_all", most=5, seconds=600)


async def counted(owner: asyncpg.Pool[Any], limit: RateLimit, whose: str) -> int:
    taken = await owner.fetchval("SELECT taken FROM security.rate_limits WHERE key = $1", key_of(limit, whose))
    return int(taken or 0)


async def end_window(owner: asyncpg.Pool[Any], limit: RateLimit, whose: str) -> None:
    await owner.execute(
        "UPDATE security.rate_limits SET ends_at = now() - interval '1 hour' WHERE key = $1", key_of(limit, whose)
    )


async def passes(pipeline: Pipeline, *taken: tuple[RateLimit, str]) -> bool:
    try:
        await take(pipeline, *taken)
    except RateLimited:
        return False
    return True


@pytest.fixture
def whose() -> str:
    return uuid4().hex


@pytest.fixture
async def pools(gateway_url: str, settings: Settings) -> AsyncIterator[list[Pipeline]]:
    """The connections of several workers."""
    pools = [make_pipeline(gateway_url, settings, pool_size=5) for _ in range(3)]
    yield pools
    for pool in pools:
        pool.close()


async def test_of_50_at_once_on_several_workers_exactly_as_many_pass(
    pools: list[Pipeline], owner: asyncpg.Pool[Any], whose: str
) -> None:
    limit = RateLimit("burst", most=17, seconds=60)

    passed = await asyncio.gather(*(passes(pools[index % 3], (limit, whose)) for index in range(50)))

    assert passed.count(True) == 17
    assert await counted(owner, limit, whose) == 17


async def test_several_limits_are_taken_all_or_none_whoever_races(
    pools: list[Pipeline], owner: asyncpg.Pool[Any], whose: str
) -> None:
    """The names are given in either order: the rows are locked in one."""
    pairs = [((LIMIT, f"{whose}-{index % 5}"), (WIDE, whose)) for index in range(60)]

    passed = await asyncio.gather(
        *(passes(pools[i % 3], *(pair if i % 2 else reversed(pair))) for i, pair in enumerate(pairs))
    )

    assert passed.count(True) == WIDE.most
    assert await counted(owner, WIDE, whose) == WIDE.most
    assert sum([await counted(owner, LIMIT, f"{whose}-{index}") for index in range(5)]) == WIDE.most


async def test_what_is_refused_counts_nowhere(pipeline: Pipeline, owner: asyncpg.Pool[Any], whose: str) -> None:
    for _ in range(3):
        await take(pipeline, (LIMIT, whose), (WIDE, whose))

    for _ in range(4):
        with pytest.raises(RateLimited):
            await take(pipeline, (WIDE, whose), (LIMIT, whose))

    assert await counted(owner, WIDE, whose) == 3
    assert await counted(owner, LIMIT, whose) == 3


async def test_the_same_limit_taken_twice_in_a_call_counts_once(
    pipeline: Pipeline, owner: asyncpg.Pool[Any], whose: str
) -> None:
    await take(pipeline, (LIMIT, whose), (LIMIT, whose))

    assert await counted(owner, LIMIT, whose) == 1


async def test_the_next_window_begins_with_the_next_call(
    pipeline: Pipeline, owner: asyncpg.Pool[Any], whose: str
) -> None:
    for _ in range(3):
        await take(pipeline, (LIMIT, whose))
    assert not await passes(pipeline, (LIMIT, whose))

    await end_window(owner, LIMIT, whose)

    assert [await passes(pipeline, (LIMIT, whose)) for _ in range(4)] == [True, True, True, False]


async def test_after_the_seconds_that_are_named_it_passes(pipeline: Pipeline, whose: str) -> None:
    short = RateLimit("short", most=1, seconds=1)
    await take(pipeline, (short, whose))
    with pytest.raises(RateLimited) as refused:
        await take(pipeline, (short, whose))

    assert refused.value.extensions == {"code": "RATE_LIMITED", "retryAfter": 1}
    await asyncio.sleep(1.01)

    assert await passes(pipeline, (short, whose))


async def test_of_several_exhausted_limits_the_longest_is_waited_for(pipeline: Pipeline, whose: str) -> None:
    quick, slow = RateLimit("quick", 1, 60), RateLimit("slow", 1, 600)
    await take(pipeline, (quick, whose), (slow, whose))

    with pytest.raises(RateLimited) as refused:
        await take(pipeline, (slow, whose), (quick, whose))

    assert 595 <= (refused.value.extensions or {})["retryAfter"] <= 600


async def test_a_limit_of_nothing_lets_nobody_pass(pipeline: Pipeline, whose: str) -> None:
    assert not await passes(pipeline, (RateLimit("none", 0, 60), whose))


async def test_names_and_whose_they_are_are_kept_apart(pipeline: Pipeline, owner: asyncpg.Pool[Any]) -> None:
    one = RateLimit("a", 1, 60)
    contact = f"{uuid4().hex}@example.org"
    assert await passes(pipeline, (one, contact))
    assert await passes(pipeline, (RateLimit("a2", 1, 60), contact))

    kept = await owner.fetch("SELECT key FROM security.rate_limits WHERE key LIKE '%@%'")
    assert kept == []


async def test_a_count_outlives_the_transaction_of_whoever_takes_it(
    services: Services, owner: asyncpg.Pool[Any], whose: str
) -> None:
    with suppress(ZeroDivisionError):
        async with services.work() as tx:
            await take(tx.services.pipeline, (LIMIT, whose))
            raise ZeroDivisionError

    assert await counted(owner, LIMIT, whose) == 1


async def test_a_connection_that_was_lost_is_replaced(pools: list[Pipeline], owner: asyncpg.Pool[Any]) -> None:
    pool, whose = pools[0], uuid4().hex
    await asyncio.gather(*(passes(pool, (WIDE, whose)) for _ in range(4)))
    await owner.execute(
        "RESET ROLE; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'lango_gateway' AND"
        " datname = current_database()"
    )

    assert await passes(pool, (LIMIT, whose))


async def test_no_role_of_a_request_counts_or_sees_counts(owner: asyncpg.Pool[Any]) -> None:
    for role in ("lango_anonymous", "lango_member", "lango_staff"):
        async with owner.acquire() as connection, connection.transaction():
            await connection.execute(f"SET LOCAL ROLE {role}")
            for statement in (
                "SELECT count(*) FROM security.rate_limits",
                "SELECT lango.take_rate_limits('{a}', '{1}', '{1}')",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with connection.transaction():
                        await connection.execute(statement)


async def test_the_counts_are_not_written_to_the_log(owner: asyncpg.Pool[Any]) -> None:
    kind = "SELECT relpersistence::text FROM pg_class WHERE oid = 'security.rate_limits'::regclass"
    assert await owner.fetchval(kind) == "u"


async def test_the_worker_forgets_windows_that_have_ended(
    pipeline: Pipeline, settings: Settings, owner_url: str, owner: asyncpg.Pool[Any], whose: str
) -> None:
    await take(pipeline, (LIMIT, whose), (WIDE, whose))
    await end_window(owner, LIMIT, whose)
    worker_url = make_url(owner_url).set(username="lango_worker").render_as_string(hide_password=False)
    working = make_pipeline(worker_url, settings, pool_size=2)

    await forget_old_windows(Services(working, settings))

    working.close()
    assert await counted(owner, LIMIT, whose) == 0
    assert await counted(owner, WIDE, whose) == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
    ],
)
def test_addresses_that_one_person_has_are_counted_together(one: str, other: str, same: bool) -> None:
    found = [address_of(Actor(ip=ip_address(each))) for each in (one, other)]

    assert (found[0] == found[1]) is same


@strawberry.type
class Query:
    hello: str = "hello"


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def try_once(self, info: Info[Any, Any], whose: str) -> str | None:
        await take(info.context.pipeline, (LIMIT, whose), (WIDE, whose))
        return "done"

    @strawberry.mutation
    def do(self) -> str | None:
        return "done"

    @strawberry.mutation
    def refuse(self) -> str | None:
        raise Unauthenticated


@pytest.fixture
async def gateway(pipeline: Pipeline, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        strawberry.Schema(Query, Mutation),
        settings.model_copy(update={"allowed_origins": "https://app.example.org"}),
        pipeline,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        yield client


async def post(client: httpx.AsyncClient, document: str, whose: str) -> httpx.Response:
    headers = {"origin": "https://app.example.org"}
    return await client.post("/graphql", json={"query": document, "variables": {"whose": whose}}, headers=headers)


TRY = "mutation ($whose: String!) { tryOnce(whose: $whose) }"


async def test_an_answer_says_what_is_left(gateway: httpx.AsyncClient, whose: str) -> None:
    answers = [await post(gateway, TRY, whose) for _ in range(3)]

    assert [answer.headers["ratelimit"] for answer in answers] == [f'"tries";r={left};t=60' for left in (2, 1, 0)]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"tries";q=3;w=60'}
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}
    assert "retry-after" not in answers[0].headers
    assert "ratelimit" not in (await post(gateway, "mutation { do }", whose)).headers


async def test_beyond_it_is_429_and_says_when_to_come_again(gateway: httpx.AsyncClient, whose: str) -> None:
    for _ in range(3):
        await post(gateway, TRY, whose)

    refused = await post(gateway, TRY, whose)

    assert refused.status_code == 429
    seconds = int(refused.headers["retry-after"])
    assert 55 <= seconds <= 60
    assert refused.headers["ratelimit-policy"] == '"tries";q=3;w=60'
    assert refused.headers["ratelimit"] == f'"tries";r=0;t={seconds}'
    (error,) = refused.json()["errors"]
    assert error["extensions"] == {"code": "RATE_LIMITED", "retryAfter": seconds}
    exposed = refused.headers["access-control-expose-headers"].lower()
    assert re.search(r"\bratelimit\b(?!-)", exposed)
    assert "ratelimit-policy" in exposed
    assert "retry-after" in exposed


async def test_among_other_mutations_the_error_says_it(gateway: httpx.AsyncClient, whose: str) -> None:
    for _ in range(3):
        await post(gateway, TRY, whose)

    answer = await post(gateway, "mutation ($whose: String!) { do tryOnce(whose: $whose) }", whose)

    assert answer.status_code == 200
    assert answer.json()["data"] == {"do": "done", "tryOnce": None}
    (error,) = answer.json()["errors"]
    assert error["path"] == ["tryOnce"]
    assert answer.headers["ratelimit"] == f'"tries";r=0;t={error["extensions"]["retryAfter"]}'
    assert "retry-after" not in answer.headers


async def test_beside_another_error_the_status_is_not_429(gateway: httpx.AsyncClient, whose: str) -> None:
    for _ in range(3):
        await post(gateway, TRY, whose)

    answer = await post(gateway, "mutation ($whose: String!) { refuse tryOnce(whose: $whose) }", whose)

    assert answer.status_code == 200
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["UNAUTHENTICATED", "RATE_LIMITED"]
