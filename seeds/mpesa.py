"""Deposits by M-Pesa, what M-Pesa posted of them, their receipts, and the accounts of those who pay in by its menu."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from models.treasury import MpesaAccount, MpesaMessage, MpesaReceipt, MpesaTransaction
from resolvers.ledger.ledger import Movement, fees, provider, suspense, user_account
from resolvers.treasury.mpesa_accounts import ACCOUNT_LENGTH, PUSH, REFERENCE_LENGTH, check_character
from seeds.ledger import Books
from seeds.world import Dice, Person, World, digest

KES, SHORTCODE = "KES", "174379"
A_MINUTE, A_DAY = timedelta(minutes=1), timedelta(days=1)
PAID = "The service request is processed successfully."
# How the deposits end that are not credited, and M-Pesa's code of it.
UNPAID = {"failed": "1", "cancelled": "1032", "expired": "1019"}


def put_deposit(
    world: World, dice: Dice, books: Books, member: Person, amount: Decimal, fee: Decimal, when: datetime, status: str
) -> UUID:
    """A push, its callback, and where it was paid its receipt. A held one was paid a hundred shillings short."""
    key, paid = dice.id(), status in ("completed", "held")
    came = amount - 100 if status == "held" else amount
    number = f"Q{dice.code(9)}" if paid else None
    code = "0" if paid else UNPAID[status]
    callback = _callback(key, code, number, came, when)
    world.rows.put(
        MpesaTransaction, id=key, user_id=member.id, transaction_type="stk_push", phone_number=member.phone,
        amount=amount, fee=fee, purpose="deposit", account_reference=PUSH + dice.code(REFERENCE_LENGTH - len(PUSH)),
        transaction_desc="Depot", merchant_request_id=dice.hexadecimal(16), checkout_request_id=f"ws_CO_{key.hex[:20]}",
        mpesa_receipt_number=number, paid_amount=came if paid else None, transaction_date=when if paid else None,
        result_code=code, result_desc=PAID if paid else "The request was not paid.", callback_data=callback,
        callback_received=True, callback_at=when, status=status, ip_address=dice.address(),
        failure_reason="The balance is insufficient." if status == "failed" else None, last_retry_at=when - A_MINUTE,
        expires_at=when - A_MINUTE + A_DAY, created_at=when - A_MINUTE, updated_at=when,
    )  # fmt: skip
    _put_message(world, dice, "push", callback, when, key, number)
    if number is not None:
        why = "Another amount was requested." if status == "held" else None
        _put_receipt(world, dice, books, number, came, when, key, why)
    if status == "completed":
        own, mpesa = user_account(member.id, "available", KES), provider("mpesa", KES)
        credit = [Movement(mpesa, own, amount - fee), Movement(mpesa, fees(KES), fee)]
        books.post("mpesa_deposit", when, credit, of=("mpesa_transaction", key), by=member.id)
    return key


def put_account(world: World, dice: Dice, member: Person, dao: UUID | None, when: datetime) -> None:
    letters = dice.code(ACCOUNT_LENGTH - 1)
    world.rows.put(
        MpesaAccount, id=dice.id(), user_id=member.id, dao_id=dao, account_number=letters + check_character(letters),
        created_at=when,
    )  # fmt: skip


def put_nobodys(world: World, dice: Dice, books: Books, when: datetime) -> None:
    """Money from M-Pesa's own menu whose payer typed no account of ours, and a notice that M-Pesa did not confirm."""
    for number, is_confirmed in ((f"Q{dice.code(9)}", True), (f"Q{dice.code(9)}", False)):
        notice = {
            "TransactionType": "Pay Bill", "TransID": number, "TransAmount": "300.00", "BusinessShortCode": SHORTCODE,
            "BillRefNumber": "EPARGNE", "MSISDN": "2547*****126",
        }  # fmt: skip
        _put_message(
            world, dice, "confirmation", notice, when, None, number,
            None if is_confirmed else "M-Pesa has not confirmed it.",
        )  # fmt: skip
        if is_confirmed:
            _put_receipt(world, dice, books, number, Decimal(300), when, None, "It names no account.", typed="EPARGNE")


def _put_receipt(
    world: World, dice: Dice, books: Books, number: str, amount: Decimal, when: datetime, payment: UUID | None,
    why: str | None, typed: str | None = None,
) -> None:  # fmt: skip
    key = dice.id()
    world.rows.put(
        MpesaReceipt, id=key, receipt_number=number, amount=amount, paid_at=when,
        arrived_as="stk" if typed is None else "c2b", bill_reference=typed, mpesa_transaction_id=payment,
        status="credited" if why is None else "held", held_reason=why, created_at=when, updated_at=when,
    )  # fmt: skip
    if why is not None:
        held = Movement(provider("mpesa", KES), suspense(KES), amount)
        books.post("mpesa_held", when, [held], of=("mpesa_receipt", key))


def _put_message(
    world: World, dice: Dice, kind: str, payload: dict[str, Any], when: datetime, payment: UUID | None,
    number: str | None, error: str | None = None,
) -> None:  # fmt: skip
    key = dice.id()
    world.rows.put(
        MpesaMessage, id=key, kind=kind, message_key=digest(key.hex), raw_payload=payload, receipt_number=number,
        mpesa_transaction_id=payment, address=dice.address(), processed_at=when if error is None else None,
        processing_error=error, queries=1, created_at=when,
    )  # fmt: skip


def _callback(key: UUID, code: str, number: str | None, amount: Decimal, when: datetime) -> dict[str, Any]:
    callback: dict[str, Any] = {"CheckoutRequestID": f"ws_CO_{key.hex[:20]}", "ResultCode": int(code)}
    if number is not None:
        items = {
            "Amount": int(amount), "MpesaReceiptNumber": number, "TransactionDate": int(f"{when:%Y%m%d%H%M%S}")
        }  # fmt: skip
        callback["CallbackMetadata"] = {"Item": [{"Name": name, "Value": value} for name, value in items.items()]}
    return {"Body": {"stkCallback": callback}}
