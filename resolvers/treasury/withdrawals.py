"""Withdrawals by M-Pesa: taken from the balance at once, and the user's again where M-Pesa did not send them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

import asyncpg

from lango.db import rows
from lango.errors import Refused
from lango.rules.inputs import Locked, OwnedBy, Seen, Text, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.ledger import LedgerKind
from models.treasury import MpesaTransaction, WalletTransactionStatus, WalletTransactionType
from resolvers.kernel import audit, clock, own_matters, system_config
from resolvers.kernel.ages import NotOfAge, aging, check_is_adult, minors_in
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.system_config import Configured
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.ledger import ledger
from resolvers.ledger.balances import InsufficientFunds, balances_in, check_funds, locking_balances
from resolvers.treasury import movements, phone_payouts, stepping_up, withdrawal_limits
from resolvers.treasury.fees import fee_of
from resolvers.treasury.held_payments import NUMBER, ReceiptNotValid, ReceiptTaken
from resolvers.treasury.mpesa_amounts import (
    AMOUNT_REFUSALS,
    KES,
    PHONE_REFUSALS,
    check_bounds,
    check_shillings,
    number_of,
    own_number,
)
from resolvers.treasury.mpesa_payments import HAVING_NUMBER, Kind, Purpose, Status
from resolvers.treasury.outgoing import A_DAY
from resolvers.treasury.payout_ends import OUTGOING, complete, give_back, lock
from resolvers.treasury.withdrawal_limits import LimitExceeded

MINIMUM = Configured("treasury.minimum_withdrawal", 10)
MAXIMUM = Configured("treasury.maximum_withdrawal", 250_000)
FEE_RATE = Configured("treasury.mpesa_withdrawal_fee", Decimal("0.01"))
PHONE_HOURS = Configured("treasury.withdrawal_phone_hours", 24)
LONGEST_PHONE, LONGEST_REASON = 40, 2_000


class PhoneTooNew(Refused):
    """Nothing is sent to this phone yet: it was verified a short time ago."""


class NotYourWithdrawal(Refused):
    """This is somebody else's withdrawal."""


class NotOverdue(Refused):
    """M-Pesa may still report what became of it: staff decide after a day."""


