"""What the worker does about payments that recur: each date is paid once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from lango.rules.services import Services
from resolvers.treasury.due_dates import nth
from resolvers.treasury.recurring_work import pay_due, send_notices
from tests.books import Books
from tests.changes import Changes
from tests.factories import now
from tests.jobs.conftest import until
from tests.treasury.house import House
from tests.treasury.orders import a_dao, ordered, outcomes, row_of

NAIROBI = "Africa/Nairobi"
KILLED = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"


@pytest.fixture
async def dao(house: House) -> Any:
    made = await a_dao(house)
    await house.give(made.admin, "KES", "9000")
    return made


async def receive(house: House, dao: Any, amount: str) -> None:
    """The member gets so much more."""
    assert await house.refused("transferFunds", dao.admin, recipientId=dao.member, amount=amount, currency="KES") == []


def months_ago(count: int) -> datetime:
    """A moment from which the latest monthly date was within the last month, and the one before it `count` before."""
    today = now()
    months = today.year * 12 + today.month - 1 - count
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


async def test_a_date_that_is_due_is_paid(
    house: House, dao: Any, services: Services, books: Books, templates: Any
) -> None:
    await templates("recurring_paid", "{amount} {currency} pour {dao_name}")
    starts = now() - timedelta(minutes=1)
    payment = await ordered(house, dao, start_date=starts, description="Loyer")
    later = await ordered(house, dao, start_date=now() + timedelta(minutes=1))

    await pay_due(services)

    row = await row_of(house, payment)
    assert (await house.balance(dao.member, "KES"), await house.holds(dao)) == ("900", "100")
    assert (row.occurrence, row.total_payments, row.successful_payments, row.failed_attempts) == (1, 1, 1, 0)
    assert row.next_payment_date == nth(starts, row.frequency, 1, 1, NAIROBI)
    assert await outcomes(house, payment) == [(0, "paid")]
    assert await outcomes(house, later) == []
    made = await house.owner.fetchrow("SELECT * FROM treasury.wallet_transactions WHERE id = $1", row.last_payment_id)
    assert (made["type"], made["amount"], made["description"]) == ("contribution", 100, "Loyer")
    assert [entry[0] for entry in await house.posted(made["id"])] == ["dao_contribution"] * 2
    assert await books.events(payment.id) == ["recurring_payment.paid"]
    assert await house.messages(dao.member) == [f"100 KES pour {dao.name}"]


async def test_after_an_outage_each_date_is_paid_once_by_many_workers(
    house: House, dao: Any, services: Services
) -> None:
    payment = await ordered(house, dao, start_date=months_ago(2))

    await asyncio.gather(*(pay_due(services) for _ in range(4)))

    assert await outcomes(house, payment) == [(0, "paid"), (1, "paid"), (2, "paid")]
    assert (await house.balance(dao.member, "KES"), await house.holds(dao)) == ("700", "300")
    row = await row_of(house, payment)
    assert row.next_payment_date == nth(row.start_date, row.frequency, 1, 3, NAIROBI) > now()
    assert row.missed_payments == 0


async def test_what_a_long_outage_leaves_is_caught_up_with_in_part(
    house: House, dao: Any, services: Services, configure: Any
) -> None:
    await configure("treasury.recurring_catch_up", 3)
    payment = await ordered(house, dao, start_date=now() - timedelta(days=5, minutes=1), frequency="daily")

    await pay_due(services)
    await pay_due(services)

    assert await outcomes(house, payment) == [
        (0, "paid"),
        (1, "paid"),
        (2, "paid"),
        (3, "missed"),
        (4, "missed"),
        (5, "missed"),
    ]
    row = await row_of(house, payment)
    assert (row.missed_payments, row.successful_payments) == (3, 3)
    assert await house.balance(dao.member, "KES") == "700"


async def test_what_was_ordered_before_dates_were_counted_goes_on_with_its_next(
    house: House, dao: Any, services: Services
) -> None:
    begun = now() - timedelta(days=21, hours=1)
    due_since = begun + timedelta(days=21)
    payment = await ordered(house, dao, frequency="weekly", start_date=begun, next_payment_date=due_since)

    await pay_due(services)

    assert await outcomes(house, payment) == [(3, "paid")]
    assert (await row_of(house, payment)).next_payment_date == due_since + timedelta(days=7)


async def test_month_ends_are_kept(house: House, dao: Any, services: Services) -> None:
    starts = datetime(2026, 8, 31, 6, tzinfo=UTC)
    payment = await ordered(house, dao, start_date=starts)

    await pay_due(services)

    due = await house.owner.fetch(
        "SELECT due_at FROM treasury.recurring_occurrences WHERE recurring_payment_id = $1 ORDER BY occurrence",
        payment.id,
    )
    assert [f"{row['due_at']:%m-%d %H}" for row in due][:4] == ["08-31 06", "09-30 06", "10-31 06", "11-30 06"]


async def test_a_worker_that_dies_meanwhile_has_paid_nothing(
    house: House, dao: Any, services: Services, owner_url: str
) -> None:
    payment = await ordered(house, dao, start_date=months_ago(2))
    administrator = await asyncpg.connect(owner_url)

    try:
        async with house.owner.acquire() as connection, connection.transaction():
            await connection.execute("SELECT FROM treasury.user_balances WHERE user_id = $1 FOR UPDATE", dao.member.id)
            blocker = await connection.fetchval("SELECT pg_backend_pid()")
            worker = asyncio.create_task(pay_due(services))
            await until(lambda: administrator.fetch(KILLED, blocker))
        await worker
    finally:
        await administrator.close()
    await house.owner.execute("DELETE FROM platform.due_failures WHERE row_key = $1", payment.id)
    await pay_due(services)

    assert await outcomes(house, payment) == [(0, "paid"), (1, "paid"), (2, "paid")]
    assert (await house.balance(dao.member, "KES"), await house.holds(dao)) == ("700", "300")


async def retry(house: House, payment: Any) -> None:
    """A day later."""
    await house.owner.execute("UPDATE treasury.recurring_payments SET retry_at = now() WHERE id = $1", payment.id)


async def test_what_the_balance_does_not_cover_is_tried_the_next_day(
    house: House, dao: Any, services: Services, books: Books, templates: Any
) -> None:
    await templates("recurring_failed", "{amount} {currency}: {reason}")
    payment = await ordered(house, dao, start_date=now() - timedelta(minutes=1), amount=1_200)

    await pay_due(services)
    await pay_due(services)

    row = await row_of(house, payment)
    assert (row.occurrence, row.failed_attempts, row.consecutive_failures, row.is_paused) == (0, 1, 1, False)
    assert timedelta(hours=23, minutes=59) < row.retry_at - now() <= timedelta(hours=24)
    assert (row.last_failure_reason, await outcomes(house, payment)) == ("The balance did not cover it.", [])
    assert await house.messages(dao.member) == ["1200 KES: votre solde ne suffisait pas."]

    await receive(house, dao, "200")
    await retry(house, payment)
    await pay_due(services)

    row = await row_of(house, payment)
    assert (row.occurrence, row.total_payments, row.consecutive_failures, row.retry_at) == (1, 2, 0, None)
    assert await house.balance(dao.member, "KES") == "0"
    assert await books.events(payment.id) == ["recurring_payment.failed", "recurring_payment.paid"]


async def test_the_third_failure_pauses_it_and_its_date_stays_unpaid(
    house: House, dao: Any, services: Services, books: Books, templates: Any
) -> None:
    await templates("recurring_paused", "suspendu: {reason}")
    payment = await ordered(house, dao, start_date=now() - timedelta(minutes=1), amount=1_200)

    for _ in range(4):
        await pay_due(services)
        await retry(house, payment)

    row = await row_of(house, payment)
    assert (row.is_paused, row.failed_attempts, row.paused_reason) == (True, 3, "3 payments in a row failed.")
    assert await house.messages(dao.member) == ["suspendu: trois versements de suite ont échoué."]
    assert await books.events(payment.id) == ["recurring_payment.failed"] * 3 + ["recurring_payment.paused"]

    await receive(house, dao, "5000")
    assert await house.refused("resumeRecurringPayment", dao.member, recurringPaymentId=payment) == []
    await pay_due(services)

    assert await outcomes(house, payment) == [(0, "failed")]
    assert await house.balance(dao.member, "KES") == "6000"
    row = await row_of(house, payment)
    assert (row.consecutive_failures, row.retry_at, row.occurrence) == (0, None, 1)


async def test_what_is_there_pays_the_oldest_dates(house: House, dao: Any, services: Services) -> None:
    payment = await ordered(house, dao, start_date=months_ago(2), amount=400)

    await pay_due(services)

    assert await outcomes(house, payment) == [(0, "paid"), (1, "paid")]
    row = await row_of(house, payment)
    assert (row.occurrence, row.consecutive_failures, row.next_payment_date < now()) == (2, 1, True)


@pytest.mark.parametrize(
    ("stopped", "reason"),
    [
        ("UPDATE treasury.daos SET status = 'suspended' WHERE id = $1", "The DAO is not at work."),
        (
            "UPDATE treasury.dao_members SET status = 'banned' WHERE user_id = $2",
            "The payer is no active member of the DAO.",
        ),
        ("UPDATE identity.users SET is_active = false WHERE id = $2", "The payer is no active member of the DAO."),
    ],
)
async def test_what_cannot_be_paid_is_paused_at_once(
    house: House, dao: Any, services: Services, stopped: str, reason: str
) -> None:
    payment = await ordered(house, dao, start_date=months_ago(2))
    if "banned" in stopped:
        await house.owner.execute("UPDATE treasury.daos SET member_count = 1 WHERE id = $1", dao.id)
    text = stopped.replace("$2", f"'{dao.member.id}'").replace("$1", f"'{dao.id}'")
    await house.owner.execute(text)

    await pay_due(services)

    row = await row_of(house, payment)
    assert (row.is_paused, row.paused_reason, row.failed_attempts) == (True, reason, 0)
    assert (await outcomes(house, payment), await house.balance(dao.member, "KES")) == ([], "1000")


async def test_by_mpesa_nothing_is_taken(house: House, dao: Any, services: Services) -> None:
    payment = await ordered(house, dao, start_date=months_ago(1), payment_method="mpesa")

    await pay_due(services)

    assert (await row_of(house, payment)).paused_reason == "It can be taken from the balance on the platform alone."


@pytest.mark.parametrize(
    ("most", "ends_after", "paid"),
    [(2, None, 2), (2, 40, 2), (5, 40, 2), (None, 40, 2), (1, 400, 1)],
)
async def test_it_ends_by_count_or_by_date_whichever_comes_first(
    house: House, dao: Any, services: Services, books: Books, most: int | None, ends_after: int | None, paid: int
) -> None:
    starts = months_ago(4)
    ends = None if ends_after is None else starts + timedelta(days=ends_after)
    payment = await ordered(house, dao, start_date=starts, max_payments=most, end_date=ends)

    await pay_due(services)

    row = await row_of(house, payment)
    assert (row.successful_payments, row.is_active, row.ended_at is not None) == (paid, False, True)
    assert await outcomes(house, payment) == [(n, "paid") for n in range(paid)]
    assert (await books.events(payment.id))[-1] == "recurring_payment.ended"


async def test_one_who_is_poor_stops_nobody_else(house: House, dao: Any, services: Services) -> None:
    rich = await house.join(dao, await house.person(KES="1000"))
    poor, other = (
        await ordered(house, dao, start_date=months_ago(1), amount=5_000),
        await ordered(house, dao, start_date=months_ago(1), user_id=rich.id),
    )

    await pay_due(services)

    assert (await outcomes(house, poor), await outcomes(house, other)) == ([], [(0, "paid"), (1, "paid")])


async def test_two_orders_of_one_user_share_what_there_is(house: House, dao: Any, services: Services) -> None:
    payments = [await ordered(house, dao, start_date=now() - timedelta(minutes=1), amount=600) for _ in range(2)]

    await asyncio.gather(*(pay_due(services) for _ in range(3)))

    assert sorted([await outcomes(house, each) for each in payments]) == [[], [(0, "paid")]]
    assert (await house.balance(dao.member, "KES"), await house.holds(dao)) == ("400", "600")


async def test_a_pause_and_the_worker_at_once(house: House, dao: Any, services: Services) -> None:
    for _ in range(5):
        payment = await ordered(house, dao, start_date=now() - timedelta(minutes=1), amount=10)

        refused, _ = await asyncio.gather(
            house.refused("pauseRecurringPayment", dao.member, recurringPaymentId=payment), pay_due(services)
        )

        row = await row_of(house, payment)
        assert (refused, row.is_paused) == ([], True)
        assert await outcomes(house, payment) in ([], [(0, "paid")])


async def test_each_date_is_noticed_once_beforehand(
    house: House, dao: Any, services: Services, templates: Any, changes: Changes
) -> None:
    await templates("recurring_due_soon", "{amount} {currency} le {date}")
    soon = await ordered(house, dao, start_date=now() + timedelta(days=2))
    await ordered(house, dao, start_date=now() + timedelta(days=4))
    await ordered(house, dao, start_date=now() + timedelta(days=2), notify_before_payment=False)
    await ordered(house, dao, start_date=now() + timedelta(days=2), is_paused=True)
    await ordered(house, dao, start_date=now() + timedelta(days=2), notify_days_before=1)

    await asyncio.gather(*(send_notices(services) for _ in range(3)))
    before = await changes.mark()
    await send_notices(services)

    row = await row_of(house, soon)
    day = row.next_payment_date + timedelta(hours=3)
    assert await house.messages(dao.member) == [f"100 KES le {day:%d/%m/%Y}"]
    assert row.noticed_occurrence == 0
    assert await changes.since(before) == []
