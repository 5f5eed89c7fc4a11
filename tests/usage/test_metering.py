"""Each request by a key is written down: once, a little later, and before the gateway stops."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from gql.schema import schema
from lango.actor import DatabaseRole
from lango.db.connection import ConnectionLost
from lango.db.pipeline import Pipeline
from lango.http.app import create_app
from lango.observability.request_log import ApiCall, RequestLog
from lango.security.api_calls import Meter
from models.identity import User
from tests.client import Api
from tests.factories import Factory
from tests.security.keys import by, make_key

STATS = """{ usageStats { plan calls limit bonusCalls bonusCredits beganAt resetsAt
    byDay { day requests calls } byKey { apiKeyId requests calls } byOperation { operation requests calls } } }"""


@pytest.fixture
async def key(api: Api, make: Factory) -> SimpleNamespace:
    user = await make(User)
    made = await make_key(api, user, "read:Pack", "read:UsageStats")
    return SimpleNamespace(user=user, **vars(made))


@pytest.fixture
async def metered(api: Api) -> SimpleNamespace:
    """A gateway whose meter a test can have written at once."""
    app = create_app(schema, api.settings, api.pipeline)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1")

    async def call(key: SimpleNamespace, query: str, name: str | None = None) -> httpx.Response:
        return await client.post("/graphql", json={"query": query, "operationName": name}, headers=by(key))

    return SimpleNamespace(call=call, meter=app.state.meter)


async def rows_of(owner: asyncpg.Pool[Any], key: SimpleNamespace) -> list[Any]:
    return await owner.fetch(
        "SELECT * FROM usage.api_usage WHERE api_key_id = $1::text::uuid ORDER BY created_at", key.id
    )


async def test_a_request_is_written_down(metered: SimpleNamespace, owner: Any, key: SimpleNamespace) -> None:
    answers = [
        await metered.call(key, "query Shelf { packs(first: 1) { nodes { rowId } } }"),
        await metered.call(key, "{ packs(first: 1) { nodes { rowId } } other: packs(first: 1) { nodes { id } } }"),
        await metered.call(key, "{ packs { nothing } }"),
        await metered.call(key, "{ viewer { id } }"),
    ]
    await metered.meter.flush()

    rows = await rows_of(owner, key)
    assert [(row["operation"], row["status_code"], row["cost"]) for row in rows] == [
        ("Shelf", 200, 1), ("packs", 200, 2), ("graphql", 200, 0), ("graphql", 403, 0)
    ]  # fmt: skip
    assert {row["user_id"] for row in rows} == {key.user.id}
    assert [row["response_bytes"] for row in rows] == [len(answer.content) for answer in answers]
    assert all(row["request_bytes"] > 10 and row["response_time_ms"] >= 0 for row in rows)
    used = await owner.fetchrow("SELECT * FROM security.api_keys WHERE id = $1::text::uuid", key.id)
    assert used["last_used_at"] == rows[-1]["created_at"]
    assert str(used["last_used_ip"]) == "127.0.0.1"


async def test_nobody_else_is_written_down(
    metered: SimpleNamespace, owner: Any, api: Api, key: SimpleNamespace
) -> None:
    count = "SELECT count(*) FROM usage.api_usage WHERE user_id = $1"
    await api("{ packs { nodes { rowId } } }", as_=key.user)
    await metered.meter.flush()

    assert await owner.fetchval(count, key.user.id) == 0


def call_of(key: SimpleNamespace, at: datetime) -> RequestLog:
    request_log = RequestLog(request_id="x", client=None, user_agent=None, status=200)
    request_log.call = ApiCall(UUID(str(key.user.id)), UUID(key.id), of_plan=1, created_at=at)
    return request_log


async def test_when_a_key_was_last_used_is_written_at_most_once_a_minute(
    pipeline: Pipeline, owner: Any, key: SimpleNamespace
) -> None:
    meter, now = Meter(pipeline), datetime.now(UTC)
    found = []
    for seconds in (0, 30, 59, 61, 90, 130):
        meter.record(call_of(key, now + timedelta(seconds=seconds)))
        await meter.flush()
        last = await owner.fetchval("SELECT last_used_at FROM security.api_keys WHERE id = $1::text::uuid", key.id)
        found.append((last - now).total_seconds())

    assert found == [0, 0, 0, 61, 61, 130]
    # And it is no change that staff look for in the audit log.
    audited = "SELECT count(*) FROM admin.audit_logs WHERE resource_id = $1::text::uuid AND action = 'api_key_updated'"
    assert await owner.fetchval(audited, key.id) == 0


class Flaky(Pipeline):
    """A database of which every other answer is lost."""

    def __init__(self, of: Pipeline, settings: Any) -> None:
        super().__init__(of.url, settings)
        self.lost = 0

    async def run(self, *args: Any, role: DatabaseRole | None = None) -> Any:
        found = await super().run(*args, role=role)
        self.lost += 1
        if self.lost % 2:
            raise ConnectionLost("closed by the server")
        return found


async def test_what_is_sent_again_is_not_there_twice(
    pipeline: Pipeline, api: Api, owner: Any, key: SimpleNamespace
) -> None:
    flaky = Flaky(pipeline, api.settings)
    meter, now = Meter(flaky), datetime.now(UTC)
    for number in range(2_500):
        meter.record(call_of(key, now + timedelta(microseconds=number)))

    try:
        while True:
            try:
                await meter.flush()
                break
            except ConnectionLost:
                meter.record(call_of(key, now + timedelta(seconds=1)))
    finally:
        flaky.close()

    assert flaky.lost > 4
    assert len(await rows_of(owner, key)) == 2_500 + flaky.lost // 2


async def test_one_that_cannot_be_stored_keeps_no_other_from_it(
    pipeline: Pipeline, owner: Any, key: SimpleNamespace
) -> None:
    meter, now = Meter(pipeline), datetime.now(UTC)
    for number in range(9):
        meter.record(call_of(key, now + timedelta(days=40_000) if number == 4 else now))

    await meter.close()

    assert len(await rows_of(owner, key)) == 8


async def test_statistics_are_what_a_recount_says(
    metered: SimpleNamespace, api: Api, owner: Any, key: SimpleNamespace
) -> None:
    other = await make_key(api, key.user, "read:Pack")
    calls = [
        (key, "query A { packs(first: 1) { nodes { rowId } } }"),
        (key, "query B { a: packs(first: 1) { nodes { rowId } } b: packs(first: 1) { nodes { rowId } } }"),
        (other, "query A { packs(first: 1) { nodes { rowId } } }"),
    ]
    await asyncio.gather(*(metered.call(by_key, query) for by_key, query in calls * 5))
    await metered.meter.flush()

    stats = (await api(STATS, as_=key.user))["usageStats"]

    recount = "SELECT count(*), sum(cost)::int FROM usage.api_usage WHERE user_id = $1"
    requests, total = await owner.fetchrow(recount, key.user.id)
    assert (requests, total) == (15, 20)
    assert (stats["plan"], stats["calls"], stats["bonusCredits"]) == ("free", 20, 0)
    today = datetime.now(UTC).date()
    assert sum(each["calls"] for each in stats["byDay"]) == 20
    assert stats["byDay"][-1]["day"] in {str(today), str(today - timedelta(days=1))}
    assert {each["apiKeyId"]: (each["requests"], each["calls"]) for each in stats["byKey"]} == {
        key.id: (10, 15), other.id: (5, 5)
    }  # fmt: skip
    assert {each["operation"]: (each["requests"], each["calls"]) for each in stats["byOperation"]} == {
        "A": (10, 10), "B": (5, 10)
    }  # fmt: skip


async def test_statistics_of_somebody_who_has_not_called(api: Api, make: Factory) -> None:
    stats = (await api(STATS, as_=await make(User)))["usageStats"]

    assert (stats["plan"], stats["calls"], stats["limit"], stats["resetsAt"]) == ("free", 0, 1_000, None)
    assert (stats["byDay"], stats["byKey"], stats["byOperation"]) == ([], [], [])
    assert (await api(STATS))["usageStats"] is None
