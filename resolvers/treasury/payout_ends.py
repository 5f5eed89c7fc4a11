"""How a payout or a reversal by M-Pesa ends: its money has left for good, or goes back to where it was taken from.

Whoever ends one locks it by `lock`, with all that changes with it. Nothing here asks M-Pesa, and nothing ends because
time has passed: only a result, the answer to a query about it, or staff.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, func, update

from lango.db import rows
from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, Prepared
from lango.rules.transaction import RuleTransaction
from models.ledger import LedgerKind, LedgerTransaction
from models.topics import Topic
from models.treasury import (
    MpesaReceipt,
    MpesaReceiptStatus,
    MpesaTransaction,
    MpesaTransactionStatus,
    ReferralPayout,
    ReferralPayoutStatus,
    TransactionFee,
    UserBalance,
    WalletTransaction,
    WalletTransactionStatus,
)
from resolvers.kernel import clock
from resolvers.kernel.currencies import plain
from resolvers.kernel.notifications import notify
from resolvers.kernel.outbox import publish
from resolvers.ledger import ledger
from resolvers.ledger.balances import balances_in, locking_balances
from resolvers.ledger.ledger import Movement
from resolvers.treasury import fees
from resolvers.treasury.fees import FeeCategory
from resolvers.treasury.mpesa_amounts import KES
from resolvers.treasury.mpesa_payments import MPESA, Kind, Purpose, Status

# M-Pesa carries these out on request; what they come to is reported later.
OUTGOING = frozenset({Kind.B2C, Kind.REVERSAL})
ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.REVERSED})
# What is kept in the metadata of a payment: the wallet transaction it is shown as, the rate of its fee, the receipt
# that a reversal gives back, and why it is held.
WALLET_TRANSACTION, FEE_RATE, RECEIPT, HELD_BECAUSE = "walletTransactionId", "feeRate", "receiptNumber", "heldBecause"

GIVEN_BACK = Lookup(
    [MpesaReceipt],
    lambda rows: rows.where(MpesaReceipt.receipt_number == bindparam("number")).with_for_update(key_share=True),
)
PAID_BY = Lookup(
    [ReferralPayout],
    lambda rows: rows.where(ReferralPayout.mpesa_transaction_id == bindparam("id")).with_for_update(key_share=True),
)
# What was taken back from whom it had been credited to, and not from suspense alone.
TAKEN_BACK = Lookup(
    [LedgerTransaction.id],
    lambda rows: rows.where(
        LedgerTransaction.kind == LedgerKind.MPESA_REVERSAL, LedgerTransaction.reference_id == bindparam("id")
    ),
)
REVERSE_FEES = Prepared(
    update(TransactionFee.table())
    .where(
        TransactionFee.transaction_id == any_(bindparam("ids", type_=ARRAY(Uuid))), TransactionFee.reversed_at.is_(None)
    )
    .values(reversed_at=func.clock_timestamp())
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A locked payout or reversal, with what changes when it ends."""

    payment: MpesaTransaction
    balance: UserBalance
    now: datetime
    # What the user sees it as, or sees of the payment that it gives back.
    movement: WalletTransaction | None
    # The referral's reward that it pays.
    reward: ReferralPayout | None
    # The payment and the receipt that a reversal gives back.
    original: MpesaTransaction | None
    receipt: MpesaReceipt | None
    # Whether a reversal took the money from the user's balance, and would give it back there.
    is_taken_back: bool


def facts_of(payment: MpesaTransaction) -> dict[str, Any]:
    """What is kept in its metadata."""
    return payment.metadata_.parsed() if payment.metadata_ is not None else {}


def keep(payment: MpesaTransaction, **facts: Any) -> None:
    payment.metadata_ = RawJson.of(facts_of(payment) | facts)


