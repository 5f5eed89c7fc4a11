"""Withdrawals by M-Pesa, a sentence of the rules a test: what leaves a balance, and what is refused."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.books import Books
from tests.changes import Changes
from tests.factories import now
from tests.treasury.house import House, a_phone
from tests.treasury.withdrawing import CANCEL, WITHDRAW, Withdrawing


async def test_amount_and_fee_are_set_aside_and_leave_when_m_pesa_has_paid(
    withdrawing: Withdrawing, house: House, books: Books
) -> None:
    person = await house.person(KES="5000")

    payout = await withdrawing.begun(person, "1000")

    shown = payout.given
    assert (shown["fee"], shown["total"], shown["warnings"]) == ("10.00", "1010.00", [])
    assert shown["mpesaTransaction"]["status"] == "PROCESSING"
    assert await withdrawing.money(person) == ("3990", "1010")
    assert withdrawing.daraja.calls == [("pay_phone", 1000, person.phone, str(payout.id), "Payout")]
    receipt = await withdrawing.paid(payout)

    row = await withdrawing.row(payout)
    assert (row["status"], row["mpesa_receipt_number"], row["result_code"]) == ("completed", receipt, "0")
    assert row["next_query_at"] is None
    assert await withdrawing.money(person) == ("3990", "0")
    assert await house.posted(payout) == [
        ("mpesa_withdrawal", f"user:{person.id}:available:KES", "1010"),
        ("mpesa_withdrawal", f"user:{person.id}:pending:KES", "-1010"),
        ("mpesa_withdrawal_paid", f"user:{person.id}:pending:KES", "1010"),
        ("mpesa_withdrawal_paid", "platform:fees:KES", "-10"),
        ("mpesa_withdrawal_paid", "provider:mpesa:KES", "-1000"),
    ]
    assert await withdrawing.movements(person) == [("withdrawal", "completed", "1000")]
    assert await withdrawing.fees(person) == [("mpesa_withdrawal", "10", False)]
    assert await books.events(payout.id) == [
        "mpesa_payment.begun", "mpesa_payment.sent", "mpesa_payment.completed",
    ]  # fmt: skip


async def test_what_m_pesa_did_not_send_is_the_users_again_with_its_fee(
    withdrawing: Withdrawing, house: House, books: Books
) -> None:
    person = await house.person(KES="5000")
    payout = await withdrawing.begun(person)

    await withdrawing.hear(withdrawing.result(payout, 2001))

    row = await withdrawing.row(payout)
    assert (row["status"], row["result_code"], row["failure_reason"]) == ("failed", "2001", "Failed by 2001.")
    assert await withdrawing.money(person) == ("5000", "0")
    assert await withdrawing.movements(person) == [("withdrawal", "failed", "1000")]
    assert await withdrawing.fees(person) == []
    assert (await books.events(payout.id))[-1] == "mpesa_payment.failed"


async def test_the_fee_is_rounded_up_to_the_cent_and_taken_as_it_was_shown(
    withdrawing: Withdrawing, house: House, configure: Any
) -> None:
    person = await house.person(KES="5000")
    await configure("treasury.mpesa_withdrawal_fee", "0.01001")
    payout = await withdrawing.begun(person, "101")
    await configure("treasury.mpesa_withdrawal_fee", "0.5")

    await withdrawing.paid(payout)

    assert payout.given["fee"] == "1.02"
    assert await withdrawing.fees(person) == [("mpesa_withdrawal", "1.02", False)]
    assert await withdrawing.money(person) == ("4897.98", "0")


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("0", "AMOUNT_NOT_POSITIVE"), ("-1", "AMOUNT_NOT_POSITIVE"), ("0.5", "AMOUNT_NOT_WHOLE"),
        ("100.001", "AMOUNT_OUT_OF_RANGE"), ("1" + "0" * 19, "AMOUNT_OUT_OF_RANGE"), ("9", "BELOW_MINIMUM"),
        ("4951", "INSUFFICIENT_FUNDS"), ("5000", "INSUFFICIENT_FUNDS"),
    ],
)  # fmt: skip
async def test_an_amount_that_cannot_be_withdrawn_is_refused(
    withdrawing: Withdrawing, house: House, changes: Changes, amount: str, code: str
) -> None:
    person = await house.person(KES="5000")
    before = await changes.mark()

    assert await withdrawing.refused(person, amount) == [code]
    assert await changes.since(before) == []
    assert withdrawing.daraja.calls == []


async def test_more_than_m_pesa_carries_is_refused(withdrawing: Withdrawing, house: House, configure: Any) -> None:
    person = await house.person(KES="5000")
    await configure("treasury.maximum_withdrawal", 900)

    assert await withdrawing.refused(person, "901") == ["ABOVE_MAXIMUM"]
    assert await withdrawing.refused(person, "900") == []


async def test_money_goes_to_ones_own_verified_phone_alone(
    withdrawing: Withdrawing, house: House, changes: Changes
) -> None:
    person = await house.person(KES="5000")
    unverified = await house.person(user={"phone_verified_at": None}, KES="5000")
    abroad = await house.person(user={"phone": "+221771234599"}, KES="5000")
    landline = await house.person(user={"phone": "+254202222222"}, KES="5000")
    before = await changes.mark()

    assert await withdrawing.refused(person, phone=a_phone()) == ["PHONE_NOT_VERIFIED"]
    assert await withdrawing.refused(person, phone="what") == ["PHONE_NOT_VALID"]
    assert await withdrawing.refused(unverified) == ["PHONE_NOT_VERIFIED"]
    assert await withdrawing.refused(abroad) == ["PHONE_NOT_SERVED"]
    assert await withdrawing.refused(landline) == ["PHONE_NOT_SERVED"]
    assert await changes.since(before) == []
    local = "0" + person.phone.removeprefix("+254")
    assert await withdrawing.refused(person, phone=local) == []


async def test_a_phone_waits_for_a_day_after_it_was_verified(withdrawing: Withdrawing, house: House) -> None:
    person = await house.person(user={"phone_verified_at": now() - timedelta(hours=23, minutes=59)}, KES="5000")

    answer = await withdrawing.withdraw(person)

    assert answer.refusals(WITHDRAW) == ["PHONE_TOO_NEW"]
    begins = (person.phone_verified_at + timedelta(hours=24)).isoformat()
    assert answer[WITHDRAW]["userErrors"][0]["details"] == {"payableFrom": begins}
    await house.owner.execute(
        "UPDATE identity.users SET phone_verified_at = now() - interval '24 hours 1 second' WHERE id = $1", person.id
    )
    assert await withdrawing.refused(person) == []


async def test_minors_withdraw_nothing(withdrawing: Withdrawing, house: House, changes: Changes) -> None:
    guardian = await house.person()
    minor = await house.person(
        profile={
            "date_of_birth": now().date() - timedelta(days=5_000),
            "guardian_user_id": guardian.id,
            "relationship_type": "parent",
        },
        KES="5000",
    )
    before = await changes.mark()

    assert await withdrawing.refused(minor) == ["NOT_OF_AGE"]
    assert await changes.since(before) == []


async def test_a_large_amount_needs_a_second_factor(withdrawing: Withdrawing, house: House, changes: Changes) -> None:
    person = await house.person(KES="50000")
    before = await changes.mark()

    assert await withdrawing.refused(person, "10001") == ["TWO_FACTOR_REQUIRED"]
    assert await changes.since(before) == []
    assert await withdrawing.refused(person, "10000") == []


@pytest.mark.parametrize("period", ["day", "month"])
async def test_withdrawals_stay_within_the_limits_of_a_day_and_a_month(
    withdrawing: Withdrawing, house: House, configure: Any, period: str
) -> None:
    person = await house.person(KES="50000")
    await configure(f"treasury.{'daily' if period == 'day' else 'monthly'}_withdrawal_limit", 2_500)
    first, second = await withdrawing.begun(person, "1000"), await withdrawing.begun(person, "1000")

    answer = await withdrawing.withdraw(person, "501")

    assert answer.refusals(WITHDRAW) == ["LIMIT_EXCEEDED"]
    assert answer[WITHDRAW]["userErrors"][0]["details"] == {"period": period, "left": "500.00"}
    # What was sent counts, and what was not sent leaves its part free.
    await withdrawing.paid(first)
    await withdrawing.hear(withdrawing.result(second, 1))
    assert await withdrawing.refused(person, "1501") == ["LIMIT_EXCEEDED"]
    assert await withdrawing.refused(person, "1500") == []


async def test_a_day_is_that_of_the_users_zone(withdrawing: Withdrawing, house: House, configure: Any) -> None:
    await configure("treasury.daily_withdrawal_limit", 1_000)
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "Africa/Nairobi"):
        person = await house.person(profile={"timezone": zone}, KES="50000")
        payout = await withdrawing.begun(person)
        begin = await house.owner.fetchval(
            "SELECT date_trunc('day', now() AT TIME ZONE $1) AT TIME ZONE $1", zone
        )  # fmt: skip
        for created, codes in ((begin, ["LIMIT_EXCEEDED"]), (begin - timedelta(seconds=1), [])):
            await house.owner.execute(
                "UPDATE treasury.mpesa_transactions SET created_at = $2 WHERE id = $1", payout.id, created
            )
            assert await withdrawing.refused(person) == codes, zone


async def test_six_at_once_take_no_more_than_there_is(withdrawing: Withdrawing, house: House) -> None:
    person = await house.person(KES="5050")

    refusals = await asyncio.gather(*(withdrawing.refused(person) for _ in range(6)))

    assert sorted(refusals) == [[]] * 5 + [["INSUFFICIENT_FUNDS"]]
    assert await withdrawing.money(person) == ("0", "5050")
    assert withdrawing.daraja.called("pay_phone") == 5


async def test_twenty_at_once_stay_within_the_limit(withdrawing: Withdrawing, house: House, configure: Any) -> None:
    person = await house.person(KES="50000")
    await configure("treasury.daily_withdrawal_limit", 3_000)

    refusals = await asyncio.gather(*(withdrawing.refused(person) for _ in range(20)))

    assert sorted(refusals) == [[]] * 3 + [["LIMIT_EXCEEDED"]] * 17


async def test_the_same_request_twice_is_one_withdrawal(withdrawing: Withdrawing, house: House) -> None:
    person = await house.person(KES="5000")

    answers = await asyncio.gather(*(withdrawing.withdraw(person, idempotencyKey="k") for _ in range(3)))

    assert len({answer[WITHDRAW]["mpesaTransaction"]["rowId"] for answer in answers}) == 1
    assert await withdrawing.money(person) == ("3990", "1010")
    assert withdrawing.daraja.called("pay_phone") == 1


async def test_a_dry_run_shows_the_fee_and_sends_nothing(
    withdrawing: Withdrawing, house: House, changes: Changes
) -> None:
    person = await house.person(KES="5000")
    before = await changes.mark()

    shown = (await withdrawing.withdraw(person, validateOnly=True))[WITHDRAW]

    assert (shown["fee"], shown["total"]) == ("10.00", "1010.00")
    assert await changes.since(before) == []
    assert withdrawing.daraja.calls == []


async def test_while_m_pesa_is_away_a_withdrawal_waits_and_may_be_taken_back(
    withdrawing: Withdrawing, house: House, books: Books
) -> None:
    person = await house.person(KES="5000")
    withdrawing.daraja.down = True
    payout = await withdrawing.begun(person)
    assert payout.given["warnings"] == [{"code": "PAYMENT_PROVIDER_UNAVAILABLE"}]
    assert payout.given["mpesaTransaction"]["status"] == "PENDING"

    answer = await house.call(CANCEL, person, mpesaTransactionId=payout.id)

    assert answer[CANCEL]["mpesaTransaction"]["status"] == "CANCELLED"
    assert await withdrawing.money(person) == ("5000", "0")
    assert await withdrawing.movements(person) == [("withdrawal", "failed", "1000")]
    assert (await books.events(payout.id))[-1] == "mpesa_payment.cancelled"
    withdrawing.daraja.down = False
    await withdrawing.send(payout)
    assert withdrawing.daraja.called("pay_phone") == 1


async def test_what_m_pesa_may_have_is_not_taken_back(withdrawing: Withdrawing, house: House, changes: Changes) -> None:
    person, stranger, staff = await house.person(KES="5000"), await house.person(), await house.make.staff()
    payout = await withdrawing.begun(person)
    deposit = await withdrawing.depositing.begun(person, "100")
    before = await changes.mark()

    assert await house.refused(CANCEL, person, mpesaTransactionId=payout.id) == ["INVALID_STATE"]
    assert await house.refused(CANCEL, person, mpesaTransactionId=deposit.id) == ["INVALID_STATE"]
    assert await house.refused(CANCEL, stranger, mpesaTransactionId=payout.id) == ["NOT_FOUND"]
    assert await house.refused(CANCEL, staff, ("admin",), mpesaTransactionId=payout.id) == ["NOT_YOUR_WITHDRAWAL"]
    assert await changes.since(before) == []


async def test_taking_back_and_sending_at_once_do_one_of_the_two(withdrawing: Withdrawing, house: House) -> None:
    for _ in range(6):
        person = await house.person(KES="5000")
        withdrawing.daraja.down = True
        payout = await withdrawing.begun(person)
        withdrawing.daraja.restore()

        refusals, _ = await asyncio.gather(
            house.refused(CANCEL, person, mpesaTransactionId=payout.id), withdrawing.send(payout)
        )

        sent = withdrawing.daraja.called("pay_phone", str(payout.id))
        assert (refusals, sent) in (([], 0), (["INVALID_STATE"], 1))
        assert await withdrawing.money(person) == (("5000", "0") if refusals == [] else ("3990", "1010"))


async def test_staff_see_and_its_user_sees_what_it_is(withdrawing: Withdrawing, house: House) -> None:
    person = await house.person(KES="5000")
    payout = await withdrawing.begun(person)
    query = "query ($id: ID!) { mpesaTransaction(id: $id) { fee purpose status } }"

    shown = await house.api(query, {"id": str(payout.id)}, as_=person)

    assert shown["mpesaTransaction"] == {"fee": "10.00", "purpose": "WITHDRAWAL", "status": "PROCESSING"}
    assert (await house.api(query, {"id": str(payout.id)}, as_=await house.person()))["mpesaTransaction"] is None
    assert isinstance(payout.id, UUID)
