"""Refunds: money that goes back to who gave it, out of the pot at once and by Wave as soon as it answers.

Wave gives a checkout back whole. A part, and what is left after a part, goes to the donor's phone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Interval, bindparam, func, or_, select

from lango.db import rows
from lango.db.prepared import Lookup, Query
from lango.db.transaction import Transaction
from lango.errors import Refused
from lango.jobs.calls import call_soon
from lango.jobs.gauges import gauge
from lango.jobs.job import job, scheduled
from lango.providers import ProviderRefused, ProviderUndecided
from lango.providers.wave import WAVE
from lango.providers.wave.client import Wave
from lango.providers.wave.errors import WaveRefused
from lango.rules.inputs import Id, Locked, Text, Value
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.services import Services
from lango.rules.transaction import CallerTransaction, RuleTransaction
from models.donations import Donation, DonationStatus, Refund, RefundReason
from models.donations import RefundWaveRefundStatus as Sent
from models.identity import User
from models.ledger import LedgerKind
from models.pots import Pot, PotStatus
from models.redemption import QrCode, QrCodeStatus
from models.topics import Topic
from resolvers.donations import donors, hidden_totals
from resolvers.donations.receipts import ReceiptToken, presented
from resolvers.kernel import clock, due, guardianship, own_matters
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount
from resolvers.kernel.notifications import FirstName, notify
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.ledger import ledger
from resolvers.points import points
from resolvers.pots.gifts import take_back
from resolvers.pots.lifecycle import TAKES_DONATIONS
from resolvers.pots.pots import PotNotOpen

log = structlog.get_logger("lango.refunds")
LONGEST_DESCRIPTION = 1_000
Description = Annotated[str | None, Text("More on the reason.", LONGEST_DESCRIPTION)]
WINDOW = timedelta(hours=24)
# A refund that was requested so long ago is sent again by the worker.
OVERDUE = timedelta(minutes=5)


class RefundWindowOver(Refused):
    """A donor may take a donation back within 24 hours."""


class RefundExceedsDonation(Refused):
    """The refunds would exceed the donation."""


class PotFundsSpent(Refused):
    """The pot has already spent the money that would go back."""


class CodesOutstanding(Refused):
    """The money that would go back is set aside for codes: cancel those first."""


class ReasonNotAllowed(Refused):
    """A donor takes a donation back at their own request; the other reasons are for staff."""


class PhoneUnknown(Refused):
    """A partial refund goes to the donor's phone, and no phone number is known."""


# A refund that failed counts: it may be sent again.
GIVEN_BACK = Lookup(
    [func.coalesce(func.sum(Refund.amount_cfa), 0)],
    lambda rows: rows.where(Refund.donation_id == bindparam("donation_id")),
)
CODES = Lookup(
    [func.count(), func.coalesce(func.sum(QrCode.price_cfa), 0)],
    lambda rows: rows.where(QrCode.pot_id == bindparam("pot_id"), QrCode.status == QrCodeStatus.ISSUED),
)
OF_REFUND = select(Refund.donation_id).where(Refund.id == bindparam("id")).scalar_subquery()
# Of a refund: its donation, how many others that has, and the donor's account with its phone.
REFUNDED = Lookup([Donation], lambda rows: rows.where(Donation.id == OF_REFUND).with_for_update(key_share=True))
OTHERS = Lookup(
    [func.count(Refund.id)],
    lambda rows: rows.where(Refund.donation_id == OF_REFUND, Refund.id != bindparam("id")),
)
DONOR = Lookup(
    [Donation.donor_user_id, User.phone],
    lambda rows: (
        rows.select_from(Donation).outerjoin(User, User.id == Donation.donor_user_id).where(Donation.id == OF_REFUND)
    ),
)
ACCOUNT_PHONE = Lookup([User.phone], lambda rows: rows.where(User.id == bindparam("user_id")))
PENDING = due.Due(
    Refund.id,
    lambda rows: rows.where(
        Refund.wave_refund_status == Sent.PENDING,
        Refund.created_at < func.now() - bindparam("age", type_=Interval),
    ).order_by(Refund.created_at),
)

UNFINISHED = Lookup(
    [Refund.wave_refund_status, func.count()],
    lambda rows: rows.where(
        or_(Refund.wave_refund_status == Sent.PENDING, Refund.wave_refund_status == Sent.FAILED)
    ).group_by(Refund.wave_refund_status),
)


