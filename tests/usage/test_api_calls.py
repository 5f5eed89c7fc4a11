"""Requests by keys are counted: to the last call, once, and not at all where nothing was done."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from models.identity import User
from models.usage import SubscriptionLimit
from tests.client import Answer, Api
from tests.factories import Factory
from tests.security.keys import make_key, with_key

ONE = "{ packs(first: 1) { nodes { rowId } } }"
TEN = "{" + " ".join(f"p{number}: packs(first: 1) {{ nodes {{ rowId }} }}" for number in range(10)) + "}"
CREATE = "mutation ($input: CreatePotInput!) { createPot(input: $input) { pot { rowId } userErrors { code } } }"
PERMITTED = ("read:Pack", "read:UsageStats", "mutate:createPot")


class Developers:
    """Developers with a plan of their own."""

    def __init__(self, api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
        self.api, self.make, self.owner = api, make, owner

    async def __call__(
        self, *, limit: int = 1_000, used: int = 0, bonus: int = 0, per_minute: int = 10_000, **input: Any
    ) -> SimpleNamespace:
        plan = await self.make(
            SubscriptionLimit, plan=f"plan {uuid4().hex[:12]}", monthly_api_calls=limit, requests_per_minute=per_minute
        )
        user = await self.make(User)
        await self.owner.execute("SELECT lango.open_subscription($1)", user.id)
        await self.owner.execute(
            "UPDATE usage.user_subscriptions SET plan = $2, calls_this_month = $3, bonus_credits = $4 WHERE user_id = $1",
            user.id, plan.plan, used, bonus,
        )  # fmt: skip
        key = await make_key(self.api, user, *PERMITTED, **{"rateLimit": 100_000} | input)
        return SimpleNamespace(user=user, key=key, plan=plan.plan)

    async def counted(self, developer: SimpleNamespace) -> tuple[int, int, int]:
        """Calls of the plan, calls of bonus credits, and the credits that are left."""
        row = await self.owner.fetchrow(
            "SELECT calls_this_month, bonus_calls_this_month, bonus_credits FROM usage.user_subscriptions"
            " WHERE user_id = $1",
            developer.user.id,
        )
        return tuple(row)  # type: ignore[return-value]


@pytest.fixture
def developers(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> Developers:
    return Developers(api, make, owner)


async def fifty_at_once(api: Api, key: SimpleNamespace, query: str = ONE) -> list[Answer]:
    """By two processes, each with a pool of its own."""
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(Api.alone(api.settings)) for _ in range(2)]
        return list(await asyncio.gather(*(with_key(processes[n % 2], key, query) for n in range(50))))


def outcomes(answers: list[Answer]) -> dict[str, int]:
    found = [answer.codes[0] if answer.codes else "OK" for answer in answers]
    return {each: found.count(each) for each in sorted(set(found))}


async def test_the_last_call_of_a_plan_passes_and_the_next_does_not(api: Api, developers: Developers) -> None:
    developer = await developers(limit=1_000, used=975)

    answers = await fifty_at_once(api, developer.key)

    assert outcomes(answers) == {"OK": 25, "USAGE_LIMIT_REACHED": 25}
    assert await developers.counted(developer) == (1_000, 0, 0)
    refused = next(answer for answer in answers if answer.codes)
    assert refused.response.status_code == 429
    details = refused.errors[0]["extensions"]
    resets = datetime.fromisoformat(details["resetsAt"])
    assert resets > datetime.now(UTC)
    assert abs(int(refused.response.headers["retry-after"]) - (resets - datetime.now(UTC)).total_seconds()) < 60
    assert (details["limit"], details["bonusCredits"]) == (1_000, 0)


async def test_bonus_credits_are_spent_after_the_plan_and_never_below_nothing(api: Api, developers: Developers) -> None:
    developer = await developers(limit=100, used=95, bonus=10)

    answers = await fifty_at_once(api, developer.key)

    assert outcomes(answers) == {"OK": 15, "USAGE_LIMIT_REACHED": 35}
    assert await developers.counted(developer) == (100, 10, 0)


async def test_the_rate_of_a_key_is_exact_across_processes(api: Api, developers: Developers) -> None:
    developer = await developers(rateLimit=20)

    answers = await fifty_at_once(api, developer.key)

    assert outcomes(answers) == {"OK": 20, "RATE_LIMITED": 30}
    # What was refused for the rate has cost nothing of the plan.
    assert await developers.counted(developer) == (20, 0, 0)
    refused = next(answer for answer in answers if answer.codes)
    assert refused.response.status_code == 429
    assert int(refused.response.headers["retry-after"]) <= 3_600
    assert refused.response.headers["ratelimit-policy"] == '"key_per_hour";q=20;w=3600'
    passed = next(answer for answer in answers if not answer.codes)
    assert passed.response.headers["ratelimit"].startswith('"key_per_hour";r=')


async def test_the_minute_of_a_plan_is_that_of_all_the_owners_keys(api: Api, developers: Developers) -> None:
    developer = await developers(per_minute=5)
    other = await make_key(api, developer.user, *PERMITTED)

    answers = [await with_key(api, key, ONE) for key in (developer.key, other) * 4]

    assert outcomes(answers) == {"OK": 5, "RATE_LIMITED": 3}


async def test_a_document_costs_what_its_complexity_says(api: Api, developers: Developers) -> None:
    developer = await developers()
    costs = []
    for document in (ONE, TEN, "{ packs(first: 100) { nodes { rowId pot: id } } }", "{ __typename }"):
        before = (await developers.counted(developer))[0]
        answer = await with_key(api, developer.key, document)
        objects = answer.body["extensions"]["cost"]["requested"]
        costs.append(((await developers.counted(developer))[0] - before, objects))

    assert [calls for calls, _ in costs] == [1, 10, -(-costs[2][1] // 100), 1]
    assert costs[2][0] >= 1


async def test_ten_calls_where_nine_are_left_are_refused_whole(api: Api, developers: Developers) -> None:
    developer = await developers(limit=100, used=91)

    refused, passed = await with_key(api, developer.key, TEN), await with_key(api, developer.key, ONE)

    assert (refused.codes, passed.codes) == (["USAGE_LIMIT_REACHED"], [])
    assert await developers.counted(developer) == (92, 0, 0)


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        ("{ packs(first: 1) { nodes { rowId }", {}),
        ("{ packs { nodes { nothing } } }", {}),
        ("query ($first: Int!) { packs(first: $first) { nodes { rowId } } }", {"first": "one"}),
        ("query ($first: Int!) { packs(first: $first) { nodes { rowId } } }", {}),
        (CREATE, {"input": {"title": "No day"}}),
        ("{ viewer { id } }", {}),
        ('mutation { createApiKey(input: {name: "x", permissions: []}) { key } }', {}),
        ("{ __schema { queryType { name } } packs { nodes { rowId } } }", {}),
    ],
)
async def test_what_is_not_run_costs_nothing(
    api: Api, ordinary: Api, developers: Developers, document: str, variables: dict[str, Any]
) -> None:
    developer = await developers()

    for process in (api, ordinary):
        assert (await with_key(process, developer.key, document, **variables)).errors

    assert await developers.counted(developer) == (0, 0, 0)


def a_pot(key: str | None = None) -> dict[str, Any]:
    given = {"title": "Awa", "birthday": str(date.today() + timedelta(days=90)), "targetAmountCfa": 100_000}
    return given | ({"idempotencyKey": key} if key else {})


async def test_an_idempotent_replay_costs_nothing_also_at_the_end_of_a_plan(api: Api, developers: Developers) -> None:
    developer = await developers(limit=10, used=9)

    answers = [await with_key(api, developer.key, CREATE, input=a_pot("once")) for _ in range(3)]
    another = await with_key(api, developer.key, CREATE, input=a_pot("twice"))

    assert [answer["createPot"] for answer in answers] == [answers[0]["createPot"]] * 3
    assert another.codes == ["USAGE_LIMIT_REACHED"]
    assert await developers.counted(developer) == (10, 0, 0)


async def test_a_replay_by_header_costs_nothing_either(api: Api, developers: Developers) -> None:
    developer = await developers()
    headers = {"Authorization": f"Bearer {developer.key.text}", "Idempotency-Key": "by header"}

    for _ in range(3):
        assert (await api(CREATE, {"input": a_pot()}, headers=headers))["createPot"]["userErrors"] == []

    assert await developers.counted(developer) == (1, 0, 0)


async def test_of_many_at_once_under_one_key_one_is_counted(api: Api, developers: Developers) -> None:
    developer = await developers()

    answers = await asyncio.gather(*(with_key(api, developer.key, CREATE, input=a_pot("race")) for _ in range(8)))

    pots = {answer["createPot"]["pot"]["rowId"] for answer in answers if answer["createPot"]["pot"]}
    assert len(pots) == 1
    assert await developers.counted(developer) == (1, 0, 0)


async def test_an_answer_says_when_a_plan_is_nearly_used_up(api: Api, ordinary: Api, developers: Developers) -> None:
    developer = await developers(limit=10, used=6, bonus=5)

    found = [await with_key(process, developer.key, ONE) for process in (api, api, ordinary, api, api)]

    warnings = [answer.body["extensions"].get("usage") for answer in found]
    assert warnings[0] is None
    assert [each["calls"] for each in warnings[1:]] == [8, 9, 10, 10]
    assert [each["warning"].split()[0] for each in warnings[1:]] == ["80", "80", "All", "All"]
    assert [each["bonusCredits"] for each in warnings[1:]] == [5, 5, 5, 4]
    # In person one is not counted, and hears nothing of it.
    own = await api(ONE, as_=developer.user)
    assert "usage" not in own.body["extensions"]
    assert (await developers.counted(developer))[0] == 10


async def test_a_change_of_plan_keeps_what_was_used(api: Api, developers: Developers, owner: Any) -> None:
    developer, small = await developers(limit=100, used=100), await developers(limit=50)
    large = await developers(limit=-1)
    move = "UPDATE usage.user_subscriptions SET plan = $2 WHERE user_id = $1"
    assert (await with_key(api, developer.key, ONE)).codes == ["USAGE_LIMIT_REACHED"]

    await owner.execute(move, developer.user.id, large.plan)
    assert (await with_key(api, developer.key, ONE)).codes == []
    await owner.execute(move, developer.user.id, small.plan)
    assert (await with_key(api, developer.key, ONE)).codes == ["USAGE_LIMIT_REACHED"]

    assert await developers.counted(developer) == (101, 0, 0)


async def test_the_first_call_of_a_month_begins_it_once(api: Api, developers: Developers, owner: Any) -> None:
    developer = await developers(limit=100, used=100)
    over = datetime.now(UTC) - timedelta(minutes=1)
    await owner.execute(
        "UPDATE usage.user_subscriptions SET usage_resets_at = $2, resets_on_day = $3 WHERE user_id = $1",
        developer.user.id, over, over.day,
    )  # fmt: skip

    answers = await fifty_at_once(api, developer.key)

    assert outcomes(answers) == {"OK": 50}
    assert await developers.counted(developer) == (50, 0, 0)
    began, resets = await owner.fetchrow(
        "SELECT usage_began_at, usage_resets_at FROM usage.user_subscriptions WHERE user_id = $1", developer.user.id
    )
    assert began == over
    assert resets == await owner.fetchval("SELECT lango.month_after($1, $2)", over, over.day)


async def test_a_developer_without_a_subscription_gets_one(api: Api, make: Factory, owner: Any) -> None:
    user = await make(User)
    key = await make_key(api, user, *PERMITTED)

    answers = await fifty_at_once(api, key)

    assert outcomes(answers) == {"OK": 50}
    row = await owner.fetchrow("SELECT * FROM usage.user_subscriptions WHERE user_id = $1", user.id)
    assert (row["plan"], row["calls_this_month"]) == ("free", 50)


async def test_what_the_plan_refuses_counts_under_no_rate(api: Api, developers: Developers, owner: Any) -> None:
    developer = await developers(limit=1, used=1, rateLimit=3, per_minute=3)
    refused = [await with_key(api, developer.key, ONE) for _ in range(5)]

    await owner.execute("UPDATE usage.user_subscriptions SET bonus_credits = 5 WHERE user_id = $1", developer.user.id)
    after = [await with_key(api, developer.key, ONE) for _ in range(4)]

    assert outcomes(refused) == {"USAGE_LIMIT_REACHED": 5}
    assert outcomes(after) == {"OK": 3, "RATE_LIMITED": 1}
    assert await developers.counted(developer) == (1, 3, 2)
