"""Money by M-Pesa about which staff decide: it is held in suspense, or M-Pesa tells no receipt of it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID, uuid4

from sqlalchemy import bindparam

from lango.db import rows
from lango.db.postgres import RawJson
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.jobs.calls import call_soon
from lango.rules.inputs import Id, Seen, Text
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.treasury import (
    MpesaMessage,
    MpesaMessageKind,
    MpesaReceipt,
    MpesaReceiptStatus,
    MpesaTransaction,
    MpesaTransactionStatus,
    MpesaTransactionTransactionType,
)
from resolvers.kernel import own_matters
from resolvers.kernel.amounts import AmountOutOfRange
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.ledger import ledger
from resolvers.ledger.balances import balances_in, locking_balances
from resolvers.treasury.fees import fee_of
from resolvers.treasury.mpesa_amounts import KES
from resolvers.treasury.mpesa_messages import STORE, process_message
from resolvers.treasury.mpesa_payments import HAVING_NUMBER, Payee, complete, further, lock, note_paid, why_not

LONGEST_REASON = 2_000
NUMBER = re.compile(r"[A-Z0-9]{6,40}", re.ASCII)
Reason = Annotated[str, Text("Why, for those who look at it later.", LONGEST_REASON)]
# A reversal of it that has not failed.
GOING_BACK = Lookup(
    [MpesaTransaction.id],
    lambda rows: rows.where(
        MpesaTransaction.transaction_type == MpesaTransactionTransactionType.REVERSAL,
        MpesaTransaction.status != MpesaTransactionStatus.FAILED,
        MpesaTransaction.metadata_["receiptNumber"].astext == bindparam("number"),
    ),
)
BY_KEY = Lookup([MpesaMessage], lambda rows: rows.where(MpesaMessage.message_key == bindparam("key")))
KNOWN = Lookup([MpesaReceipt.id], lambda rows: rows.where(MpesaReceipt.receipt_number == bindparam("number")))


class UserMissing(Refused):
    """This money is nobody's yet: name the user to whom it belongs."""


class ReceiptIsSomebodys(Refused):
    """It is known whose this money is: nobody else can be named."""


class UserNotActive(Refused):
    """This account was deleted: nothing can be credited to it."""


class ReceiptNotValid(Refused):
    """A receipt's number is 6 to 40 letters and digits."""


class ReceiptTaken(Refused):
    """Another payment has this receipt, or its money is held already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """Money that was held, and is its user's now."""

    mpesa_receipt: MpesaReceipt
    mpesa_transaction: MpesaTransaction


