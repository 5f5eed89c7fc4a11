"""Developers: plans, tokens and API usage, as the API shows them."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry.types import Info

import models.usage as m
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.roots import root_fields
from gql.usage_stats import UsageStats, usage_stats
from resolvers.usage import by_staff, referrals, user_tokens

MODELS = (
    m.SubscriptionLimit,
    m.UserSubscription,
    m.UserToken,
    m.ApiUsage,
    m.UserReferral,
)
mirrors(*MODELS)


async def _usage_stats(info: Info) -> Any:
    """What your API keys have used this month, and what is left; null without a token."""
    return await usage_stats(info.context)


_usage_stats.__annotations__["return"] = UsageStats | None


@strawberry.type
class Query(root_fields(*MODELS)):  # type: ignore[misc]
    usage_stats = strawberry.field(_usage_stats, description=_usage_stats.__doc__)


Mutation = mutations(
    user_tokens.store_user_token,
    user_tokens.delete_user_token,
    referrals.complete_referral,
    by_staff.admin_reset_user_usage,
    by_staff.admin_add_bonus_credits,
)
