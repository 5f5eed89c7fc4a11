"""A sponsor's daily limit: how many invitations may be sent in a day, which begins where the sponsor lives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Date, DateTime, Text, bindparam, cast, func

from lango.db import rows
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.profiles import Profile
from models.referrals import SponsorDailyLimit
from resolvers.kernel import clock, contacts, system_config
from resolvers.kernel.system_config import Configured
from resolvers.pots.pots import zone_or_usual

DAILY_LIMIT = Configured("referrals.daily_limit", 50)


class DailyLimitReached(Refused):
    """No more invitations can be sent today."""


@dataclass(frozen=True, slots=True)
class DailyLimit:
    """The day's count of a sponsor whose lock is held, the moment at which it was read, and the country whose phone
    numbers the sponsor writes without a prefix."""

    day: SponsorDailyLimit
    now: datetime
    configured: int
    region: str

    @property
    def left(self) -> int:
        return max(0, self.configured - self.day.invitations_sent_today)

    def check(self, count: int, *, field: str) -> None:
        """Raises DailyLimitReached where so many invitations are too many."""
        if count > self.left:
            message = f"Today you may send {self.left} more invitations, and these are {count}."
            raise DailyLimitReached(message, field=field, left=self.left, limit=self.configured)

    def take(self, count: int) -> int:
        """Count so many invitations, for which the day suffices; gives the place of the first in the day."""
        day = self.day
        if not day.invitations_sent_today:
            day.consecutive_active_days = (day.consecutive_active_days or 0) + 1
        first = day.invitations_sent_today + 1
        day.invitations_sent_today += count
        day.total_lifetime_invitations = (day.total_lifetime_invitations or 0) + count
        return first


async def lock_today(tx: RuleTransaction, sponsor_user_id: UUID) -> DailyLimit:
    """Lock the sponsor and the sponsor's count of this day, which begins anew at midnight: a new one is not yet saved.

    In the rules' role.
    """
    # The sponsor as well: two calls on both sides of midnight have two counts, but one list of who is invited.
    _, ((now,),), numbers, zone, locale = await tx.fetch(
        rows.locking(User, sponsor_user_id), clock.reading(), system_config.reading(DAILY_LIMIT),
        ZONE.query(user_id=sponsor_user_id), contacts.locating(sponsor_user_id),
    )  # fmt: skip
    (configured,), region = system_config.numbers_in(numbers, DAILY_LIMIT), contacts.region_in(locale)
    there = {"zone": zone_or_usual(zone[0][0] if zone else None), "now": now}
    ((today, midnight),), found = await tx.fetch(
        DAY.query(**there), LATEST.query(**there, sponsor_user_id=sponsor_user_id)
    )
    latest: SponsorDailyLimit | None = found[0][0] if found else None
    if latest is not None and latest.limit_date == today:
        # What staff change takes effect at once, and what was sent stays sent.
        latest.max_invitations_per_day = max(configured, latest.invitations_sent_today)
        return DailyLimit(latest, now, configured, region)
    in_a_row = latest is not None and latest.limit_date == today - timedelta(days=1) and latest.invitations_sent_today
    day = SponsorDailyLimit(
        id=uuid4(), sponsor_user_id=sponsor_user_id, limit_date=today, max_invitations_per_day=max(configured, 0),
        invitations_sent_today=0, current_batch_start=0, last_reset_at=now, next_reset_at=midnight,
        consecutive_active_days=latest.consecutive_active_days if latest and in_a_row else 0,
        total_lifetime_invitations=latest.total_lifetime_invitations if latest else 0,
    )  # fmt: skip
    return DailyLimit(day, now, configured, region)


ZONE = Lookup([Profile.timezone], lambda rows: rows.where(Profile.user_id == bindparam("user_id")))
# The day that it is there at that moment.
NOW = bindparam("now", type_=DateTime(timezone=True))
TODAY = cast(func.timezone(bindparam("zone", type_=Text), NOW, type_=DateTime()), Date)
DAY = Lookup(
    [
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
    lambda found: (
        found.where(
            SponsorDailyLimit.sponsor_user_id == bindparam("sponsor_user_id"),
            SponsorDailyLimit.limit_date <= TODAY,
        )
        .order_by(SponsorDailyLimit.limit_date.desc())
        .limit(1)
        .with_for_update(key_share=True)
    ),
)
