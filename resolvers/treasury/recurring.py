"""Payments that recur: ordered by a member of a DAO, paused, resumed and cancelled by them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated
from uuid import uuid4

from sqlalchemy import bindparam

from lango.db import rows
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Changes, Details, Locked, OwnedBy, Seen, Text, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from models.topics import Topic
from models.treasury import (
    Dao,
    DaoTreasury,
    RecurringOccurrenceOutcome,
    RecurringPayment,
    RecurringPaymentFrequency,
    RecurringPaymentPaymentMethod,
)
from resolvers.kernel import ages, clock
from resolvers.kernel.ages import NotOfAge, check_is_adult, minors_in
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange
from resolvers.kernel.currencies import check_money
from resolvers.kernel.texts import TimeZoneUnknown, check_time_zone
from resolvers.treasury.members import DaoNotActive, NotAMember, check_dao, demand_role, members_in, standing
from resolvers.treasury.recurring_dates import announce, leave_out_passed, next_date, pass_date, wait_for_next

LONGEST_TEXT = 500
LONGEST_INTERVAL, MOST_PAYMENTS, MOST_DAYS_BEFORE = 366, 10_000, 30
# How long a client's clock may be behind, and how far ahead the first date may be.
A_MOMENT, FURTHEST = timedelta(minutes=5), timedelta(days=5 * 366)
LAST_END = datetime(9000, 1, 1, tzinfo=UTC)
BY_THE_PAYER = "By the payer"


class NotYourRecurringPayment(Refused):
    """This recurring payment is somebody else's."""


class MethodNotServed(Refused):
    """Recurring payments are taken from the balance on the platform alone: nobody else lets us take money by itself."""


class NumberOutOfRange(Refused):
    """The number is too small or too large."""


class StartNotValid(Refused):
    """The first payment is due now, or within the next 5 years."""


class EndNotValid(Refused):
    """A recurring payment ends on its first date or later."""


TREASURY = Lookup([DaoTreasury.currency], lambda rows: rows.where(DaoTreasury.dao_id == bindparam("dao_id")))
OwnOrder = Annotated[
    RecurringPayment,
    Locked("The recurring payment."),
    OwnedBy(RecurringPayment.user_id, NotYourRecurringPayment),
]


class Notices(Details):
    """Of what the payer is notified."""

    notify_on_success: Annotated[bool, Value("Whether you are notified of each payment; true without it.")]
    notify_on_failure: Annotated[bool, Value("Whether you are notified of each failure; true without it.")]
    notify_before_payment: Annotated[bool, Value("Whether you are notified before each payment; true without it.")]
    notify_days_before: Annotated[int, Value("How many days before, 30 at most; 3 without it.")]


class RecurringPaymentChanges(Notices, Changes):
    """What the payer may change; for another amount or other dates it is cancelled and ordered anew."""

    description: Annotated[str | None, Text("What you call it.", LONGEST_TEXT)]


@rule(
    MethodNotServed, AmountNotPositive, AmountOutOfRange, NumberOutOfRange, TimeZoneUnknown, StartNotValid, EndNotValid,
    NotAMember, DaoNotActive, NotOfAge,
)  # fmt: skip
async def create_recurring_payment(
    tx: RuleTransaction,
    dao: Annotated[Dao, Seen("The DAO that is paid, whose approved member one is.")],
    amount: Annotated[Decimal, Value("What is paid each time, in the currency of the DAO's treasury.")],
    frequency: Annotated[RecurringPaymentFrequency, Value("The period that `interval` counts.")],
    notices: Notices,
    interval: Annotated[int, Value("How many periods lie between two payments, 366 at most.")] = 1,
    start_date: Annotated[datetime | None, Value("When the first payment falls due; now without it.")] = None,
    end_date: Annotated[datetime | None, Value("After which moment none falls due any more.")] = None,
    max_payments: Annotated[int | None, Value("After how many payments it ends, 10,000 at most.")] = None,
    time_zone: Annotated[
        str | None, Text("The zone whose calendar its dates keep to; the DAO's without it.", 50)
    ] = None,
    payment_method: Annotated[
        RecurringPaymentPaymentMethod, Value("What it is taken from; the wallet alone is served.")
    ] = RecurringPaymentPaymentMethod.WALLET,
    description: Annotated[str | None, Text("What you call it.", LONGEST_TEXT)] = None,
) -> RecurringPayment:
    """Order that a DAO is paid the same amount on fixed dates, each date once. Its approved members; adults alone.

    The dates are reckoned from the first, so that month ends are kept: 31 January, 28 February, 31 March.
    """
    if payment_method != RecurringPaymentPaymentMethod.WALLET:
        raise MethodNotServed(field="payment_method")
    _check_number(interval, 1, LONGEST_INTERVAL, field="interval")
    _check_number(max_payments, 1, MOST_PAYMENTS, field="max_payments")
    _check_notices(notices)
    if time_zone is not None:
        check_time_zone(time_zone, field="time_zone")
    members, minors, treasuries, ((now,),) = await tx.fetch(
        standing(dao.id, tx.user_id), ages.aging(tx.user_id), TREASURY.query(dao_id=dao.id), clock.reading()
    )
    demand_role(members_in(members), tx.user_id, field="dao_id")
    check_dao(dao, field="dao_id")
    check_is_adult(tx.user_id, minors_in(minors))
    ((currency,),) = treasuries
    check_money(amount, currency, RecurringPayment.amount, field="amount")
    starts = now if start_date is None else start_date.astimezone(UTC)
    if not now - A_MOMENT <= starts <= now + FURTHEST:
        raise StartNotValid(field="start_date")
    if end_date is not None and not starts <= end_date < LAST_END:
        raise EndNotValid(field="end_date")
    payment = RecurringPayment(
        id=uuid4(), user_id=tx.user_id, dao_id=dao.id, amount=amount, currency=currency, description=description,
        frequency=frequency, interval=interval, start_date=starts, next_payment_date=starts, end_date=end_date,
        max_payments=max_payments, payment_method=payment_method, time_zone=time_zone or dao.time_zone, **notices.given,
    )  # fmt: skip
    tx.save(payment)
    announce(tx, payment, Topic.RECURRING_PAYMENT_CREATED)
    return payment


