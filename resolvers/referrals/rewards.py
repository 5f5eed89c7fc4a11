"""What a sponsor earns by an accepted invitation: points, multiplied by the best campaign that can pay for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from lango.db.prepared import Query
from lango.rules.transaction import RuleTransaction
from models.referrals import PointsLedgerEntryEventType as Event
from models.referrals import Referral
from resolvers.kernel import guardianship, system_config
from resolvers.packs import campaigns
from resolvers.points import points

USUAL = points.USUAL[Event.REFERRAL_ACCEPTED]


@dataclass(frozen=True, slots=True)
class Reward:
    """What decides about it. Known in two steps, because the campaigns that may pay are locked last, once it is known
    for whom they are. In the rules' role."""

    usual: int
    wards: Sequence[tuple[Any, ...]]
    configured: Sequence[tuple[Any, ...]]
    running: Sequence[tuple[Any, ...]]
    audience: campaigns.Audience

    @staticmethod
    def seeking(accepted_by: UUID, sponsor: UUID) -> Sequence[Query]:
        """The look-ups of a reward, to be sent together with others, after those that lock; `found` reads them."""
        return (
            guardianship.relating(accepted_by),
            system_config.reading(USUAL, points.MATURATION_DAYS, points.CFA_PER_POINT),
            *campaigns.addressing(accepted_by, sponsor),
        )

    @classmethod
    def found(
        cls,
        wards: Sequence[tuple[Any, ...]],
        configured: Sequence[tuple[Any, ...]],
        running: Sequence[tuple[Any, ...]],
        people: Sequence[tuple[Any, ...]],
    ) -> Reward:
        (usual,) = system_config.numbers_in(configured, USUAL)
        return cls(usual, wards, configured, running, campaigns.Audience.found(people))

    def locking(self) -> tuple[Query, Query]:
        """The look-ups that lock the campaigns that may pay, to be sent together with others; `give` reads them."""
        return campaigns.locking(self.running if self.usual > 0 else (), self.audience)

    def give(
        self,
        tx: RuleTransaction,
        referral: Referral,
        locked: Sequence[tuple[Any, ...]],
        running: Sequence[tuple[Any, ...]],
    ) -> int:
        """The sponsor earns it by that invitation: how many points."""
        (rate,) = system_config.numbers_in(self.configured, points.CFA_PER_POINT)
        boost = campaigns.pay(tx, locked, running, self.audience, self.usual, rate)
        return points.earn_by(
            tx, referral, self.wards, self.configured, boost=boost.multiplier, campaign_id=boost.campaign_id,
            cost_cfa=boost.cost_cfa,
        )  # fmt: skip
