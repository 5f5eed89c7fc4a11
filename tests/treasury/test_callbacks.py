"""What M-Pesa reports of a push: credited once a receipt, by whatever ways it is reported, and confirmed before."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import orjson
import pytest

from resolvers.treasury.mpesa_messages import query_messages
from tests.changes import Changes
from tests.treasury.daraja import CANCELLED, EXPIRED, UNREACHABLE, FakeMpesa
from tests.treasury.depositing import Depositing
from tests.treasury.house import House

# A message that is not acted on is stored, with the job that tries it again.
KEPT = ("treasury.mpesa_messages", "jobs.pgqueuer")
# As much as a treasury can hold.
FULL = "9" * 10
ORDERS = list(itertools.permutations(("callback", "notice", "status")))


async def test_what_was_paid_is_credited_less_the_fee(
    depositing: Depositing, house: House, daraja: FakeMpesa, owner: Any
) -> None:
    person = await house.person()
    push = await depositing.begun(person)
    receipt = daraja.receipt()
    callback = daraja.paid(push.checkout, receipt)

    await depositing.hear_callback(callback)

    row = await depositing.row(push.id)
    assert (row["status"], row["mpesa_receipt_number"], row["result_code"]) == ("completed", receipt, "0")
    assert (row["amount"], row["paid_amount"], row["fee"]) == (1000, 1000, 25)
    assert (row["callback_received"], orjson.loads(row["callback_data"])) == (True, callback)
    assert await house.balance(person, "KES") == "975"
    assert await house.posted(push.id) == [
        ("mpesa_deposit", "provider:mpesa:KES", "1000"),
        ("mpesa_deposit", "platform:fees:KES", "-25"),
        ("mpesa_deposit", f"user:{person.id}:available:KES", "-975"),
    ]
    kept = await depositing.receipt(receipt)
    assert (kept["status"], kept["arrived_as"], kept["amount"]) == ("credited", "stk", 1000)
    movement = await owner.fetchrow("SELECT * FROM treasury.wallet_transactions WHERE to_user_id = $1", person.id)
    assert (movement["type"], movement["amount"], movement["status"]) == ("deposit", 975, "completed")
    fee = await owner.fetchrow("SELECT * FROM treasury.transaction_fees WHERE transaction_id = $1", movement["id"])
    assert (fee["fee_category"], fee["base_amount"], fee["fee_amount"]) == ("mpesa_deposit", 1000, 25)
    message = await depositing.message(callback)
    assert message["processed_at"] is not None
    assert message["mpesa_transaction_id"] == push.id


async def test_that_m_pesa_has_taken_it_does_not_mean_that_it_is_paid(depositing: Depositing, house: House) -> None:
    person = await house.person()

    push = await depositing.begun(person)

    assert await depositing.status(push) == "processing"
    assert await house.balance(person, "KES") == "0"


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
async def test_a_payment_is_credited_once_in_whatever_order_it_is_reported(
    depositing: Depositing, house: House, daraja: FakeMpesa, order: tuple[str, ...]
) -> None:
    person = await house.person()
    push = await depositing.begun(person)
    receipt = daraja.receipt()
    hear = _reports(depositing, daraja, push, receipt)

    for report in order:
        await hear[report]()
        await hear[report]()
    await hear["status"]()

    assert await depositing.status(push) == "completed"
    assert await house.balance(person, "KES") == "975"
    assert await depositing.credits(receipt) == 1


async def test_all_reports_at_once_and_doubled_credit_once(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    push = await depositing.begun(person)
    receipt = daraja.receipt()
    hear = _reports(depositing, daraja, push, receipt)
    await hear["callback"]()
    second = await house.person()
    other = await depositing.begun(second)
    further = daraja.receipt()
    hear_other = _reports(depositing, daraja, other, further)

    reports = [hear_other[name]() for order in ORDERS for name in order]
    await asyncio.gather(*reports, *(hear[name]() for name in ORDERS[0]))
    await hear_other["status"]()

    assert await house.balance(person, "KES") == "975"
    assert await house.balance(second, "KES") == "975"
    assert await depositing.credits(receipt, further) == 2
    assert await depositing.payments(second) == [("stk_push", "completed", "1000")]


async def test_the_same_callback_twice_changes_nothing(
    depositing: Depositing, house: House, daraja: FakeMpesa, changes: Changes
) -> None:
    push = await depositing.begun(await house.person())
    callback = daraja.paid(push.checkout, daraja.receipt())
    await depositing.hear_callback(callback)
    before = await changes.mark()

    again = await depositing.callback(callback)
    await depositing.process(callback)

    assert again.finish is None
    assert await changes.since(before) == []


async def test_a_callback_without_a_receipt_credits_nothing_until_the_statement_shows_it(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    push = await depositing.begun(person)
    await depositing.hear_callback(daraja.paid(push.checkout, "x", MpesaReceiptNumber=None))
    silent = (await depositing.status(push), await house.balance(person, "KES"))
    receipt = daraja.receipt()
    daraja.line(receipt, 1000, push.reference, (await depositing.row(push.id))["created_at"])

    await depositing.query(push)

    assert silent == ("processing", "0")
    assert await depositing.status(push) == "completed"
    assert await house.balance(person, "KES") == "975"
    assert (await depositing.receipt(receipt))["arrived_as"] == "statement"


async def test_what_m_pesa_says_is_paid_without_a_receipt_is_left_to_staff_at_the_end(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    push = await depositing.begun(person)
    daraja.outcomes[push.checkout] = "0"
    await depositing.later(push, hours=25)

    await depositing.query(push)

    assert await depositing.status(push) == "held"
    assert await house.balance(person, "KES") == "0"


async def test_a_failure_is_believed_when_callback_and_query_agree(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    ends = {CANCELLED: "cancelled", UNREACHABLE: "failed", EXPIRED: "expired", "1": "failed", "9876": "failed"}
    for code, status in ends.items():
        push = await depositing.begun(await house.person())

        await depositing.hear_callback(daraja.failed(push.checkout, code))

        row = await depositing.row(push.id)
        assert (row["status"], row["result_code"]) == (status, code)
        assert row["next_query_at"] is None


async def test_a_failure_that_the_query_denies_is_not_believed(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    push = await depositing.begun(person)
    callback = daraja.failed(push.checkout)
    daraja.outcomes[push.checkout] = "0"

    await depositing.hear_callback(callback)

    assert await depositing.status(push) == "processing"
    await depositing.hear_callback(daraja.paid(push.checkout, daraja.receipt()))
    assert await depositing.status(push) == "completed"
    assert await house.balance(person, "KES") == "975"


async def test_a_query_that_denies_what_was_paid_is_not_believed_where_the_status_confirms_it(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    push, receipt = await depositing.begun(person), daraja.receipt()
    callback = daraja.paid(push.checkout, receipt)
    daraja.outcomes[push.checkout] = UNREACHABLE
    await depositing.hear_callback(callback)
    waiting = (await depositing.status(push), await house.balance(person, "KES"), daraja.called("ask_status", receipt))

    await depositing.query(push)
    await depositing.hear_result(daraja.status(receipt, 1000))

    assert waiting == ("processing", "0", 1)
    assert await depositing.status(push) == "completed"
    assert await house.balance(person, "KES") == "975"


async def test_what_is_denied_to_the_end_is_held(depositing: Depositing, house: House, daraja: FakeMpesa) -> None:
    person = await house.person()
    push, receipt = await depositing.begun(person), daraja.receipt()
    callback = daraja.paid(push.checkout, receipt)
    daraja.outcomes[push.checkout] = UNREACHABLE
    await depositing.hear_callback(callback)
    await depositing.later(push, hours=24)

    await depositing.process(callback)

    assert await depositing.status(push) == "held"
    assert await house.balance(person, "KES") == "0"
    assert await house.posted((await depositing.receipt(receipt))["id"]) == [
        ("mpesa_held", "provider:mpesa:KES", "1000"),
        ("mpesa_held", "platform:suspense:KES", "-1000"),
    ]


@pytest.mark.parametrize("paid", [99, 1001, 1000.5])
async def test_another_amount_than_was_requested_is_held(
    depositing: Depositing, house: House, daraja: FakeMpesa, paid: Any
) -> None:
    person = await house.person()

    push = await depositing.held(person, paid)

    row, receipt = await depositing.row(push.id), await depositing.receipt(push.receipt)
    assert (row["status"], str(row["paid_amount"].normalize()), row["amount"]) == (
        "held", str(receipt["amount"].normalize()), 1000,
    )  # fmt: skip
    assert (receipt["status"], receipt["held_reason"]) == ("held", "Another amount was requested.")
    assert await house.balance(person, "KES") == "0"


@pytest.mark.parametrize("written", [1000, 1000.0, "1000", "1000.00"])
async def test_whole_shillings_are_the_same_however_they_are_written(
    depositing: Depositing, house: House, daraja: FakeMpesa, written: Any
) -> None:
    push = await depositing.begun(await house.person())

    await depositing.hear_callback(daraja.paid(push.checkout, daraja.receipt(), written))

    assert await depositing.status(push) == "completed"


@pytest.mark.parametrize("end", ["expired", "cancelled", "failed"])
async def test_what_is_paid_late_is_credited_all_the_same(
    depositing: Depositing, house: House, daraja: FakeMpesa, end: str
) -> None:
    person = await house.person()
    push = await depositing.begun(person)
    if end == "expired":
        await depositing.later(push, hours=25)
        await depositing.query(push)
    else:
        await depositing.hear_callback(daraja.failed(push.checkout, CANCELLED if end == "cancelled" else "1"))
    ended = await depositing.status(push)

    await depositing.hear_callback(daraja.paid(push.checkout, daraja.receipt()))

    assert ended == end
    assert await depositing.status(push) == "completed"
    assert await house.balance(person, "KES") == "975"


@pytest.mark.parametrize("state", ["is_active = false", "deleted_at = now()"], ids=["suspended", "erased"])
async def test_what_a_suspended_or_erased_user_paid_waits_for_staff(
    depositing: Depositing, house: House, daraja: FakeMpesa, owner: Any, state: str
) -> None:
    person = await house.person()
    push, receipt = await depositing.begun(person), daraja.receipt()
    await owner.execute(f"UPDATE identity.users SET {state} WHERE id = $1", person.id)

    await depositing.hear_callback(daraja.paid(push.checkout, receipt))

    assert await depositing.status(push) == "held"
    assert (await depositing.receipt(receipt))["held_reason"] == "The account is not active."
    assert await house.balance(person, "KES") == "0"


async def test_a_receipt_of_another_payment_is_left_to_staff(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person, other = await house.person(), await house.person()
    paid = await depositing.paid(person)
    push = await depositing.begun(other)
    callback = daraja.paid(push.checkout, paid.receipt)

    await depositing.hear_callback(callback)

    message = await depositing.message(callback)
    assert (message["processed_at"], message["processing_error"]) == (None, "This receipt belongs to another payment.")
    assert await house.balance(other, "KES") == "0"
    assert await depositing.credits(paid.receipt) == 1


async def test_a_second_payment_on_a_push_is_credited_beside_it(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    push = await depositing.paid(person)

    await depositing.hear_callback(daraja.paid(push.checkout, daraja.receipt(), 500))

    assert await depositing.payments(person) == [("stk_push", "completed", "1000"), ("c2b", "completed", "500")]
    assert await house.balance(person, "KES") == "1462.5"


async def test_the_callback_of_a_push_that_is_not_known_is_left_to_staff(
    depositing: Depositing, house: House, daraja: FakeMpesa, changes: Changes
) -> None:
    push = await depositing.begun(await house.person())
    callback = daraja.paid(push.checkout, daraja.receipt())
    callback["Body"]["stkCallback"]["CheckoutRequestID"] = "ws_CO_of_somebody_else"
    before = await changes.mark()

    await depositing.hear_callback(callback)

    stored = await depositing.message(callback)
    assert (stored["processed_at"], stored["processing_error"]) == (None, "There is no push that it reports on.")
    assert await changes.since(before, but=(*KEPT, "platform.outbox_events")) == []


async def test_an_address_and_a_checkout_of_different_payments_are_left_to_staff(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person, other = await house.person(), await house.person()
    push, another = await depositing.begun(person), await depositing.begun(other)
    callback = daraja.paid(push.checkout, daraja.receipt())

    await depositing.hear_callback(callback, another.id)

    assert (await depositing.message(callback))["processing_error"] is not None
    assert [await depositing.status(each) for each in (push, another)] == ["processing", "processing"]


@pytest.mark.parametrize(
    "payload",
    [{}, {"Body": {}}, {"Body": {"stkCallback": []}}, {"Body": {"stkCallback": {"CheckoutRequestID": "a\0b"}}}],
    ids=["nothing", "no callback", "a list", "a NUL"],
)
async def test_what_cannot_be_read_is_kept_and_left_to_staff(depositing: Depositing, owner: Any, payload: Any) -> None:
    before = await owner.fetchval("SELECT count(*) FROM treasury.mpesa_messages")

    await depositing.hear_callback(payload)

    found = await owner.fetch("SELECT * FROM treasury.mpesa_messages ORDER BY created_at DESC LIMIT 1")
    assert await owner.fetchval("SELECT count(*) FROM treasury.mpesa_messages") == before + 1
    assert found[0]["processed_at"] is None
    assert found[0]["processing_error"].startswith("It cannot be read.")


async def test_while_m_pesa_cannot_be_queried_a_callback_waits(
    depositing: Depositing, house: House, daraja: FakeMpesa, owner: Any
) -> None:
    person = await house.person()
    push = await depositing.begun(person)
    callback = daraja.paid(push.checkout, daraja.receipt())
    daraja.down = True
    await depositing.hear_callback(callback)
    waiting = await depositing.message(callback)
    daraja.down = False

    await owner.execute("UPDATE treasury.mpesa_messages SET next_query_at = now() WHERE id = $1", waiting["id"])
    await query_messages(depositing.house.services)

    assert (waiting["processed_at"], waiting["processing_error"]) == (None, None)
    assert waiting["next_query_at"] is not None
    assert await depositing.status(push) == "completed"
    assert await house.balance(person, "KES") == "975"


async def test_what_is_paid_for_a_dao_goes_on_to_it(depositing: Depositing, house: House, daraja: FakeMpesa) -> None:
    dao = await house.dao(members=2)
    member = dao.members[1]

    push = await depositing.paid(member, daoId=dao.id)

    row = await depositing.row(push.id)
    assert (row["status"], row["purpose"]) == ("completed", "contribution")
    assert (await house.balance(member, "KES"), await house.holds(dao)) == ("0", "975")


@pytest.mark.parametrize("gone", ["left", "suspended"])
async def test_what_was_paid_for_a_dao_that_is_gone_stays_with_the_user(
    depositing: Depositing, house: House, daraja: FakeMpesa, owner: Any, gone: str
) -> None:
    dao = await house.dao(members=2)
    member = dao.members[1]
    push = await depositing.begun(member, daoId=dao.id)
    if gone == "suspended":
        await owner.execute("UPDATE treasury.daos SET status = 'suspended' WHERE id = $1", dao.id)
    else:
        await owner.execute(
            "UPDATE treasury.dao_members SET status = 'banned' WHERE dao_id = $1 AND user_id = $2", dao.id, member.id
        )
        await owner.execute("UPDATE treasury.daos SET member_count = member_count - 1 WHERE id = $1", dao.id)

    await depositing.hear_callback(daraja.paid(push.checkout, daraja.receipt()))

    assert await depositing.status(push) == "completed"
    assert (await house.balance(member, "KES"), await house.holds(dao)) == ("975", "0")


async def test_what_a_treasury_cannot_hold_stays_with_the_user(depositing: Depositing, house: House) -> None:
    dao = await house.dao(members=2, KES=FULL)
    member = dao.members[1]

    push = await depositing.paid(member, daoId=dao.id)

    assert await depositing.status(push) == "completed"
    assert (await house.balance(member, "KES"), await house.holds(dao)) == ("975", FULL)


async def test_a_deposit_of_before_receipts_were_kept_is_not_credited_again(
    depositing: Depositing, house: House, daraja: FakeMpesa, owner: Any
) -> None:
    person, other = await house.person(), await house.person()
    push, number = await depositing.begun(person), daraja.receipt()
    await owner.execute(
        "UPDATE treasury.mpesa_transactions SET status = 'failed', mpesa_receipt_number = $2 WHERE id = $1",
        push.id, number,
    )  # fmt: skip
    account = (await house.call("openMpesaAccount", other))["openMpesaAccount"]["mpesaAccount"]["accountNumber"]

    await depositing.hear_confirmed(account, number, 700)

    assert await depositing.credits(number) == 0
    assert await house.balance(other, "KES") == "0"


def _reports(depositing: Depositing, daraja: FakeMpesa, push: Any, receipt: str) -> dict[str, Any]:
    callback, notice = daraja.paid(push.checkout, receipt), daraja.notice(push.reference, receipt, 1000)
    return {
        "callback": lambda: depositing.hear_callback(callback),
        "notice": lambda: depositing.hear_notice(notice),
        "status": lambda: depositing.hear_result(daraja.status(receipt, 1000)),
    }