@rule(
    NotFound, OwnMatter, InvalidState, RefundWindowOver, PotNotOpen, RefundExceedsDonation, PotFundsSpent,
    CodesOutstanding, ReasonNotAllowed, PhoneUnknown, AmountNotPositive, AmountOutOfRange, anonymous=True, calls=True,
)  # fmt: skip
async def refund_donation(
    caller: CallerTransaction,
    donation_id: Annotated[
        UUID | None, Id(Donation, "The donation to give back, unless `receiptToken` names it.")
    ] = None,
    receipt_token: ReceiptToken = None,
    amount_cfa: Annotated[
        int | None,
        Value(
            "How much goes back, in CFA francs; all that is left when left out. A part is paid to the donor's phone."
        ),
    ] = None,
    reason: Annotated[
        RefundReason | None, Value("Why it goes back. Reasons other than `USER_REQUEST` are for staff.")
    ] = None,
    description: Description = None,
) -> Refund:
    """Give a donation back, or a part of it: the donor within 24 hours while the pot is open, or staff.

    Without an amount, all that has not gone back yet. At most what the pot has left to spend. A part goes to the
    donor's phone; staff may give one back without knowing it, and pay it by hand. Staff who gave it themselves, and
    whoever shows its receipt, are its donor.
    """
    if amount_cfa is not None:
        check_amount(amount_cfa, Refund.amount_cfa, field="amount_cfa")
    of_staff = _of_staff(caller, donation_id) if receipt_token is None else []
    seen, field, found = await presented(caller, donation_id, receipt_token, *of_staff)
    tx = caller.as_rules()
    as_staff = bool(of_staff) and _acts_as_staff(tx, seen, *found)
    if reason not in (None, RefundReason.USER_REQUEST) and not as_staff:
        raise ReasonNotAllowed(field="reason")
    ((pot,),), ((donation,),), ((now,),), ((given_back,),), account, codes, hidden = await tx.fetch(
        rows.locking(Pot, seen.pot_id),
        rows.locking(Donation, seen.id),
        clock.reading(),
        GIVEN_BACK.query(donation_id=seen.id),
        ACCOUNT_PHONE.query(user_id=seen.donor_user_id),
        CODES.query(pot_id=seen.pot_id),
        hidden_totals.reading(),
    )
    if donation.status != DonationStatus.SUCCEEDED:
        raise InvalidState(f"The donation is {donation.status}.", field=field, state=donation.status)
    if pot.status == PotStatus.CANCELLED:
        # Its money has left the pot already.
        raise InvalidState("Its pot is cancelled: it goes back by itself.", field=field, state=donation.status)
    if not as_staff:
        until = (donation.confirmed_at or donation.created_at) + WINDOW
        if now > until:
            raise RefundWindowOver(until=until.isoformat())
        if pot.status not in TAKES_DONATIONS:
            raise PotNotOpen(state=pot.status)
    left = donation.amount_cfa - int(given_back)
    amount = left if amount_cfa is None else amount_cfa
    if amount > left:
        raise RefundExceedsDonation(f"{left} CFA francs of it have not gone back.", field="amount_cfa", leftCfa=left)
    if amount < donation.amount_cfa and not as_staff and _phone(donation, account) is None:
        raise PhoneUnknown(field=field if amount_cfa is None else "amount_cfa")
    _check_funds(pot, amount, codes)
    if amount == left:
        donation.status, donation.refunded_at = DonationStatus.REFUNDED, now
    usual = RefundReason.ADMIN_ACTION if as_staff else RefundReason.USER_REQUEST
    made = written(tx, donation, amount, reason or usual, description)
    tx.save(donation)
    hidden_until = hidden_totals.hidden_until(donation, now, hidden)
    publish(tx, Topic.DONATION_REFUNDED, donation.id, pot_id=pot.id, refund_id=made.id, hidden_until=hidden_until)
    take_back(tx, LedgerKind.DONATION_REFUND, pot, ledger.suspense(), amount, of=made)
    await points.take_back(tx, pot.owner_user_id, why="a donation was given back")
    call_soon(tx, send_refund, refund_id=made.id)
    tx.open_to_caller(made.id, donation.id, pot.id)
    return made


def _of_staff(tx: Transaction, donation_id: UUID | None) -> list[Query]:
    """The look-ups of what `_acts_as_staff` decides by; none for a caller who is not of the staff."""
    if not tx.actor.is_staff or donation_id is None:
        return []
    return [guardianship.representing(), donors.concerning(donation_id), own_matters.relating(tx)]


