"""How a report of M-Pesa becomes a credit: M-Pesa is queried first, for anybody may post what looks like a report.

A push is confirmed by its own query. Where that query denies what the callback says, and for what a payer began in
M-Pesa's own menu, the status of the receipt is queried, whose answer comes as a message of its own. No transaction is
open while M-Pesa is called.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import bindparam, or_

from lango.db import rows
from lango.db.prepared import Lookup
from lango.providers import ProviderRefused, ProviderUnavailable
from lango.providers.mpesa import MPESA
from lango.providers.mpesa.client import Outcome
from lango.providers.mpesa.messages import Confirmation, PushCallback, Result, confirmation, push_callback, result
from lango.providers.mpesa.settings import MpesaSettings
from lango.providers.payloads import BadPayload
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from lango.values import exact_json
from models.topics import Topic
from models.treasury import (
    MpesaMessage,
    MpesaMessageKind,
    MpesaReceipt,
    MpesaReceiptArrivedAs,
    MpesaTransaction,
    MpesaTransactionTransactionType,
)
from resolvers.kernel import clock
from resolvers.kernel.outbox import publish
from resolvers.treasury import phone_payouts
from resolvers.treasury.mpesa_accounts import ACCOUNTS, PUSHES, readings
from resolvers.treasury.mpesa_payments import (
    OPEN,
    PAID,
    Arrived,
    Credited,
    Payee,
    credit,
    fail,
    hold_without_receipt,
)
from resolvers.treasury.pushes import mark_sent, outcome_of
from resolvers.treasury.query_schedule import next_query

log = structlog.get_logger("lango.mpesa")
Kind = MpesaMessageKind
ARRIVED_AS = {
    Kind.PUSH: MpesaReceiptArrivedAs.STK,
    Kind.CONFIRMATION: MpesaReceiptArrivedAs.C2B,
    Kind.STAFF: MpesaReceiptArrivedAs.STAFF,
}
CONTRADICTED = "M-Pesa reported that it is paid, and did not confirm it."
REPORTED = Lookup(
    [MpesaTransaction],
    lambda rows: rows.where(
        MpesaTransaction.transaction_type == MpesaTransactionTransactionType.STK_PUSH,
        or_(MpesaTransaction.id == bindparam("id"), MpesaTransaction.checkout_request_id == bindparam("checkout")),
    ),
)
KNOWN = Lookup([MpesaReceipt], lambda rows: rows.where(MpesaReceipt.receipt_number == bindparam("number")))
# Those about which M-Pesa was queried, and none of which nobody knows why M-Pesa should answer.
CONFIRMED_BY = Lookup(
    [MpesaMessage.id],
    lambda rows: rows.where(
        MpesaMessage.receipt_number == bindparam("number"),
        or_(*(MpesaMessage.kind == kind for kind in ARRIVED_AS)),
        MpesaMessage.queries > 0,
        MpesaMessage.processed_at.is_(None),
    ).order_by(MpesaMessage.id),
)
# As in `600310 - The platform`.
SHORTCODE = re.compile(r"\s*([0-9]+)\b", re.ASCII)


async def act_on(services: Services, message: MpesaMessage) -> None:
    """Act on a stored message that has not been processed, or wait for what confirms it."""
    match message.kind:
        case Kind.PUSH:
            await _act_on_callback(services, message.id, push_callback(_payload(message)))
        case Kind.CONFIRMATION:
            notice = confirmation(_payload(message))
            if notice.shortcode != services.settings.section(MpesaSettings).shortcode:
                await end(services, message.id, Credited(problem="It is about another shortcode."))
            else:
                await _query_status(services, message.id, notice.receipt)
        case Kind.STAFF:
            await _query_status(services, message.id, message.receipt_number or "")
        case Kind.B2C | Kind.REVERSAL:
            await _act_on_payout(services, message.id, result(_payload(message)))
        case Kind.STATUS:
            answer = result(_payload(message))
            if not await _act_on_payout(services, message.id, answer):
                await _act_on_status(services, message.id, answer)
        case Kind.STATUS_TIMEOUT | Kind.B2C_TIMEOUT | Kind.REVERSAL_TIMEOUT:
            # It waited too long in a queue of M-Pesa's, which says nothing of what became of it.
            await end(services, message.id, Credited())


def close(tx: RuleTransaction, message: MpesaMessage, credited: Credited, now: datetime) -> None:
    """Note on a locked message that it is done, or why it is left to staff."""
    message.next_query_at, message.processing_error = None, credited.problem
    if credited.payment_id is not None:
        message.mpesa_transaction_id = credited.payment_id
    if credited.problem is None:
        message.processed_at = now
    else:
        leave_to_staff(tx, message, credited.problem)
    tx.save(message)


def leave_to_staff(tx: RuleTransaction, message: MpesaMessage, problem: str) -> None:
    message.processing_error = problem
    log.warning("mpesa_message_left_to_staff", message_id=str(message.id), problem=problem)
    publish(tx, Topic.MPESA_MESSAGE_UNPROCESSED, message.id, payment_id=message.mpesa_transaction_id)
    tx.save(message)


async def end(services: Services, message_id: UUID, credited: Credited) -> None:
    """Close a message of which nothing more comes than that."""

    async def nothing(_: RuleTransaction) -> Credited:
        return credited

    await _end_by(services, message_id, nothing)


async def _end_by(services: Services, message_id: UUID, act: Callable[[RuleTransaction], Awaitable[Credited]]) -> None:
    """Act for a message that has not been processed, under its lock, and close it."""
    async with services.work() as tx:
        ((message,),), ((now,),) = await tx.fetch(rows.locking(MpesaMessage, message_id), clock.reading())
        if message.processed_at is None:
            close(tx, message, await act(tx), now)


async def _begin_query(tx: RuleTransaction, message_id: UUID) -> tuple[MpesaMessage, datetime] | None:
    """The locked message about which M-Pesa is queried now, with the time; None where it has been processed.

    When it is queried next is noted before the call, and its answer may come before the call has ended.
    """
    ((message,),), ((now,),) = await tx.fetch(rows.locking(MpesaMessage, message_id), clock.reading())
    if message.processed_at is not None:
        return None
    message.queries, message.next_query_at = message.queries + 1, next_query(message.created_at, now)
    tx.save(message)
    return message, now


async def _act_on_callback(services: Services, message_id: UUID, callback: PushCallback) -> None:
    async with services.work() as tx:
        begun = await _begin_query(tx, message_id)
        if begun is None:
            return
        message, now = begun
        payment, problem = await _note_callback(tx, message, callback, now)
        if problem is not None or payment is None:
            close(tx, message, Credited(problem=problem), now)
            return
        is_paid, receipt, amount = callback.code == PAID, callback.receipt, callback.amount
        is_known = is_paid and receipt is not None and payment.mpesa_receipt_number == receipt
        if is_known or (not is_paid and payment.status not in OPEN):
            close(tx, message, Credited(payment.id), now)
            return
        is_last = message.next_query_at is None
    outcome = await outcome_of(services, callback.checkout_request_id)
    confirms = outcome is not None and (outcome.code == PAID) == is_paid
    if is_paid and receipt is not None:
        if not (confirms and amount is not None) and not is_last:
            await _ask_status(services, receipt)
        elif amount is not None:
            arrived = Arrived(receipt, amount, MpesaReceiptArrivedAs.STK, callback.paid_at, payer=callback.phone)
            await _credit(services, message_id, payment, arrived, None if confirms else CONTRADICTED)
        else:
            await end(services, message_id, Credited(problem="It reports no amount."))
    elif outcome is not None or is_last:
        await _end_without_receipt(services, message_id, payment.id, callback, outcome)


async def _note_callback(
    tx: RuleTransaction, message: MpesaMessage, callback: PushCallback, now: datetime
) -> tuple[MpesaTransaction | None, str | None]:
    """The push that a callback reports on, locked, with what it says noted; or why it is left to staff."""
    found = await REPORTED.all(tx, id=message.addressed_id, checkout=callback.checkout_request_id)
    if not found:
        return None, "There is no push that it reports on."
    payment = await tx.lock(MpesaTransaction, found[0][0].id)
    is_addressed = message.addressed_id in (None, payment.id)
    if len(found) > 1 or not is_addressed or payment.checkout_request_id not in (None, callback.checkout_request_id):
        return None, "Its address and its CheckoutRequestID are of different payments."
    message.mpesa_transaction_id = payment.id
    payment.checkout_request_id = callback.checkout_request_id
    payment.merchant_request_id = payment.merchant_request_id or callback.merchant_request_id
    payment.callback_received, payment.callback_at = True, payment.callback_at or now
    if payment.mpesa_receipt_number is None:
        payment.callback_data, payment.balance = message.raw_payload, callback.balance
        payment.result_code, payment.result_desc = callback.code, callback.description
    tx.save(message, payment)
    mark_sent(tx, payment)
    return payment, None


async def _credit(
    services: Services, message_id: UUID, payment: MpesaTransaction, arrived: Arrived, hold: str | None
) -> None:
    async def act(tx: RuleTransaction) -> Credited:
        return await credit(tx, Payee.of(payment), arrived, hold=hold)

    await _end_by(services, message_id, act)


async def _end_without_receipt(
    services: Services, message_id: UUID, payment_id: UUID, callback: PushCallback, outcome: Outcome | None
) -> None:
    """What a callback without a receipt comes to: the push has failed, where callback and query agree; and where
    either says that it is paid, it is queried further, and left to staff where it has ended already."""

    async def act(tx: RuleTransaction) -> Credited:
        payment = await tx.lock(MpesaTransaction, payment_id)
        if PAID in (callback.code, None if outcome is None else outcome.code):
            payment.result_code = PAID
            tx.save(payment)
            if payment.status not in OPEN and payment.mpesa_receipt_number is None:
                hold_without_receipt(tx, payment)
        else:
            fail(tx, payment, callback.code, callback.description)
        return Credited(payment.id)

    await _end_by(services, message_id, act)


async def _query_status(services: Services, message_id: UUID, receipt: str) -> None:
    """Query M-Pesa about the receipt that a message reports, unless it is known already."""
    async with services.work() as tx:
        begun = await _begin_query(tx, message_id)
        if begun is None:
            return
        message, now = begun
        known = await KNOWN.one(tx, number=receipt)
        if known is not None:
            close(tx, message, Credited(known[0].mpesa_transaction_id), now)
            return
        if message.next_query_at is None:
            # The answer to this last query still counts.
            leave_to_staff(tx, message, "M-Pesa has not confirmed it.")
    await _ask_status(services, receipt)


async def _ask_status(services: Services, receipt: str) -> None:
    """Have M-Pesa report on a receipt. Where it cannot be asked now, it is asked again on the schedule."""
    try:
        await services.client(MPESA).ask_status(receipt=receipt, key=str(uuid4()))
    except (ProviderUnavailable, ProviderRefused) as error:
        log.info("status_not_asked", receipt=receipt, reason=str(error))


async def _act_on_payout(services: Services, message_id: UUID, answer: Result) -> bool:
    """Act on what became of a payout or a reversal; false for an answer that is about none of ours."""
    async with services.work() as tx:
        ((message,),), ((now,),) = await tx.fetch(rows.locking(MpesaMessage, message_id), clock.reading())
        if message.processed_at is not None:
            return True
        if message.kind == Kind.STATUS and await phone_payouts.reported(tx, message.kind, answer) is None:
            return False
        close(tx, message, Credited(problem=await phone_payouts.act_on_result(tx, message, answer, now)), now)
    return True


async def _act_on_status(services: Services, message_id: UUID, answer: Result) -> None:
    """Credit what M-Pesa was queried about, where it says that it was paid; each report in its own transaction."""
    number, amount = str(answer.values.get("ReceiptNo") or ""), _amount(answer.values.get("Amount"))
    is_paid = answer.code == PAID and answer.values.get("TransactionStatus") == "Completed"
    if is_paid and number and amount is not None and _came_to_us(services, answer):
        async with services.work() as tx:
            waiting = await CONFIRMED_BY.all(tx, number=number)
        for (waiting_id,) in waiting:
            await _confirmed(services, waiting_id, number, amount)
    await end(services, message_id, Credited())


async def _confirmed(services: Services, message_id: UUID, number: str, amount: Decimal) -> None:
    """M-Pesa has confirmed what a message reports."""
    async with services.work() as tx:
        ((message,),), ((now,),) = await tx.fetch(rows.locking(MpesaMessage, message_id), clock.reading())
        if message.processed_at is None:
            close(tx, message, await _credit_confirmed(tx, message, number, amount), now)


async def _credit_confirmed(tx: RuleTransaction, message: MpesaMessage, number: str, amount: Decimal) -> Credited:
    arrived = Arrived(number, amount, ARRIVED_AS[message.kind])
    reported: Decimal | None = None
    match message.kind:
        case Kind.CONFIRMATION:
            notice = confirmation(_payload(message))
            arrived = Arrived(number, amount, arrived.arrived_as, notice.paid_at, notice.bill_reference, notice.payer)
            reported, payee = notice.amount, await payee_of(tx, notice)
        case Kind.PUSH:
            callback = push_callback(_payload(message))
            arrived = Arrived(number, amount, arrived.arrived_as, callback.paid_at, payer=callback.phone)
            reported, payee = callback.amount, await _payee_of_push(tx, message)
        case _:
            payee = await _payee_of_push(tx, message)
    if reported not in (None, amount):
        return Credited(problem=f"M-Pesa says that {amount} were paid, not {reported}.")
    return await credit(tx, payee, arrived)


async def _payee_of_push(tx: RuleTransaction, message: MpesaMessage) -> Payee:
    assert message.mpesa_transaction_id is not None, "it was noted before M-Pesa was queried"
    ((payment,),) = (await tx.fetch(rows.finding(MpesaTransaction, message.mpesa_transaction_id)))[0]
    return Payee.of(payment)


async def payee_of(tx: RuleTransaction, notice: Confirmation) -> Payee | None:
    """Whose the money is that came from M-Pesa's own menu: by the account that was typed, and by nothing else. Names
    and numbers of payers are masked, and may be anybody's."""
    typed = readings(notice.bill_reference or "")
    if not typed:
        return None
    pushes, accounts = await tx.fetch(PUSHES.query(typed=typed), ACCOUNTS.query(typed=typed))
    if pushes:
        return Payee.of(pushes[0][0])
    return Payee(accounts[0][0].user_id, accounts[0][0].dao_id) if accounts else None


def _payload(message: MpesaMessage) -> Any:
    return exact_json.loads(str(message.raw_payload))


def _amount(written: object) -> Decimal | None:
    try:
        amount = Decimal(str(written))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def _came_to_us(services: Services, answer: Result) -> bool:
    """Whether the money came to our shortcode, as far as M-Pesa says: a payout has a receipt as well."""
    party = SHORTCODE.match(str(answer.values.get("CreditPartyName") or ""))
    return party is None or party[1] == services.settings.section(MpesaSettings).shortcode


def receipt_in(kind: MpesaMessageKind, payload: object) -> str | None:
    """The receipt that a message reports, as far as it can be read."""
    try:
        match kind:
            case Kind.PUSH:
                return push_callback(payload).receipt
            case Kind.CONFIRMATION:
                return confirmation(payload).receipt
            case Kind.STATUS:
                return str(result(payload).values.get("ReceiptNo") or "") or None
            case _:
                return result(payload).transaction_id or None
    except BadPayload:
        return None
