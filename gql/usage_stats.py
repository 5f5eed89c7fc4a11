"""What a developer has used this month: the counts of their subscription, and what `api_usage` says of them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import strawberry

from models.metering import FREE_CALLS

# As the caller, of what is their own: of a subscription that there is not yet, as it will begin. A month that is over
# and has not begun again has no calls.
STATS = f"""
WITH mine AS (
    SELECT plan, bonus_credits,
        CASE WHEN usage_resets_at > now() THEN calls_this_month ELSE 0 END AS calls_this_month,
        CASE WHEN usage_resets_at > now() THEN bonus_calls_this_month ELSE 0 END AS bonus_calls_this_month,
        CASE WHEN usage_resets_at > now() THEN coalesce(usage_began_at, usage_resets_at - interval '1 month')
             ELSE usage_resets_at END AS began_at,
        CASE WHEN usage_resets_at > now() THEN usage_resets_at ELSE lango.month_after(
            usage_resets_at, coalesce(resets_on_day, extract(day FROM usage_resets_at AT TIME ZONE 'UTC')::int)
        ) END AS resets_at
    FROM usage.user_subscriptions WHERE user_id = lango.user_id()
), calls AS (
    SELECT u.operation, u.api_key_id, (u.created_at AT TIME ZONE 'UTC')::date AS day, u.cost
    FROM usage.api_usage u
    WHERE u.user_id = lango.user_id() AND u.created_at >= (SELECT began_at FROM mine)
)
SELECT jsonb_build_object(
    'plan', coalesce((SELECT plan FROM mine), 'free'),
    'limit', coalesce((
        SELECT monthly_api_calls FROM usage.subscription_limits WHERE plan = coalesce((SELECT plan FROM mine), 'free')
    ), {FREE_CALLS}),
    'calls', coalesce((SELECT calls_this_month + bonus_calls_this_month FROM mine), 0),
    'bonus_calls', coalesce((SELECT bonus_calls_this_month FROM mine), 0),
    'bonus_credits', coalesce((SELECT bonus_credits FROM mine), 0),
    'began_at', (SELECT began_at FROM mine),
    'resets_at', (SELECT resets_at FROM mine),
    'by_day', coalesce((SELECT jsonb_agg(d ORDER BY d.day) FROM (
        SELECT day, count(*) AS requests, sum(cost) AS calls FROM calls GROUP BY day
    ) d), '[]'),
    'by_key', coalesce((SELECT jsonb_agg(k ORDER BY k.calls DESC, k.api_key_id) FROM (
        SELECT api_key_id, count(*) AS requests, sum(cost) AS calls FROM calls GROUP BY api_key_id
    ) k), '[]'),
    'by_operation', coalesce((SELECT jsonb_agg(o ORDER BY o.calls DESC, o.operation) FROM (
        SELECT operation, count(*) AS requests, sum(cost) AS calls FROM calls GROUP BY operation
    ) o), '[]')
)::text
"""


@strawberry.type(description="What was used on a day.")
class UsageOfDay:
    day: date = strawberry.field(description="The day, from midnight to midnight in UTC.")
    requests: int = strawberry.field(description="How many requests were made.")
    calls: int = strawberry.field(description="How many API calls they were counted as.")


@strawberry.type(description="What was used with an API key.")
class UsageOfKey:
    api_key_id: UUID | None = strawberry.field(description="The key's `rowId`; null where it is not known.")
    requests: int = strawberry.field(description="How many requests were made.")
    calls: int = strawberry.field(description="How many API calls they were counted as.")


@strawberry.type(description="What was used by an operation.")
class UsageOfOperation:
    operation: str = strawberry.field(description="Its name, or the names of its root fields.")
    requests: int = strawberry.field(description="How many requests were made.")
    calls: int = strawberry.field(description="How many API calls they were counted as.")


@strawberry.type(
    description="What your API keys have used this month. The parts are of what has been written down, which takes a "
    "second; `calls` is counted before each request."
)
class UsageStats:
    plan: str = strawberry.field(description="Your plan.")
    calls: int = strawberry.field(description="API calls of this month, those that bonus credits paid as well.")
    limit: int = strawberry.field(description="API calls in a month by the plan; -1 for no limit.")
    bonus_calls: int = strawberry.field(description="How many of them bonus credits have paid.")
    bonus_credits: int = strawberry.field(description="Bonus credits that are left.")
    began_at: datetime | None = strawberry.field(description="Since when; null before the first request.")
    resets_at: datetime | None = strawberry.field(description="When the next month begins; null before the first.")
    by_day: list[UsageOfDay] = strawberry.field(description="By the day, the first one first.")
    by_key: list[UsageOfKey] = strawberry.field(description="By the key, the busiest first.")
    by_operation: list[UsageOfOperation] = strawberry.field(description="By the operation, the busiest first.")


async def usage_stats(context: Any) -> UsageStats | None:
    """The caller's, by one statement; None for nobody."""
    if context.actor.user_id is None:
        return None
    (text,) = await context.texts([(STATS, [])])
    if isinstance(text, asyncpg.PostgresError):
        raise text
    found = orjson.loads(text)
    return UsageStats(
        **found
        | {name: _moment(found[name]) for name in ("began_at", "resets_at")}
        | {
            "by_day": [UsageOfDay(**each | {"day": date.fromisoformat(each["day"])}) for each in found["by_day"]],
            "by_key": [
                UsageOfKey(**each | {"api_key_id": each["api_key_id"] and UUID(each["api_key_id"])})
                for each in found["by_key"]
            ],
            "by_operation": [UsageOfOperation(**each) for each in found["by_operation"]],
        }
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
