"""Developers' months, referrals, and what staff give."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from lango.rules.services import Services
from models.identity import User
from resolvers.usage.subscriptions import begin_months
from tests.changes import Changes
from tests.client import STAFF, Api
from tests.factories import Factory


async def subscribed(owner: asyncpg.Pool[Any], user: SimpleNamespace, **given: Any) -> Any:
    """A subscription of that user, as it is in the database."""
    await owner.execute("SELECT lango.open_subscription($1)", user.id)
    for column, value in given.items():
        await owner.execute(f"UPDATE usage.user_subscriptions SET {column} = $2 WHERE user_id = $1", user.id, value)
    return await row_of(owner, user)


async def row_of(owner: asyncpg.Pool[Any], user: SimpleNamespace) -> Any:
    return await owner.fetchrow("SELECT * FROM usage.user_subscriptions WHERE user_id = $1", user.id)


async def test_a_subscription_is_of_the_free_plan_and_made_once(owner: asyncpg.Pool[Any], make: Factory) -> None:
    user = await make(User)

    await asyncio.gather(*(owner.execute("SELECT lango.open_subscription($1)", user.id) for _ in range(4)))

    row = await row_of(owner, user)
    assert (row["plan"], row["calls_this_month"], row["bonus_credits"]) == ("free", 0, 0)
    assert row["usage_resets_at"] > datetime.now(UTC) + timedelta(days=27)


@pytest.mark.parametrize(
    ("moment", "day", "after"),
    [
        ("2027-01-31T10:00:00Z", 31, "2027-02-28T10:00:00Z"),
        ("2027-02-28T10:00:00Z", 31, "2027-03-31T10:00:00Z"),
        ("2028-01-31T10:00:00Z", 31, "2028-02-29T10:00:00Z"),
        ("2027-03-31T10:00:00Z", 31, "2027-04-30T10:00:00Z"),
        ("2027-12-15T23:59:59Z", 15, "2028-01-15T23:59:59Z"),
        ("2027-02-28T00:00:00Z", 30, "2027-03-30T00:00:00Z"),
    ],
)
async def test_the_month_ends_on_the_owners_own_day(
    owner: asyncpg.Pool[Any], moment: str, day: int, after: str
) -> None:
    found = await owner.fetchval("SELECT lango.month_after($1, $2)", datetime.fromisoformat(moment), day)

    assert found == datetime.fromisoformat(after)


async def test_a_month_begins_once_also_when_nobody_calls(
    owner: asyncpg.Pool[Any], make: Factory, services: Services
) -> None:
    user = await make(User)
    # Over for 70 days: months without a call are passed over.
    over = datetime.now(UTC) - timedelta(days=70)
    await subscribed(
        owner, user, calls_this_month=900, bonus_calls_this_month=7, bonus_credits=3, usage_resets_at=over,
        resets_on_day=31,
    )  # fmt: skip

    await asyncio.gather(*(begin_months(services) for _ in range(2)))

    row = await row_of(owner, user)
    assert (row["calls_this_month"], row["bonus_calls_this_month"], row["bonus_credits"]) == (0, 0, 3)
    assert row["usage_began_at"] <= datetime.now(UTC) < row["usage_resets_at"]
    expected = await owner.fetchval("SELECT lango.month_after($1, 31)", row["usage_began_at"])
    assert row["usage_resets_at"] == expected
    audited = "SELECT count(*) FROM admin.audit_logs WHERE action = 'user_subscription_updated' AND resource_id = $1"
    assert await owner.fetchval(audited + " AND new_values ? 'usage_began_at'", user.id) == 1


async def test_a_referral_gives_both_their_credits_once(api: Api, owner: asyncpg.Pool[Any], make: Factory) -> None:
    referrer, referred = await make(User), await make(User)
    code = (await subscribed(owner, referrer, bonus_credits=1))["referral_code"]

    first = await api.mutate("completeReferral", referred, code=f" {code.lower()} ")
    again = await api.mutate("completeReferral", referred, code=code)

    assert first.refusals("completeReferral") == []
    assert again.refusals("completeReferral") == ["ALREADY_REFERRED"]
    assert [(await row_of(owner, each))["bonus_credits"] for each in (referrer, referred)] == [51, 50]
    assert (await row_of(owner, referrer))["total_referrals"] == 1


async def test_of_many_referrals_at_once_one_counts(api: Api, owner: asyncpg.Pool[Any], make: Factory) -> None:
    referrers, referred = [await make(User) for _ in range(5)], await make(User)
    codes = [(await subscribed(owner, each))["referral_code"] for each in referrers]

    answers = await asyncio.gather(*(api.mutate("completeReferral", referred, code=code) for code in codes * 2))

    refusals = sorted(code for answer in answers for code in answer.refusals("completeReferral"))
    assert refusals == ["ALREADY_REFERRED"] * 9
    assert (await row_of(owner, referred))["bonus_credits"] == 50
    assert sum([(await row_of(owner, each))["bonus_credits"] for each in referrers]) == 50


async def test_nobody_refers_themselves_or_by_a_code_that_is_not_there(
    api: Api, owner: asyncpg.Pool[Any], make: Factory, changes: Changes
) -> None:
    user, gone = await make(User), await make(User)
    own = (await subscribed(owner, user))["referral_code"]
    suspended = (await subscribed(owner, gone))["referral_code"]
    await owner.execute("UPDATE identity.users SET is_active = false WHERE id = $1", gone.id)
    before = await changes.mark()

    found = [
        (await api.mutate("completeReferral", user, code=code)).refusals("completeReferral")
        for code in (own, uuid4().hex[:12], suspended)
    ]

    assert found == [["OWN_REFERRAL"], ["REFERRAL_CODE_UNKNOWN"], ["REFERRAL_CODE_UNKNOWN"]]
    assert [each for each in await changes.since(before) if "rate_limits" not in str(each)] == []


async def test_staff_reset_usage_and_add_credits_with_a_reason(
    api: Api, owner: asyncpg.Pool[Any], make: Factory, staff: SimpleNamespace
) -> None:
    user = await make(User)
    resets = (await subscribed(owner, user, calls_this_month=990, bonus_calls_this_month=5))["usage_resets_at"]

    reset = await api.mutate("adminResetUserUsage", staff, STAFF, userId=user, reason="An outage of ours")
    shown = await row_of(owner, user)
    added = await api.mutate("adminAddBonusCredits", staff, STAFF, userId=user, credits=20, reason="Sorry")

    assert (reset.refusals("adminResetUserUsage"), added.refusals("adminAddBonusCredits")) == ([], [])
    assert (shown["calls_this_month"], shown["bonus_calls_this_month"]) == (0, 0)
    assert shown["usage_resets_at"] == resets
    assert (await row_of(owner, user))["bonus_credits"] == 20
    reasons = await owner.fetch(
        "SELECT action, reason FROM admin.audit_logs WHERE resource_id = $1 AND reason IS NOT NULL ORDER BY created_at",
        user.id,
    )
    assert [tuple(each) for each in reasons] == [("usage_reset", "An outage of ours"), ("bonus_credits_added", "Sorry")]
    # The counter is not audited with every call, but what staff give is.
    audited = "SELECT count(*) FROM admin.audit_logs WHERE resource_id = $1 AND new_values ? 'bonus_credits'"
    assert await owner.fetchval(audited + " AND action = 'user_subscription_updated'", user.id) == 1


async def test_staff_give_nothing_to_themselves_and_nothing_without_a_reason(
    api: Api, make: Factory, staff: SimpleNamespace, changes: Changes
) -> None:
    user = await make(User)
    before = await changes.mark()

    own = await api.mutate("adminAddBonusCredits", staff, STAFF, userId=staff, credits=1, reason="Me")
    unsaid = await api.mutate("adminResetUserUsage", staff, STAFF, userId=user, reason="  ")
    none = await api.mutate("adminAddBonusCredits", staff, STAFF, userId=user, credits=0, reason="None")
    nobody = await api.mutate("adminResetUserUsage", staff, STAFF, userId=str(uuid4()), reason="Who")
    member = await api.mutate("adminAddBonusCredits", user, userId=user, credits=1, reason="Please")

    assert own.refusals("adminAddBonusCredits") == ["OWN_MATTER"]
    assert unsaid.refusals("adminResetUserUsage") == ["TEXT_MISSING"]
    assert none.refusals("adminAddBonusCredits") == ["CREDITS_NOT_VALID"]
    assert nobody.refusals("adminResetUserUsage") == ["NOT_FOUND"]
    assert member.codes == ["FORBIDDEN"]
    assert await changes.since(before) == []
