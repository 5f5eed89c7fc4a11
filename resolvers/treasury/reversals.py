"""Money that came by M-Pesa and goes back to whoever paid it: by a reversal of its receipt, which is sent once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID, uuid4

from sqlalchemy import bindparam

from lango.db import rows
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.jobs.calls import call_soon
from lango.rules.inputs import Locked, Seen, Text
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from models.ledger import LedgerKind
from models.topics import Topic
from models.treasury import MpesaReceipt, MpesaReceiptStatus, MpesaTransaction
from resolvers.kernel import audit, clock, own_matters
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.ledger import ledger
from resolvers.ledger.balances import InsufficientFunds, balances_in, check_funds, locking_balances
from resolvers.ledger.ledger import Movement
from resolvers.treasury.held_payments import GOING_BACK
from resolvers.treasury.mpesa_amounts import KES, AmountNotWhole, is_whole
from resolvers.treasury.mpesa_payments import Kind, Status
from resolvers.treasury.outgoing import OVERDUE, send_reversal
from resolvers.treasury.payout_ends import RECEIPT, WALLET_TRANSACTION, facts_of, keep

LONGEST_REASON = 2_000
ZERO = Decimal()
CAME_IN = frozenset({Kind.STK_PUSH, Kind.C2B})
REVERSED_BY = Lookup(
    [MpesaTransaction.id],
    lambda rows: rows.where(MpesaTransaction.reverses_id == bindparam("id"), MpesaTransaction.status != Status.FAILED),
)


class AlreadyReversed(Refused):
    """This payment is on its way back already."""


def begin(
    tx: RuleTransaction,
    *,
    receipt: str,
    amount: Decimal,
    user_id: UUID,
    phone: str,
    now: datetime,
    original: MpesaTransaction | None = None,
    fee: Decimal = ZERO,
) -> MpesaTransaction:
    """Write a reversal that is still to be sent, and have it sent. What goes back stands in suspense until then.

    `original` is the payment that has the receipt; None for money that was nobody's. `fee` is the part of the amount
    that the platform had kept.
    """
    key = uuid4()
    made = MpesaTransaction(
        id=key, user_id=user_id, transaction_type=Kind.REVERSAL, phone_number=phone, amount=amount, fee=fee,
        status=Status.PENDING, originator_conversation_id=str(key), queries=0,
        reverses_id=None if original is None else original.id, next_query_at=now + OVERDUE,
    )  # fmt: skip
    shown_as = {} if original is None else facts_of(original)
    kept = {name: value for name, value in shown_as.items() if name == WALLET_TRANSACTION}
    keep(made, **({RECEIPT: receipt} | kept))
    tx.save(made)
    publish(tx, Topic.MPESA_PAYMENT_BEGUN, made.id, user_id=user_id)
    call_soon(tx, send_reversal, payment_id=made.id)
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversing:
    """A payment that goes back, and the reversal by which it does."""

    mpesa_transaction: MpesaTransaction
    reversal: MpesaTransaction


@rule(OwnMatter, InvalidState, AlreadyReversed, AmountNotWhole, InsufficientFunds, TextMissing, staff=True, calls=True)
async def reverse_mpesa_payment(
    tx: RuleTransaction,
    mpesa_transaction: Annotated[MpesaTransaction, Locked("The deposit that was credited.")],
    reason: Annotated[str, Text("Why, for those who look at it later.", LONGEST_REASON)],
) -> Reversing:
    """Send a deposit back to the phone that paid it: it leaves the user's balance, and the platform its fee, at once.

    Should M-Pesa not carry it out, both have it again.
    """
    check_text(reason, field="reason")
    payment = mpesa_transaction
    wards, reversals, *balances, ((now,),) = await tx.fetch(
        own_matters.relating(tx),
        REVERSED_BY.query(id=payment.id),
        *locking_balances(KES, payment.user_id),
        clock.reading(),
    )
    own_matters.refuse_related(tx, wards, payment.user_id, field="mpesa_transaction_id")
    receipt, amount = payment.mpesa_receipt_number, payment.paid_amount
    is_credited = payment.transaction_type in CAME_IN and payment.status == Status.COMPLETED
    if not is_credited or receipt is None or amount is None:
        raise InvalidState(f"The payment is {payment.status}.", field="mpesa_transaction_id", state=payment.status)
    if reversals:
        raise AlreadyReversed(field="mpesa_transaction_id", reversalId=str(reversals[0][0]))
    if not is_whole(amount):
        raise AmountNotWhole(field="mpesa_transaction_id")
    balance = balances_in(balances)[payment.user_id]
    check_funds(balance, amount - payment.fee, field="mpesa_transaction_id")
    made = begin(
        tx, receipt=receipt, amount=amount, user_id=payment.user_id, phone=payment.phone_number, original=payment,
        now=now, fee=payment.fee,
    )  # fmt: skip
    suspense = ledger.suspense(KES)
    movements = [
        Movement(ledger.available(balance), suspense, amount - payment.fee),
        Movement(ledger.fees(KES), suspense, payment.fee),
    ]
    ledger.post(tx, LedgerKind.MPESA_REVERSAL, movements, of=made)
    payment.decided_by, payment.decided_at = tx.user_id, now
    tx.save(payment)
    audit.decided(tx, "mpesa_payment_reversed", "mpesa_transaction", payment.id, reason.strip())
    return Reversing(mpesa_transaction=payment, reversal=made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Returning:
    """Held money that goes back, and the reversal by which it does."""

    mpesa_receipt: MpesaReceipt
    reversal: MpesaTransaction


@rule(OwnMatter, InvalidState, AmountNotWhole, TextMissing, staff=True, calls=True)
async def return_held_payment(
    tx: RuleTransaction,
    receipt: Annotated[MpesaReceipt, Seen("The receipt whose money is held.")],
    reason: Annotated[str, Text("Why, for those who look at it later.", LONGEST_REASON)],
) -> Returning:
    """Send held money back to the phone that paid it. Should M-Pesa not carry it out, it is held as before."""
    check_text(reason, field="reason")
    owner = receipt.mpesa_transaction_id
    wards, ((held,),), *payments, going_back, ((now,),) = await tx.fetch(
        own_matters.relating(tx),
        rows.locking(MpesaReceipt, receipt.id),
        *([] if owner is None else [rows.locking(MpesaTransaction, owner)]),
        GOING_BACK.query(number=receipt.receipt_number),
        clock.reading(),
    )
    original: MpesaTransaction | None = payments[0][0][0] if payments else None
    payer = None if original is None else original.user_id
    own_matters.refuse_related(tx, wards, payer, field="receipt_id")
    if held.status != MpesaReceiptStatus.HELD or going_back or held.mpesa_transaction_id != owner:
        state = "going_back" if going_back else held.status
        raise InvalidState(f"The receipt is {state}.", field="receipt_id", state=state)
    if not is_whole(held.amount):
        raise AmountNotWhole(field="receipt_id")
    # What is nobody's goes back in the name of whoever decided it.
    made = begin(
        tx, receipt=held.receipt_number, amount=held.amount, user_id=payer or tx.user_id,
        phone=original.phone_number if original else "", original=original, now=now,
    )  # fmt: skip
    held.decided_by, held.decided_at, held.decision_reason = tx.user_id, now, reason.strip()
    tx.save(held)
    return Returning(mpesa_receipt=held, reversal=made)
