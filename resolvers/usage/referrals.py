"""Developers who bring developers: each of the two gets bonus credits, once for whoever was brought."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

from sqlalchemy import bindparam

from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Text
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from lango.security.rate_limits import RateLimit, take
from models.identity import User
from models.usage import UserReferral, UserReferralStatus, UserSubscription
from resolvers.kernel import clock, system_config
from resolvers.kernel.system_config import Configured
from resolvers.usage import subscriptions

BONUS = Configured("usage.referral_bonus", 50)
# Codes that somebody tries in an hour.
TRIES = RateLimit("complete_referral", 20, 3_600)

BY_CODE = Lookup(
    [UserSubscription.user_id],
    lambda rows: rows.join(User, User.id == UserSubscription.user_id).where(
        UserSubscription.referral_code == bindparam("code"), User.is_active, User.deleted_at.is_(None)
    ),
)
OF_REFERRED = Lookup([UserReferral], lambda rows: rows.where(UserReferral.referred_user_id == bindparam("user_id")))


class ReferralCodeUnknown(Refused):
    """There is no such referral code."""


class OwnReferral(Refused):
    """This referral code is your own."""


class AlreadyReferred(Refused):
    """Somebody has referred you already."""


@rule(ReferralCodeUnknown, OwnReferral, AlreadyReferred)
async def complete_referral(
    tx: RuleTransaction,
    code: Annotated[str, Text("The code of whoever has referred you; letter case and blanks do not matter.", 40)],
) -> UserReferral:
    """Say who has referred you: both of you get `usage.referral_bonus` API calls beyond your plans, once."""
    await take(tx.services.pipeline, (TRIES, str(tx.user_id)))
    given = "".join(code.split()).upper()
    found = await BY_CODE.one(tx, code=given)
    if found is None:
        raise ReferralCodeUnknown(field="code")
    (referrer_id,) = found
    if referrer_id == tx.user_id:
        raise OwnReferral(field="code")
    # Lock first: two that bring the same user, or one code twice, must queue, not race.
    _, locked, before, ((now,),), configured = await tx.fetch(
        subscriptions.opening(tx.user_id),
        subscriptions.locking([referrer_id, tx.user_id]),
        OF_REFERRED.query(user_id=tx.user_id),
        clock.reading(),
        system_config.reading(BONUS),
    )
    (bonus,) = system_config.numbers_in(configured, BONUS)
    both = subscriptions.by_user(locked)
    referral = before[0][0] if before else UserReferral(
        id=uuid4(), referrer_user_id=referrer_id, referred_user_id=tx.user_id, referral_code=given
    )  # fmt: skip
    if referral.status == UserReferralStatus.COMPLETED or referral.referrer_user_id != referrer_id:
        raise AlreadyReferred(field="code")
    referral.status = UserReferralStatus.COMPLETED
    referral.bonus_credits_awarded = bonus
    referral.completed_at = now
    for subscription in both.values():
        subscriptions.grant(subscription, bonus)
    both[referrer_id].total_referrals += 1
    tx.save(*both.values(), referral)
    return referral
