"""Conversions: a sponsor turns points into money for a pot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam

from lango.db import rows
from lango.db.prepared import Lookup, Query
from lango.errors import Refused
from lango.rules.inputs import Id, Text, Value
from lango.rules.rule import NotFound, rule
from lango.rules.transaction import CallerTransaction, RuleTransaction
from models.identity import User
from models.ledger import LedgerKind
from models.pots import Pot
from models.referrals import PointsConversion, PointsLedgerEntry, PointsLedgerEntryStatus, Referral, ReferralStatus
from models.referrals import PointsLedgerEntryEventType as Event
from models.topics import Topic
from resolvers.kernel import clock, guardianship, system_config
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount, fits
from resolvers.kernel.notifications import FirstName, notify
from resolvers.kernel.outbox import publish
from resolvers.kernel.share_links import LONGEST_TOKEN
from resolvers.kernel.system_config import Configured
from resolvers.ledger import ledger
from resolvers.points.points import CFA_PER_POINT, available_in, counting
from resolvers.pots import gifts, views
from resolvers.pots.lifecycle import TAKES_DONATIONS
from resolvers.pots.pots import PotNotOpen

MINIMUM = Configured("points.minimum_conversion", 100)
# The rate is kept with so many decimals.
RATE_STEP = Decimal("0.0001")


class InsufficientPoints(Refused):
    """You do not have enough points."""


class BelowMinimum(Refused):
    """This is below the smallest number of points that can be converted."""


class PotNotEligible(Refused):
    """Points go to a pot of your own, or of somebody you sponsored."""


@rule(NotFound, PotNotEligible, PotNotOpen, AmountNotPositive, BelowMinimum, InsufficientPoints, AmountOutOfRange)
async def convert_points(
    caller: CallerTransaction,
    points: Annotated[int, Value("How many points to convert.")],
    pot_id: Annotated[UUID, Id(Pot, "The pot that receives the money.")],
    share_token: Annotated[
        str | None, Text("The token of the pot's share link, where you see the pot only by it.", LONGEST_TOKEN)
    ] = None,
    sponsor_id: Annotated[
        UUID | None, Id(User, "The minor for whom you act, as their guardian; yourself when left out.")
    ] = None,
) -> PointsConversion:
    """Turn points into money for a pot of one's own, or of somebody one sponsored.

    Only matured points count, less what was spent. A guardian converts a minor's by `sponsorId`.
    """
    sponsor = await guardianship.acting_for(caller, sponsor_id, field="sponsor_id")
    check_amount(points, PointsConversion.points_converted, field="points")
    seen, _ = await views.visible(caller, pot_id, share_token)
    owner = seen.owner_user_id
    tx = caller.as_rules()
    # Counted under the sponsor's lock: of twenty callers at once, none converts a point of another's.
    ((pot,),), _, found_points, ((now,),), configured, *between = await tx.fetch(
        rows.locking(Pot, seen.id), rows.locking(User, sponsor), counting(sponsor), clock.reading(),
        system_config.reading(CFA_PER_POINT, MINIMUM), *(() if owner == sponsor else _between(sponsor, owner)),
    )  # fmt: skip
    if owner != sponsor and not _may_give(sponsor, owner, *between):
        raise PotNotEligible(field="pot_id")
    if pot.status not in TAKES_DONATIONS or pot.deleted_at is not None:
        raise PotNotOpen(field="pot_id", state=pot.status)
    (cfa_per_point,) = system_config.numbers_in(configured, CFA_PER_POINT)
    (minimum,) = system_config.numbers_in(configured, MINIMUM)
    rate = cfa_per_point.quantize(RATE_STEP)
    worth = _worth(points, rate, minimum)
    left = available_in(found_points)
    if left < points:
        raise InsufficientPoints(f"You have {max(left, 0)} points to spend.", field="points", available=max(left, 0))
    return _give(tx, pot, sponsor, points, worth, rate, now)


def _between(sponsor: UUID, owner: UUID) -> tuple[Query, Query]:
    """The look-ups of what a sponsor has to do with another person; `_may_give` reads them."""
    return SPONSORED.query(sponsor=sponsor, sponsored=owner), guardianship.relating(sponsor)


def _may_give(
    sponsor: UUID, owner: UUID, sponsored: Sequence[tuple[Any, ...]], wards: Sequence[tuple[Any, ...]]
) -> bool:
    """Whether a sponsor's points may go to the pot of that other person."""
    # Or a guardian could turn the points of a minor into money of their own.
    return bool(sponsored) and owner not in guardianship.related_in(wards, sponsor)


def _worth(points: int, rate: Decimal, minimum: int) -> int:
    """What points are worth in whole francs, rounded down. Raises BelowMinimum and AmountOutOfRange."""
    worth = int((points * rate).to_integral_value(ROUND_DOWN))
    if points < minimum or worth <= 0:
        raise BelowMinimum(f"At least {minimum} points are converted at once.", field="points", minimum=minimum)
    if not fits(worth, PointsConversion.credits_issued):
        raise AmountOutOfRange(field="points")
    return worth


def _give(
    tx: RuleTransaction, pot: Pot, sponsor: UUID, points: int, worth: int, rate: Decimal, now: datetime
) -> PointsConversion:
    conversion = PointsConversion(
        id=uuid4(), sponsor_user_id=sponsor, points_converted=points, credits_issued=worth, conversion_rate=rate,
        applied_to_pot_id=pot.id,
    )  # fmt: skip
    spent = PointsLedgerEntry(
        id=uuid4(), sponsor_user_id=sponsor, event_type=Event.CONVERSION, points_earned=0, points_spent=points,
        status=PointsLedgerEntryStatus.MATURED, matures_at=None, matured_at=now, points_conversion_id=conversion.id,
    )  # fmt: skip
    tx.save(conversion, spent)
    gifts.give(tx, LedgerKind.POINTS_CONVERSION, pot, ledger.promotion(), worth, of=conversion)
    publish(tx, Topic.POINTS_CONVERTED, conversion.id, sponsor_user_id=sponsor, pot_id=pot.id)
    if pot.owner_user_id != sponsor:
        notify(
            tx, pot.owner_user_id, "points_converted", user_name=FirstName(sponsor), amount=worth, pot_title=pot.title
        )
    return conversion


async def give_back(tx: RuleTransaction, conversion: PointsConversion, pot: Pot, now: datetime) -> None:
    """Give a sponsor the points back that were converted for a pot that is called off: they may be spent again."""
    returned = PointsLedgerEntry(
        id=uuid4(), sponsor_user_id=conversion.sponsor_user_id, event_type=Event.CONVERSION_RETURNED,
        points_earned=conversion.points_converted, points_spent=0, status=PointsLedgerEntryStatus.MATURED,
        matures_at=now, matured_at=now, points_conversion_id=conversion.id,
    )  # fmt: skip
    tx.save(returned)
    sponsor = conversion.sponsor_user_id
    publish(tx, Topic.POINTS_RETURNED, returned.id, sponsor_user_id=sponsor)
    notify(tx, sponsor, "points_returned", points=conversion.points_converted, pot_title=pot.title)


SPONSORED = Lookup(
    [Referral.id],
    lambda rows: rows.where(
        Referral.sponsor_user_id == bindparam("sponsor"),
        Referral.sponsored_user_id == bindparam("sponsored"),
        Referral.status == ReferralStatus.ACCEPTED,
    ),
)
