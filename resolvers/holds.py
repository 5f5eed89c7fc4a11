"""Donations that are held: paid, and waiting for staff to look at them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from lango.actor import Actor, DatabaseRole
from lango.errors import Refused
from lango.rows import find, lock, save
from lango.rules import InvalidState, NotFound, rule
from lango.session import become
from models.donations import Donation, DonationStatus, RefundReason
from models.pots import Pot
from resolvers import clock, donors, ledger
from resolvers.events import publish
from resolvers.own_matters import OwnMatter, refuse_own_matter
from resolvers.payments import Payment, count, send_back
from resolvers.pots import takes


class PaymentDiffers(Refused):
    """What was paid is not what the donation says: it never counts, and can only go back."""


@rule(NotFound, OwnMatter, InvalidState, PaymentDiffers, staff=True)
async def release(session: AsyncSession, actor: Actor, donation_id: UUID) -> Donation:
    """Let a held donation count; where its pot takes no money any more, it goes back."""
    pot, donation = await _held(session, donation_id)
    payment = _payment_of(donation)
    if payment is None or payment.differs_from(donation) is not None:
        raise PaymentDiffers(field="donationId")
    if takes(pot, donation.amount_cfa):
        await count(session, actor, pot, donation, ledger.suspense())
    else:
        await send_back(session, actor, donation, donation.amount_cfa, RefundReason.FAILED_POT)
    return donation


@rule(NotFound, OwnMatter, InvalidState, staff=True)
async def reject(
    session: AsyncSession,
    actor: Actor,
    donation_id: UUID,
    reason: RefundReason = RefundReason.FRAUD,
    description: str | None = None,
) -> Donation:
    """Give a held donation back: what was paid, whatever the donation says."""
    _, donation = await _held(session, donation_id)
    payment = _payment_of(donation)
    if payment is not None and payment.francs:
        await send_back(session, actor, donation, payment.francs, reason, description)
    else:
        # Nothing that can be counted in francs came in, so nothing goes back by itself.
        donation.failed_at = await clock.now(session)
        donation.status = DonationStatus.FAILED
        await save(session, donation)
        await publish(session, "donation.failed", donation.id, pot_id=donation.pot_id)
    return donation


async def _held(session: AsyncSession, donation_id: UUID) -> tuple[Pot, Donation]:
    """The donation and its pot, locked, in the rules' role. Raises NotFound, OwnMatter and InvalidState."""
    seen = await find(session, Donation, donation_id)
    if seen is None:
        raise NotFound("There is no such donation.", field="donationId")
    await become(session, DatabaseRole.RULES)
    await refuse_own_matter(session, *await donors.concerned(session, seen), field="donationId")
    pot = await lock(session, Pot, seen.pot_id)
    donation = await lock(session, Donation, donation_id)
    if donation.status != DonationStatus.PROCESSING:
        raise InvalidState(
            f"The donation is {donation.status}; it is not held.", field="donationId", state=donation.status
        )
    return pot, donation


def _payment_of(donation: Donation) -> Payment | None:
    return None if donation.wave_webhook_data is None else Payment.of_event(donation.wave_webhook_data)
