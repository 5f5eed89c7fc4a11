"""How risky a donation looks, from 0 to 100: how fast they come, how large they are, and how often they failed."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from sqlalchemy import Float, Integer, Text, bindparam, cast, func, or_, select
from sqlalchemy.dialects.postgresql import INET

from lango.db.prepared import Lookup, Query
from models.donations import Donation, DonationStatus
from resolvers.kernel.system_config import Configured

HOLD_SCORE = Configured("donations.hold_score", 80)
HIGHEST = 100
# How many within an hour are usual; what each one more adds, and the most that they add. Many share the address of a
# mobile network, and many give to one pot on its day: by pace alone nothing is held.
USUAL_BY_PHONE, BY_PHONE, MOST_BY_PHONE = 3, 10, 30
USUAL_BY_ADDRESS, BY_ADDRESS, MOST_BY_ADDRESS = 10, 2, 20
USUAL_BY_POT, BY_POT, MOST_BY_POT = 30, 1, 15
# Tries of a day that failed, by this phone or from this address.
USUAL_FAILURES, BY_FAILURE, MOST_BY_FAILURES = 2, 10, 30
# Beside the pot's usual donation; it has one after so many.
ENOUGH, FAR, VERY_FAR, BY_FAR, BY_VERY_FAR = 3, 10, 50, 25, 40

HOUR = func.now() - func.make_interval(0, 0, 0, 0, 1)
DAY = func.now() - func.make_interval(0, 0, 0, 1)
PHONE, ADDRESS = bindparam("phone", type_=Text), cast(bindparam("ip", type_=Text), INET)
POT = bindparam("pot_id", type_=Donation.pot_id.type)
COUNT = select(func.count()).select_from(Donation)
TRIES = Lookup(
    [
        COUNT.where(Donation.donor_phone == PHONE, Donation.created_at > HOUR).scalar_subquery(),
        COUNT.where(Donation.ip_address == ADDRESS, Donation.created_at > HOUR).scalar_subquery(),
        COUNT.where(Donation.pot_id == POT, Donation.created_at > HOUR).scalar_subquery(),
        COUNT.where(
            or_(Donation.donor_phone == PHONE, Donation.ip_address == ADDRESS),
            Donation.failed_at > DAY,
            Donation.created_at > DAY,
        ).scalar_subquery(),
        COUNT.where(Donation.pot_id == POT, Donation.status == DonationStatus.SUCCEEDED).scalar_subquery(),
        select(func.percentile_cont(0.5, type_=Float).within_group(cast(Donation.amount_cfa, Integer)))
        .where(Donation.pot_id == POT, Donation.status == DonationStatus.SUCCEEDED)
        .scalar_subquery(),
    ],
    lambda rows: rows,
)


def tries(*, pot_id: UUID, phone: str | None, ip: IPv4Address | IPv6Address | None) -> Query:
    """The look-up of what decides how risky a donation is that is about to be made; `score` reads it.

    Reads as a role that sees all donations: the rules' own.
    """
    return TRIES.query(pot_id=pot_id, phone=phone, ip=None if ip is None else str(ip))


def score(tried: Sequence[tuple[Any, ...]], amount_cfa: int) -> int:
    """The score of a donation of so much."""
    ((by_phone, by_address, by_pot, failures, given, usual),) = tried
    total = (
        above(by_phone, USUAL_BY_PHONE, BY_PHONE, MOST_BY_PHONE)
        + above(by_address, USUAL_BY_ADDRESS, BY_ADDRESS, MOST_BY_ADDRESS)
        + above(by_pot, USUAL_BY_POT, BY_POT, MOST_BY_POT)
        + above(failures, USUAL_FAILURES, BY_FAILURE, MOST_BY_FAILURES)
        + (far(amount_cfa, usual) if given >= ENOUGH else 0)
    )
    return min(total, HIGHEST)


def above(count: int, usual: int, each: int, most: int) -> int:
    """What a count adds: nothing while it is usual, then so much for each one more, up to the most."""
    return min(max(count - usual, 0) * each, most)


def far(amount_cfa: int, usual: float) -> int:
    """What an amount adds that is far from the pot's usual one, which is the median of what was given to it."""
    times = amount_cfa / usual
    return BY_VERY_FAR if times > VERY_FAR else BY_FAR if times > FAR else 0
