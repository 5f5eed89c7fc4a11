"""The dates of one recurring payment: which is next, what becomes of it, and when there is none any more."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from lango.rules.transaction import RuleTransaction
from models.topics import Topic
from models.treasury import RecurringOccurrence, RecurringOccurrenceOutcome, RecurringPayment
from resolvers.kernel.outbox import publish
from resolvers.treasury.due_dates import nth


def next_date(payment: RecurringPayment) -> datetime | None:
    """When its next date is; None where `end_date` or `max_payments` leaves none."""
    if payment.max_payments is not None and (payment.successful_payments or 0) >= payment.max_payments:
        return None
    date = nth(payment.start_date, payment.frequency, payment.interval or 1, payment.occurrence, payment.time_zone)
    return None if payment.end_date is not None and date > payment.end_date else date


def leave_out_passed(payment: RecurringPayment) -> None:
    """Count the dates of a locked payment that lie before the one which it names as its next: what was ordered before
    its dates were counted has been paid until then."""
    interval = payment.interval or 1
    while (
        nth(payment.start_date, payment.frequency, interval, payment.occurrence, payment.time_zone)
        < payment.next_payment_date
    ):
        payment.occurrence += 1


def pass_date(
    tx: RuleTransaction,
    payment: RecurringPayment,
    date: datetime,
    outcome: RecurringOccurrenceOutcome,
    wallet_transaction_id: UUID | None = None,
) -> None:
    """Write down what became of the next date of a locked payment, and go on to the one after it.

    The table has each date once: what would be paid a second time is refused there.
    """
    passed = RecurringOccurrence(
        id=uuid4(), recurring_payment_id=payment.id, user_id=payment.user_id, occurrence=payment.occurrence,
        due_at=date, outcome=outcome, wallet_transaction_id=wallet_transaction_id,
    )  # fmt: skip
    tx.save(passed)
    payment.occurrence += 1


def wait_for_next(tx: RuleTransaction, payment: RecurringPayment, now: datetime) -> None:
    """Have a locked payment wait for its next date, or end where there is none."""
    date = next_date(payment)
    if date is not None:
        payment.next_payment_date = date
        return
    payment.is_active, payment.ended_at = False, now
    announce(tx, payment, Topic.RECURRING_PAYMENT_ENDED)


def announce(tx: RuleTransaction, payment: RecurringPayment, topic: Topic) -> None:
    publish(tx, topic, payment.id, user_id=payment.user_id, dao_id=payment.dao_id)
