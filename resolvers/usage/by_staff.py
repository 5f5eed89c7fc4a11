"""What staff may do about a developer's usage, each with a reason that is kept."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from lango.errors import Refused
from lango.rules.inputs import Id, Text, Value
from lango.rules.rule import NotFound, rule
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.usage import UserSubscription
from resolvers.kernel import audit, clock
from resolvers.kernel.own_matters import OwnMatter, refuse_own_matter
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.usage import subscriptions

LONGEST_REASON = 500
MOST_CREDITS = 1_000_000
KIND = "user_subscription"

Developer = Annotated[UUID, Id(User, "The developer.")]
Reason = Annotated[str, Text("Why; it is kept in the audit log.", LONGEST_REASON)]


class CreditsNotValid(Refused):
    """Between 1 and 1,000,000 credits are added at once."""


@rule(NotFound, OwnMatter, TextMissing, staff=True)
async def admin_reset_user_usage(tx: RuleTransaction, user_id: Developer, reason: Reason) -> UserSubscription:
    """Count a developer's API calls of this month from 0 again, from now on; the day of the next reset stays."""
    check_text(reason, field="reason")
    await refuse_own_matter(tx, user_id, field="user_id")
    subscription = await subscriptions.opened(tx, user_id, field="user_id")
    subscription.calls_this_month = subscription.bonus_calls_this_month = 0
    subscription.usage_began_at = await clock.now(tx)
    tx.save(subscription)
    audit.decided(tx, "usage_reset", KIND, user_id, reason)
    return subscription


@rule(NotFound, OwnMatter, TextMissing, CreditsNotValid, staff=True)
async def admin_add_bonus_credits(
    tx: RuleTransaction,
    user_id: Developer,
    credits: Annotated[int, Value("How many API calls beyond the plan's.")],  # noqa: A002 - as the API names it
    reason: Reason,
) -> UserSubscription:
    """Give a developer API calls beyond their plan's, which are spent when those are."""
    check_text(reason, field="reason")
    if not 1 <= credits <= MOST_CREDITS:
        raise CreditsNotValid(field="credits", most=MOST_CREDITS)
    await refuse_own_matter(tx, user_id, field="user_id")
    subscription = await subscriptions.opened(tx, user_id, field="user_id")
    subscriptions.grant(subscription, credits)
    tx.save(subscription)
    audit.decided(tx, "bonus_credits_added", KIND, user_id, reason, credits=credits)
    return subscription