async def lock(tx: RuleTransaction, seen: MpesaTransaction) -> Outgoing:
    """Lock one that was seen, in the one order of locks."""
    facts = facts_of(seen)
    of_original = [] if seen.reverses_id is None else [seen.reverses_id]
    # Its own id is no movement's: what was never shown to anybody is not found.
    movement_id = UUID(facts[WALLET_TRANSACTION]) if WALLET_TRANSACTION in facts else seen.id
    receipts, payments, rewards, *balances, movements, taken_back, ((now,),) = await tx.fetch(
        GIVEN_BACK.query(number=facts.get(RECEIPT)),
        rows.locking_all(MpesaTransaction, [seen.id, *of_original]),
        PAID_BY.query(id=seen.id),
        *locking_balances(KES, seen.user_id),
        rows.finding(WalletTransaction, movement_id),
        TAKEN_BACK.query(id=seen.id),
        clock.reading(),
    )
    by_id = {payment.id: payment for (payment,) in payments}
    return Outgoing(
        by_id[seen.id], balances_in(balances)[seen.user_id], now, movement=_only(movements), reward=_only(rewards),
        original=by_id[seen.reverses_id] if seen.reverses_id else None, receipt=_only(receipts),
        is_taken_back=bool(taken_back),
    )  # fmt: skip


def _only(found: list[tuple[Any, ...]]) -> Any:
    return found[0][0] if found else None


def complete(tx: RuleTransaction, out: Outgoing, receipt_number: str, paid_at: datetime | None) -> None:
    """M-Pesa has carried it out: the money has left."""
    payment = out.payment
    payment.status, payment.next_query_at = Status.COMPLETED, None
    payment.mpesa_receipt_number, payment.paid_amount = receipt_number, payment.amount
    payment.transaction_date = paid_at or payment.transaction_date
    tx.save(payment)
    publish(tx, Topic.MPESA_PAYMENT_COMPLETED, payment.id, user_id=payment.user_id)
    if payment.transaction_type == Kind.REVERSAL:
        _complete_reversal(tx, out)
    elif payment.purpose == Purpose.REFERRAL_PAYOUT:
        _complete_reward(tx, out)
    else:
        _complete_withdrawal(tx, out)


def give_back(
    tx: RuleTransaction, out: Outgoing, reason: str, *, status: MpesaTransactionStatus = Status.FAILED
) -> None:
    """It was not carried out, and will not be: the money goes back to where it was taken from."""
    payment = out.payment
    payment.status, payment.next_query_at, payment.failure_reason = status, None, reason
    tx.save(payment)
    topic = Topic.MPESA_PAYMENT_CANCELLED if status == Status.CANCELLED else Topic.MPESA_PAYMENT_FAILED
    publish(tx, topic, payment.id, user_id=payment.user_id)
    if payment.transaction_type == Kind.REVERSAL:
        _undo_reversal(tx, out)
    elif payment.purpose == Purpose.REFERRAL_PAYOUT:
        _give_reward_back(tx, out, reason)
    else:
        _give_withdrawal_back(tx, out, reason)


def hold(tx: RuleTransaction, payment: MpesaTransaction, why: str) -> None:
    """Leave a locked payment to staff: its money stays where it is until they have decided."""
    payment.status, payment.next_query_at = Status.HELD, None
    keep(payment, **{HELD_BECAUSE: why})
    tx.save(payment)
    publish(tx, Topic.MPESA_PAYMENT_HELD, payment.id, user_id=payment.user_id)


def _complete_withdrawal(tx: RuleTransaction, out: Outgoing) -> None:
    payment, pending = out.payment, ledger.pending(out.balance)
    movements = [
        Movement(pending, ledger.provider(MPESA, KES), payment.amount),
        Movement(pending, ledger.fees(KES), payment.fee),
    ]
    ledger.post(tx, LedgerKind.MPESA_WITHDRAWAL_PAID, movements, of=payment)
    rate = facts_of(payment).get(FEE_RATE)
    fees.charge(
        tx, FeeCategory.MPESA_WITHDRAWAL, payment.amount, payment.fee, KES,
        of=payment.id if out.movement is None else out.movement.id, transaction_type="wallet",
        paid_by=payment.user_id, rate=None if rate is None else Decimal(rate),
    )  # fmt: skip
    _show(tx, out.movement, WalletTransactionStatus.COMPLETED)
    receipt = payment.mpesa_receipt_number or ""
    notify(tx, payment.user_id, "mpesa_withdrawal_paid", amount=plain(payment.amount), reference=receipt)


