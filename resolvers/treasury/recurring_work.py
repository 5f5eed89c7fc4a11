"""What the worker does about payments that recur: pay each date once, and notify before it."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_

from lango.db import rows
from lango.jobs.job import scheduled
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.topics import Topic
from models.treasury import (
    Dao,
    DaoStatus,
    DaoTreasury,
    RecurringOccurrenceOutcome,
    RecurringPayment,
    RecurringPaymentPaymentMethod,
    UserBalance,
)
from resolvers.kernel import clock, due, system_config
from resolvers.kernel.currencies import plain
from resolvers.kernel.notifications import notify
from resolvers.kernel.system_config import Configured
from resolvers.ledger.balances import balances_in, locking_balances
from resolvers.treasury.contributions import contribute
from resolvers.treasury.members import Standing, members_in, standing
from resolvers.treasury.recurring_dates import announce, leave_out_passed, next_date, pass_date, wait_for_next
from resolvers.treasury.treasuries import locking_treasury

CATCH_UP = Configured("treasury.recurring_catch_up", 12)
RETRY_HOURS = Configured("treasury.recurring_retry_hours", 24)
MOST_FAILURES = 3
Outcome = RecurringOccurrenceOutcome

# What is noted where one is stopped or fails; and what its payer, who reads French, is told of it.
NO_FUNDS = "The balance did not cover it."
THREE_FAILURES = "3 payments in a row failed."
NOT_ACTIVE = "The DAO is not at work."
NOT_A_MEMBER = "The payer is no active member of the DAO."
NOT_SERVED = "It can be taken from the balance on the platform alone."
IN_FRENCH = {
    NO_FUNDS: "votre solde ne suffisait pas.",
    THREE_FAILURES: "trois versements de suite ont échoué.",
    NOT_ACTIVE: "le groupe n'est pas actif.",
    NOT_A_MEMBER: "vous n'êtes plus membre actif du groupe.",
    NOT_SERVED: "seul votre solde peut être débité.",
}

RUNNING = (RecurringPayment.is_active, ~RecurringPayment.is_paused, RecurringPayment.dao_id.is_not(None))
DUE = due.Due(
    RecurringPayment.id,
    lambda rows: rows.where(
        *RUNNING,
        RecurringPayment.next_payment_date <= func.now(),
        or_(RecurringPayment.retry_at.is_(None), RecurringPayment.retry_at <= func.now()),
    ).order_by(RecurringPayment.next_payment_date, RecurringPayment.id),
    beside=RecurringPayment.user_id,
)
TO_NOTICE = due.Due(
    RecurringPayment.id,
    lambda rows: rows.where(
        *RUNNING,
        RecurringPayment.notify_before_payment,
        RecurringPayment.noticed_occurrence.is_distinct_from(RecurringPayment.occurrence),
        RecurringPayment.next_payment_date > func.now(),
        RecurringPayment.next_payment_date
        <= func.now() + func.make_interval(0, 0, 0, func.coalesce(RecurringPayment.notify_days_before, 3)),
    ).order_by(RecurringPayment.next_payment_date, RecurringPayment.id),
)


@scheduled("recurring.pay_due", "* * * * *", timeout=300)
async def pay_due(services: Services) -> None:
    """Pay the dates that are due of every payment that recurs, each once."""
    await due.each(services, pay_due, DUE, _pay)


@scheduled("recurring.send_notices", "*/10 * * * *", timeout=300)
async def send_notices(services: Services) -> None:
    """Notify of each date once, as many days before it as the payer wishes."""
    await due.each(services, send_notices, TO_NOTICE, _notice)


async def _pay(tx: RuleTransaction, payment_id: UUID, user_id: UUID) -> None:
    seen = await tx.find(RecurringPayment, payment_id)
    if seen is None or seen.dao_id is None:
        return
    # In the one order of locks. Without the treasury's nobody is banned and no DAO is stopped.
    treasuries, ((payment,),), *balances, ((dao,),), members, ((now,),), numbers = await tx.fetch(
        locking_treasury(seen.dao_id), rows.locking(RecurringPayment, payment_id),
        *locking_balances(seen.currency, user_id), rows.finding(Dao, seen.dao_id), standing(seen.dao_id, user_id),
        clock.reading(), system_config.reading(CATCH_UP, RETRY_HOURS),
    )  # fmt: skip
    if not _is_due(payment, now):
        return
    leave_out_passed(payment)
    treasury = treasuries[0][0] if treasuries else None
    why = _stopped_by(payment, dao, treasury, members_in(members).get(user_id))
    if why is not None or treasury is None:
        _pause(tx, payment, dao, why or NOT_ACTIVE, now)
    else:
        catch_up, retry_hours = system_config.numbers_in(numbers, CATCH_UP, RETRY_HOURS)
        _pay_dates(
            tx, payment, dao, treasury, balances_in(balances)[user_id], now, catch_up, timedelta(hours=retry_hours)
        )
    tx.save(payment)


def _is_due(payment: RecurringPayment, now: datetime) -> bool:
    waits = payment.retry_at is not None and payment.retry_at > now
    return payment.is_active and not payment.is_paused and payment.next_payment_date <= now and not waits


def _stopped_by(
    payment: RecurringPayment, dao: Dao, treasury: DaoTreasury | None, member: Standing | None
) -> str | None:
    """Why it cannot be paid, whatever the balance is; None where it can."""
    if dao.status != DaoStatus.ACTIVE or dao.deleted_at is not None:
        return NOT_ACTIVE
    if treasury is None or treasury.currency != payment.currency:
        return NOT_ACTIVE
    if member is None or not member.counts:
        return NOT_A_MEMBER
    return None if payment.payment_method == RecurringPaymentPaymentMethod.WALLET else NOT_SERVED


def _pay_dates(
    tx: RuleTransaction,
    payment: RecurringPayment,
    dao: Dao,
    treasury: DaoTreasury,
    balance: UserBalance,
    now: datetime,
    catch_up: int,
    pause: timedelta,
) -> None:
    """Pay the dates that are due, the oldest first: as many at once as may be caught up with, and the others never."""
    paid = 0
    while (date := next_date(payment)) is not None and date <= now:
        if paid == catch_up:
            pass_date(tx, payment, date, Outcome.MISSED)
            payment.missed_payments += 1
        elif balance.available_balance < payment.amount:
            _fail(tx, payment, dao, now, pause)
            break
        else:
            made = contribute(tx, balance, treasury, payment.amount, description=payment.description)
            pass_date(tx, payment, date, Outcome.PAID, made.id)
            paid += 1
            payment.total_payments = (payment.total_payments or 0) + 1
            payment.successful_payments = (payment.successful_payments or 0) + 1
            payment.last_payment_id, payment.last_payment_date = made.id, now
            payment.consecutive_failures, payment.retry_at = 0, None
            announce(tx, payment, Topic.RECURRING_PAYMENT_PAID)
            if payment.notify_on_success:
                notify(
                    tx, payment.user_id, "recurring_paid", amount=plain(payment.amount), currency=payment.currency,
                    dao_name=dao.name,
                )  # fmt: skip
    wait_for_next(tx, payment, now)


def _fail(tx: RuleTransaction, payment: RecurringPayment, dao: Dao, now: datetime, pause: timedelta) -> None:
    """Try the same date again later; the third failure in a row pauses the payment."""
    payment.total_payments = (payment.total_payments or 0) + 1
    payment.failed_attempts = (payment.failed_attempts or 0) + 1
    payment.consecutive_failures += 1
    payment.last_failure_date, payment.last_failure_reason = now, NO_FUNDS
    payment.retry_at = now + pause
    announce(tx, payment, Topic.RECURRING_PAYMENT_FAILED)
    if payment.notify_on_failure:
        notify(
            tx, payment.user_id, "recurring_failed", amount=plain(payment.amount), currency=payment.currency,
            dao_name=dao.name, reason=IN_FRENCH[NO_FUNDS],
        )  # fmt: skip
    if payment.consecutive_failures >= MOST_FAILURES:
        _pause(tx, payment, dao, THREE_FAILURES, now)


def _pause(tx: RuleTransaction, payment: RecurringPayment, dao: Dao, why: str, now: datetime) -> None:
    payment.is_paused, payment.paused_at, payment.paused_reason = True, now, why
    announce(tx, payment, Topic.RECURRING_PAYMENT_PAUSED)
    notify(tx, payment.user_id, "recurring_paused", reason=IN_FRENCH[why], dao_name=dao.name)


async def _notice(tx: RuleTransaction, payment_id: UUID) -> None:
    ((payment,),), ((now,),) = await tx.fetch(rows.locking(RecurringPayment, payment_id), clock.reading())
    begins = payment.next_payment_date - timedelta(
        days=3 if payment.notify_days_before is None else payment.notify_days_before
    )
    is_noticed = payment.noticed_occurrence == payment.occurrence
    runs = payment.is_active and not payment.is_paused and payment.notify_before_payment
    if is_noticed or not runs or not begins <= now < payment.next_payment_date or payment.dao_id is None:
        return
    dao = await tx.find(Dao, payment.dao_id)
    assert dao is not None
    payment.noticed_occurrence = payment.occurrence
    tx.save(payment)
    day = payment.next_payment_date.astimezone(ZoneInfo(payment.time_zone))
    notify(
        tx, payment.user_id, "recurring_due_soon", amount=plain(payment.amount), currency=payment.currency,
        dao_name=dao.name, date=f"{day:%d/%m/%Y}",
    )  # fmt: skip
