"""What a payment by M-Pesa comes to. Here alone money that came is credited: once a receipt, however it is reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import BigInteger, Text, bindparam, func, select, text

from lango.db import rows
from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, Prepared
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.ledger import LedgerKind
from models.topics import Topic
from models.treasury import (
    Dao,
    DaoStatus,
    DaoTreasury,
    MpesaReceipt,
    MpesaReceiptArrivedAs,
    MpesaReceiptStatus,
    MpesaTransaction,
    MpesaTransactionPurpose,
    MpesaTransactionStatus,
    MpesaTransactionTransactionType,
    UserBalance,
    WalletTransactionType,
    mpesa,
)
from resolvers.kernel import clock, system_config
from resolvers.kernel.amounts import fits
from resolvers.kernel.currencies import plain
from resolvers.kernel.notifications import notify
from resolvers.kernel.outbox import publish
from resolvers.kernel.system_config import Configured
from resolvers.ledger import ledger
from resolvers.ledger.balances import lock_balance
from resolvers.ledger.ledger import Account, Movement
from resolvers.treasury import fees, movements
from resolvers.treasury.contributions import contribute
from resolvers.treasury.fees import FeeCategory, fee_of
from resolvers.treasury.members import members_in, standing
from resolvers.treasury.mpesa_amounts import KES
from resolvers.treasury.treasuries import locking_treasury

log = structlog.get_logger("lango.mpesa")
MPESA = "mpesa"
DEPOSIT_FEE = Configured("treasury.mpesa_deposit_fee", Decimal("0.025"))
Status, Kind, Purpose = MpesaTransactionStatus, MpesaTransactionTransactionType, MpesaTransactionPurpose
OPEN = frozenset({Status.PENDING, Status.PROCESSING})
# As the partial indexes have it.
IS_OPEN = text(mpesa.OPEN)
PAID = "0"
# What M-Pesa's codes mean, where a payment has not simply failed.
ENDS = {"1032": Status.CANCELLED, "1019": Status.EXPIRED}
TOPICS = {
    Status.FAILED: Topic.MPESA_PAYMENT_FAILED,
    Status.CANCELLED: Topic.MPESA_PAYMENT_CANCELLED,
    Status.EXPIRED: Topic.MPESA_PAYMENT_EXPIRED,
}
# Two that report the same receipt for the first time must queue: there is no row yet that could be locked.
ONE_AT_A_TIME = Prepared(
    select(
        func.pg_advisory_xact_lock(
            func.hashtextextended(func.concat("mpesa:", bindparam("number", type_=Text)), 0, type_=BigInteger)
        )
    )
)
BY_NUMBER = Lookup(
    [MpesaReceipt],
    lambda rows: rows.where(MpesaReceipt.receipt_number == bindparam("number")).with_for_update(key_share=True),
)
# Also of payments that are older than receipts, and of payouts: a number is one movement's.
HAVING_NUMBER = Lookup(
    [MpesaTransaction.id], lambda rows: rows.where(MpesaTransaction.mpesa_receipt_number == bindparam("number"))
)
ACTIVE_DAO = Lookup(
    [Dao.id],
    lambda rows: rows.where(Dao.id == bindparam("id"), Dao.status == DaoStatus.ACTIVE, Dao.deleted_at.is_(None)),
)


@dataclass(frozen=True, slots=True)
class Arrived:
    """Money that came by M-Pesa, as it has confirmed it."""

    receipt: str
    amount: Decimal
    arrived_as: MpesaReceiptArrivedAs
    paid_at: datetime | None = None
    bill_reference: str | None = None
    # As M-Pesa shows it, which may be masked.
    payer: str | None = None


@dataclass(frozen=True, slots=True)
class Payee:
    """Whose the money is, the DAO to which it goes on, and the payment that was begun for it."""

    user_id: UUID
    dao_id: UUID | None = None
    payment_id: UUID | None = None

    @classmethod
    def of(cls, payment: MpesaTransaction) -> Payee:
        return cls(payment.user_id, payment.dao_id, payment.id)


@dataclass(frozen=True, slots=True)
class Credited:
    """What came of a report: the payment that has the receipt, or why the report is left to staff."""

    payment_id: UUID | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Locked:
    """All that a credit depends on, locked in the one order."""

    receipt: MpesaReceipt | None
    user: User | None
    payment: MpesaTransaction | None
    # The payment that has the receipt's number already.
    holder: UUID | None
    # Where what is credited goes on to; None where it stays with the user.
    treasury: DaoTreasury | None
    rate: Decimal
    now: datetime


async def credit(tx: RuleTransaction, payee: Payee | None, arrived: Arrived, *, hold: str | None = None) -> Credited:
    """Credit what came, or put it into suspense for staff: where it is nobody's, is not what was requested, its user
    cannot be credited, or for the reason that `hold` gives. Who reports a receipt that is known changes nothing.

    In the rules' role; only what a stored message has locked is locked before.
    """
    if arrived.amount <= 0 or not fits(arrived.amount, MpesaTransaction.amount):
        return Credited(problem="Its amount cannot be counted.")
    found = await lock(tx, payee, arrived.receipt)
    receipt, payment = found.receipt, found.payment
    owner = found.holder if receipt is None else receipt.mpesa_transaction_id
    if owner is not None or (receipt is not None and payee is None):
        return _known(owner, payment)
    source = ledger.provider(MPESA, KES) if receipt is None else ledger.suspense(KES)
    if receipt is None:
        receipt = MpesaReceipt(
            id=uuid4(), receipt_number=arrived.receipt, amount=arrived.amount, paid_at=arrived.paid_at,
            arrived_as=arrived.arrived_as, bill_reference=arrived.bill_reference,
        )  # fmt: skip
    elif receipt.status != MpesaReceiptStatus.HELD or receipt.decided_at is not None:
        return Credited(problem="Staff have decided what becomes of this receipt.")
    if payee is None or found.user is None:
        _hold(tx, receipt, None, "It names no account.", source)
        return Credited()
    taken = payment is None or payment.mpesa_receipt_number not in (None, arrived.receipt)
    if taken or payment is None:
        payment = further(payee, found.user, receipt, found.now, arrived.payer)
    why = hold or _why_held(payment, found.user, receipt.amount, is_new=taken)
    fee = fee_of(receipt.amount, found.rate, KES) if taken else payment.fee
    balance = None
    if why is None:
        balance = await lock_balance(tx, KES, payee.user_id)
        why = why_not(balance, receipt.amount, fee)
    note_paid(payment, receipt)
    if why is not None or balance is None:
        _hold(tx, receipt, payment, why or "", source)
    else:
        complete(tx, receipt, payment, balance, fee, found.rate, source, found.treasury)
    return Credited(payment.id)


async def lock(tx: RuleTransaction, payee: Payee | None, number: str) -> Locked:
    """Lock a receipt, as far as it is known, and all that its credit depends on."""
    dao_id = None if payee is None else payee.dao_id
    of_dao = [] if dao_id is None else [locking_treasury(dao_id)]
    of_user = [] if payee is None else [rows.locking(User, payee.user_id)]
    of_payment = [] if payee is None or payee.payment_id is None else [rows.locking(MpesaTransaction, payee.payment_id)]
    # What is true of the DAO and its members lasts under the lock of the treasury.
    after = [] if payee is None or dao_id is None else [ACTIVE_DAO.query(id=dao_id), standing(dao_id, payee.user_id)]
    _, *found = await tx.fetch(
        ONE_AT_A_TIME.query(number=number),
        *of_dao,
        *of_user,
        BY_NUMBER.query(number=number),
        *of_payment,
        HAVING_NUMBER.query(number=number),
        clock.reading(),
        system_config.reading(DEPOSIT_FEE),
        *after,
    )
    treasury = _first(found.pop(0)) if of_dao else None
    user = _first(found.pop(0)) if of_user else None
    receipt = _first(found.pop(0))
    payment = _first(found.pop(0)) if of_payment else None
    holders, ((now,),), configured, *rest = found
    (rate,) = system_config.numbers_in(configured, DEPOSIT_FEE)
    goes_on = False
    if rest and payee is not None and treasury is not None and treasury.currency == KES:
        active, members = rest
        member = members_in(members).get(payee.user_id)
        goes_on = bool(active) and member is not None and member.counts
    holder = holders[0][0] if holders else None
    return Locked(receipt, user, payment, holder, treasury if goes_on else None, rate, now)


def _first(found: Sequence[tuple[Any, ...]]) -> Any:
    return found[0][0] if found else None


def _known(owner: UUID | None, payment: MpesaTransaction | None) -> Credited:
    """A receipt that has been credited or held already. What waits for money must not wait for that of another."""
    if payment is not None and payment.id != owner and payment.status in OPEN:
        return Credited(problem="This receipt belongs to another payment.")
    return Credited(owner)


def further(
    payee: Payee, user: User, receipt: MpesaReceipt, now: datetime, payer: str | None = None
) -> MpesaTransaction:
    """A payment that nobody began here: from M-Pesa's own menu, or a second one on a push that is paid. `payer` is the
    phone as M-Pesa shows it, which may be masked."""
    return MpesaTransaction(
        id=uuid4(), user_id=payee.user_id, dao_id=payee.dao_id, transaction_type=Kind.C2B,
        phone_number=payer or user.phone or "", amount=receipt.amount, account_reference=receipt.bill_reference,
        purpose=Purpose.DEPOSIT if payee.dao_id is None else Purpose.CONTRIBUTION, created_at=now,
    )  # fmt: skip


def note_paid(payment: MpesaTransaction, receipt: MpesaReceipt) -> None:
    """A payment has got its receipt, whatever becomes of the money."""
    payment.paid_amount, payment.mpesa_receipt_number = receipt.amount, receipt.receipt_number
    payment.transaction_date, payment.result_code = receipt.paid_at, PAID
    payment.next_query_at, payment.failure_reason = None, None


def _why_held(payment: MpesaTransaction, user: User, amount: Decimal, *, is_new: bool) -> str | None:
    if not user.is_active or user.deleted_at is not None:
        return "The account is not active."
    if not is_new and amount != payment.amount:
        return "Another amount was requested."
    return None


def why_not(balance: UserBalance, amount: Decimal, fee: Decimal) -> str | None:
    """Why a balance cannot be credited; None where it can."""
    if fee >= amount:
        return "The fee leaves nothing of it."
    if not fits(balance.total_balance + amount, UserBalance.total_balance):
        return "The balance cannot hold so much."
    return None


def complete(
    tx: RuleTransaction,
    receipt: MpesaReceipt,
    payment: MpesaTransaction,
    balance: UserBalance,
    fee: Decimal,
    rate: Decimal,
    source: Account,
    treasury: DaoTreasury | None,
) -> None:
    """Credit what came, less the fee; all are locked, and the payment has been filled in. It goes on to `treasury`."""
    net = receipt.amount - fee
    made = movements.record(
        tx, WalletTransactionType.DEPOSIT, net, KES, recipient=payment.user_id,
        description=payment.transaction_desc, touched=[balance],
    )  # fmt: skip
    payment.status, payment.fee = Status.COMPLETED, fee
    payment.metadata_ = RawJson.of({"walletTransactionId": str(made.id), "feeRate": str(rate)})
    receipt.status, receipt.mpesa_transaction_id = MpesaReceiptStatus.CREDITED, payment.id
    tx.save(payment, receipt)
    credited = [Movement(source, ledger.available(balance), net), Movement(source, ledger.fees(KES), fee)]
    ledger.post(tx, LedgerKind.MPESA_DEPOSIT, credited, of=payment)
    fees.charge(
        tx, FeeCategory.MPESA_DEPOSIT, receipt.amount, fee, KES, of=made.id, transaction_type="wallet",
        paid_by=payment.user_id, rate=rate,
    )  # fmt: skip
    publish(tx, Topic.MPESA_PAYMENT_COMPLETED, payment.id, user_id=payment.user_id)
    notify(tx, payment.user_id, "mpesa_deposit_received", amount=plain(net), reference=receipt.receipt_number)
    if treasury is not None and fits(treasury.total_balance + net, DaoTreasury.total_balance):
        contribute(tx, balance, treasury, net)


def _hold(
    tx: RuleTransaction, receipt: MpesaReceipt, payment: MpesaTransaction | None, why: str, source: Account
) -> None:
    """Leave what came in suspense to staff. What has been there stays there, and is somebody's now."""
    receipt.status, receipt.held_reason = MpesaReceiptStatus.HELD, why
    if payment is not None:
        payment.status, receipt.mpesa_transaction_id = Status.HELD, payment.id
        tx.save(payment)
        notify(
            tx, payment.user_id, "mpesa_payment_held", amount=plain(receipt.amount), reference=receipt.receipt_number
        )
    tx.save(receipt)
    suspense = ledger.suspense(KES)
    if source != suspense:
        ledger.transfer(tx, LedgerKind.MPESA_HELD, source, suspense, receipt.amount, of=receipt)
    log.warning("mpesa_payment_held", receipt=receipt.receipt_number, reason=why)
    owner = {} if payment is None else {"user_id": payment.user_id}
    publish(tx, Topic.MPESA_PAYMENT_HELD, receipt.id if payment is None else payment.id, **owner)


