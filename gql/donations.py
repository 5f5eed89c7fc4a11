"""Donations, refunds, and what others see of them, as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.types import Info

import models.donations as m
from gql.hidden_gifts import LATER, is_stranger
from gql.kit.inputs import id_of, key_input, text_input, value_input
from gql.kit.kinds import enum_of
from gql.kit.mirror import mirror
from gql.kit.mutation import Once, mutation
from gql.kit.roots import root_fields
from gql.kit.subscription import subscription
from models.pots import Pot, PotStatus
from models.topics import Topic
from resolvers.donations import checkouts, held_donations, receipts, refunds, wave_events

for choice in (m.DonationStatus, m.RefundReason, PotStatus):
    enum_of(choice)
ROOTS = (m.Donation, m.WaveWebhookEvent, m.Refund, m.DonationAnalytics)
# What a donation's mutations tell besides the donation itself.
PAYMENT_URL = (str, "Where the donor pays; null where it was refused, or while Wave cannot be reached.")
REFERENCE = (str, "What the payment is known by, also at Wave. Null where it was refused.")


@mirror(m.Donation)
class Donation:
    pass


@mirror(m.WaveWebhookEvent)
class WaveWebhookEvent:
    pass


@mirror(m.Refund)
class Refund:
    pass


@mirror(m.DonationAnalytics)
class DonationAnalytics:
    pass


@mirror(m.Contribution)
class Contribution:
    pass


@mirror(m.PointContribution)
class PointContribution:
    pass


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


@strawberry.input(description="What `donate` takes.")
class DonateInput:
    amount_cfa: int = value_input("How much to give, in CFA francs.", required=True)
    pot_id: strawberry.ID | None = id_of(Pot, "The pot to give to.", required=False)
    share_token: str | None = text_input("The token of the pot's share link, which is enough to give.", max_length=64)
    phone: str | None = text_input("The phone that pays by Wave.", max_length=40)
    message: str | None = text_input("What goes with it.", max_length=1_000)
    is_anonymous: bool | None = value_input("Whether others are not told who gave; false without it.")
    show_amount: bool | None = value_input(
        "Whether others see how much it is; true without it. The pot's total stays exact: who watches it can infer what"
        " is hidden."
    )
    donor_name: str | None = text_input("The name to be shown by; without one the profile's.", max_length=255)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `retryDonation` takes: the donation by its id, or by the token of its receipt.")
class RetryDonationInput:
    donation_id: strawberry.ID | None = id_of(m.Donation, "The donation that is not paid.", required=False)
    receipt_token: str | None = text_input("The token of its receipt.", max_length=64)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `refundDonation` takes: the donation by its id, or by the token of its receipt.")
class RefundDonationInput:
    donation_id: strawberry.ID | None = id_of(m.Donation, "The donation to give back.", required=False)
    receipt_token: str | None = text_input("The token of its receipt.", max_length=64)
    amount_cfa: int | None = value_input(
        "How much goes back, in CFA francs; without it, all that has not. A part goes to the donor's phone."
    )
    reason: m.RefundReason | None = value_input("Why. Others than `USER_REQUEST` are for staff.")
    description: str | None = text_input("More on the reason.", max_length=1_000)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `retryRefund` takes.")
class RetryRefundInput:
    refund_id: strawberry.ID = id_of(m.Refund, "The refund that failed.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `markRefundPaid` takes.")
class MarkRefundPaidInput:
    refund_id: strawberry.ID = id_of(m.Refund, "The refund that failed.")
    reference: str = text_input("What the payment by hand is known by at Wave.", max_length=100, required=True)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `releaseHeldDonation` takes.")
class ReleaseHeldDonationInput:
    donation_id: strawberry.ID = id_of(m.Donation, "The donation that is held.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `rejectHeldDonation` takes.")
class RejectHeldDonationInput:
    donation_id: strawberry.ID = id_of(m.Donation, "The donation that is held.")
    reason: m.RefundReason | None = value_input("Why it goes back; `FRAUD` without it.")
    description: str | None = text_input("More on the reason.", max_length=1_000)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `replayWaveEvent` takes.")
class ReplayWaveEventInput:
    event_id: strawberry.ID = id_of(m.WaveWebhookEvent, "The stored webhook.")
    idempotency_key: str | None = key_input()


async def donation_receipt(
    info: Info,
    token: Annotated[str, strawberry.argument(description="The token that `donate` gave.")],
) -> DonationReceipt | None:
    """What became of a donation that was made without signing in; null where the token opens none."""
    found = await receipts.receipt(info.context.engine, info.context.actor, token)
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


@strawberry.type
class Mutation:
    donate = mutation(
        checkouts.donate,
        name="donate",
        input=DonateInput,
        makes={
            "donation": m.Donation,
            "payment_url": PAYMENT_URL,
            "reference": REFERENCE,
            "receipt_token": Once(str, "What opens the receipt; null for a donor who is signed in."),
        },
    )
    retry_donation = mutation(
        checkouts.retry,
        name="retryDonation",
        input=RetryDonationInput,
        makes={"donation": m.Donation, "payment_url": PAYMENT_URL, "reference": REFERENCE},
    )
    refund_donation = mutation(
        refunds.refund, name="refundDonation", input=RefundDonationInput, makes={"refund": m.Refund}
    )
    retry_refund = mutation(refunds.retry, name="retryRefund", input=RetryRefundInput, makes={"refund": m.Refund})
    mark_refund_paid = mutation(
        refunds.mark_paid, name="markRefundPaid", input=MarkRefundPaidInput, makes={"refund": m.Refund}
    )
    release_held_donation = mutation(
        held_donations.release,
        name="releaseHeldDonation",
        input=ReleaseHeldDonationInput,
        makes={"donation": m.Donation},
    )
    reject_held_donation = mutation(
        held_donations.reject, name="rejectHeldDonation", input=RejectHeldDonationInput, makes={"donation": m.Donation}
    )
    replay_wave_event = mutation(
        wave_events.replay,
        name="replayWaveEvent",
        input=ReplayWaveEventInput,
        makes={"wave_webhook_event": m.WaveWebhookEvent},
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