@rule(
    OwnMatter, InvalidState, TextMissing, UserMissing, ReceiptIsSomebodys, UserNotActive, AmountOutOfRange, staff=True
)
async def release_held_payment(
    tx: RuleTransaction,
    receipt: Annotated[MpesaReceipt, Seen("The receipt whose money is held.")],
    reason: Reason,
    user_id: Annotated[
        UUID | None, Id(User, "To whom the money belongs; only where it is nobody's yet.", seen=True)
    ] = None,
) -> Released:
    """Credit what is held: what came, less its fee, though another amount was requested or its account is suspended."""
    check_text(reason, field="reason")
    payee = await _payee(tx, receipt, user_id)
    found = await lock(tx, payee, receipt.receipt_number)
    *locked, going_back = await tx.fetch(
        *locking_balances(KES, payee.user_id), GOING_BACK.query(number=receipt.receipt_number)
    )
    held = _held(found.receipt, receipt.mpesa_transaction_id, is_going_back=bool(going_back))
    assert found.user is not None
    if found.user.deleted_at is not None:
        raise UserNotActive(field="receipt_id")
    payment = found.payment or further(payee, found.user, held, found.now)
    note_paid(payment, held)
    as_requested = found.payment is not None and payment.amount == held.amount
    fee = payment.fee if as_requested else fee_of(held.amount, found.rate, KES)
    balance = balances_in(locked)[payee.user_id]
    if (why := why_not(balance, held.amount, fee)) is not None:
        raise AmountOutOfRange(why, field="receipt_id")
    held.decided_by = payment.decided_by = tx.user_id
    held.decided_at = payment.decided_at = found.now
    held.decision_reason = reason.strip()
    complete(tx, held, payment, balance, fee, found.rate, ledger.suspense(KES), found.treasury)
    return Released(mpesa_receipt=held, mpesa_transaction=payment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """A payment about which M-Pesa is queried by the receipt that staff know."""

    mpesa_transaction: MpesaTransaction
    mpesa_message: MpesaMessage


@rule(OwnMatter, InvalidState, ReceiptNotValid, ReceiptTaken, staff=True, calls=True)
async def settle_mpesa_payment(
    tx: RuleTransaction,
    mpesa_transaction: Annotated[MpesaTransaction, Seen("The push that was paid.")],
    receipt_number: Annotated[str, Text("The receipt that M-Pesa shows of it.", 40)],
) -> Settling:
    """Have M-Pesa confirm the receipt of a push that was paid and not reported: it is credited as any other."""
    number = receipt_number.strip().upper()
    if not NUMBER.fullmatch(number):
        raise ReceiptNotValid(field="receipt_number")
    payment = mpesa_transaction
    await own_matters.refuse_own_matter(tx, payment.user_id, field="mpesa_transaction_id")
    is_push = payment.transaction_type == MpesaTransactionTransactionType.STK_PUSH
    if not is_push or payment.mpesa_receipt_number is not None:
        raise InvalidState(f"The payment is {payment.status}.", field="mpesa_transaction_id", state=payment.status)
    receipts, payments = await tx.fetch(KNOWN.query(number=number), HAVING_NUMBER.query(number=number))
    if receipts or payments:
        raise ReceiptTaken(field="receipt_number")
    key = hashlib.sha256(f"{MpesaMessageKind.STAFF}\0{payment.id}\0{number}".encode()).hexdigest()
    _, ((message,),) = await tx.fetch(
        STORE.query(
            id=uuid4(), kind=MpesaMessageKind.STAFF, message_key=key, receipt_number=number,
            raw_payload=RawJson.of({"receiptNumber": number, "by": str(tx.user_id)}), addressed_id=payment.id,
            address=None,
        ),
        BY_KEY.query(key=key),
    )  # fmt: skip
    message.mpesa_transaction_id = payment.id
    tx.save(message)
    call_soon(tx, process_message, message_id=message.id)
    return Settling(mpesa_transaction=payment, mpesa_message=message)


async def _payee(tx: RuleTransaction, receipt: MpesaReceipt, user_id: UUID | None) -> Payee:
    """Whose the money is: that of the receipt's payment, or of the user who is named.

    Raises UserMissing, ReceiptIsSomebodys, and OwnMatter where it is the caller's own.
    """
    owner = receipt.mpesa_transaction_id
    if owner is None and user_id is None:
        raise UserMissing(field="user_id")
    if owner is not None and user_id is not None:
        raise ReceiptIsSomebodys(field="user_id")
    wards, *payments = await tx.fetch(
        own_matters.relating(tx), *([] if owner is None else [rows.finding(MpesaTransaction, owner)])
    )
    payee = Payee.of(payments[0][0][0]) if user_id is None else Payee(user_id)
    own_matters.refuse_related(tx, wards, payee.user_id, field="receipt_id")
    return payee


def _held(receipt: MpesaReceipt | None, owner: UUID | None, *, is_going_back: bool) -> MpesaReceipt:
    """A locked receipt that is held, of the payment it was seen with, and not on its way back. Raises InvalidState."""
    assert receipt is not None, "a receipt is never deleted"
    if receipt.status != MpesaReceiptStatus.HELD or is_going_back or receipt.mpesa_transaction_id != owner:
        state = "going_back" if is_going_back else receipt.status
        raise InvalidState(f"The receipt is {state}.", field="receipt_id", state=state)
    return receipt
