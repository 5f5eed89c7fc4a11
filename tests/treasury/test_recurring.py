"""Payments that recur, a sentence of the rules a test: what their payer does with them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF
from tests.factories import now
from tests.treasury.house import House
from tests.treasury.orders import a_dao, ordered, outcomes, row_of


@pytest.fixture
async def dao(house: House) -> Any:
    return await a_dao(house)


def monthly(dao: Any, **given: Any) -> dict[str, Any]:
    return {"daoId": dao, "amount": "200", "frequency": "MONTHLY"} | given


async def test_a_member_orders_a_payment(house: House, dao: Any, books: Books) -> None:
    starts = (now() + timedelta(days=2)).replace(microsecond=0)

    answer = await house.call(
        "createRecurringPayment", dao.member, **monthly(dao, startDate=starts.isoformat(), notifyDaysBefore=1)
    )

    made = answer["createRecurringPayment"]["recurringPayment"]
    assert (made["amount"], made["currency"], made["occurrence"]) == ("200.00000000", "KES", 0)
    assert (made["isActive"], made["isPaused"], made["timeZone"]) == (True, False, "Africa/Nairobi")
    assert datetime.fromisoformat(made["nextPaymentDate"]) == starts
    row = await row_of(house, made["rowId"])
    assert (row.notify_days_before, row.notify_on_success, row.interval) == (1, True, 1)
    assert await books.events(made["rowId"]) == ["recurring_payment.created"]


async def test_without_a_date_it_begins_now_and_in_the_daos_zone(house: House) -> None:
    dao = await house.dao(dao={"time_zone": "Africa/Dakar"})

    answer = await house.call("createRecurringPayment", dao.admin, **monthly(dao))

    made = answer["createRecurringPayment"]["recurringPayment"]
    assert made["timeZone"] == "Africa/Dakar"
    assert abs(datetime.fromisoformat(made["nextPaymentDate"]) - now()) < timedelta(seconds=30)


FAR, GONE = (now() + timedelta(days=3_000)).isoformat(), (now() - timedelta(hours=1)).isoformat()


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"paymentMethod": "MPESA"}, "METHOD_NOT_SERVED", "paymentMethod"),
        ({"paymentMethod": "CARD"}, "METHOD_NOT_SERVED", "paymentMethod"),
        ({"amount": "0"}, "AMOUNT_NOT_POSITIVE", "amount"),
        ({"amount": "0.001"}, "AMOUNT_OUT_OF_RANGE", "amount"),
        ({"amount": "99999999999"}, "AMOUNT_OUT_OF_RANGE", "amount"),
        ({"interval": 0}, "NUMBER_OUT_OF_RANGE", "interval"),
        ({"interval": 367}, "NUMBER_OUT_OF_RANGE", "interval"),
        ({"maxPayments": 0}, "NUMBER_OUT_OF_RANGE", "maxPayments"),
        ({"notifyDaysBefore": 31}, "NUMBER_OUT_OF_RANGE", "notifyDaysBefore"),
        ({"timeZone": "Africa/Nowhere"}, "TIME_ZONE_UNKNOWN", "timeZone"),
        ({"startDate": GONE}, "START_NOT_VALID", "startDate"),
        ({"startDate": FAR}, "START_NOT_VALID", "startDate"),
        ({"endDate": GONE}, "END_NOT_VALID", "endDate"),
        ({"endDate": "9998-12-31T00:00:00Z"}, "END_NOT_VALID", "endDate"),
    ],
)
async def test_orders_that_are_none(
    house: House, dao: Any, changes: Changes, given: dict[str, Any], code: str, field: str
) -> None:
    before = await changes.mark()

    answer = await house.call("createRecurringPayment", dao.member, **monthly(dao, **given))

    (error,) = answer["createRecurringPayment"]["userErrors"]
    assert (error["code"], error["field"]) == (code, [field])
    assert await changes.since(before) == []


async def test_only_adult_members_of_an_active_dao_order(house: House, dao: Any, changes: Changes) -> None:
    pending, minor, stranger = await house.person(), await house.minor(), await house.person()
    await house.join(dao, pending, status="pending")
    await house.join(dao, minor)
    closed = await house.dao(dao={"status": "suspended"})
    secret = await house.dao(dao={"access": "private"})
    before = await changes.mark()

    async def order(person: Any, of: Any) -> list[str]:
        return await house.refused("createRecurringPayment", person, **monthly(of))

    assert await order(pending, dao) == ["NOT_A_MEMBER"]
    assert await order(minor, dao) == ["NOT_OF_AGE"]
    assert await order(stranger, dao) == ["NOT_A_MEMBER"]
    assert await order(stranger, secret) == ["NOT_FOUND"]
    assert await order(closed.admin, closed) == ["DAO_NOT_ACTIVE"]
    assert await changes.since(before) == []


ALL = ("updateRecurringPayment", "pauseRecurringPayment", "resumeRecurringPayment", "cancelRecurringPayment")


async def test_an_order_is_its_payers(house: House, dao: Any, changes: Changes) -> None:
    running, paused = await ordered(house, dao), await ordered(house, dao, is_paused=True, paused_at=now())
    staff = await house.make.staff()
    before = await changes.mark()

    for name in ALL:
        payment = paused if name.startswith("resume") else running
        assert await house.refused(name, dao.admin, recurringPaymentId=payment) == ["NOT_FOUND"]
        assert await house.refused(name, staff, STAFF, recurringPaymentId=payment) == ["NOT_YOUR_RECURRING_PAYMENT"]
    assert await changes.since(before) == []


async def test_what_an_order_is_called_may_change(house: House, dao: Any) -> None:
    payment = await ordered(house, dao, description="Loyer")

    given = {"description": None, "notifyOnFailure": False, "notifyDaysBefore": 0}
    assert await house.refused("updateRecurringPayment", dao.member, recurringPaymentId=payment, **given) == []
    row = await row_of(house, payment)

    assert (row.description, row.notify_on_failure, row.notify_days_before) == (None, False, 0)
    assert (row.notify_on_success, row.amount) == (True, 100)
    refused = await house.refused("updateRecurringPayment", dao.member, recurringPaymentId=payment, notifyDaysBefore=-1)
    assert refused == ["NUMBER_OUT_OF_RANGE"]


async def test_the_dates_of_a_pause_are_skipped(house: House, dao: Any, books: Books) -> None:
    """Two weekly dates pass while it rests, and the next is as it would have been."""
    starts = now() - timedelta(days=15)
    payment = await ordered(house, dao, start_date=starts + timedelta(days=70), frequency="weekly")
    assert await house.refused("pauseRecurringPayment", dao.member, recurringPaymentId=payment) == []
    await house.owner.execute(
        "UPDATE treasury.recurring_payments SET start_date = $2, next_payment_date = $2 WHERE id = $1",
        payment.id,
        starts,
    )

    answer = await house.call("resumeRecurringPayment", dao.member, recurringPaymentId=payment)

    resumed = answer["resumeRecurringPayment"]["recurringPayment"]
    assert (resumed["isPaused"], resumed["pausedReason"], resumed["occurrence"]) == (False, None, 3)
    assert datetime.fromisoformat(resumed["nextPaymentDate"]) == starts + timedelta(days=21)
    assert await outcomes(house, payment) == [(0, "skipped"), (1, "skipped"), (2, "skipped")]
    assert await house.balance(dao.member, "KES") == "1000"
    assert await books.events(payment.id) == ["recurring_payment.paused", "recurring_payment.resumed"]


async def test_one_whose_time_is_over_ends_when_it_is_resumed(house: House, dao: Any, books: Books) -> None:
    starts = now() - timedelta(days=15)
    payment = await ordered(
        house, dao, start_date=starts, end_date=starts + timedelta(days=8), frequency="weekly", is_paused=True
    )

    assert await house.refused("resumeRecurringPayment", dao.member, recurringPaymentId=payment) == []

    row = await row_of(house, payment)
    assert (row.is_active, row.ended_at is not None) == (False, True)
    assert await outcomes(house, payment) == [(0, "skipped"), (1, "skipped")]
    assert await books.events(payment.id) == ["recurring_payment.resumed", "recurring_payment.ended"]


async def test_who_has_left_does_not_resume(house: House, dao: Any, changes: Changes) -> None:
    payment = await ordered(house, dao, is_paused=True)
    assert await house.refused("leaveDao", dao.member, daoId=dao) == []
    before = await changes.mark()

    refused = await house.refused("resumeRecurringPayment", dao.member, recurringPaymentId=payment)

    assert refused == ["NOT_A_MEMBER"]
    assert await changes.since(before) == []


async def test_each_is_done_in_its_state(house: House, dao: Any, changes: Changes) -> None:
    running, paused = await ordered(house, dao), await ordered(house, dao, is_paused=True)
    cancelled = await ordered(house, dao, is_active=False, cancelled_at=now())
    before = await changes.mark()

    async def states(name: str, *payments: Any) -> list[str]:
        answers = [await house.call(name, dao.member, recurringPaymentId=each) for each in payments]
        return [error["details"]["state"] for answer in answers for error in answer[name]["userErrors"]]

    assert await states("pauseRecurringPayment", paused, cancelled) == ["paused", "cancelled"]
    assert await states("resumeRecurringPayment", running, cancelled) == ["running", "cancelled"]
    assert await states("cancelRecurringPayment", cancelled) == ["cancelled"]
    assert await changes.since(before) == []


async def test_it_is_cancelled_for_good_once(house: House, dao: Any, books: Books) -> None:
    payment = await ordered(house, dao)

    refusals = await asyncio.gather(
        *(
            house.refused("cancelRecurringPayment", dao.member, recurringPaymentId=payment, reason="fini")
            for _ in range(4)
        )
    )

    assert sorted(refusals) == [[], *[["INVALID_STATE"]] * 3]
    row = await row_of(house, payment)
    assert (row.is_active, row.cancelled_reason, row.cancelled_at is not None) == (False, "fini", True)
    assert await books.events(payment.id) == ["recurring_payment.cancelled"]


async def test_the_same_key_orders_once_and_a_dry_run_nothing(house: House, dao: Any, changes: Changes) -> None:
    before = await changes.mark()
    assert await house.refused("createRecurringPayment", dao.member, **monthly(dao, validateOnly=True)) == []
    assert await changes.since(before) == []

    for _ in range(2):
        given = monthly(dao, idempotencyKey="order")
        assert await house.refused("createRecurringPayment", dao.member, **given) == []

    count = "SELECT count(*) FROM treasury.recurring_payments WHERE user_id = $1"
    assert await house.owner.fetchval(count, dao.member.id) == 1


async def test_the_dates_of_many_orders_are_read_at_once(house: House, dao: Any) -> None:
    query = "{ recurringPayments(first: 50) { nodes { amount occurrences(first: 5) { nodes { outcome dueAt } } } } }"
    statements = []
    for _ in range(2):
        payment = await ordered(house, dao, start_date=datetime(2026, 1, 31, tzinfo=UTC), is_paused=True)
        await house.refused("resumeRecurringPayment", dao.member, recurringPaymentId=payment)
        async with house.api.counting() as sent:
            answer = await house.api(query, as_=dao.member)
        statements.append(len(sent))
        for _ in range(18):
            await ordered(house, dao)

    assert len(answer["recurringPayments"]["nodes"]) == 20
    assert answer["recurringPayments"]["nodes"][0]["occurrences"]["nodes"] is not None
    assert statements[0] == statements[1]
