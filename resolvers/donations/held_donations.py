"""Donations that are held: paid, and waiting for staff to look at them."""

from __future__ import annotations

from uuid import UUID

from lango.errors import Refused
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.transaction import CallerTransaction
from models.donations import Donation, DonationStatus, RefundReason
from models.pots import Pot
from models.topics import Topic
from resolvers.donations import donors
from resolvers.donations.payments import Payment, count, send_back
from resolvers.kernel import clock
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter, refuse_own_matter
from resolvers.ledger import ledger
from resolvers.pots.gifts import takes


class PaymentDiffers(Refused):
    """What was paid is not what the donation says: it never counts, and can only go back."""


@rule(NotFound, OwnMatter, InvalidState, PaymentDiffers, staff=True)
async def release(caller: CallerTransaction, donation_id: UUID) -> Donation:
    """Let a held donation count; where its pot takes no money any more, it goes back."""
    pot, donation = await _held(caller, donation_id)
    tx = await caller.as_rules()
    payment = _payment_of(donation)
    if payment is None or payment.differs_from(donation) is not None:
        raise PaymentDiffers(field="donationId")
    if takes(pot, donation.amount_cfa):
        await count(tx, pot, donation, ledger.suspense())
    else:
        await send_back(tx, donation, donation.amount_cfa, RefundReason.FAILED_POT)
    return donation


@rule(NotFound, OwnMatter, InvalidState, staff=True)
async def reject(
    caller: CallerTransaction,
    donation_id: UUID,
    reason: RefundReason = RefundReason.FRAUD,
    description: str | None = None,
) -> Donation:
    """Give a held donation back: what was paid, whatever the donation says."""
    _, donation = await _held(caller, donation_id)
    tx = await caller.as_rules()
    payment = _payment_of(donation)
    if payment is not None and payment.francs:
        await send_back(tx, donation, payment.francs, reason, description)
    else:
        # Nothing that can be counted in francs came in, so nothing goes back by itself.
        donation.failed_at = await clock.now(tx)
        donation.status = DonationStatus.FAILED
        await tx.save(donation)
        await publish(tx, Topic.DONATION_FAILED, donation.id, pot_id=donation.pot_id)
    return donation


async def _held(caller: CallerTransaction, donation_id: UUID) -> tuple[Pot, Donation]:
    """The donation and its pot, locked, in the rules' role. Raises NotFound, OwnMatter and InvalidState."""
    seen = await caller.find(Donation, donation_id)
    if seen is None:
        raise NotFound("There is no such donation.", field="donationId")
    tx = await caller.as_rules()
    await refuse_own_matter(tx, *await donors.concerned(tx, seen), field="donationId")
    pot = await tx.lock(Pot, seen.pot_id)
    donation = await tx.lock(Donation, donation_id)
    if donation.status != DonationStatus.PROCESSING:
        raise InvalidState(
            f"The donation is {donation.status}; it is not held.", field="donationId", state=donation.status
        )
    return pot, donation


def _payment_of(donation: Donation) -> Payment | None:
    return None if donation.wave_webhook_data is None else Payment.of_event(donation.wave_webhook_data)
