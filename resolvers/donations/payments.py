"""What a payment by Wave comes to: it counts in its pot, is held for staff, or goes back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sqlalchemy import bindparam

from lango.db import rows
from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, Query
from lango.db.transaction import Transaction
from lango.jobs.job import enqueue
from lango.providers.wave.client import Checkout
from lango.rules.transaction import RuleTransaction
from models.donations import Donation, DonationStatus, RefundReason
from models.ledger import LedgerKind
from models.pots import Pot
from models.referrals import PointsLedgerEntryEventType as Earning
from models.topics import Topic
from resolvers.donations import hidden_totals, refunds, risk
from resolvers.kernel import clock, system_config
from resolvers.kernel.amounts import fits
from resolvers.kernel.guardianship import first_name_in, naming
from resolvers.kernel.notifications import addressing, queue
from resolvers.kernel.outbox import publish
from resolvers.ledger import ledger
from resolvers.points import points
from resolvers.pots.gifts import give, takes

# Wave writes whole francs as "5000", or as "5000.00".
WHOLE_FRANCS = re.compile(r"([0-9]{1,15})(?:\.0+)?")
LONGEST_ID = 100
WAITING = frozenset({DonationStatus.PENDING, DonationStatus.FAILED})

BY_CHECKOUT = Lookup([Donation], lambda rows: rows.where(Donation.wave_checkout_session_id == bindparam("checkout")))
SAME_PAYMENT = Lookup(
    [Donation.id],
    lambda rows: rows.where(
        Donation.wave_transaction_id == bindparam("transaction"), Donation.id != bindparam("donation_id")
    ),
)


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as Wave reports it. `amount` is None where it is not in whole francs that a column holds."""

    checkout_id: str
    amount: int | None
    currency: str
    reference: str
    status: str
    transaction_id: str | None
    payload: RawJson

    @classmethod
    def of_event(cls, payload: RawJson) -> Self:
        """Reads a webhook's event, whatever is in it."""
        event = payload.parsed()
        data = event.get("data") if isinstance(event, dict) else None
        data = data if isinstance(data, dict) else {}
        return cls(
            checkout_id=_text(data, "id"), amount=_whole(data.get("amount")), currency=_text(data, "currency"),
            reference=_text(data, "client_reference"), status=_text(data, "payment_status"),
            transaction_id=_text(data, "transaction_id") or None, payload=payload,
        )  # fmt: skip

    @classmethod
    def of_checkout(cls, checkout: Checkout) -> Self:
        """Reads a checkout that was fetched from Wave; the event is written as Wave would have sent it."""
        data = {
            "id": checkout.id, "amount": str(checkout.amount), "currency": ledger.XOF,
            "client_reference": checkout.reference, "payment_status": checkout.payment_status,
            "transaction_id": checkout.transaction_id,
        }  # fmt: skip
        return cls.of_event(RawJson.of({"type": "checkout.tx.completed", "data": data}))

    def differs_from(self, donation: Donation) -> str | None:
        """Why this is not the payment that the donation waits for; None where it is."""
        if self.currency != ledger.XOF or self.amount != donation.amount_cfa:
            return f"What was paid is not the donation's {donation.amount_cfa} {ledger.XOF}."
        if self.reference != str(donation.id):
            return "The reference is not the donation's."
        return None

    @property
    def donation_id(self) -> UUID | None:
        """The donation that its reference names, where it names one."""
        try:
            return UUID(self.reference)
        except ValueError:
            return None

    @property
    def francs(self) -> int:
        """What was paid, as far as it can be counted in whole francs."""
        return self.amount or 0 if self.currency == ledger.XOF else 0


async def settle(tx: RuleTransaction, payment: Payment, seen: Donation | None) -> tuple[Donation | None, str | None]:
    """Act on a payment that Wave has received: once, however often and in whatever order Wave reports it. `seen` is
    what `donation_of` gave.

    Gives its donation, and why staff must look at it; None where all is well. In the rules' role.
    """
    if payment.status != "succeeded":
        return seen, "The checkout is complete, and its payment has not succeeded."
    if not payment.checkout_id:
        return None, "It names no checkout."
    if seen is None:
        return None, "There is no donation that this was paid for."
    ((pot,),), ((donation,),), ((now,),), others, configured = await tx.fetch(
        rows.locking(Pot, seen.pot_id),
        rows.locking(Donation, seen.id),
        clock.reading(),
        SAME_PAYMENT.query(transaction=payment.transaction_id, donation_id=seen.id),
        system_config.reading(risk.HOLD_SCORE),
    )
    problem = payment.differs_from(donation)
    if problem is None and others:
        problem = "This payment has been counted for another donation."
    if donation.status not in WAITING:
        if donation.wave_checkout_session_id != payment.checkout_id:
            problem = problem or "The donation was paid already, by another checkout."
        return donation, problem
    (hold_score,) = system_config.numbers_in(configured, risk.HOLD_SCORE)
    donation.wave_notified_at, donation.wave_webhook_data = now, payment.payload
    donation.wave_checkout_session_id = payment.checkout_id
    if problem is None:
        donation.wave_transaction_id = payment.transaction_id
    if problem is not None or (donation.risk_score or 0) > hold_score:
        _hold(tx, donation, payment)
    elif takes(pot, donation.amount_cfa):
        await count(tx, pot, donation, ledger.provider("wave"))
    else:
        _put_aside(tx, donation, payment)
        send_back(tx, donation, donation.amount_cfa, RefundReason.FAILED_POT, now)
    return donation, problem


