"""Developers' subscriptions: made when they are first needed, and begun anew each month, also when nobody calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, func, select

from lango.db.prepared import Lookup, Prepared, Query
from lango.jobs.job import scheduled
from lango.rules.rule import NotFound
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.usage import UserSubscription
from resolvers.kernel import due

# In the order of their keys, so that two callers do not wait for each other.
LOCKED = Lookup(
    [UserSubscription],
    lambda rows: (
        rows.where(UserSubscription.user_id == any_(bindparam("user_ids", type_=ARRAY(Uuid))))
        .order_by(UserSubscription.user_id)
        .with_for_update(key_share=True)
    ),
)
EXISTS = Lookup([User.id], lambda rows: rows.where(User.id == bindparam("user_id"), User.deleted_at.is_(None)))
OPEN = Prepared(select(func.lango.open_subscription(bindparam("user_id", type_=Uuid))))
BEGIN_MONTH = Prepared(select(func.lango.begin_usage_month(bindparam("user_id", type_=Uuid))))
OVER = due.Due(UserSubscription.user_id, lambda rows: rows.where(UserSubscription.usage_resets_at <= func.now()))


def opening(user_id: UUID) -> Query:
    """What makes that user's subscription, where there is none, to be sent before others."""
    query = OPEN.query(user_id=user_id)
    return Query(query.sql, query.values, True, query.read)


def locking(user_ids: Sequence[UUID]) -> Query:
    """The look-up that locks the subscriptions of these users; `by_user` reads it."""
    return LOCKED.query(user_ids=sorted(user_ids))


def by_user(found: Sequence[tuple[Any, ...]]) -> dict[UUID, UserSubscription]:
    return {row.user_id: row for (row,) in found}


async def opened(tx: RuleTransaction, user_id: UUID, *, field: str) -> UserSubscription:
    """A user's subscription, locked, in the month that it is. Raises NotFound where there is no such user."""
    if not await EXISTS.all(tx, user_id=user_id):
        raise NotFound(field=field)
    month = BEGIN_MONTH.query(user_id=user_id)
    _, _, found = await tx.fetch(opening(user_id), Query(month.sql, month.values, True, month.read), locking([user_id]))
    return by_user(found)[user_id]


def grant(subscription: UserSubscription, calls: int) -> None:
    """Give a locked subscription that many bonus credits."""
    subscription.bonus_credits += calls
    subscription.bonus_credits_granted += calls


@scheduled("usage.begin_months", "*/5 * * * *", timeout=240)
async def begin_months(services: Services) -> None:
    """Begin the next month of every developer whose last one is over: a transaction each."""
    await due.each(services, begin_months, OVER, _begin_month)


async def _begin_month(tx: RuleTransaction, user_id: UUID) -> None:
    await BEGIN_MONTH.run(tx, user_id=user_id)