class ReceiptMissing(Refused):
    """What was sent has a receipt: give its number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """Money that is on its way to a phone."""

    mpesa_transaction: MpesaTransaction
    fee: Annotated[Decimal, Value("What the platform charges, in Kenyan shillings; given back where it is not sent.")]
    total: Annotated[Decimal, Value("What the balance pays: the amount and the fee, in Kenyan shillings.")]


@rule(
    NotOfAge, *PHONE_REFUSALS, PhoneTooNew, *AMOUNT_REFUSALS, *stepping_up.REFUSALS, LimitExceeded, InsufficientFunds,
    calls=True,
)  # fmt: skip
async def withdraw_by_mpesa(
    tx: RuleTransaction,
    amount: Annotated[Decimal, Value("How many Kenyan shillings, without cents. The fee comes on top.")],
    phone: Annotated[str | None, Text("Your own verified phone, where the client shows it.", LONGEST_PHONE)] = None,
) -> Withdrawal:
    """Send shillings from one's balance to one's own verified phone, within the limits of a day and a month.

    Amount and fee are set aside at once, and leave when M-Pesa has paid; should it not, both are back. A large amount
    needs a second factor that was shown recently.
    """
    check_shillings(amount, field="amount")
    number = number_of(phone, field="phone")
    await stepping_up.demand_step_up(tx, amount, KES, field="amount")
    # Counted under the user's lock: many at once stay within the limits.
    ((user,),), *balances, configured, rates, ages, withdrawn, limits, ((now,),) = await tx.fetch(
        rows.locking(User, tx.user_id),
        *locking_balances(KES, tx.user_id),
        system_config.reading(MINIMUM, MAXIMUM, PHONE_HOURS),
        system_config.reading(FEE_RATE),
        aging(tx.user_id),
        *withdrawal_limits.limiting(tx.user_id),
        clock.reading(),
    )
    minimum, maximum, hours = system_config.numbers_in(configured, MINIMUM, MAXIMUM, PHONE_HOURS)
    (rate,) = system_config.numbers_in(rates, FEE_RATE)
    check_is_adult(user.id, minors_in(ages))
    destination = payable_phone(user, number, timedelta(hours=hours), now, field="phone")
    check_bounds(amount, minimum, maximum, field="amount")
    withdrawal_limits.check_limits([withdrawn, limits], amount)
    balance, fee = balances_in(balances)[user.id], fee_of(amount, rate, KES)
    total = amount + fee
    check_funds(balance, total, field="amount")
    movement = movements.record(
        tx, WalletTransactionType.WITHDRAWAL, amount, KES, sender=user.id, status=WalletTransactionStatus.PENDING,
        touched=[balance],
    )  # fmt: skip
    payment = phone_payouts.begin(
        tx, user_id=user.id, phone=destination, amount=amount, fee=fee, purpose="withdrawal", now=now,
        movement=movement.id, rate=rate,
    )  # fmt: skip
    available, pending = ledger.available(balance), ledger.pending(balance)
    ledger.transfer(tx, LedgerKind.MPESA_WITHDRAWAL, available, pending, total, of=payment)
    return Withdrawal(mpesa_transaction=payment, fee=fee, total=total)


def payable_phone(user: User, given: str | None, waits: timedelta, now: datetime, *, field: str) -> str:
    """The user's own number, which must be the `given` one and have been verified for so long.

    Raises PhoneNotVerified, PhoneNotServed and PhoneTooNew.
    """
    number = own_number(user, given, field=field)
    assert user.phone_verified_at is not None, "it is verified"
    begins = user.phone_verified_at + waits
    if now < begins:
        message = f"Money can be sent to this phone from {begins:%Y-%m-%d at %H:%M} UTC on: it was just verified."
        raise PhoneTooNew(message, field=field, payableFrom=begins.isoformat())
    return number


@rule(InvalidState)
async def cancel_mpesa_withdrawal(
    tx: RuleTransaction,
    mpesa_transaction: Annotated[
        MpesaTransaction,
        Locked("Your withdrawal, which M-Pesa has not got yet."),
        OwnedBy(MpesaTransaction.user_id, NotYourWithdrawal),
    ],
) -> MpesaTransaction:
    """Take a withdrawal back before it is sent: its money and its fee are back at once."""
    payment = mpesa_transaction
    is_unsent = payment.status == Status.PENDING and payment.last_retry_at is None
    if payment.purpose != Purpose.WITHDRAWAL or payment.transaction_type != Kind.B2C or not is_unsent:
        state = payment.status if payment.status != Status.PENDING else "sending"
        raise InvalidState(f"The payment is {state}.", field="mpesa_transaction_id", state=state)
    out = await lock(tx, payment)
    give_back(tx, out, "It was taken back before it was sent.", status=Status.CANCELLED)
    return out.payment


@rule(OwnMatter, InvalidState, NotOverdue, ReceiptMissing, ReceiptNotValid, ReceiptTaken, TextMissing, staff=True)
async def settle_mpesa_payout(
    tx: RuleTransaction,
    mpesa_transaction: Annotated[MpesaTransaction, Seen("The payout or reversal of which no end is known.")],
    paid: Annotated[bool, Value("Whether M-Pesa has sent the money, by its own statement.")],
    reason: Annotated[str, Text("How that is known, for those who look at it later.", LONGEST_REASON)],
    receipt_number: Annotated[str | None, Text("The receipt of what was sent.", 40)] = None,
) -> MpesaTransaction:
    """End a payout or reversal of which M-Pesa does not say what became of it: held, or on the way for a day."""
    check_text(reason, field="reason")
    if mpesa_transaction.transaction_type not in OUTGOING:
        raise _wrong_state(mpesa_transaction)
    await own_matters.refuse_own_matter(tx, mpesa_transaction.user_id, field="mpesa_transaction_id")
    number = await _receipt(tx, receipt_number) if paid else None
    out = await lock(tx, mpesa_transaction)
    payment = out.payment
    if payment.status not in (Status.PROCESSING, Status.HELD):
        raise _wrong_state(payment)
    sent_at = payment.last_retry_at or payment.created_at
    if payment.status == Status.PROCESSING and out.now < sent_at + A_DAY:
        raise NotOverdue(field="mpesa_transaction_id", since=sent_at.isoformat())
    payment.decided_by, payment.decided_at = tx.user_id, out.now
    audit.decided(tx, "mpesa_payout_settled", "mpesa_transaction", payment.id, reason.strip(), paid=paid)
    if number is None:
        give_back(tx, out, reason.strip())
        return payment
    complete(tx, out, number, None)
    try:
        # The constraint decides: of two who bring the same receipt at once, the second waits for the first.
        await tx.flush()
    except asyncpg.UniqueViolationError as error:
        raise ReceiptTaken(field="receipt_number") from error
    return payment


async def _receipt(tx: RuleTransaction, given: str | None) -> str:
    """The number of a receipt that no other payment has. Raises ReceiptMissing, ReceiptNotValid and ReceiptTaken."""
    number = (given or "").strip().upper()
    if not number:
        raise ReceiptMissing(field="receipt_number")
    if not NUMBER.fullmatch(number):
        raise ReceiptNotValid(field="receipt_number")
    if await HAVING_NUMBER.all(tx, number=number):
        raise ReceiptTaken(field="receipt_number")
    return number


def _wrong_state(payment: MpesaTransaction) -> InvalidState:
    return InvalidState(f"The payment is {payment.status}.", field="mpesa_transaction_id", state=payment.status)
