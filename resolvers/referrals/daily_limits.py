"""A sponsor's daily limit: how many invitations may be sent in a day, which begins where the sponsor lives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Date, DateTime, Text, bindparam, cast, func, select

from lango.db.prepared import Lookup
from lango.db.transaction import Transaction
from lango.errors import Refused
from lango.rules.transaction import RuleTransaction
from lango.values.time_zones import zones
from models.identity import User
from models.profiles import Profile
from models.referrals import SponsorDailyLimit
from resolvers.kernel.system_config import Configured, number
from resolvers.pots.pots import DEFAULT_ZONE

DAILY_LIMIT = Configured("referrals.daily_limit", 50)


class DailyLimitReached(Refused):
    """No more invitations can be sent today."""


@dataclass(frozen=True, slots=True)
class DailyLimit:
    """The day's count of a sponsor whose lock is held, and the moment at which it was read."""

    day: SponsorDailyLimit
    now: datetime
    configured: int

    @property
    def left(self) -> int:
        return max(0, self.configured - self.day.invitations_sent_today)

    def take(self, count: int, *, field: str) -> int:
        """Count so many invitations; gives the place of the first in the day. Raises DailyLimitReached."""
        if count > self.left:
            message = f"Today you may send {self.left} more invitations, and these are {count}."
            raise DailyLimitReached(message, field=field, left=self.left, limit=self.configured)
        day = self.day
        if not day.invitations_sent_today:
            day.consecutive_active_days = (day.consecutive_active_days or 0) + 1
        first = day.invitations_sent_today + 1
        day.invitations_sent_today += count
        day.total_lifetime_invitations = (day.total_lifetime_invitations or 0) + count
        return first


async def lock_today(tx: RuleTransaction, sponsor_user_id: UUID) -> DailyLimit:
    """Lock the sponsor and the sponsor's count of this day, which begins anew at midnight. In the rules' role."""
    # The sponsor as well: two calls on both sides of midnight have two counts, but one list of who is invited.
    await tx.lock(User, sponsor_user_id)
    configured = await number(tx, DAILY_LIMIT)
    found = await CLOCK.one(tx, zone=await zone_of(tx, sponsor_user_id))
    assert found is not None
    now, today, midnight = found
    rows = await LATEST.all(tx, sponsor_user_id=sponsor_user_id, today=today)
    latest: SponsorDailyLimit | None = rows[0][0] if rows else None
    if latest is not None and latest.limit_date == today:
        # What staff change takes effect at once, and what was sent stays sent.
        latest.max_invitations_per_day = max(configured, latest.invitations_sent_today)
        return DailyLimit(latest, now, configured)
    in_a_row = latest is not None and latest.limit_date == today - timedelta(days=1) and latest.invitations_sent_today
    day = SponsorDailyLimit(
        id=uuid4(), sponsor_user_id=sponsor_user_id, limit_date=today, max_invitations_per_day=max(configured, 0),
        invitations_sent_today=0, current_batch_start=0, last_reset_at=now, next_reset_at=midnight,
        consecutive_active_days=latest.consecutive_active_days if latest and in_a_row else 0,
        total_lifetime_invitations=latest.total_lifetime_invitations if latest else 0,
    )  # fmt: skip
    tx.save(day)
    return DailyLimit(day, now, configured)


async def zone_of(tx: Transaction, user_id: UUID) -> str:
    """The time zone in which a user's days are counted. In the rules' role."""
    found = await ZONE.one(tx, user_id=user_id)
    return found[0] if found and found[0] in zones() else DEFAULT_ZONE


ZONE = Lookup([Profile.timezone], lambda rows: rows.where(Profile.user_id == bindparam("user_id")))
MOMENT = select(func.clock_timestamp().label("now")).subquery()
TODAY = cast(func.timezone(bindparam("zone", type_=Text), MOMENT.c.now, type_=DateTime()), Date)
# After the lock: the moment of the decision is not that of the transaction's begin.
CLOCK = Lookup(
    [
        MOMENT.c.now,
        TODAY,
        func.timezone(
            bindparam("zone", type_=Text),
            cast(TODAY + 1, DateTime(timezone=False)),
            type_=DateTime(timezone=True),
        ),
    ],
    lambda rows: rows,
)
LATEST = Lookup(
    [SponsorDailyLimit],
    lambda rows: (
        rows.where(
            SponsorDailyLimit.sponsor_user_id == bindparam("sponsor_user_id"),
            SponsorDailyLimit.limit_date <= bindparam("today"),
        )
        .order_by(SponsorDailyLimit.limit_date.desc())
        .limit(1)
        .with_for_update(key_share=True)
    ),
)