def hold_without_receipt(tx: RuleTransaction, payment: MpesaTransaction) -> None:
    """Leave a locked payment to staff that M-Pesa says is paid, and of which it tells no receipt: nothing is credited
    without one."""
    payment.status, payment.next_query_at = Status.HELD, None
    payment.failure_reason = "M-Pesa says that it is paid, and reports no receipt."
    tx.save(payment)
    publish(tx, Topic.MPESA_PAYMENT_HELD, payment.id, user_id=payment.user_id)


def fail(tx: RuleTransaction, payment: MpesaTransaction, code: str, reason: str) -> None:
    """End a locked payment that was not paid, as M-Pesa's code says. One that has ended stays as it is."""
    if payment.status not in OPEN:
        return
    payment.status, payment.next_query_at = ENDS.get(code, Status.FAILED), None
    payment.result_code, payment.result_desc, payment.failure_reason = code, reason, reason
    _ended(tx, payment, reason)


def expire(tx: RuleTransaction, payment: MpesaTransaction) -> None:
    """End a locked payment of which nothing was heard. If it is paid all the same, it is credited then."""
    if payment.status in OPEN:
        payment.status, payment.next_query_at = Status.EXPIRED, None
        _ended(tx, payment, "")


def _ended(tx: RuleTransaction, payment: MpesaTransaction, reason: str) -> None:
    tx.save(payment)
    publish(tx, TOPICS[Status(payment.status or Status.FAILED)], payment.id, user_id=payment.user_id)
    if payment.status == Status.FAILED:
        notify(tx, payment.user_id, "mpesa_deposit_failed", amount=plain(payment.amount), reason=reason)
