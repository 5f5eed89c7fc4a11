"""Money about which staff decide: credited as it came, or confirmed by the receipt that they know."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.changes import Changes
from tests.client import STAFF, Answer
from tests.treasury.daraja import FakeMpesa
from tests.treasury.depositing import Depositing
from tests.treasury.house import House

REASON = "Le client a confirmé."


async def test_what_was_held_is_credited_as_it_came(
    depositing: Depositing, house: House, daraja: FakeMpesa, owner: Any
) -> None:
    person, staff = await house.person(), await house.make.staff()
    push = await depositing.held(person, 900)
    receipt = (await depositing.receipt(push.receipt))["id"]

    released = await house.call("releaseHeldPayment", staff, STAFF, receiptId=receipt, reason=REASON)

    shown = released["releaseHeldPayment"]
    assert shown["mpesaReceipt"]["status"] == "CREDITED"
    assert (shown["mpesaTransaction"]["status"], shown["mpesaTransaction"]["fee"]) == ("COMPLETED", "22.50")
    assert await house.balance(person, "KES") == "877.5"
    assert await house.posted(push.id) == [
        ("mpesa_deposit", "platform:suspense:KES", "900"),
        ("mpesa_deposit", "platform:fees:KES", "-22.5"),
        ("mpesa_deposit", f"user:{person.id}:available:KES", "-877.5"),
    ]
    kept = await depositing.receipt(push.receipt)
    assert (kept["decided_by"], kept["decision_reason"]) == (staff.id, REASON)
    assert (await depositing.row(push.id))["decided_by"] == staff.id


async def test_what_was_nobodys_goes_to_whom_staff_name(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person, number = await house.person(), daraja.receipt()
    await depositing.hear_confirmed("SAVINGS", number, 300)
    receipt = (await depositing.receipt(number))["id"]

    without = await depositing.as_staff("releaseHeldPayment", receiptId=receipt, reason=REASON)
    released = await depositing.as_staff("releaseHeldPayment", receiptId=receipt, reason=REASON, userId=person)

    assert without.refusals("releaseHeldPayment") == ["USER_MISSING"]
    assert released["releaseHeldPayment"]["userErrors"] == []
    assert await depositing.payments(person) == [("c2b", "completed", "300")]
    assert await house.balance(person, "KES") == "292.5"


async def test_what_a_suspended_user_paid_may_be_credited_and_what_an_erased_one_paid_may_not(
    depositing: Depositing, house: House, daraja: FakeMpesa, owner: Any
) -> None:
    suspended, erased = await house.person(), await house.person()
    held = []
    for person, state in ((suspended, "is_active = false"), (erased, "deleted_at = now()")):
        push, number = await depositing.begun(person), daraja.receipt()
        await owner.execute(f"UPDATE identity.users SET {state} WHERE id = $1", person.id)
        await depositing.hear_callback(daraja.paid(push.checkout, number))
        held.append((await depositing.receipt(number))["id"])

    answers = [await depositing.as_staff("releaseHeldPayment", receiptId=each, reason=REASON) for each in held]

    assert [each.refusals("releaseHeldPayment") for each in answers] == [[], ["USER_NOT_ACTIVE"]]
    assert [await house.balance(each, "KES") for each in (suspended, erased)] == ["975", "0"]


async def test_of_many_who_release_at_once_one_does(depositing: Depositing, house: House) -> None:
    person = await house.person()
    push = await depositing.held(person)
    receipt = (await depositing.receipt(push.receipt))["id"]

    answers = await asyncio.gather(
        *(depositing.as_staff("releaseHeldPayment", receiptId=receipt, reason=REASON) for _ in range(6))
    )

    refusals = sorted(tuple(each.refusals("releaseHeldPayment")) for each in answers)
    assert refusals == [(), *[("INVALID_STATE",)] * 5]
    assert await house.balance(person, "KES") == "877.5"


async def test_the_same_release_twice_is_one(depositing: Depositing, house: House) -> None:
    person, staff = await house.person(), await house.make.staff()
    push = await depositing.held(person)
    given = {"receiptId": (await depositing.receipt(push.receipt))["id"], "reason": REASON, "idempotencyKey": "once"}

    first = await house.call("releaseHeldPayment", staff, STAFF, **given)
    again = await house.call("releaseHeldPayment", staff, STAFF, **given)

    assert first["releaseHeldPayment"] == again["releaseHeldPayment"]
    assert await house.balance(person, "KES") == "877.5"


async def test_what_is_not_theirs_to_decide_is_refused(
    depositing: Depositing, house: House, daraja: FakeMpesa, owner: Any, changes: Changes
) -> None:
    person, other = await house.person(), await house.person()
    own = await house.person(user={"roles": ["user", "admin"]})
    push, credited = await depositing.held(person), await depositing.paid(person)
    mine = await depositing.held(own)
    receipt, done, of_own = [(await depositing.receipt(each.receipt))["id"] for each in (push, credited, mine)]
    staff = await house.make.staff()
    before = await changes.mark()

    async def release(by: Any = staff, roles: tuple[str, ...] = STAFF, **given: Any) -> Answer:
        return await house.call("releaseHeldPayment", by, roles, **({"reason": REASON} | given))

    refusals = {
        "another's": await release(receiptId=receipt, userId=other),
        "credited": await release(receiptId=done),
        "own": await release(own, receiptId=of_own),
        "without a reason": await release(receiptId=receipt, reason=" "),
        "unknown": await release(receiptId=uuid4()),
    }

    assert {name: each.refusals("releaseHeldPayment") for name, each in refusals.items()} == {
        "another's": ["RECEIPT_IS_SOMEBODYS"], "credited": ["INVALID_STATE"], "own": ["OWN_MATTER"],
        "without a reason": ["TEXT_MISSING"], "unknown": ["NOT_FOUND"],
    }  # fmt: skip
    assert (await release(person, (), receiptId=receipt)).codes == ["FORBIDDEN"]
    assert await changes.since(before) == []


async def test_a_dry_run_credits_nothing(depositing: Depositing, house: House) -> None:
    person = await house.person()
    push = await depositing.held(person)
    receipt = (await depositing.receipt(push.receipt))["id"]

    tried = await depositing.as_staff("releaseHeldPayment", receiptId=receipt, reason=REASON, validateOnly=True)

    assert tried["releaseHeldPayment"]["mpesaTransaction"]["status"] == "COMPLETED"
    assert (await depositing.status(push), await house.balance(person, "KES")) == ("held", "0")
    assert (await depositing.receipt(push.receipt))["status"] == "held"


async def test_a_push_without_a_receipt_is_credited_by_the_one_that_staff_know(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person, number = await house.person(), daraja.receipt()
    push = await depositing.begun(person)
    daraja.outcomes[push.checkout] = "0"
    await depositing.later(push, hours=25)
    await depositing.query(push)

    settling = await depositing.as_staff("settleMpesaPayment", mpesaTransactionId=push.id, receiptNumber=number.lower())
    silent = await house.balance(person, "KES")
    await depositing.hear_result(daraja.status(number, 1000))

    message = settling["settleMpesaPayment"]["mpesaMessage"]
    assert (message["kind"], message["receiptNumber"], message["processedAt"]) == ("STAFF", number, None)
    assert (daraja.called("ask_status", number), silent) == (1, "0")
    assert await depositing.status(push) == "completed"
    assert await house.balance(person, "KES") == "975"
    assert (await depositing.receipt(number))["arrived_as"] == "staff"


async def test_a_receipt_that_is_taken_settles_nothing(
    depositing: Depositing, house: House, daraja: FakeMpesa, changes: Changes
) -> None:
    paid, push = await depositing.paid(await house.person()), await depositing.begun(await house.person())
    nobodys = daraja.receipt()
    await depositing.hear_confirmed("SAVINGS", nobodys, 1000)
    staff = await house.make.staff()
    before = await changes.mark()

    async def refused(**given: Any) -> list[str]:
        return await house.refused("settleMpesaPayment", staff, STAFF, **given)

    assert await refused(mpesaTransactionId=push.id, receiptNumber=paid.receipt) == ["RECEIPT_TAKEN"]
    assert await refused(mpesaTransactionId=push.id, receiptNumber=nobodys) == ["RECEIPT_TAKEN"]
    assert await refused(mpesaTransactionId=push.id, receiptNumber="?") == ["RECEIPT_NOT_VALID"]
    assert await refused(mpesaTransactionId=paid.id, receiptNumber=daraja.receipt()) == ["INVALID_STATE"]
    assert await changes.since(before) == []


async def test_a_message_that_was_left_to_staff_is_acted_on_again(
    depositing: Depositing, house: House, daraja: FakeMpesa, changes: Changes
) -> None:
    person = await house.person()
    push = await depositing.begun(person)
    callback = daraja.paid(push.checkout, daraja.receipt())
    staff = await house.make.staff()
    await house.owner.execute(
        "UPDATE treasury.mpesa_transactions SET checkout_request_id = 'ws_CO_other' WHERE id = $1", push.id
    )
    await depositing.hear_callback(callback)
    left = await depositing.message(callback)
    await house.owner.execute(
        "UPDATE treasury.mpesa_transactions SET checkout_request_id = $2 WHERE id = $1", push.id, push.checkout
    )

    replayed = await house.call("replayMpesaMessage", staff, STAFF, messageId=left["id"])
    before = await changes.mark()
    again = await house.call("replayMpesaMessage", staff, STAFF, messageId=left["id"])

    assert left["processing_error"] == "There is no push that it reports on."
    assert replayed["replayMpesaMessage"]["mpesaMessage"]["processingError"] is None
    assert replayed["replayMpesaMessage"]["mpesaMessage"]["processedAt"] is not None
    assert await depositing.status(push) == "completed"
    assert await house.balance(person, "KES") == "975"
    assert again.refusals("replayMpesaMessage") == ["INVALID_STATE"]
    assert await changes.since(before) == []


async def test_staff_replay_no_message_about_their_own_payment(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    own = await house.person(user={"roles": ["user", "admin"]})
    push = await depositing.begun(own)
    callback = daraja.paid(push.checkout, daraja.receipt())
    daraja.down = True
    await depositing.hear_callback(callback)
    waiting = await depositing.message(callback)

    assert await house.refused("replayMpesaMessage", own, STAFF, messageId=waiting["id"]) == ["OWN_MATTER"]


@pytest.mark.parametrize("name", ["mpesaMessages", "mpesaReceipts"])
async def test_messages_and_receipts_are_staffs(depositing: Depositing, house: House, name: str) -> None:
    person = await house.person()
    await depositing.paid(person)

    assert (await house.api(f"{{ {name} {{ nodes {{ id }} }} }}", as_=person))[name]["nodes"] == []


async def test_a_payment_shows_the_one_that_it_reverses(depositing: Depositing, house: House) -> None:
    person = await house.person()
    paid, other = await depositing.paid(person), await depositing.paid(person)
    await house.owner.execute(
        "UPDATE treasury.mpesa_transactions SET reverses_id = $2 WHERE id = $1", other.id, paid.id
    )

    shown = await house.api("{ mpesaTransactions { nodes { rowId reverses { rowId } } } }", as_=person)

    assert {each["rowId"]: each["reverses"] for each in shown["mpesaTransactions"]["nodes"]} == {
        str(paid.id): None, str(other.id): {"rowId": str(paid.id)},
    }  # fmt: skip
