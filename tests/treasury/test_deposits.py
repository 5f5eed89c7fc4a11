"""Deposits by M-Pesa: asked for once, from one's own phone, and followed until something has become of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from resolvers.treasury.pushes import query_pushes, send_push, waiting
from resolvers.treasury.query_schedule import next_query
from tests.changes import Changes
from tests.factories import Factory
from tests.treasury.daraja import CANCELLED, FakeMpesa
from tests.treasury.depositing import Depositing
from tests.treasury.house import House

# How often a phone was asked is counted whatever comes of it.
COUNTED = ("security.rate_limits",)
BEGAN = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


async def test_a_deposit_asks_the_phone_and_shows_what_it_costs(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()

    begun = (await depositing.deposit(person, "1001"))["depositByMpesa"]

    assert (begun["fee"], begun["credited"], begun["warnings"]) == ("25.03", "975.97", [])
    shown = begun["mpesaTransaction"]
    assert (shown["transactionType"], shown["status"], shown["purpose"]) == ("STK_PUSH", "PROCESSING", "DEPOSIT")
    assert (shown["amount"], shown["fee"], shown["phoneNumber"]) == ("1001.00", "25.03", person.phone)
    (sent,) = [push for push in daraja.pushes.values() if str(push["payment"]) == shown["rowId"]]
    assert (sent["amount"], sent["phone"], sent["reference"]) == (1001, person.phone, shown["accountReference"])
    assert (len(sent["reference"]), sent["reference"][0]) == (12, "L")
    assert len(sent["description"]) <= 13


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("-1", "AMOUNT_NOT_POSITIVE"), ("0", "AMOUNT_NOT_POSITIVE"), ("0.001", "AMOUNT_OUT_OF_RANGE"),
        ("1" + "0" * 15, "AMOUNT_OUT_OF_RANGE"), ("100.5", "AMOUNT_NOT_WHOLE"), ("9", "BELOW_MINIMUM"),
        ("250001", "ABOVE_MAXIMUM"),
    ],
)  # fmt: skip
async def test_what_m_pesa_does_not_pay_is_refused(
    depositing: Depositing, house: House, changes: Changes, amount: str, code: str
) -> None:
    person = await house.person()
    before = await changes.mark()

    refused = await depositing.deposit(person, amount)

    assert refused.refusals("depositByMpesa") == [code]
    assert await changes.since(before, but=COUNTED) == []


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1" + "0" * 30, "1e3"])
async def test_what_is_no_exact_number_is_no_amount(depositing: Depositing, house: House, amount: str) -> None:
    assert (await depositing.deposit(await house.person(), amount)).codes == ["BAD_USER_INPUT"]


async def test_only_the_verified_kenyan_phone_of_the_account_pays(
    depositing: Depositing, house: House, changes: Changes
) -> None:
    own = await house.person()
    unverified = await house.person(user={"phone_verified_at": None})
    senegalese = await house.person(user={"phone": f"+22177{own.phone[-7:]}"})
    before = await changes.mark()

    refusals = {
        "another's": await depositing.deposit(own, phone="+254700000001"),
        "unverified": await depositing.deposit(unverified),
        "abroad": await depositing.deposit(senegalese),
        "none": await depositing.deposit(own, phone="07"),
    }

    assert {name: each.refusals("depositByMpesa") for name, each in refusals.items()} == {
        "another's": ["PHONE_NOT_VERIFIED"], "unverified": ["PHONE_NOT_VERIFIED"], "abroad": ["PHONE_NOT_SERVED"],
        "none": ["PHONE_NOT_VALID"],
    }  # fmt: skip
    assert await changes.since(before, but=COUNTED) == []
    assert (await depositing.deposit(own, phone=own.phone.replace("+254", "0")))["depositByMpesa"]["userErrors"] == []


async def test_minors_strangers_to_a_dao_and_daos_at_rest_are_refused(
    depositing: Depositing, house: House, make: Factory, owner: Any, changes: Changes
) -> None:
    child = await house.person()
    guardian = await house.person()
    await owner.execute(
        "UPDATE profiles.profiles SET date_of_birth = $2, guardian_user_id = $3, relationship_type = 'parent'"
        " WHERE user_id = $1",
        child.id, date.today() - timedelta(days=10 * 365), guardian.id,
    )  # fmt: skip
    secret, public = await house.dao(dao={"access": "private"}), await house.dao(members=2, dao={"access": "public"})
    asleep = await house.dao(members=2)
    await owner.execute("UPDATE treasury.daos SET status = 'suspended' WHERE id = $1", asleep.id)
    before = await changes.mark()

    refusals = [
        await depositing.deposit(child),
        await depositing.deposit(guardian, daoId=secret.id),
        await depositing.deposit(guardian, daoId=public.id),
        await depositing.deposit(asleep.members[1], daoId=asleep.id),
    ]

    assert [each.refusals("depositByMpesa") for each in refusals] == [
        ["NOT_OF_AGE"], ["NOT_FOUND"], ["NOT_A_MEMBER"], ["DAO_NOT_ACTIVE"],
    ]  # fmt: skip
    assert await changes.since(before, but=COUNTED) == []


async def test_the_same_again_within_two_minutes_is_the_same_deposit(
    depositing: Depositing, house: House, daraja: FakeMpesa, changes: Changes
) -> None:
    person = await house.person()
    push = await depositing.begun(person)
    before = await changes.mark()

    again = (await depositing.deposit(person))["depositByMpesa"]
    another = (await depositing.deposit(person, "500"))["depositByMpesa"]

    assert again["mpesaTransaction"]["rowId"] == str(push.id)
    assert [each["code"] for each in another["userErrors"]] == ["PUSH_OPEN"]
    assert another["userErrors"][0]["details"] == {"mpesaTransactionId": str(push.id)}
    assert daraja.called("push", push.id) == 1
    assert await changes.since(before, but=COUNTED) == []


async def test_after_two_minutes_the_phone_is_asked_anew(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    push = await depositing.begun(person)
    await depositing.later(push, seconds=121)

    again = await depositing.begun(person, "500")

    assert again.id != push.id
    assert [await depositing.status(each) for each in (push, again)] == ["expired", "processing"]
    # Both are paid in the end.
    for each in (push, again):
        await depositing.hear_callback(daraja.paid(each.checkout, daraja.receipt()))
    assert await house.balance(person, "KES") == "1462.5"


async def test_of_many_at_once_one_asks_the_phone(depositing: Depositing, house: House, daraja: FakeMpesa) -> None:
    person = await house.person()

    answers = await asyncio.gather(*(depositing.deposit(person) for _ in range(8)))

    assert len({each["depositByMpesa"]["mpesaTransaction"]["rowId"] for each in answers}) == 1
    assert len(await depositing.payments(person)) == 1
    assert daraja.called("push", (await _only(house, person))["id"]) == 1


async def test_the_job_and_the_request_at_once_ask_the_phone_once(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    daraja.down = True
    await depositing.deposit(person)
    payment = await _only(house, person)
    daraja.down = False
    daraja.calls.clear()

    await asyncio.gather(*(send_push(house.services, payment_id=payment["id"]) for _ in range(5)))

    assert daraja.called("push") == 1
    assert (await _only(house, person))["status"] == "processing"


async def test_the_same_key_twice_is_one_deposit(depositing: Depositing, house: House, daraja: FakeMpesa) -> None:
    person = await house.person()

    first = await depositing.deposit(person, idempotencyKey="a-deposit")
    again = await depositing.deposit(person, idempotencyKey="a-deposit")

    rows = {each["depositByMpesa"]["mpesaTransaction"]["rowId"] for each in (first, again)}
    assert len(rows) == 1
    assert daraja.called("push", (await _only(house, person))["id"]) == 1


async def test_a_dry_run_asks_nobody(depositing: Depositing, house: House, daraja: FakeMpesa, changes: Changes) -> None:
    person = await house.person()
    before = await changes.mark()

    tried = (await depositing.deposit(person, validateOnly=True))["depositByMpesa"]

    assert (tried["userErrors"], tried["fee"], tried["credited"]) == ([], "25.00", "975.00")
    assert daraja.called("push") == 0
    assert await changes.since(before, but=COUNTED) == []


async def test_where_m_pesa_is_not_reached_the_push_is_sent_later(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    daraja.down = True

    begun = (await depositing.deposit(person))["depositByMpesa"]
    payment = await _only(house, person)
    daraja.down = False
    await send_push(house.services, payment_id=payment["id"])

    assert [each["code"] for each in begun["warnings"]] == ["PAYMENT_PROVIDER_UNAVAILABLE"]
    assert (payment["status"], payment["last_retry_at"]) == ("pending", None)
    assert (await _only(house, person))["status"] == "processing"


async def test_what_could_not_be_sent_in_time_expires(depositing: Depositing, house: House, daraja: FakeMpesa) -> None:
    person = await house.person()
    daraja.down = True
    await depositing.deposit(person)
    payment = await _only(house, person)
    await depositing.later(payment_of(payment), seconds=121)
    daraja.down = False
    daraja.calls.clear()

    await send_push(house.services, payment_id=payment["id"])

    assert (await _only(house, person))["status"] == "expired"
    assert daraja.called("push") == 0


async def test_a_push_whose_answer_was_lost_is_not_sent_again_and_its_callback_counts(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    daraja.deaf = True
    begun = (await depositing.deposit(person))["depositByMpesa"]
    daraja.deaf = False
    payment = await _only(house, person)
    await send_push(house.services, payment_id=payment["id"])
    again = (await depositing.deposit(person))["depositByMpesa"]
    (checkout,) = [name for name, push in daraja.pushes.items() if push["payment"] == payment["id"]]

    await depositing.hear_callback(daraja.paid(checkout, daraja.receipt()), payment["id"])

    assert [each["code"] for each in begun["warnings"]] == ["PAYMENT_PROVIDER_UNAVAILABLE"]
    assert (payment["status"], payment["checkout_request_id"]) == ("processing", None)
    assert again["mpesaTransaction"]["rowId"] == str(payment["id"])
    assert daraja.called("push", payment["id"]) == 1
    assert (await _only(house, person))["status"] == "completed"
    assert await house.balance(person, "KES") == "975"


async def test_a_worker_that_was_killed_in_the_call_sends_nothing_again(
    depositing: Depositing, house: House, daraja: FakeMpesa, owner: Any
) -> None:
    person = await house.person()
    push = await depositing.begun(person)
    # As it is left by one that was killed when M-Pesa had it.
    await owner.execute(
        "UPDATE treasury.mpesa_transactions SET checkout_request_id = NULL, merchant_request_id = NULL WHERE id = $1",
        push.id,
    )
    await depositing.later(push, hours=1)
    receipt = daraja.receipt()
    daraja.line(receipt, 1000, push.reference, datetime.now(UTC) - timedelta(minutes=1))

    await send_push(house.services, payment_id=push.id)
    await depositing.query(push)

    assert daraja.called("push", push.id) == 1
    assert await depositing.status(push) == "completed"
    assert await house.balance(person, "KES") == "975"


async def test_a_push_that_m_pesa_refuses_has_failed(depositing: Depositing, house: House, daraja: FakeMpesa) -> None:
    person = await house.person()
    daraja.refuses = {"push"}

    begun = (await depositing.deposit(person))["depositByMpesa"]

    assert [each["code"] for each in begun["warnings"]] == ["PAYMENT_PROVIDER_REFUSED"]
    payment = await _only(house, person)
    assert (payment["status"], payment["result_code"]) == ("failed", "400.002.02")


async def test_of_what_nothing_is_heard_m_pesa_is_queried_until_it_expires(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    push = await depositing.begun(await house.person())
    await depositing.later(push, seconds=31)
    await query_pushes(house.services)
    waits = await depositing.row(push.id)

    await depositing.later(push, hours=24)
    await query_pushes(house.services)

    assert (waits["status"], waits["queries"]) == ("processing", 1)
    assert waits["next_query_at"] - waits["created_at"] == timedelta(seconds=60)
    assert await depositing.status(push) == "expired"


async def test_that_a_push_has_failed_is_believed_of_the_last_query_alone(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    push = await depositing.begun(await house.person())
    daraja.outcomes[push.checkout] = CANCELLED
    await depositing.later(push, minutes=3)
    await depositing.query(push)
    waits = await depositing.status(push)

    await depositing.later(push, hours=24)
    await depositing.query(push)

    assert (waits, await depositing.status(push)) == ("processing", "cancelled")


def test_queries_come_soon_at_first_and_end_after_a_day() -> None:
    after = [timedelta(), *(timedelta(seconds=each) for each in (30, 59, 60, 121, 301, 901))]
    ends = [timedelta(hours=1), timedelta(hours=23, minutes=59), timedelta(hours=24)]

    found = [next_query(BEGAN, BEGAN + each) for each in (*after, *ends)]

    seconds = [None if each is None else int((each - BEGAN).total_seconds()) for each in found]
    assert seconds == [30, 60, 60, 120, 300, 900, 3600, 7200, 86400, None]


async def test_what_waits_is_counted(depositing: Depositing, house: House) -> None:
    before = await waiting(house.services)

    await depositing.begun(await house.person())

    assert (await waiting(house.services))["processing"] == before["processing"] + 1


async def test_a_person_may_ask_a_phone_so_often_an_hour(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    for _ in range(10):
        await depositing.deposit(person)

    refused = await depositing.deposit(person)

    assert refused.codes == ["RATE_LIMITED"]


async def test_a_fee_is_rounded_up_and_what_was_shown_is_what_is_taken(
    depositing: Depositing, house: House, daraja: FakeMpesa, configure: Any
) -> None:
    person = await house.person()
    push = await depositing.begun(person, "333")
    await configure("treasury.mpesa_deposit_fee", Decimal("0.5"))

    await depositing.hear_callback(daraja.paid(push.checkout, daraja.receipt()))

    assert await house.balance(person, "KES") == "324.67"


def payment_of(row: Any) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(id=row["id"])


async def _only(house: House, person: Any) -> Any:
    (found,) = await house.owner.fetch("SELECT * FROM treasury.mpesa_transactions WHERE user_id = $1", person.id)
    return found