async def fail(tx: RuleTransaction, payment: Payment, seen: Donation | None) -> tuple[Donation | None, str | None]:
    """Act on a payment that did not succeed: the donor may try again, and a late success still counts. As `settle`."""
    if seen is None:
        return None, "There is no donation that this was paid for."
    ((donation,),), ((now,),) = await tx.fetch(rows.locking(Donation, seen.id), clock.reading())
    current = donation.wave_checkout_session_id in (None, payment.checkout_id)
    if donation.status == DonationStatus.PENDING and current:
        donation.status, donation.failed_at = DonationStatus.FAILED, now
        donation.wave_notified_at, donation.wave_webhook_data = now, payment.payload
        tx.save(donation)
        publish(tx, Topic.DONATION_FAILED, donation.id, pot_id=donation.pot_id)
    return donation, None


async def count(tx: RuleTransaction, pot: Pot, donation: Donation, source: ledger.Account) -> None:
    """Count a paid donation in its pot; both are locked. The money comes from `source`."""
    owner = pot.owner_user_id
    ((now,),), configured, named, recipient, *earned = await tx.fetch(
        clock.reading(),
        hidden_totals.reading(),
        naming(owner),
        addressing(owner, "donation_received"),
        *points.earning(owner, Earning.FIRST_DONATION),
    )
    donation.status, donation.confirmed_at = DonationStatus.SUCCEEDED, now
    tx.save(donation)
    until = hidden_totals.hidden_until(donation, now, configured)
    publish(tx, Topic.DONATION_SUCCEEDED, donation.id, pot_id=pot.id, hidden_until=until)
    give(tx, LedgerKind.DONATION, pot, source, donation.amount_cfa, of=donation)
    name = first_name_in(named)
    queue(tx, recipient, "donation_received", user_name=name, amount=donation.amount_cfa, pot_title=pot.title)
    points.earn_what_is_found(tx, Earning.FIRST_DONATION, *earned)


def send_back(
    tx: RuleTransaction,
    donation: Donation,
    amount: int,
    reason: RefundReason,
    now: datetime,
    description: str | None = None,
) -> None:
    """Have the money of a locked donation that stands in suspense go back to who paid it."""
    donation.status, donation.refunded_at = DonationStatus.REFUNDED, now
    tx.save(donation)
    refund = refunds.written(tx, donation, amount, reason, description)
    publish(tx, Topic.DONATION_REFUNDED, donation.id, pot_id=donation.pot_id, refund_id=refund.id)
    enqueue(tx, refunds.send_refund, refund_id=refund.id)


async def donation_of(tx: Transaction, payment: Payment) -> Donation | None:
    """The donation whose checkout it is; of one that we do not know, the donation that it names."""
    return donation_in(await tx.fetch(*paid_for(payment)))


def paid_for(payment: Payment) -> list[Query]:
    """The look-ups of `donation_of`, to be sent together with others; `donation_in` reads them."""
    by_checkout = BY_CHECKOUT.query(checkout=payment.checkout_id)
    named = payment.donation_id
    return [by_checkout] if named is None else [by_checkout, rows.finding(Donation, named)]


def donation_in(found: Sequence[Sequence[tuple[Any, ...]]]) -> Donation | None:
    return next((donation for each in found for (donation,) in each), None)


def _hold(tx: RuleTransaction, donation: Donation, payment: Payment) -> None:
    """Leave it to staff: what was paid stands in suspense, and counts nowhere."""
    donation.status = DonationStatus.PROCESSING
    tx.save(donation)
    _put_aside(tx, donation, payment)
    publish(tx, Topic.DONATION_HELD, donation.id, pot_id=donation.pot_id)


def _put_aside(tx: RuleTransaction, donation: Donation, payment: Payment) -> None:
    if payment.francs:
        wave, suspense = ledger.provider("wave"), ledger.suspense()
        ledger.transfer(tx, LedgerKind.DONATION_HELD, wave, suspense, payment.francs, of=donation)


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) and len(value) <= LONGEST_ID else ""


def _whole(amount: Any) -> int | None:
    """Whole francs, of a text such as "5000"; None for anything else."""
    form = WHOLE_FRANCS.fullmatch(amount) if isinstance(amount, str) else None
    if form is None or not fits(int(form[1]), Donation.amount_cfa):
        return None
    return int(form[1])
