"""How withdrawals by M-Pesa end, a sentence of the rules a test: sent once, paid or given back once, by nothing but
M-Pesa's word or staff's."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest

from lango.providers.mpesa.errors import MpesaUnavailable
from resolvers.treasury import outgoing
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF
from tests.treasury.house import House
from tests.treasury.withdrawing import CANCEL, SETTLE, Withdrawing

ON_THE_WAY, PAID, BACK = ("3990", "1010"), ("3990", "0"), ("5000", "0")


@pytest.fixture
async def person(house: House) -> Any:
    return await house.person(KES="5000")


async def test_a_lost_answer_and_a_queue_that_timed_out_move_nothing(withdrawing: Withdrawing, person: Any) -> None:
    withdrawing.daraja.deaf = True
    payout = await withdrawing.begun(person)
    assert payout.given["warnings"] == []

    await withdrawing.hear(withdrawing.result(payout, 1, ResultDesc="Queue timed out."), "b2c-timeout")
    await withdrawing.send(payout)

    assert await withdrawing.status_of(payout) == "processing"
    assert await withdrawing.money(person) == ON_THE_WAY
    assert withdrawing.daraja.called("pay_phone") == 1
    withdrawing.daraja.restore()
    await withdrawing.paid(payout)
    assert await withdrawing.money(person) == PAID


async def test_a_refused_request_gives_the_money_back_at_once(withdrawing: Withdrawing, person: Any) -> None:
    withdrawing.daraja.refuses.add("pay_phone")

    payout = await withdrawing.begun(person)

    assert payout.given["warnings"] == [{"code": "PAYMENT_PROVIDER_REFUSED"}]
    assert payout.given["mpesaTransaction"]["status"] == "FAILED"
    assert await withdrawing.money(person) == BACK
    assert (await withdrawing.row(payout))["result_code"] == "400.002.02"


async def test_a_worker_that_is_killed_during_the_call_sends_nothing_twice(
    withdrawing: Withdrawing, person: Any
) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    withdrawing.daraja.down = True
    payout = await withdrawing.begun(person)
    withdrawing.daraja.restore()
    withdrawing.daraja.meanwhile = die
    with pytest.raises(KeyboardInterrupt):
        await withdrawing.send(payout)
    withdrawing.daraja.meanwhile = None

    await withdrawing.send(payout)
    await withdrawing.later(payout, minutes=2)
    await withdrawing.query()

    assert withdrawing.daraja.called("pay_phone", str(payout.id)) == 1
    assert withdrawing.daraja.called("ask_status", str(payout.id)) == 1
    assert await withdrawing.status_of(payout) == "processing"
    assert await withdrawing.house.refused(CANCEL, person, mpesaTransactionId=payout.id) == ["INVALID_STATE"]
    await withdrawing.hear(withdrawing.status(payout, withdrawing.daraja.receipt(), "1000"), "status")
    assert await withdrawing.status_of(payout) == "completed"
    assert await withdrawing.money(person) == PAID


async def test_many_workers_send_once(withdrawing: Withdrawing, person: Any) -> None:
    withdrawing.daraja.down = True
    payout = await withdrawing.begun(person)
    withdrawing.daraja.restore()

    await asyncio.gather(*(withdrawing.send(payout) for _ in range(8)))

    assert withdrawing.daraja.called("pay_phone") == 1


async def test_what_was_not_sent_is_sent_by_the_worker(withdrawing: Withdrawing, person: Any) -> None:
    withdrawing.daraja.down = True
    payout = await withdrawing.begun(person)
    with pytest.raises(MpesaUnavailable):
        await withdrawing.send(payout)
    assert (await withdrawing.row(payout))["last_retry_at"] is None
    withdrawing.daraja.restore()

    await withdrawing.query()
    assert withdrawing.daraja.calls == []
    await withdrawing.later(payout, minutes=6)
    await withdrawing.query()

    assert withdrawing.daraja.called("pay_phone", str(payout.id)) == 1
    assert await withdrawing.status_of(payout) == "processing"


async def test_a_result_that_comes_before_the_answer_counts(
    withdrawing: Withdrawing, house: House, person: Any
) -> None:
    withdrawing.daraja.down = True
    payout = await withdrawing.begun(person)
    withdrawing.daraja.restore()
    heard: list[asyncio.Task[str]] = []
    withdrawing.daraja.meanwhile = lambda: heard.append(asyncio.ensure_future(withdrawing.paid(payout)))

    await withdrawing.send(payout)
    await asyncio.gather(*heard)

    assert await withdrawing.status_of(payout) == "completed"
    assert await withdrawing.money(person) == PAID


@pytest.mark.parametrize("order", list(itertools.permutations(("result", "again", "status"))))
async def test_a_payout_ends_once_in_whatever_order_it_is_reported(
    withdrawing: Withdrawing, person: Any, order: tuple[str, ...]
) -> None:
    payout, receipt = await withdrawing.begun(person), withdrawing.daraja.receipt()
    reports = {
        "result": (withdrawing.result(payout, 0, receipt), "b2c"),
        "again": (withdrawing.result(payout, "0", receipt, amount="1000.00"), "b2c"),
        "status": (withdrawing.status(payout, receipt, "1000.00"), "status"),
    }

    for name in order:
        await withdrawing.hear(*reports[name])
        await withdrawing.hear(*reports[name])

    assert [await withdrawing.problem(payload) for payload, _ in reports.values()] == [None, None, None]
    assert await withdrawing.money(person) == PAID
    assert await withdrawing.movements(person) == [("withdrawal", "completed", "1000")]
    assert await withdrawing.fees(person) == [("mpesa_withdrawal", "10", False)]


async def test_reports_at_once_end_it_once(withdrawing: Withdrawing, house: House, person: Any) -> None:
    payout, receipt = await withdrawing.begun(person), withdrawing.daraja.receipt()
    results = [withdrawing.result(payout, 0, receipt, ResultDesc=f"{number}") for number in range(5)]
    statuses = [withdrawing.status(payout, receipt, "1000") for _ in range(5)]

    await asyncio.gather(
        *(withdrawing.hear(each) for each in results), *(withdrawing.hear(each, "status") for each in statuses)
    )

    assert len([kind for kind, *_ in await house.posted(payout) if kind == "mpesa_withdrawal_paid"]) == 3
    assert await withdrawing.money(person) == PAID


async def test_what_contradicts_the_first_result_is_left_to_staff(
    withdrawing: Withdrawing, house: House, books: Books
) -> None:
    for first, second, money in ((0, 2001, PAID), (2001, 0, BACK)):
        person = await house.person(KES="5000")
        payout = await withdrawing.begun(person)
        await withdrawing.hear(withdrawing.result(payout, first, withdrawing.daraja.receipt() if first == 0 else None))
        late = withdrawing.result(payout, second, withdrawing.daraja.receipt() if second == 0 else None)

        await withdrawing.hear(late)

        assert "already" in (await withdrawing.problem(late) or "")
        message = await withdrawing.depositing.message(late)
        assert message["mpesa_transaction_id"] == payout.id
        assert await books.events(message["id"]) == ["mpesa_message.unprocessed"]
        assert await withdrawing.money(person) == money


async def test_a_second_receipt_for_one_payout_is_left_to_staff(withdrawing: Withdrawing, person: Any) -> None:
    payout = await withdrawing.begun(person)
    await withdrawing.paid(payout)
    again = withdrawing.result(payout, 0, withdrawing.daraja.receipt())

    await withdrawing.hear(again)

    assert await withdrawing.problem(again) is not None
    assert await withdrawing.money(person) == PAID


async def test_a_result_after_it_was_taken_back_is_left_to_staff(withdrawing: Withdrawing, person: Any) -> None:
    withdrawing.daraja.down = True
    payout = await withdrawing.begun(person)
    assert await withdrawing.house.refused(CANCEL, person, mpesaTransactionId=payout.id) == []
    late = withdrawing.result(payout, 0, withdrawing.daraja.receipt())

    await withdrawing.hear(late)

    assert await withdrawing.problem(late) == "It says that the money was sent; the payment is cancelled already."
    assert await withdrawing.money(person) == BACK


async def test_a_receipt_belongs_to_one_payout(withdrawing: Withdrawing, house: House) -> None:
    one, two = await house.person(KES="5000"), await house.person(KES="5000")
    receipt = await withdrawing.paid(await withdrawing.begun(one))
    payout = await withdrawing.begun(two)
    taken = withdrawing.result(payout, 0, receipt)

    await withdrawing.hear(taken)

    assert await withdrawing.problem(taken) == "Another payment has its receipt."
    assert await withdrawing.money(two) == ON_THE_WAY


async def test_without_a_receipt_nothing_is_paid(withdrawing: Withdrawing, person: Any) -> None:
    payout = await withdrawing.begun(person)
    nameless = withdrawing.result(payout, 0)

    await withdrawing.hear(nameless)

    assert await withdrawing.problem(nameless) == "It says that the money was sent, and names no receipt."
    assert (await withdrawing.status_of(payout), await withdrawing.money(person)) == ("processing", ON_THE_WAY)


async def test_another_amount_is_held_for_staff(withdrawing: Withdrawing, person: Any, books: Books) -> None:
    payout = await withdrawing.begun(person)
    other = withdrawing.result(payout, 0, withdrawing.daraja.receipt(), amount=999)

    await withdrawing.hear(other)
    await withdrawing.hear(withdrawing.result(payout, 1))

    assert await withdrawing.problem(other) == "M-Pesa says that 999 were sent, not 1000.00."
    assert (await withdrawing.status_of(payout), await withdrawing.money(person)) == ("held", ON_THE_WAY)
    assert (await books.events(payout.id))[-1] == "mpesa_payment.held"


@pytest.mark.parametrize("key", ["5e1f0c9a-6d0b-4b0e-9c39-6c616e676f31", "", "29115-34620561-1", "AG_ELSEWHERE"])
async def test_what_is_about_no_payout_of_ours_is_left_to_staff(
    withdrawing: Withdrawing, key: str, changes: Changes
) -> None:
    before = await changes.mark()
    foreign = {"Result": {"ResultType": 0, "ResultCode": 0, "ResultDesc": key or "none", "ConversationID": "AG_Z",
                          "OriginatorConversationID": key, "TransactionID": withdrawing.daraja.receipt()}}  # fmt: skip

    await withdrawing.hear(foreign)

    assert await withdrawing.problem(foreign) == "There is no payout or reversal of ours that it is about."
    changed = await changes.since(before)
    assert [each for each in changed if "mpesa_transactions" in str(each) or "ledger" in str(each)] == []


async def test_a_result_is_found_by_m_pesas_own_id_too(withdrawing: Withdrawing, person: Any) -> None:
    payout = await withdrawing.begun(person)
    conversation = (await withdrawing.row(payout))["conversation_id"]

    await withdrawing.hear(
        withdrawing.result(payout, 0, withdrawing.daraja.receipt(), key="", conversation=conversation)
    )

    assert await withdrawing.status_of(payout) == "completed"


@pytest.mark.parametrize(
    ("state", "status", "money"),
    [
        ("Completed", "completed", PAID), ("COMPLETED ", "completed", PAID), ("Failed", "failed", BACK),
        ("Declined", "failed", BACK), ("Pending", "processing", ON_THE_WAY), ("", "processing", ON_THE_WAY),
        ("Reversed", "processing", ON_THE_WAY),
    ],
)  # fmt: skip
async def test_what_a_query_answers_counts_where_it_is_final(
    withdrawing: Withdrawing, person: Any, state: str, status: str, money: tuple[str, str]
) -> None:
    payout = await withdrawing.begun(person)

    await withdrawing.hear(withdrawing.status(payout, withdrawing.daraja.receipt(), "1000", state), "status")

    assert (await withdrawing.status_of(payout), await withdrawing.money(person)) == (status, money)


async def test_a_query_that_fails_says_nothing(withdrawing: Withdrawing, person: Any) -> None:
    payout = await withdrawing.begun(person)
    answer = withdrawing.status(payout, withdrawing.daraja.receipt(), "1000", "Failed")
    answer["Result"]["ResultCode"] = 2001

    await withdrawing.hear(answer, "status")

    assert await withdrawing.money(person) == ON_THE_WAY


async def test_m_pesa_is_queried_ever_more_rarely_and_after_a_week_staff_decide(
    withdrawing: Withdrawing, person: Any, books: Books
) -> None:
    payout = await withdrawing.begun(person)
    for _ in range(3):
        await withdrawing.query()
    assert withdrawing.daraja.called("ask_status") == 0

    await withdrawing.later(payout, seconds=31)
    await asyncio.gather(*(withdrawing.query() for _ in range(3)))
    assert withdrawing.daraja.called("ask_status", str(payout.id)) == 1
    await withdrawing.later(payout, days=2)
    await withdrawing.query()
    assert withdrawing.daraja.called("ask_status", str(payout.id)) == 2
    await withdrawing.later(payout, days=6)
    await withdrawing.query()

    assert await withdrawing.status_of(payout) == "held"
    assert await withdrawing.money(person) == ON_THE_WAY
    assert (await books.events(payout.id))[-1] == "mpesa_payment.held"
    # The first word of M-Pesa ends it all the same.
    await withdrawing.paid(payout)
    assert await withdrawing.money(person) == PAID


def test_the_schedule_of_queries() -> None:
    begun = outgoing.query_schedule.datetime.fromisoformat("2026-12-01T08:00:00+00:00")
    seconds = [0, 30, 59, 60, 120, 300, 899, 900, 3_600, 86_399, 86_400, 90_000, 200_000]

    after = [outgoing.next_query(begun, begun + timedelta(seconds=each)) - begun for each in seconds]

    assert [each.total_seconds() for each in after] == [
        30, 60, 60, 120, 300, 900, 900, 3_600, 7_200, 86_400, 172_800, 172_800, 259_200,
    ]  # fmt: skip


async def test_nothing_is_sent_for_an_account_that_was_suspended_meanwhile(
    withdrawing: Withdrawing, house: House, person: Any
) -> None:
    withdrawing.daraja.down = True
    payout = await withdrawing.begun(person)
    withdrawing.daraja.restore()
    await house.owner.execute("UPDATE identity.users SET is_active = false WHERE id = $1", person.id)

    await withdrawing.send(payout)

    assert (await withdrawing.status_of(payout), withdrawing.daraja.calls) == ("held", [])
    assert (await withdrawing.settle(payout, False)).refusals(SETTLE) == []
    assert await withdrawing.money(person) == BACK


async def test_the_result_of_an_erased_account_still_counts(
    withdrawing: Withdrawing, house: House, person: Any
) -> None:
    payout = await withdrawing.begun(person)
    await house.owner.execute(
        "UPDATE identity.users SET is_active = false, deleted_at = now() WHERE id = $1", person.id
    )

    await withdrawing.hear(withdrawing.result(payout, 1))

    assert await withdrawing.money(person) == BACK


async def test_staff_settle_what_m_pesa_never_reported(withdrawing: Withdrawing, house: House, person: Any) -> None:
    paid, back = await withdrawing.begun(person), await withdrawing.begun(person)
    receipt = withdrawing.daraja.receipt()
    assert (await withdrawing.settle(paid, True, receiptNumber=receipt)).refusals(SETTLE) == ["NOT_OVERDUE"]
    for payout in (paid, back):
        await withdrawing.later(payout, hours=24)

    staff = await house.make.staff()
    answer = await withdrawing.settle(paid, True, staff, receiptNumber=f" {receipt.lower()} ")
    assert (await withdrawing.settle(back, False, staff)).refusals(SETTLE) == []

    assert answer[SETTLE]["mpesaTransaction"]["status"] == "COMPLETED"
    row = await withdrawing.row(paid)
    assert (row["mpesa_receipt_number"], row["decided_by"]) == (receipt, staff.id)
    assert await withdrawing.money(person) == PAID
    reasons = await house.owner.fetch(
        "SELECT reason FROM admin.audit_logs WHERE action = 'mpesa_payout_settled' AND resource_id = ANY ($1)",
        [paid.id, back.id],
    )
    assert [each["reason"] for each in reasons] == ["as the portal shows"] * 2


async def test_what_staff_may_not_settle(withdrawing: Withdrawing, house: House, person: Any, changes: Changes) -> None:
    payout, done = await withdrawing.begun(person), await withdrawing.begun(person)
    deposit = await withdrawing.depositing.begun(person, "100")
    taken = await withdrawing.paid(done)
    await withdrawing.later(payout, hours=25)
    staff = await house.make.staff()
    own = await house.person(user={"roles": ["user", "admin"]}, KES="5000")
    owned = await withdrawing.begun(own)
    await withdrawing.later(owned, hours=25)
    before = await changes.mark()

    async def refused(row: Any, paid: bool, by: Any = staff, **more: Any) -> list[str]:
        return (await withdrawing.settle(row, paid, by, **more)).refusals(SETTLE)

    assert await refused(payout, True) == ["RECEIPT_MISSING"]
    assert await refused(payout, True, receiptNumber="!") == ["RECEIPT_NOT_VALID"]
    assert await refused(payout, True, receiptNumber=taken) == ["RECEIPT_TAKEN"]
    assert await refused(payout, False, reason=" ") == ["TEXT_MISSING"]
    assert await refused(done, False) == ["INVALID_STATE"]
    assert await refused(deposit, False) == ["INVALID_STATE"]
    assert await refused(owned, False, own) == ["OWN_MATTER"]
    stranger = await withdrawing.house.call(
        SETTLE, person, mpesaTransactionId=payout.id, paid=False, reason="I want it back"
    )
    assert stranger.codes == ["FORBIDDEN"]
    assert await changes.since(before) == []
    assert STAFF == ("admin",)


async def test_staff_and_m_pesa_at_once_end_it_once(withdrawing: Withdrawing, house: House) -> None:
    for _ in range(6):
        person = await house.person(KES="5000")
        payout = await withdrawing.begun(person)
        await withdrawing.later(payout, hours=25)

        await asyncio.gather(
            withdrawing.settle(payout, False), withdrawing.paid(payout), withdrawing.settle(payout, False)
        )

        ends = {kind for kind, *_ in await house.posted(payout)} - {"mpesa_withdrawal"}
        status = await withdrawing.status_of(payout)
        assert (ends, await withdrawing.money(person)) == (
            ({"mpesa_withdrawal_paid"}, PAID) if status == "completed" else ({"mpesa_withdrawal_reversal"}, BACK)
        )


async def test_results_and_withdrawals_of_one_balance_at_once_add_up(withdrawing: Withdrawing, house: House) -> None:
    person = await house.person(KES="20200")
    payouts = [await withdrawing.begun(person) for _ in range(10)]

    await asyncio.gather(
        *(withdrawing.hear(withdrawing.result(payout, 1)) for payout in payouts[:5]),
        *(withdrawing.paid(payout) for payout in payouts[5:]),
        *(withdrawing.withdraw(person) for _ in range(10)),
    )

    assert await withdrawing.money(person) == ("5050", "10100")
