"""Donations that are held: paid, and waiting for staff to look at them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from lango.db.transaction import Transaction
from lango.errors import Refused
from lango.rules.inputs import Locked, Referred, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from models.donations import Donation, DonationStatus, RefundReason
from models.pots import Pot
from models.topics import Topic
from resolvers.donations import donors
from resolvers.donations.payments import Payment, count, send_back
from resolvers.donations.refunds import Description
from resolvers.kernel import clock, own_matters
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter
from resolvers.ledger import ledger
from resolvers.pots.gifts import takes


class PaymentDiffers(Refused):
    """The amount or currency that was paid differs from the donation: it cannot be released, only given back."""


HeldDonation = Annotated[Donation, Locked("The donation that is held.")]


@rule(OwnMatter, InvalidState, PaymentDiffers, staff=True)
async def release_held_donation(
    tx: RuleTransaction, pot: Annotated[Pot, Referred(Donation.pot_id)], donation: HeldDonation
) -> Donation:
    """Let a held donation count; where its pot takes no money any more, it goes back."""
    now = await _check_held(tx, donation)
    payment = _payment_of(donation)
    if payment is None or payment.differs_from(donation) is not None:
        raise PaymentDiffers(field="donation_id")
    if takes(pot, donation.amount_cfa):
        await count(tx, pot, donation, ledger.suspense())
    else:
        send_back(tx, donation, donation.amount_cfa, RefundReason.FAILED_POT, now)
    return donation


@rule(OwnMatter, InvalidState, staff=True)
async def reject_held_donation(
    tx: RuleTransaction,
    donation: HeldDonation,
    reason: Annotated[RefundReason, Value("Why it goes back; `FRAUD` without it.")] = RefundReason.FRAUD,
    description: Description = None,
) -> Donation:
    """Give a held donation back: the amount that was paid, even if it differs from the donation's."""
    now = await _check_held(tx, donation)
    payment = _payment_of(donation)
    if payment is not None and payment.francs:
        send_back(tx, donation, payment.francs, reason, now, description)
    else:
        # Nothing that can be counted in francs came in, so nothing goes back by itself.
        donation.status, donation.failed_at = DonationStatus.FAILED, now
        tx.save(donation)
        publish(tx, Topic.DONATION_FAILED, donation.id, pot_id=donation.pot_id)
    return donation


async def _check_held(tx: Transaction, donation: Donation) -> datetime:
    """The time now. Raises OwnMatter, and InvalidState where a locked donation is not held."""
    concerned, wards, ((now,),) = await tx.fetch(
        donors.concerning(donation.id), own_matters.relating(tx), clock.reading()
    )
    donors.refuse_concerned(tx, concerned, wards, field="donation_id")
    if donation.status != DonationStatus.PROCESSING:
        raise InvalidState(
            f"The donation is {donation.status}; it is not held.", field="donation_id", state=donation.status
        )
    assert isinstance(now, datetime)
    return now


def _payment_of(donation: Donation) -> Payment | None:
    return None if donation.wave_webhook_data is None else Payment.of_event(donation.wave_webhook_data)
