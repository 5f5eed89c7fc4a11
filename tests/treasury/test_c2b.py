"""Payments from M-Pesa's own menu: let pass by the account that was typed, and credited once M-Pesa confirms them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lango.values import codes
from resolvers.treasury.mpesa_accounts import check_character, new_account_number, new_reference, readings
from tests.changes import Changes
from tests.treasury.daraja import FakeMpesa
from tests.treasury.depositing import Depositing
from tests.treasury.house import House

KEPT = ("treasury.mpesa_messages", "jobs.pgqueuer", "platform.outbox_events")


async def test_an_account_number_is_opened_once(house: House, changes: Changes) -> None:
    person = await house.person()
    dao = await house.dao(members=1)

    first = await house.call("openMpesaAccount", person)
    before = await changes.mark()
    again = await house.call("openMpesaAccount", person)
    assert await changes.since(before) == []
    many = await asyncio.gather(*(house.call("openMpesaAccount", dao.admin, daoId=dao) for _ in range(5)))

    account = first["openMpesaAccount"]["mpesaAccount"]
    assert again["openMpesaAccount"]["mpesaAccount"] == account
    assert account["accountNumber"][-1] == check_character(account["accountNumber"][:-1])
    opened = {each["openMpesaAccount"]["mpesaAccount"]["accountNumber"] for each in many}
    assert len(opened) == 1


async def test_no_account_is_opened_for_a_dao_of_others(house: House, changes: Changes) -> None:
    person = await house.person()
    public = await house.dao(dao={"access": "public"})
    private = await house.dao(dao={"access": "private"})
    before = await changes.mark()

    assert await house.refused("openMpesaAccount", person, daoId=public) == ["NOT_A_MEMBER"]
    assert await house.refused("openMpesaAccount", person, daoId=private) == ["NOT_FOUND"]
    assert await changes.since(before) == []


async def test_what_is_confirmed_is_credited_to_the_account_that_was_typed(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    account, receipt = await _account(house, person), daraja.receipt()
    notice = daraja.notice(_typed_badly(account), receipt, 700)

    await depositing.hear_notice(notice)
    silent = await house.balance(person, "KES")
    await depositing.hear_result(daraja.status(receipt, "700.00"))

    assert silent == "0"
    assert daraja.called("ask_status", receipt) == 1
    assert await depositing.payments(person) == [("c2b", "completed", "700")]
    assert await house.balance(person, "KES") == "682.5"
    kept = await depositing.receipt(receipt)
    assert (kept["status"], kept["arrived_as"], kept["bill_reference"]) == ("credited", "c2b", _typed_badly(account))
    assert (await depositing.message(notice))["processed_at"] is not None


async def test_an_account_of_a_dao_contributes_to_it(depositing: Depositing, house: House, daraja: FakeMpesa) -> None:
    dao = await house.dao(members=2)
    member, receipt = dao.members[1], daraja.receipt()
    account = await _account(house, member, daoId=dao)

    await depositing.hear_confirmed(account, receipt, 700)

    assert (await house.balance(member, "KES"), await house.holds(dao)) == ("0", "682.5")


async def test_two_payments_to_an_account_are_two(depositing: Depositing, house: House, daraja: FakeMpesa) -> None:
    person = await house.person()
    account = await _account(house, person)

    for _ in range(2):
        await depositing.hear_confirmed(account, daraja.receipt(), 700)

    assert await house.balance(person, "KES") == "1365"


async def test_a_notice_doubled_and_confirmed_many_times_at_once_credits_once(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    account, receipt = await _account(house, person), daraja.receipt()
    notice = daraja.notice(account, receipt, 700)
    # M-Pesa writes it anew, so that its text is another.
    again = notice | {"OrgAccountBalance": "1.00"}
    await depositing.hear_notice(notice)
    await depositing.hear_notice(again)

    await asyncio.gather(*(depositing.hear_result(daraja.status(receipt, 700)) for _ in range(6)))

    assert await depositing.credits(receipt) == 1
    assert await house.balance(person, "KES") == "682.5"
    assert (await depositing.message(again))["processed_at"] is not None


async def test_the_notice_of_a_push_that_was_paid_credits_the_push(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    push, receipt = await depositing.begun(person), daraja.receipt()

    await depositing.hear_confirmed(push.reference.lower(), receipt, 1000)

    assert await depositing.payments(person) == [("stk_push", "completed", "1000")]


async def test_a_push_that_nobody_heard_of_is_credited_by_its_notice_after_it_expired(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    push = await depositing.begun(person)
    await depositing.later(push, hours=25)
    await depositing.query(push)

    await depositing.hear_confirmed(push.reference, daraja.receipt(), 1000)

    assert await depositing.status(push) == "completed"
    assert await house.balance(person, "KES") == "975"


@pytest.mark.parametrize("typed", ["", "SAVINGS", "0000000000", "LABCDEFGHJK0"])
async def test_what_names_nobody_is_held_until_staff_say_whose_it_is(
    depositing: Depositing, house: House, daraja: FakeMpesa, typed: str
) -> None:
    receipt = daraja.receipt()

    await depositing.hear_confirmed(typed, receipt, 300)

    held = await depositing.receipt(receipt)
    assert (held["status"], held["mpesa_transaction_id"]) == ("held", None)
    assert held["held_reason"] == "It names no account."
    assert await house.posted(held["id"]) == [
        ("mpesa_held", "provider:mpesa:KES", "300"),
        ("mpesa_held", "platform:suspense:KES", "-300"),
    ]


async def test_money_that_was_nobodys_is_credited_when_its_push_is_reported(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    push, receipt = await depositing.begun(person), daraja.receipt()
    await depositing.hear_confirmed("LANGO", receipt, 1000)

    await depositing.hear_callback(daraja.paid(push.checkout, receipt))

    assert await depositing.status(push) == "completed"
    assert await house.balance(person, "KES") == "975"
    assert [entry[1] for entry in await house.posted(push.id)] == [
        "platform:suspense:KES", "platform:fees:KES", f"user:{person.id}:available:KES",
    ]  # fmt: skip


@pytest.mark.parametrize("answer", [("700", "Failed"), ("701", "Completed")], ids=["it failed", "another amount"])
async def test_what_m_pesa_does_not_confirm_credits_nothing(
    depositing: Depositing, house: House, daraja: FakeMpesa, answer: tuple[str, str]
) -> None:
    person = await house.person()
    account, receipt = await _account(house, person), daraja.receipt()
    notice = daraja.notice(account, receipt, 700)
    await depositing.hear_notice(notice)

    await depositing.hear_result(daraja.status(receipt, *answer))

    assert (await depositing.message(notice))["processed_at"] is None
    assert await depositing.receipt(receipt) is None
    assert await house.balance(person, "KES") == "0"


async def test_an_answer_for_which_nobody_asked_credits_nothing(
    depositing: Depositing, house: House, daraja: FakeMpesa, changes: Changes
) -> None:
    before = await changes.mark()

    await depositing.hear_result(daraja.status(daraja.receipt(), 700))

    assert await changes.since(before, but=KEPT) == []


async def test_a_receipt_of_money_that_went_to_another_is_not_credited(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    person = await house.person()
    account, receipt = await _account(house, person), daraja.receipt()
    await depositing.hear_notice(daraja.notice(account, receipt, 700))

    await depositing.hear_result(daraja.status(receipt, 700, CreditPartyName="254712345678 - JOHN"))

    assert await house.balance(person, "KES") == "0"


async def test_a_notice_of_another_shortcode_is_left_to_staff(
    depositing: Depositing, house: House, daraja: FakeMpesa
) -> None:
    account, receipt = await _account(house, await house.person()), daraja.receipt()
    notice = daraja.notice(account, receipt, 700, shortcode="600000")

    await depositing.hear_notice(notice)

    assert (await depositing.message(notice))["processing_error"] == "It is about another shortcode."
    assert daraja.called("ask_status", receipt) == 0


async def test_what_is_never_confirmed_is_left_to_staff_after_a_day(
    depositing: Depositing, house: House, daraja: FakeMpesa, owner: Any
) -> None:
    account, receipt = await _account(house, await house.person()), daraja.receipt()
    notice = daraja.notice(account, receipt, 700)
    await depositing.hear_notice(notice)
    await owner.execute(
        "UPDATE treasury.mpesa_messages SET created_at = now() - interval '1 day' WHERE receipt_number = $1", receipt
    )

    await depositing.process(notice)

    left = await depositing.message(notice)
    assert (left["processing_error"], left["next_query_at"]) == ("M-Pesa has not confirmed it.", None)
    # An answer that comes later still counts.
    await depositing.hear_result(daraja.status(receipt, 700))
    assert (await depositing.receipt(receipt))["status"] == "credited"


async def test_a_validation_lets_pass_what_can_be_credited_and_credits_nothing(
    depositing: Depositing, house: House, daraja: FakeMpesa, changes: Changes
) -> None:
    person, suspended = await house.person(), await house.person()
    account, closed = await _account(house, person), await _account(house, suspended)
    await house.owner.execute("UPDATE identity.users SET is_active = false WHERE id = $1", suspended.id)
    push = await depositing.begun(person)
    before = await changes.mark()

    answers = {
        "account": daraja.notice(account, "T1", 700), "push": daraja.notice(push.reference, "T1", 1000),
        "another amount": daraja.notice(push.reference, "T1", 999), "unknown": daraja.notice("0000000001", "T1", 700),
        "suspended": daraja.notice(closed, "T1", 700), "not whole": daraja.notice(account, "T1", "700.50"),
        "too little": daraja.notice(account, "T1", 9), "too much": daraja.notice(account, "T1", 250_001),
        "shortcode": daraja.notice(account, "T1", 700, shortcode="600000"), "unreadable": {"TransID": "T1"},
    }  # fmt: skip

    assert {name: await depositing.validated(each) for name, each in answers.items()} == {
        "account": "0", "push": "0", "another amount": "C2B00013", "unknown": "C2B00012", "suspended": "C2B00012",
        "not whole": "C2B00013", "too little": "C2B00013", "too much": "C2B00013", "shortcode": "C2B00015",
        "unreadable": "C2B00016",
    }  # fmt: skip
    assert await changes.since(before) == []


def test_what_payers_type_is_read_as_it_was_meant() -> None:
    reference, account = new_reference(), new_account_number()

    assert readings(reference) == readings(f" {reference[:4].lower()}-{reference[4:]} ") == [reference]
    assert readings(f"I{reference[1:]}") == readings(f"1{reference[1:]}") == [reference]
    assert readings(_typed_badly(account)) == [account]
    assert readings(account + "0") == readings("") == readings("KSh 500") == readings("\0") == []


def test_a_mistyped_account_number_is_nobodys() -> None:
    account = new_account_number()
    for place in range(len(account)):
        for letter in codes.ALPHABET:
            changed = account[:place] + letter + account[place + 1 :]
            assert changed == account or readings(changed) == []


async def _account(house: House, person: Any, **of: Any) -> str:
    opened = await house.call("openMpesaAccount", person, **of)
    return str(opened["openMpesaAccount"]["mpesaAccount"]["accountNumber"])


def _typed_badly(account: str) -> str:
    """As somebody types it who takes zeros for the letter and ones for another."""
    return f"{account[:3].lower()} {account[3:]}".replace("0", "o").replace("1", "I")
