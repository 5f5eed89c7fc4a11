"""Donations, refunds, and what others see of them, as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.types import Info

import models.donations as m
from gql.hidden_gifts import LATER, is_stranger
from gql.kit.kinds import enum_of
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.roots import root_fields
from gql.kit.subscription import subscription
from models.pots import Pot, PotStatus
from models.topics import Topic
from resolvers.donations import checkouts, held_donations, receipts, refunds, wave_events

for choice in (m.DonationStatus, PotStatus):
    enum_of(choice)
ROOTS = (m.Donation, m.WaveWebhookEvent, m.Refund, m.DonationAnalytics)


mirrors(m.Donation, m.WaveWebhookEvent, m.Refund, m.DonationAnalytics, m.Contribution, m.PointContribution)


@strawberry.type(description="A donation as the holder of its receipt's token may see it.")
class DonationReceipt:
    pot_id: strawberry.ID = strawberry.field(
        description="The pot it is given to: a `rowId`, also where you may not see it."
    )
    pot_title: str = strawberry.field(description="The pot's headline.")
    pot_status: PotStatus = strawberry.field(description="Where the pot stands.")
    reference: str = strawberry.field(description="What the payment is known by, also at Wave.")
    status: m.DonationStatus = strawberry.field(description="Where the donation stands.")
    amount_cfa: int = strawberry.field(description="How much is given, in CFA francs.")
    refunded_cfa: int = strawberry.field(description="How much of it the donor has back, in CFA francs.")
    refund_pending_cfa: int = strawberry.field(description="How much of it is on its way back, in CFA francs.")
    refund_failed_cfa: int = strawberry.field(
        description="How much of it could not be sent back yet, in CFA francs: staff see to it."
    )
    show_amount: bool = strawberry.field(
        description="Whether others see how much it is. The pot's total stays exact: who watches it can infer what is"
        " hidden."
    )
    initiated_at: datetime = strawberry.field(description="When the donor asked to give.")
    confirmed_at: datetime | None = strawberry.field(description="When it succeeded; null before.")
    payment_url: str | None = strawberry.field(
        description="Where the donor pays; null where that is not possible, or no more."
    )


async def donation_receipt(
    info: Info,
    token: Annotated[str, strawberry.argument(description="The token that `donate` gave.")],
) -> DonationReceipt | None:
    """What became of a donation that was made without signing in; null where the token opens none."""
    found = await receipts.receipt(info.context.pipeline, info.context.actor, token)
    if found is None:
        return None
    return DonationReceipt(
        pot_id=strawberry.ID(str(found.pot_id)), pot_title=found.pot_title, pot_status=found.pot_status,
        reference=found.reference, status=found.status, amount_cfa=found.amount_cfa, refunded_cfa=found.refunded_cfa,
        refund_pending_cfa=found.refund_pending_cfa, refund_failed_cfa=found.refund_failed_cfa,
        show_amount=found.show_amount, initiated_at=found.initiated_at, confirmed_at=found.confirmed_at,
        payment_url=found.payment_url,
    )  # fmt: skip


@strawberry.type
class Query(root_fields(*ROOTS, unlisted=(m.Contribution, m.PointContribution))):  # type: ignore[misc]
    donation_receipt = strawberry.field(donation_receipt, description=donation_receipt.__doc__)


Mutation = mutations(
    checkouts.donate,
    checkouts.retry_donation,
    refunds.refund_donation,
    refunds.retry_refund,
    refunds.mark_refund_paid,
    held_donations.release_held_donation,
    held_donations.reject_held_donation,
    wave_events.replay_wave_event,
)


@strawberry.type
class Subscription:
    contribution_received = subscription(
        m.Contribution,
        name="contributionReceived",
        topics=(Topic.DONATION_SUCCEEDED,),
        by="pot_id",
        of=Pot,
        doc=f"Whenever a pot is given something. {LATER}",
        waits=is_stranger,
    )