def _give_withdrawal_back(tx: RuleTransaction, out: Outgoing, reason: str) -> None:
    payment, balance = out.payment, out.balance
    taken = payment.amount + payment.fee
    pending, available = ledger.pending(balance), ledger.available(balance)
    ledger.transfer(tx, LedgerKind.MPESA_WITHDRAWAL_REVERSAL, pending, available, taken, of=payment)
    _show(tx, out.movement, WalletTransactionStatus.FAILED)
    if payment.status != Status.CANCELLED:
        notify(tx, payment.user_id, "mpesa_withdrawal_failed", amount=plain(payment.amount), reason=reason)


def _complete_reward(tx: RuleTransaction, out: Outgoing) -> None:
    reward = _reward_of(out)
    reward.status, reward.completed_at, reward.failure_reason = ReferralPayoutStatus.COMPLETED, out.now, None
    tx.save(reward)
    pending, mpesa = ledger.pending(out.balance), ledger.provider(MPESA, KES)
    ledger.transfer(tx, LedgerKind.REFERRAL_PAYOUT_PAID, pending, mpesa, reward.amount, of=reward)
    _show(tx, out.movement, WalletTransactionStatus.COMPLETED)
    publish(tx, Topic.REFERRAL_PAYOUT_COMPLETED, reward.id, user_id=reward.referrer_id)
    notify(tx, reward.referrer_id, "referral_payout_paid", amount=plain(reward.amount), currency=KES)


def _give_reward_back(tx: RuleTransaction, out: Outgoing, reason: str) -> None:
    reward = _reward_of(out)
    reward.status, reward.failure_reason = ReferralPayoutStatus.FAILED, reason
    tx.save(reward)
    pending, promotion = ledger.pending(out.balance), ledger.promotion(KES)
    ledger.transfer(tx, LedgerKind.REFERRAL_PAYOUT_REVERSAL, pending, promotion, reward.amount, of=reward)
    _show(tx, out.movement, WalletTransactionStatus.FAILED)
    publish(tx, Topic.REFERRAL_PAYOUT_FAILED, reward.id, user_id=reward.referrer_id)
    notify(
        tx, reward.referrer_id, "referral_payout_failed", amount=plain(reward.amount), currency=KES, reason=reason
    )  # fmt: skip


def _reward_of(out: Outgoing) -> ReferralPayout:
    assert out.reward is not None, "a payment for a referral is begun with its payout"
    return out.reward


def _complete_reversal(tx: RuleTransaction, out: Outgoing) -> None:
    payment, original, receipt = out.payment, out.original, out.receipt
    suspense, mpesa = ledger.suspense(KES), ledger.provider(MPESA, KES)
    ledger.transfer(tx, LedgerKind.MPESA_RETURN, suspense, mpesa, payment.amount, of=payment)
    if receipt is not None:
        receipt.status = MpesaReceiptStatus.RETURNED
        tx.save(receipt)
    if original is not None:
        original.status = Status.REVERSED
        tx.save(original)
        topic = Topic.MPESA_PAYMENT_REVERSED if out.is_taken_back else Topic.MPESA_PAYMENT_RETURNED
        publish(tx, topic, original.id, user_id=original.user_id)
    if out.is_taken_back and original is not None:
        of_it = [original.id] if out.movement is None else [original.id, out.movement.id]
        REVERSE_FEES.send(tx, ids=of_it)
        _show(tx, out.movement, WalletTransactionStatus.REVERSED)


def _undo_reversal(tx: RuleTransaction, out: Outgoing) -> None:
    if not out.is_taken_back:
        # What was held stays in suspense, and waits for staff as before.
        return
    payment, suspense = out.payment, ledger.suspense(KES)
    movements = [
        Movement(suspense, ledger.available(out.balance), payment.amount - payment.fee),
        Movement(suspense, ledger.fees(KES), payment.fee),
    ]
    ledger.post(tx, LedgerKind.MPESA_REVERSAL_UNDONE, movements, of=payment)


def _show(tx: RuleTransaction, movement: WalletTransaction | None, status: WalletTransactionStatus) -> None:
    if movement is not None:
        movement.status = status
        tx.save(movement)
