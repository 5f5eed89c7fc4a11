"""Payouts and reversals on their way: each is sent to M-Pesa once, and queried about until its end is known.

That a call has begun is committed before it is made (`last_retry_at`). Where nothing can have reached M-Pesa the mark
is taken back and it is sent again; in all other cases it never is, for it might be paid twice. What M-Pesa does with it
comes as a message later; without one, M-Pesa is queried, more and more rarely, and after a week it is left to staff.
Nothing is given back because time has passed (docs/adr/0048).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import structlog
from sqlalchemy import bindparam, func, or_

from lango.db import rows
from lango.db.prepared import Lookup
from lango.jobs.job import job, scheduled
from lango.providers import ProviderRefused
from lango.providers.mpesa import MPESA
from lango.providers.mpesa.client import Accepted, Mpesa
from lango.providers.mpesa.errors import MpesaRefused, MpesaUnavailable, MpesaUndecided
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.topics import Topic
from models.treasury import MpesaTransaction
from resolvers.kernel import clock, due
from resolvers.kernel.outbox import publish
from resolvers.treasury import query_schedule
from resolvers.treasury.mpesa_payments import OPEN, Kind, Status
from resolvers.treasury.payout_ends import RECEIPT, facts_of, give_back, hold, lock

log = structlog.get_logger("lango.mpesa")
# What was not sent when it was requested is sent after so long, and so often after that.
OVERDUE = timedelta(minutes=5)
A_DAY, A_WEEK = timedelta(days=1), timedelta(days=7)
UNKNOWN_AFTER_A_WEEK = "M-Pesa has not said within a week what became of it."
NOT_ACTIVE = "The account was suspended or closed before it was sent."

OWNER = Lookup(
    [User.is_active, User.deleted_at],
    lambda rows: (
        rows.select_from(MpesaTransaction)
        .join(User, User.id == MpesaTransaction.user_id)
        .where(MpesaTransaction.id == bindparam("id"))
    ),
)
WAITING = due.Due(
    MpesaTransaction.id,
    lambda rows: rows.where(
        or_(MpesaTransaction.transaction_type == Kind.B2C, MpesaTransaction.transaction_type == Kind.REVERSAL),
        or_(MpesaTransaction.status == Status.PENDING, MpesaTransaction.status == Status.PROCESSING),
        MpesaTransaction.next_query_at <= func.clock_timestamp(),
    ).order_by(MpesaTransaction.next_query_at),
)


def next_query(begun: datetime, now: datetime) -> datetime:
    """When M-Pesa is queried next about what was sent at `begun`: as about a push on its first day, then daily."""
    return query_schedule.next_query(begun, now) or begun + ((now - begun) // A_DAY + 1) * A_DAY


@dataclass(frozen=True, slots=True)
class Request:
    """What M-Pesa is to carry out."""

    payment_id: UUID
    amount: int
    phone: str
    # The receipt that a reversal gives back; None for a payout.
    receipt: str | None
    begun: datetime

    async def by(self, mpesa: Mpesa) -> Accepted:
        key = str(self.payment_id)
        if self.receipt is not None:
            return await mpesa.reverse(receipt=self.receipt, amount=self.amount, key=key, remarks="Reversal")
        return await mpesa.pay_phone(amount=self.amount, phone=self.phone, key=key, remarks="Payout")


@job("mpesa.send_payout")
async def send_payout(services: Services, *, payment_id: UUID) -> None:
    """Have M-Pesa pay a phone, once. Raises MpesaUnavailable, and MpesaRefused where it has failed."""
    await _send(services, payment_id)


@job("mpesa.send_reversal")
async def send_reversal(services: Services, *, payment_id: UUID) -> None:
    """Have M-Pesa give a payment back, once. Raises as `send_payout` does."""
    await _send(services, payment_id)


@scheduled("mpesa.query_payouts", "* * * * *", timeout=240)
async def query_payouts(services: Services) -> None:
    """Send what was not sent, and query M-Pesa about what it has not reported on."""
    await due.each_apart(services, query_payouts, WAITING, _follow, at_once=due.CALLS_AT_ONCE)


async def _send(services: Services, payment_id: UUID) -> None:
    async with services.work() as tx:
        request = await _begun(tx, payment_id)
    if request is None:
        return
    try:
        accepted = await request.by(services.client(MPESA))
    except MpesaUndecided as wait:
        log.info("payout_under_way", payment_id=str(payment_id), reason=str(wait))
        await _taken(services, payment_id, None)
    except MpesaUnavailable:
        await _not_sent(services, request)
        raise
    except MpesaRefused as refusal:
        log.warning("payout_refused", payment_id=str(payment_id), code=refusal.code)
        await _refused(services, payment_id, refusal.code)
        raise
    else:
        await _taken(services, payment_id, accepted)


async def _begun(tx: RuleTransaction, payment_id: UUID) -> Request | None:
    """Mark that the call begins; None where it has begun before, or is not to be made."""
    ((payment,),), ((is_active, deleted_at),), ((now,),) = await tx.fetch(
        rows.locking(MpesaTransaction, payment_id), OWNER.query(id=payment_id), clock.reading()
    )
    if payment.status != Status.PENDING or payment.last_retry_at is not None:
        return None
    if payment.transaction_type == Kind.B2C and (not is_active or deleted_at is not None):
        hold(tx, payment, NOT_ACTIVE)
        return None
    payment.last_retry_at, payment.next_query_at = now, next_query(now, now)
    tx.save(payment)
    return Request(
        payment_id, int(payment.amount), payment.phone_number, receipt=facts_of(payment).get(RECEIPT), begun=now
    )  # fmt: skip


async def _taken(services: Services, payment_id: UUID, accepted: Accepted | None) -> None:
    """M-Pesa has it, or may have it; its result may have come before its answer."""
    async with services.work() as tx:
        payment = await tx.lock(MpesaTransaction, payment_id)
        if accepted is not None and payment.conversation_id is None:
            # Of a reversal, which takes no key of ours, M-Pesa makes both up.
            payment.conversation_id = accepted.conversation_id
            payment.originator_conversation_id = accepted.originator_conversation_id or str(payment_id)
        if payment.status == Status.PENDING:
            note_sent(tx, payment)
        tx.save(payment)


def note_sent(tx: RuleTransaction, payment: MpesaTransaction) -> None:
    """A locked payment is with M-Pesa, as far as we know: it is not sent again, whatever is heard of it."""
    payment.status = Status.PROCESSING
    publish(tx, Topic.MPESA_PAYMENT_SENT, payment.id, user_id=payment.user_id)


async def _not_sent(services: Services, request: Request) -> None:
    """Nothing has reached M-Pesa: it may be sent again."""
    async with services.work() as tx:
        ((payment,),), ((now,),) = await tx.fetch(rows.locking(MpesaTransaction, request.payment_id), clock.reading())
        if payment.status == Status.PENDING and payment.last_retry_at == request.begun:
            payment.last_retry_at, payment.next_query_at = None, now + OVERDUE
            payment.retry_count = (payment.retry_count or 0) + 1
            tx.save(payment)


async def _refused(services: Services, payment_id: UUID, code: str) -> None:
    """M-Pesa understood the request and does not take it: nothing has left."""
    async with services.work() as tx:
        seen = await rows.find(tx, MpesaTransaction, payment_id)
        assert seen is not None, "payments are never deleted"
        out = await lock(tx, seen)
        # Its only call was refused. Whoever queries about it meanwhile has not known that.
        if out.payment.status in OPEN and out.payment.conversation_id is None:
            out.payment.result_code = code
            give_back(tx, out, f"M-Pesa does not take the request ({code}).")


async def _follow(services: Services, payment_id: UUID) -> None:
    """Send what was not sent; of what was, query M-Pesa what became of it. Raises MpesaUnavailable."""
    query: tuple[str | None, str] | None = None
    async with services.work() as tx:
        ((payment,),), ((now,),) = await tx.fetch(rows.locking(MpesaTransaction, payment_id), clock.reading())
        # Another worker may have been here since this one saw it.
        if payment.status not in OPEN or payment.next_query_at is None or payment.next_query_at > now:
            return
        begun = payment.last_retry_at
        if begun is not None and now - begun >= A_WEEK:
            hold(tx, payment, UNKNOWN_AFTER_A_WEEK)
            return
        if begun is not None:
            payment.queries += 1
            # Each query is a request of its own, which M-Pesa takes once.
            query = payment.originator_conversation_id, str(uuid5(payment_id, f"status {payment.queries}"))
            if payment.status == Status.PENDING:
                note_sent(tx, payment)
        payment.next_query_at = next_query(begun, now) if begun is not None else now + OVERDUE
        tx.save(payment)
    with suppress(ProviderRefused):
        if query is None:
            # What M-Pesa refuses is noted as failed, and is not sent again by itself.
            await _send(services, payment_id)
        else:
            await _query(services, payment_id, *query)


async def _query(services: Services, payment_id: UUID, original_key: str | None, key: str) -> None:
    """Have M-Pesa say what became of it, by a message of its own. Raises MpesaUnavailable, and MpesaRefused."""
    try:
        await services.client(MPESA).ask_status(original_key=original_key, key=key)
    except MpesaUndecided as wait:
        log.info("status_under_way", payment_id=str(payment_id), reason=str(wait))
    except MpesaRefused as refusal:
        log.warning("status_refused", payment_id=str(payment_id), code=refusal.code)
        raise
