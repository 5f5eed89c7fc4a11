"""Deposits that go back to whoever paid them, a sentence of the rules a test."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF
from tests.treasury.house import House
from tests.treasury.withdrawing import SETTLE, Withdrawing

REVERSE, RETURN = "reverseMpesaPayment", "returnHeldPayment"


async def reversing(withdrawing: Withdrawing, deposit: Any, **more: Any) -> SimpleNamespace:
    """A reversal that M-Pesa has taken."""
    staff = await withdrawing.house.make.staff()
    given = {"mpesaTransactionId": deposit.id, "reason": "paid by mistake"} | more
    answer = await withdrawing.house.call(REVERSE, staff, STAFF, **given)
    assert answer.refusals(REVERSE) == []
    return SimpleNamespace(id=UUID(answer[REVERSE]["reversal"]["rowId"]), given=answer[REVERSE])


async def refused(withdrawing: Withdrawing, deposit: Any, by: Any = None, **more: Any) -> list[str]:
    given = {"mpesaTransactionId": deposit.id, "reason": "paid by mistake"} | more
    return await withdrawing.house.refused(REVERSE, by or await withdrawing.house.make.staff(), STAFF, **given)


async def test_what_was_credited_goes_back_whole_and_its_fee_with_it(
    withdrawing: Withdrawing, house: House, books: Books
) -> None:
    person = await house.person()
    deposit = await withdrawing.depositing.paid(person, "1000")
    charged = await books.owed("platform:fees:KES")

    reversal = await reversing(withdrawing, deposit)

    shown = reversal.given["reversal"]
    assert (shown["status"], shown["amount"], shown["fee"]) == ("PROCESSING", "1000.00", "25.00")
    assert withdrawing.daraja.called("reverse", deposit.receipt) == 1
    assert await withdrawing.money(person) == ("0", "0")
    assert await house.posted(reversal) == [
        ("mpesa_reversal", f"user:{person.id}:available:KES", "975"), ("mpesa_reversal", "platform:fees:KES", "25"),
        ("mpesa_reversal", "platform:suspense:KES", "-1000"),
    ]  # fmt: skip
    assert await withdrawing.status_of(deposit) == "completed"
    await withdrawing.hear(withdrawing.result(reversal, 0, withdrawing.daraja.receipt()), "reversal")

    assert (await withdrawing.status_of(reversal), await withdrawing.status_of(deposit)) == ("completed", "reversed")
    assert (await house.posted(reversal))[3:] == [
        ("mpesa_return", "platform:suspense:KES", "1000"), ("mpesa_return", "provider:mpesa:KES", "-1000"),
    ]  # fmt: skip
    assert (await withdrawing.depositing.receipt(deposit.receipt))["status"] == "returned"
    assert await withdrawing.movements(person) == [("deposit", "reversed", "975")]
    assert await withdrawing.fees(person) == [("mpesa_deposit", "25", True)]
    assert await books.owed("platform:fees:KES") == charged - 25
    assert (await books.events(deposit.id))[-1] == "mpesa_payment.reversed"


async def test_what_m_pesa_did_not_give_back_is_the_users_again(withdrawing: Withdrawing, house: House) -> None:
    person = await house.person()
    deposit = await withdrawing.depositing.paid(person, "1000")
    reversal = await reversing(withdrawing, deposit)

    await withdrawing.hear(withdrawing.result(reversal, "R000002"), "reversal")

    assert (await withdrawing.status_of(reversal), await withdrawing.status_of(deposit)) == ("failed", "completed")
    assert await withdrawing.money(person) == ("975", "0")
    assert await withdrawing.fees(person) == [("mpesa_deposit", "25", False)]
    # It may be tried again, by a request of its own.
    again = await reversing(withdrawing, deposit)
    assert again.id != reversal.id
    await withdrawing.hear(withdrawing.result(again, 0, withdrawing.daraja.receipt()), "reversal")
    assert await withdrawing.status_of(deposit) == "reversed"


async def test_what_was_spent_does_not_go_back(withdrawing: Withdrawing, house: House, changes: Changes) -> None:
    person = await house.person()
    deposit = await withdrawing.depositing.paid(person, "1000")
    await withdrawing.begun(person, "100")
    staff = await house.make.staff()
    before = await changes.mark()

    assert await refused(withdrawing, deposit, staff) == ["INSUFFICIENT_FUNDS"]
    assert await changes.since(before) == []


async def test_what_does_not_go_back(withdrawing: Withdrawing, house: House, changes: Changes) -> None:
    person = await house.person(KES="5000")
    own = await house.person(user={"roles": ["user", "admin"]})
    owned = await withdrawing.depositing.paid(own, "1000")
    waiting = await withdrawing.depositing.begun(person, "500")
    held = await withdrawing.depositing.held(await house.person())
    payout = await withdrawing.begun(person)
    deposit = await withdrawing.depositing.paid(await house.person(), "1000")
    reversal, staff = await reversing(withdrawing, deposit), await house.make.staff()
    before = await changes.mark()

    for other in (waiting, held, payout, reversal):
        assert await refused(withdrawing, other, staff) == ["INVALID_STATE"]
    assert await refused(withdrawing, deposit, staff) == ["ALREADY_REVERSED"]
    assert await refused(withdrawing, owned, own) == ["OWN_MATTER"]
    assert await refused(withdrawing, deposit, staff, reason=" ") == ["TEXT_MISSING"]
    assert (await house.call(REVERSE, person, mpesaTransactionId=waiting.id, reason="mine")).codes == ["FORBIDDEN"]
    assert await changes.since(before) == []


async def test_of_many_who_reverse_it_at_once_one_does(withdrawing: Withdrawing, house: House) -> None:
    person = await house.person(KES="5000")
    deposit = await withdrawing.depositing.paid(person, "1000")
    staff = await house.make.staff()

    refusals = await asyncio.gather(*(refused(withdrawing, deposit, staff) for _ in range(8)))

    assert sorted(refusals) == [[]] + [["ALREADY_REVERSED"]] * 7
    assert withdrawing.daraja.called("reverse", deposit.receipt) == 1


async def test_a_reversal_is_sent_once_and_found_by_m_pesas_own_id(withdrawing: Withdrawing, house: House) -> None:
    person = await house.person()
    deposit = await withdrawing.depositing.paid(person, "1000")
    withdrawing.daraja.down = True
    reversal = await reversing(withdrawing, deposit)
    assert reversal.given["reversal"]["status"] == "PENDING"
    withdrawing.daraja.restore()

    await asyncio.gather(*(withdrawing.send_reversal(reversal) for _ in range(4)))
    assert withdrawing.daraja.called("reverse") == 1
    conversation = (await withdrawing.row(reversal))["conversation_id"]
    await withdrawing.hear(
        withdrawing.result(reversal, 0, withdrawing.daraja.receipt(), key="71840-1", conversation=conversation),
        "reversal",
    )

    assert await withdrawing.status_of(deposit) == "reversed"


async def test_a_reversal_whose_answer_was_lost_is_found_by_what_it_gave_with_it(
    withdrawing: Withdrawing, house: House
) -> None:
    person = await house.person()
    deposit = await withdrawing.depositing.paid(person, "1000")
    withdrawing.daraja.deaf = True
    reversal = await reversing(withdrawing, deposit)
    occasion = {"ReferenceData": {"ReferenceItem": {"Key": "Occasion", "Value": str(reversal.id)}}}

    await withdrawing.hear(
        withdrawing.result(reversal, 0, withdrawing.daraja.receipt(), key="71840-2", conversation="AG_1", **occasion),
        "reversal",
    )

    assert await withdrawing.status_of(deposit) == "reversed"


async def test_staff_settle_a_reversal_that_was_never_reported(withdrawing: Withdrawing, house: House) -> None:
    for paid, status, money in ((True, "reversed", "0"), (False, "completed", "975")):
        person = await house.person()
        deposit = await withdrawing.depositing.paid(person, "1000")
        reversal = await reversing(withdrawing, deposit)
        await withdrawing.later(reversal, hours=25)
        receipt = {"receiptNumber": withdrawing.daraja.receipt()} if paid else {}

        assert (await withdrawing.settle(reversal, paid, **receipt)).refusals(SETTLE) == []

        assert (await withdrawing.status_of(deposit), (await withdrawing.money(person))[0]) == (status, money)


async def held_receipt(withdrawing: Withdrawing, person: Any = None) -> SimpleNamespace:
    """A deposit of 1,000 of which 900 came."""
    deposit = await withdrawing.depositing.held(person or await withdrawing.house.person())
    deposit.key = (await withdrawing.depositing.receipt(deposit.receipt))["id"]
    return deposit


async def returning(withdrawing: Withdrawing, held: Any, staff: Any = None) -> Any:
    staff = staff or await withdrawing.house.make.staff()
    return await withdrawing.house.call(RETURN, staff, STAFF, receiptId=held.key, reason="not what was requested")


async def test_what_is_held_goes_back_from_suspense(withdrawing: Withdrawing, house: House, books: Books) -> None:
    held = await held_receipt(withdrawing)

    answer = await returning(withdrawing, held)

    shown = answer[RETURN]["reversal"]
    assert (shown["status"], shown["amount"], shown["reverses"]["rowId"]) == (
        "PROCESSING",
        "900.00",
        str(held.id),
    )
    assert answer[RETURN]["mpesaReceipt"]["status"] == "HELD"
    assert withdrawing.daraja.called("reverse", held.receipt) == 1
    reversal = UUID(shown["rowId"])
    assert await house.posted(reversal) == []
    assert (await returning(withdrawing, held)).refusals(RETURN) == ["INVALID_STATE"]
    await withdrawing.hear(withdrawing.result(reversal, 0, withdrawing.daraja.receipt()), "reversal")

    assert (await withdrawing.depositing.receipt(held.receipt))["status"] == "returned"
    assert await withdrawing.status_of(held) == "reversed"
    assert await house.posted(reversal) == [
        ("mpesa_return", "platform:suspense:KES", "900"), ("mpesa_return", "provider:mpesa:KES", "-900"),
    ]  # fmt: skip
    assert (await books.events(held.id))[-1] == "mpesa_payment.returned"


async def test_what_m_pesa_did_not_send_back_is_held_as_before(withdrawing: Withdrawing, house: House) -> None:
    held = await held_receipt(withdrawing)
    first = (await returning(withdrawing, held))[RETURN]["reversal"]["rowId"]

    await withdrawing.hear(withdrawing.result(UUID(first), 1), "reversal")

    assert (await withdrawing.depositing.receipt(held.receipt))["status"] == "held"
    assert await withdrawing.status_of(held) == "held"
    again = (await returning(withdrawing, held))[RETURN]["reversal"]["rowId"]
    assert again != first


async def test_what_is_nobodys_goes_back_too(withdrawing: Withdrawing, house: House) -> None:
    number = withdrawing.daraja.receipt()
    await withdrawing.depositing.hear_confirmed("NOBODY", number, "700")
    nobodys = SimpleNamespace(key=(await withdrawing.depositing.receipt(number))["id"])

    reversal = UUID((await returning(withdrawing, nobodys))[RETURN]["reversal"]["rowId"])
    await withdrawing.hear(withdrawing.result(reversal, 0, withdrawing.daraja.receipt()), "reversal")

    assert (await withdrawing.depositing.receipt(number))["status"] == "returned"
    assert await withdrawing.status_of(reversal) == "completed"


async def test_what_is_not_returned(withdrawing: Withdrawing, house: House, changes: Changes) -> None:
    own = await house.person(user={"roles": ["user", "admin"]})
    owned, held = await held_receipt(withdrawing, own), await held_receipt(withdrawing)
    deposit = await withdrawing.depositing.paid(await house.person(), "1000")
    deposit.key = (await withdrawing.depositing.receipt(deposit.receipt))["id"]
    staff = await house.make.staff()
    before = await changes.mark()

    assert (await returning(withdrawing, owned, own)).refusals(RETURN) == ["OWN_MATTER"]
    assert (await returning(withdrawing, deposit, staff)).refusals(RETURN) == ["INVALID_STATE"]
    blank = await house.call(RETURN, staff, STAFF, receiptId=held.key, reason=" ")
    assert blank.refusals(RETURN) == ["TEXT_MISSING"]
    assert await changes.since(before) == []


async def test_returning_and_releasing_at_once_do_one_of_the_two(withdrawing: Withdrawing, house: House) -> None:
    for _ in range(4):
        person = await house.person()
        held, staff = await held_receipt(withdrawing, person), await house.make.staff()

        returned, released = await asyncio.gather(
            returning(withdrawing, held, staff),
            house.call("releaseHeldPayment", staff, STAFF, receiptId=held.key, reason="it is theirs"),
        )

        refusals = [returned.refusals(RETURN), released.refusals("releaseHeldPayment")]
        assert sorted(refusals) == [[], ["INVALID_STATE"]]
        assert (await withdrawing.money(person))[0] == ("0" if refusals[0] == [] else "877.5")