@rule(NumberOutOfRange)
async def update_recurring_payment(
    tx: RuleTransaction, recurring_payment: OwnOrder, changes: RecurringPaymentChanges
) -> RecurringPayment:
    """Change what a recurring payment is called, and of what one is notified."""
    _check_notices(changes)
    for name, value in changes.given.items():
        setattr(recurring_payment, name, value)
    tx.save(recurring_payment)
    return recurring_payment


@rule(InvalidState)
async def pause_recurring_payment(tx: RuleTransaction, recurring_payment: OwnOrder) -> RecurringPayment:
    """Have a recurring payment rest: dates that pass meanwhile are skipped, and not paid afterwards either."""
    _check_state(recurring_payment, paused=False)
    recurring_payment.is_paused, recurring_payment.paused_at = True, await clock.now(tx)
    recurring_payment.paused_reason = BY_THE_PAYER
    tx.save(recurring_payment)
    announce(tx, recurring_payment, Topic.RECURRING_PAYMENT_PAUSED)
    return recurring_payment


@rule(InvalidState, NotAMember, DaoNotActive)
async def resume_recurring_payment(tx: RuleTransaction, recurring_payment: OwnOrder) -> RecurringPayment:
    """Have a recurring payment go on with its next date. A date that could not be paid before is not tried again."""
    payment = recurring_payment
    _check_state(payment, paused=True)
    if payment.dao_id is None:
        raise DaoNotActive(field="recurring_payment_id")
    daos, members, ((now,),) = await tx.fetch(
        rows.finding(Dao, payment.dao_id), standing(payment.dao_id, payment.user_id), clock.reading()
    )
    demand_role(members_in(members), payment.user_id, field="recurring_payment_id")
    check_dao(daos[0][0], field="recurring_payment_id")
    leave_out_passed(payment)
    has_failed = payment.consecutive_failures > 0
    while (date := next_date(payment)) is not None and date <= now:
        outcome = RecurringOccurrenceOutcome.FAILED if has_failed else RecurringOccurrenceOutcome.SKIPPED
        pass_date(tx, payment, date, outcome)
        has_failed = False
    payment.is_paused, payment.paused_at, payment.paused_reason = False, None, None
    payment.consecutive_failures, payment.retry_at = 0, None
    announce(tx, payment, Topic.RECURRING_PAYMENT_RESUMED)
    wait_for_next(tx, payment, now)
    tx.save(payment)
    return payment


@rule(InvalidState)
async def cancel_recurring_payment(
    tx: RuleTransaction,
    recurring_payment: OwnOrder,
    reason: Annotated[str | None, Text("Why it is no longer wanted.", LONGEST_TEXT)] = None,
) -> RecurringPayment:
    """End a recurring payment for good."""
    _check_state(recurring_payment)
    recurring_payment.is_active, recurring_payment.cancelled_at = False, await clock.now(tx)
    recurring_payment.cancelled_reason = reason
    tx.save(recurring_payment)
    announce(tx, recurring_payment, Topic.RECURRING_PAYMENT_CANCELLED)
    return recurring_payment


def _check_state(payment: RecurringPayment, *, paused: bool | None = None) -> None:
    """Refuses what has ended, and what is not `paused` as it must be."""
    state = "ended" if payment.ended_at is not None else "cancelled"
    if payment.is_active:
        state = "paused" if payment.is_paused else "running"
    if not payment.is_active or paused not in (None, payment.is_paused):
        raise InvalidState(f"The recurring payment is {state}.", field="recurring_payment_id", state=state)


def _check_notices(notices: Details) -> None:
    _check_number(notices.notify_days_before, 0, MOST_DAYS_BEFORE, field="notify_days_before")


def _check_number(number: int | None, least: int, most: int, *, field: str) -> None:
    if number is not None and not least <= number <= most:
        raise NumberOutOfRange(f"From {least} to {most}.", field=field, least=least, most=most)