def _acts_as_staff(
    tx: Transaction,
    donation: Donation,
    represented: Sequence[tuple[Any, ...]],
    concerned: Sequence[tuple[Any, ...]],
    wards: Sequence[tuple[Any, ...]],
) -> bool:
    """Whether it is staff, not the donor, who give a donation back. Raises OwnMatter where their own pot loses it."""
    if donation.donor_user_id in guardianship.represented_in(represented):
        return False
    donors.refuse_concerned(tx, concerned, wards, field="donation_id")
    return True


FailedRefund = Annotated[Refund, Locked("The refund that failed.")]


@rule(OwnMatter, InvalidState, staff=True, calls=True)
async def retry_refund(tx: RuleTransaction, refund: FailedRefund) -> Refund:
    """Send a refund again that Wave did not carry out."""
    concerned, wards = await tx.fetch(donors.concerning(refund.donation_id), own_matters.relating(tx))
    donors.refuse_concerned(tx, concerned, wards, field="refund_id")
    _check_failed(refund)
    # Without this moment it is a new request to Wave, which would answer the old one as before.
    refund.wave_refund_status, refund.processed_at = Sent.PENDING, None
    tx.save(refund)
    publish(tx, Topic.REFUND_REQUESTED, refund.id, donation_id=refund.donation_id)
    call_soon(tx, send_refund, refund_id=refund.id)
    return refund


@rule(OwnMatter, InvalidState, TextMissing, staff=True)
async def mark_refund_paid(
    tx: RuleTransaction,
    refund: FailedRefund,
    reference: Annotated[str, Text("What the payment by hand is known by at Wave.", Refund.wave_refund_id)],
) -> Refund:
    """Note that a refund that Wave did not carry out was paid by hand, out of our account there.

    Wave pays nothing to an account that is closed, and no part to a donor whose phone is not known.
    """
    check_text(reference, field="reference")
    concerned, wards, ((now,),), ((donor, _),) = await tx.fetch(
        donors.concerning(refund.donation_id), own_matters.relating(tx), clock.reading(), DONOR.query(id=refund.id)
    )
    donors.refuse_concerned(tx, concerned, wards, field="refund_id")
    _check_failed(refund)
    _complete(tx, refund, reference.strip(), donor, now)
    return refund


def _check_funds(pot: Pot, amount: int, outstanding: Sequence[tuple[Any, ...]]) -> None:
    """Raises PotFundsSpent or CodesOutstanding where a locked pot cannot give so much back."""
    if pot.balance_cfa >= amount:
        return
    ((codes, reserved),) = outstanding
    if codes and pot.balance_cfa + int(reserved) >= amount:
        raise CodesOutstanding(codes=codes, reservedCfa=int(reserved), balanceCfa=pot.balance_cfa)
    raise PotFundsSpent(balanceCfa=pot.balance_cfa)


def written(
    tx: RuleTransaction,
    donation: Donation,
    amount: int,
    reason: RefundReason,
    description: str | None = None,
) -> Refund:
    """Write a refund that is still to be sent. What goes back stands in suspense until Wave has sent it."""
    made = Refund(
        id=uuid4(), donation_id=donation.id, refunded_by_user_id=tx.actor.user_id, amount_cfa=amount, reason=reason,
        reason_description=description, wave_refund_status=Sent.PENDING,
    )  # fmt: skip
    tx.save(made)
    publish(tx, Topic.REFUND_REQUESTED, made.id, donation_id=donation.id)
    return made


@dataclass(frozen=True, slots=True)
class Sending:
    """The request to Wave. Repeated with the same key it is the same, or Wave could pay twice."""

    refund_id: UUID
    amount: int
    # The checkout that goes back; null for a part, which goes to the phone.
    checkout: str | None
    phone: str | None
    key: str

    async def by(self, wave: Wave) -> str:
        """Wave's key of it. Raises ProviderUnavailable, and ProviderRefused where it cannot be done so."""
        if self.checkout is not None:
            return await wave.refund(self.checkout, amount=self.amount, key=self.key)
        if self.phone is not None:
            return await wave.pay_out(
                amount=self.amount, mobile=self.phone, reference=str(self.refund_id), key=self.key
            )
        raise WaveRefused("nowhere-to-pay", "no checkout goes back whole, and no phone is known")


@job("refunds.send_refund")
async def send_refund(services: Services, *, refund_id: UUID) -> None:
    """Have Wave give the money back, once. Raises ProviderUnavailable, and ProviderRefused where it has failed."""
    async with services.work() as tx:
        sending = await _begun(tx, refund_id)
    if sending is None:
        return
    try:
        reference = await sending.by(services.client(WAVE))
    except ProviderUndecided as wait:
        # It stays pending: whoever sends those that are overdue asks Wave what became of it.
        log.info("refund_under_way", refund_id=str(refund_id), reason=str(wait))
    except ProviderRefused as refusal:
        log.warning("refund_refused", refund_id=str(refund_id), code=refusal.code)
        await _refused(services, refund_id)
        raise
    else:
        await _sent(services, refund_id, reference)


