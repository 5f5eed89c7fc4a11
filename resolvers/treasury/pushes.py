"""STK pushes: sent once, and followed until M-Pesa has said what became of them, or nobody expects it any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import func

from lango.db import rows
from lango.db.prepared import Lookup
from lango.jobs.gauges import gauge
from lango.jobs.job import job, scheduled
from lango.providers import ProviderRefused, ProviderUnavailable, ProviderUndecided
from lango.providers.mpesa import MPESA
from lango.providers.mpesa.client import Outcome, Push, StatementLine
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.topics import Topic
from models.treasury import (
    MpesaReceiptArrivedAs,
    MpesaTransaction,
    MpesaTransactionStatus,
    MpesaTransactionTransactionType,
)
from resolvers.kernel import clock, due, system_config
from resolvers.kernel.outbox import publish
from resolvers.kernel.system_config import Configured
from resolvers.treasury.mpesa_payments import (
    IS_OPEN,
    OPEN,
    PAID,
    Arrived,
    Payee,
    credit,
    expire,
    fail,
    hold_without_receipt,
)
from resolvers.treasury.query_schedule import next_query

log = structlog.get_logger("lango.mpesa")
PUSH_REPEAT = Configured("treasury.push_repeat_seconds", 120)
Status = MpesaTransactionStatus
# What was paid shows in the statement under a moment that may differ from ours.
CLOCKS_DIFFER = timedelta(minutes=5)
# It is requested in whole seconds, of which the last has begun.
A_SECOND = timedelta(seconds=1)
UNHEARD_OF = due.Due(
    MpesaTransaction.id,
    lambda rows: rows.where(
        MpesaTransaction.transaction_type == MpesaTransactionTransactionType.STK_PUSH,
        IS_OPEN,
        MpesaTransaction.next_query_at <= func.now(),
    ).order_by(MpesaTransaction.next_query_at),
)
WAITING = Lookup(
    [MpesaTransaction.status, func.count()],
    lambda rows: rows.where(IS_OPEN, MpesaTransaction.next_query_at.is_not(None)).group_by(MpesaTransaction.status),
)


@job("mpesa.send_push")
async def send_push(services: Services, *, payment_id: UUID) -> None:
    """Have M-Pesa ask the phone for the PIN, once: whoever may have been asked is not asked again.

    Raises MpesaUnavailable, MpesaUndecided and MpesaRefused.
    """
    async with services.work() as tx:
        payment = await _begun(tx, payment_id)
    if payment is None:
        return
    try:
        sent = await services.client(MPESA).push(
            amount=int(payment.amount), phone=payment.phone_number, reference=payment.account_reference or "",
            description=payment.transaction_desc or "", payment=payment.id,
        )  # fmt: skip
    except ProviderUndecided:
        # M-Pesa may have it: the callback, whose address has the payment's id, or the statement will show.
        await _noted(services, payment_id, None)
        raise
    except ProviderUnavailable:
        await _not_sent(services, payment_id)
        raise
    except ProviderRefused as refusal:
        log.warning("push_refused", payment_id=str(payment_id), code=refusal.code)
        async with services.work() as tx:
            fail(tx, await tx.lock(MpesaTransaction, payment_id), refusal.code, "M-Pesa refused it.")
        raise
    await _noted(services, payment_id, sent)


@scheduled("mpesa.query_pushes", "* * * * *", timeout=300)
async def query_pushes(services: Services) -> None:
    """Query M-Pesa about the pushes of which nothing was heard in time."""
    await due.each_apart(services, query_pushes, UNHEARD_OF, query_push, at_once=due.CALLS_AT_ONCE)


async def query_push(services: Services, payment_id: UUID) -> None:
    """Credit a push that was paid, end one that was not, or query again later."""
    async with services.work() as tx:
        payment = await _open(tx, payment_id)
    if payment is None:
        return
    outcome = await outcome_of(services, payment.checkout_request_id)
    line = None
    if payment.checkout_request_id is None or (outcome is not None and outcome.code == PAID):
        # A query tells no receipt, and nothing is credited without one.
        line = await _in_statement(services, payment)
    async with services.work() as tx:
        if line is not None:
            arrived = Arrived(line.receipt, line.amount, MpesaReceiptArrivedAs.STATEMENT, line.at, line.reference)
            await credit(tx, Payee.of(payment), arrived)
        else:
            await _decide(tx, payment_id, outcome)


async def outcome_of(services: Services, checkout_request_id: str | None) -> Outcome | None:
    """What M-Pesa says became of a push; None where it does not say yet, or cannot be asked."""
    if checkout_request_id is None:
        return None
    try:
        return await services.client(MPESA).push_outcome(checkout_request_id)
    except (ProviderUnavailable, ProviderRefused) as error:
        log.info("push_not_decided", checkout=checkout_request_id, reason=str(error))
        return None


@gauge("lango_mpesa_waiting", label="status")
async def waiting(services: Services) -> dict[str, int]:
    """Payments by M-Pesa whose outcome is waited for, by state."""
    async with services.work() as tx:
        found = {str(status): int(count) for status, count in await WAITING.all(tx)}
    return {status.value: found.get(status.value, 0) for status in (Status.PENDING, Status.PROCESSING)}


async def _begun(tx: RuleTransaction, payment_id: UUID) -> MpesaTransaction | None:
    """The payment that is to be sent, marked as begun before the call; None where it has been, or is too old."""
    found, ((now,),), configured = await tx.fetch(
        rows.locking(MpesaTransaction, payment_id), clock.reading(), system_config.reading(PUSH_REPEAT)
    )
    payment: MpesaTransaction | None = found[0][0] if found else None
    if payment is None or payment.status != Status.PENDING or payment.last_retry_at is not None:
        return None
    (repeat,) = system_config.numbers_in(configured, PUSH_REPEAT)
    if now >= payment.created_at + timedelta(seconds=repeat):
        # Nobody holds the phone in their hand any more.
        expire(tx, payment)
        return None
    payment.last_retry_at = now
    tx.save(payment)
    return payment


async def _noted(services: Services, payment_id: UUID, sent: Push | None) -> None:
    """Note that M-Pesa has a push, or may have it. Its callback may have been quicker."""
    async with services.work() as tx:
        payment = await tx.lock(MpesaTransaction, payment_id)
        if sent is not None:
            payment.merchant_request_id = payment.merchant_request_id or sent.merchant_request_id
            payment.checkout_request_id = payment.checkout_request_id or sent.checkout_request_id
        tx.save(payment)
        mark_sent(tx, payment)


async def _not_sent(services: Services, payment_id: UUID) -> None:
    """M-Pesa was not reached: the push may be sent again."""
    async with services.work() as tx:
        payment = await tx.lock(MpesaTransaction, payment_id)
        if payment.status == Status.PENDING:
            payment.last_retry_at, payment.retry_count = None, (payment.retry_count or 0) + 1
            tx.save(payment)


def mark_sent(tx: RuleTransaction, payment: MpesaTransaction) -> None:
    """A locked payment is with M-Pesa, unless more is known of it already."""
    if payment.status == Status.PENDING:
        payment.status = Status.PROCESSING
        tx.save(payment)
        publish(tx, Topic.MPESA_PAYMENT_SENT, payment.id, user_id=payment.user_id)


async def _open(tx: RuleTransaction, payment_id: UUID) -> MpesaTransaction | None:
    """The push about which M-Pesa is to be queried; None where nothing is waited for, or nothing was sent."""
    found, ((now,),), configured = await tx.fetch(
        rows.locking(MpesaTransaction, payment_id), clock.reading(), system_config.reading(PUSH_REPEAT)
    )
    payment: MpesaTransaction | None = found[0][0] if found else None
    if payment is None or payment.status not in OPEN:
        return None
    if payment.status == Status.PENDING and payment.last_retry_at is None:
        (repeat,) = system_config.numbers_in(configured, PUSH_REPEAT)
        if now >= payment.created_at + timedelta(seconds=repeat):
            expire(tx, payment)
        else:
            payment.next_query_at = next_query(payment.created_at, now)
            tx.save(payment)
        return None
    # Whoever sent it was cut off before noting what M-Pesa said.
    mark_sent(tx, payment)
    return payment


async def _in_statement(services: Services, payment: MpesaTransaction) -> StatementLine | None:
    """The line of M-Pesa's statement that has the payment's reference, where there is one and it can be had."""
    begin = payment.created_at - CLOCKS_DIFFER
    end = (payment.expires_at or payment.created_at) + CLOCKS_DIFFER
    try:
        lines = await services.client(MPESA).statement(begin, min(end, datetime.now(UTC) + A_SECOND))
    except (ProviderUnavailable, ProviderRefused) as error:
        log.info("statement_not_had", reason=str(error))
        return None
    matching = (line for line in lines if line.amount > 0 and line.reference == payment.account_reference)
    return next(matching, None)


async def _decide(tx: RuleTransaction, payment_id: UUID, outcome: Outcome | None) -> None:
    """What a query without a receipt comes to. That a push has failed is believed when the callback says so too, or
    when the last query is past: M-Pesa has said it of pushes that were paid."""
    ((payment,),), ((now,),) = await tx.fetch(rows.locking(MpesaTransaction, payment_id), clock.reading())
    if payment.status not in OPEN:
        return
    following = next_query(payment.created_at, now)
    payment.queries, payment.next_query_at = payment.queries + 1, following
    if outcome is not None and outcome.code == PAID:
        payment.result_code, payment.result_desc = PAID, outcome.description
    says_paid = payment.result_code == PAID
    agreed = payment.callback_received and not says_paid
    if outcome is not None and not says_paid and (agreed or following is None):
        fail(tx, payment, outcome.code, outcome.description)
    elif following is None and says_paid:
        hold_without_receipt(tx, payment)
    elif following is None:
        expire(tx, payment)
    tx.save(payment)
