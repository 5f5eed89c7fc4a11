"""Payouts to phones: begun by a rule that has taken the money already, and ended by what M-Pesa reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Self
from uuid import UUID, uuid4

from sqlalchemy import bindparam, or_

from lango.db import rows
from lango.db.prepared import Lookup
from lango.jobs.calls import call_soon
from lango.providers.mpesa.messages import Result, amount, moment, written
from lango.rules.transaction import RuleTransaction
from models.topics import Topic
from models.treasury import MpesaMessage, MpesaMessageKind, MpesaTransaction
from resolvers.kernel.amounts import fits
from resolvers.kernel.outbox import publish
from resolvers.treasury.mpesa_payments import IS_OPEN, PAID, Kind, Purpose, Status
from resolvers.treasury.outgoing import OVERDUE, send_payout
from resolvers.treasury.payout_ends import (
    ENDED,
    FEE_RATE,
    OUTGOING,
    WALLET_TRANSACTION,
    complete,
    give_back,
    hold,
    keep,
    lock,
)

# What a query about a status may say, in small letters. Of anything else the end is not known yet.
STATES = {"completed": True, "failed": False, "declined": False, "cancelled": False, "expired": False}
LONGEST_RECEIPT = 40
ABOUT_STATUS = frozenset({MpesaMessageKind.STATUS, MpesaMessageKind.STATUS_TIMEOUT})

# Those on the way, which are few: nothing is indexed by M-Pesa's own ids.
BY_CONVERSATION = Lookup(
    [MpesaTransaction],
    lambda rows: rows.where(
        IS_OPEN,
        MpesaTransaction.next_query_at.is_not(None),
        or_(
            MpesaTransaction.conversation_id == bindparam("conversation"),
            MpesaTransaction.originator_conversation_id == bindparam("originator"),
        ),
    ),
)
OTHER_WITH_RECEIPT = Lookup(
    [MpesaTransaction.id],
    lambda rows: rows.where(
        MpesaTransaction.mpesa_receipt_number == bindparam("receipt"), MpesaTransaction.id != bindparam("id")
    ),
)


def begin(
    tx: RuleTransaction,
    *,
    user_id: UUID,
    phone: str,
    amount: Decimal,
    fee: Decimal,
    purpose: Literal["withdrawal", "referral_payout"],
    now: datetime,
    movement: UUID,
    rate: Decimal | None = None,
) -> MpesaTransaction:
    """Write a payout that is still to be sent, and have it sent. Its money stands in the user's pending balance.

    `movement` is the wallet transaction that the user sees it as; `rate` is that of the fee.
    """
    key = uuid4()
    payment = MpesaTransaction(
        id=key, user_id=user_id, transaction_type=Kind.B2C, phone_number=phone, amount=amount, fee=fee,
        status=Status.PENDING, purpose=Purpose(purpose), originator_conversation_id=str(key),
        next_query_at=now + OVERDUE, queries=0, ip_address=str(tx.actor.ip) if tx.actor.ip else None,
        user_agent=tx.actor.user_agent,
    )  # fmt: skip
    keep(payment, **({WALLET_TRANSACTION: str(movement)} | ({} if rate is None else {FEE_RATE: str(rate)})))
    tx.save(payment)
    publish(tx, Topic.MPESA_PAYMENT_BEGUN, payment.id, user_id=user_id)
    call_soon(tx, send_payout, payment_id=payment.id)
    return payment


@dataclass(frozen=True, slots=True)
class Verdict:
    """What M-Pesa says became of a payout or a reversal. `is_paid` is None where it does not say so yet."""

    is_paid: bool | None
    code: str
    description: str
    receipt: str | None
    amount: Decimal | None
    paid_at: datetime | None

    @classmethod
    def of(cls, kind: MpesaMessageKind, result: Result) -> Self:
        values = result.values
        if kind == MpesaMessageKind.STATUS:
            # The envelope says whether the query was answered; what the answer is, stands in it.
            state = written(values.get("TransactionStatus")).lower()
            is_paid = STATES.get(state) if result.code == PAID else None
            number, came, at = values.get("ReceiptNo"), "Amount", "FinalisedTime"
        else:
            is_paid = result.code == PAID
            number = result.transaction_id or values.get("TransactionReceipt")
            came, at = "TransactionAmount", "TransactionCompletedDateTime"
        receipt = written(number)
        fitting = 0 < len(receipt) <= LONGEST_RECEIPT and receipt.isascii() and receipt.isalnum()
        return cls(
            is_paid, result.code, result.description, receipt if fitting else None, amount(values, came),
            moment(values.get(at)),
        )  # fmt: skip


async def reported(tx: RuleTransaction, kind: MpesaMessageKind, result: Result) -> MpesaTransaction | None:
    """The payout or reversal that a message is about; None where it is about none of ours."""
    if kind in ABOUT_STATUS:
        conversation, originator = result.values.get("ConversationID"), result.values.get("OriginatorConversationID")
        keys = [originator, result.values.get("Occasion")]
    else:
        conversation, originator = result.conversation_id, result.originator_conversation_id
        keys = [originator, result.references.get("Occasion")]
    for key in keys:
        if (payment_id := _uuid(key)) is not None:
            found = await rows.find(tx, MpesaTransaction, payment_id)
            if found is not None and found.transaction_type in OUTGOING:
                return found
    named = [written(each) or None for each in (conversation, originator)]
    if not any(named):
        return None
    by_conversation = await BY_CONVERSATION.all(tx, conversation=named[0], originator=named[1])
    return by_conversation[0][0] if by_conversation else None


async def act_on_result(tx: RuleTransaction, message: MpesaMessage, result: Result, now: datetime) -> str | None:
    """Act on what a locked message reports of a payout or a reversal: once, however often and in whatever order it is
    reported.

    Gives why staff must look at it; None where it is done. The first final result stands: what contradicts it later
    moves nothing.
    """
    seen = await reported(tx, message.kind, result)
    if seen is None:
        return "There is no payout or reversal of ours that it is about."
    message.mpesa_transaction_id = seen.id
    verdict = Verdict.of(message.kind, result)
    if verdict.is_paid is None:
        return None
    others = [] if verdict.receipt is None else await OTHER_WITH_RECEIPT.all(tx, receipt=verdict.receipt, id=seen.id)
    out = await lock(tx, seen)
    payment = out.payment
    # What is held without a verdict is what nobody knew the end of.
    if payment.status in ENDED or (payment.status == Status.HELD and payment.result_code is not None):
        return _contradiction(payment, verdict)
    if verdict.is_paid and verdict.receipt is None:
        return "It says that the money was sent, and names no receipt."
    if verdict.is_paid and others:
        return "Another payment has its receipt."
    payment.result_code, payment.result_desc = verdict.code, verdict.description
    payment.callback_received, payment.callback_at, payment.callback_data = True, now, message.raw_payload
    if not verdict.is_paid:
        give_back(tx, out, verdict.description or f"M-Pesa did not carry it out ({verdict.code}).")
        return None
    if verdict.amount not in (None, payment.amount):
        # Something has left, and nobody knows why it is not what was requested: nothing is given back.
        payment.paid_amount = verdict.amount if fits(verdict.amount or 0, MpesaTransaction.paid_amount) else None
        problem = f"M-Pesa says that {verdict.amount} were sent, not {payment.amount}."
        hold(tx, payment, problem)
        return problem
    complete(tx, out, verdict.receipt or "", verdict.paid_at)
    return None


def _contradiction(payment: MpesaTransaction, verdict: Verdict) -> str | None:
    """Why staff must look at a further result of what has ended; None where it says the same once more."""
    was_paid = payment.status in (Status.COMPLETED, Status.REVERSED)
    if was_paid and verdict.is_paid and payment.mpesa_receipt_number == verdict.receipt:
        return None
    if payment.status in (Status.FAILED, Status.CANCELLED) and not verdict.is_paid:
        return None
    outcome = "was sent" if verdict.is_paid else "was not sent"
    return f"It says that the money {outcome}; the payment is {payment.status} already."


def _uuid(given: object) -> UUID | None:
    try:
        return UUID(written(given))
    except ValueError:
        return None