@scheduled("refunds.send_pending_refunds", "*/5 * * * *", timeout=240)
async def send_pending_refunds(services: Services) -> None:
    """Send the refunds that were not sent when they were requested."""
    await due.each_apart(services, send_pending_refunds, PENDING, _send, at_once=due.CALLS_AT_ONCE, age=OVERDUE)


async def _send(services: Services, refund_id: UUID) -> None:
    # One that Wave refuses is noted as failed, and is not sent again by itself.
    with suppress(ProviderRefused):
        await send_refund(services, refund_id=refund_id)


@gauge("lango_refunds_unfinished", label="status")
async def unfinished(services: Services) -> dict[str, int]:
    """Refunds whose money has not reached the donor: those that are pending, and those that failed, which wait for
    staff."""
    async with services.work() as tx:
        found = {str(status): int(count) for status, count in await UNFINISHED.all(tx)}
    return {status.value: found.get(status.value, 0) for status in (Sent.PENDING, Sent.FAILED)}


async def _begun(tx: RuleTransaction, refund_id: UUID) -> Sending | None:
    """What is to be sent; None where it has been, or is not to be."""
    ((donation,),), ((refund,),), ((others,),), ((now,),), ((_, account),) = await tx.fetch(
        REFUNDED.query(id=refund_id),
        rows.locking(Refund, refund_id),
        OTHERS.query(id=refund_id),
        clock.reading(),
        DONOR.query(id=refund_id),
    )
    if refund.wave_refund_status != Sent.PENDING:
        return None
    # Nothing is added to a donation that has gone back whole: the way to the donor stays the same.
    whole = donation.status == DonationStatus.REFUNDED and not others
    if refund.processed_at is None:
        refund.processed_at = now
        if not whole:
            # Kept: the account may have another phone when the request is repeated.
            donation.donor_phone = _phone(donation, [(account,)])
        tx.save(donation, refund)
    return Sending(
        refund_id, refund.amount_cfa, checkout=donation.wave_checkout_session_id if whole else None,
        phone=None if whole else donation.donor_phone, key=f"{refund_id}:{refund.processed_at.timestamp():.6f}",
    )  # fmt: skip


def _phone(donation: Donation, account: Sequence[tuple[Any, ...]]) -> str | None:
    """Where a part goes back to: the phone that the donor gave, or that of the donor's account."""
    given = donation.donor_phone
    return given if given is not None else next((phone for (phone,) in account), None)


async def _sent(services: Services, refund_id: UUID, reference: str) -> None:
    async with services.work() as tx:
        ((sent,),), ((now,),), ((donor, _),) = await tx.fetch(
            rows.locking(Refund, refund_id), clock.reading(), DONOR.query(id=refund_id)
        )
        if sent.wave_refund_status == Sent.PENDING:
            _complete(tx, sent, reference, donor, now)


def _complete(tx: RuleTransaction, refund: Refund, reference: str, donor: UUID | None, now: datetime) -> None:
    """The donor has the money: it leaves suspense, and our account at Wave."""
    refund.completed_at = now
    refund.wave_refund_status, refund.wave_refund_id = Sent.SUCCEEDED, reference
    tx.save(refund)
    suspense, wave = ledger.suspense(), ledger.provider("wave")
    ledger.transfer(tx, LedgerKind.DONATION_REFUND, suspense, wave, refund.amount_cfa, of=refund)
    publish(tx, Topic.REFUND_SUCCEEDED, refund.id, donation_id=refund.donation_id)
    if donor is not None:
        notify(tx, donor, "donation_refunded", user_name=FirstName(donor), amount=refund.amount_cfa)


def _check_failed(refund: Refund) -> None:
    """Raises InvalidState where a locked refund has not failed."""
    if refund.wave_refund_status != Sent.FAILED:
        state = refund.wave_refund_status
        raise InvalidState(f"The refund is {state}; it must have failed.", field="refund_id", state=state)


async def _refused(services: Services, refund_id: UUID) -> None:
    async with services.work() as tx:
        refused = await tx.lock(Refund, refund_id)
        if refused.wave_refund_status == Sent.PENDING:
            refused.wave_refund_status = Sent.FAILED
            tx.save(refused)
            publish(tx, Topic.REFUND_FAILED, refused.id, donation_id=refused.donation_id)
