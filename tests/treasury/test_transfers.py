"""Transfers, a sentence of the rules a test: what one user sends to another."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from lango.security.authentication import mint
from models.treasury import ExchangeRate
from tests.books import Books
from tests.changes import Changes
from tests.treasury.house import House, a_phone

COUNTED = ("security.rate_limits",)


@pytest.fixture
async def pair(house: House) -> Any:
    """Two members of a DAO, the first of whom holds 1,000 shillings."""
    dao = await house.dao(members=2)
    await house.give(dao.admin, "KES", "1000")
    return dao.members


async def send(house: House, as_: Any, amount: str = "100", currency: str = "KES", **given: Any) -> list[str]:
    return await house.refused("transferFunds", as_, amount=amount, currency=currency, **given)


async def test_money_goes_to_a_colleague(house: House, pair: Any, books: Books, templates: Any) -> None:
    await templates("funds_received", "{user_name}: {amount} {currency} {message}")
    one, other = pair

    answer = await house.call(
        "transferFunds", one, amount="100.25", currency="KES", recipientId=other, description="merci"
    )

    made = answer["transferFunds"]["walletTransaction"]
    assert (made["type"], made["status"], made["amount"]) == ("TRANSFER", "COMPLETED", "100.25000000")
    assert (made["currency"], made["description"]) == ("KES", "merci")
    assert (await house.balance(one, "KES"), await house.balance(other, "KES")) == ("899.75", "100.25")
    assert await house.posted(made["rowId"]) == [
        ("transfer", f"user:{one.id}:available:KES", "100.25"),
        ("transfer", f"user:{other.id}:available:KES", "-100.25"),
    ]
    last = await house.owner.fetch(
        "SELECT last_transaction_id FROM treasury.user_balances WHERE user_id = ANY ($1)", [one.id, other.id]
    )
    assert {row["last_transaction_id"] for row in last} == {UUID(made["rowId"])}
    assert await books.events(made["rowId"]) == ["funds.transferred"]
    assert (await house.messages(other))[0].endswith(": 100.25 KES merci")


async def test_money_goes_to_a_verified_phone_however_it_is_written(house: House) -> None:
    sender, recipient = await house.person(KES="100"), await house.person()
    written = f" {recipient.phone[:4]} {recipient.phone[4:7]} {recipient.phone[7:]} "

    assert await send(house, sender, "60", recipientPhone=written) == []
    assert await house.balance(recipient, "KES") == "60"


async def test_who_cannot_be_paid_is_like_nobody(house: House, changes: Changes) -> None:
    sender, dao = await house.person(KES="100"), await house.dao()
    await house.join(dao, sender)
    suspended = await house.join(dao, await house.person(user={"is_active": False}))
    erased = await house.join(dao, await house.person(user={"deleted_at": datetime.now(UTC)}))
    minor = await house.join(dao, await house.minor())
    unverified = await house.person(user={"phone_verified_at": None})
    stranger = await house.person()
    before = await changes.mark()

    async def error(**given: Any) -> Any:
        answer = await house.call("transferFunds", sender, amount="1", currency="KES", **given)
        (found,) = answer["transferFunds"]["userErrors"]
        return found

    nobody = [await error(recipientId=uuid4()), await error(recipientPhone=a_phone())]
    assert [each["code"] for each in nobody] == ["RECIPIENT_NOT_FOUND"] * 2
    for person in (suspended, erased, minor):
        assert [await error(recipientId=person), await error(recipientPhone=person.phone)] == nobody
    assert await error(recipientId=stranger) == nobody[0]
    assert await error(recipientPhone=unverified.phone) == nobody[1]
    assert await changes.since(before, but=COUNTED) == []


async def test_nobody_sends_to_themselves(house: House, changes: Changes) -> None:
    person = await house.person(KES="100")
    before = await changes.mark()

    assert await send(house, person, recipientId=person) == ["SELF_TRANSFER"]
    assert await send(house, person, recipientPhone=person.phone) == ["SELF_TRANSFER"]
    assert await changes.since(before, but=COUNTED) == []


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        ("0", "KES", "AMOUNT_NOT_POSITIVE"), ("-1", "KES", "AMOUNT_NOT_POSITIVE"),
        ("0.001", "KES", "AMOUNT_OUT_OF_RANGE"), ("10000000000", "KES", "AMOUNT_OUT_OF_RANGE"),
        ("1000.01", "KES", "INSUFFICIENT_FUNDS"), ("1", "XOF", "CURRENCY_NOT_SERVED"), ("1", "", "CURRENCY_NOT_SERVED"),
    ],
)  # fmt: skip
async def test_an_amount_that_cannot_be_sent_is_refused(
    house: House, pair: Any, amount: str, currency: str, code: str, changes: Changes
) -> None:
    before = await changes.mark()

    assert await send(house, pair[0], amount, currency, recipientId=pair[1]) == [code]
    assert await changes.since(before) == []


async def test_an_amount_of_thirty_digits_is_no_amount(house: House, pair: Any, changes: Changes) -> None:
    before = await changes.mark()

    for amount in ("1" + "0" * 30, "NaN", "Infinity", "1e3000"):
        answer = await house.call("transferFunds", pair[0], amount=amount, currency="KES", recipientId=pair[1])
        assert answer.codes == ["BAD_USER_INPUT"]
    assert await changes.since(before) == []


async def test_one_names_the_recipient_in_one_way(house: House, pair: Any) -> None:
    assert await send(house, pair[0]) == ["RECIPIENT_NOT_NAMED"]
    assert await send(house, pair[0], recipientId=pair[1], recipientPhone=pair[1].phone) == ["RECIPIENT_NOT_NAMED"]
    assert await send(house, pair[0], recipientPhone="not a number") == ["PHONE_NOT_VALID"]


async def test_a_minor_sends_nothing(house: House, changes: Changes) -> None:
    minor, dao = await house.minor(KES="100"), await house.dao()
    await house.join(dao, minor)
    before = await changes.mark()

    assert await send(house, minor, recipientId=dao.admin) == ["NOT_OF_AGE"]
    assert await send(house, minor, recipientPhone=dao.admin.phone) == ["NOT_OF_AGE"]
    assert await changes.since(before, but=COUNTED) == []


async def test_numbers_are_not_tried_for_long(house: House) -> None:
    sender, recipient = await house.person(KES="100"), await house.person()

    answers = [
        await house.call("transferFunds", sender, amount="1", currency="KES", recipientPhone=a_phone())
        for _ in range(20)
    ]
    last = await house.call("transferFunds", sender, amount="1", currency="KES", recipientPhone=recipient.phone)

    assert {code for answer in answers for code in answer.refusals("transferFunds")} == {"RECIPIENT_NOT_FOUND"}
    assert last.codes == ["RATE_LIMITED"]


async def test_a_large_amount_wants_a_second_factor_shown_just_now(
    house: House, changes: Changes, configure: Any
) -> None:
    await configure("treasury.step_up_amount", 100)
    one, other = (await house.dao(members=2)).members
    await house.give(one, "KES", "1000")
    await house.give(one, "CELO", "1")
    given = {"currency": "KES", "recipientId": other}
    before = await changes.mark()

    without = await house.refused("transferFunds", one, amount="100.01", **given)
    # What a coin is worth for which there is no rate nobody knows.
    unknown = await house.refused("transferFunds", one, amount="0.01", currency="CELO", recipientId=other)
    changed = await changes.since(before)
    small = await house.refused("transferFunds", one, amount="100", **given)
    headers = await house.second_factor(one)
    long_ago = mint(
        house.api.settings, one.id, assurance_level=2, authenticated_at=datetime.now(UTC) - timedelta(minutes=6)
    )
    late = await house.call(
        "transferFunds", one, amount="100.01", headers={"Authorization": f"Bearer {long_ago}"}, **given
    )
    now = await house.call("transferFunds", one, amount="100.01", headers=headers, **given)

    assert (without, unknown, changed, small) == (["TWO_FACTOR_REQUIRED"], ["TWO_FACTOR_REQUIRED"], [], [])
    assert late.refusals("transferFunds") == ["REAUTHENTICATION_REQUIRED"]
    assert now.refusals("transferFunds") == []


async def test_what_a_coin_is_worth_is_known_by_the_newest_rate(house: House) -> None:
    one, other = (await house.dao(members=2)).members
    await house.give(one, "MTAA", "50")
    await house.make(ExchangeRate, from_currency="MTAA", to_currency="KES", rate=1000, valid_from=datetime.now(UTC))

    # 10,000 shillings are what may be sent without one.
    assert await send(house, one, "10", "MTAA", recipientId=other) == []
    assert await send(house, one, "10.00000001", "MTAA", recipientId=other) == ["TWO_FACTOR_REQUIRED"]


async def test_many_at_once_send_no_more_than_there_is(house: House, pair: Any) -> None:
    refusals = await asyncio.gather(*(send(house, pair[0], "300", recipientId=pair[1]) for _ in range(6)))

    assert sorted(refusals) == [[], [], [], *[["INSUFFICIENT_FUNDS"]] * 3]
    assert (await house.balance(pair[0], "KES"), await house.balance(pair[1], "KES")) == ("100", "900")


async def test_two_who_send_to_each_other_at_once_do_not_wait_for_each_other(house: House) -> None:
    one, other = (await house.dao(members=2)).members
    for person in (one, other):
        await house.give(person, "KES", "100")

    refusals = await asyncio.gather(
        *(
            send(house, sender, "1", recipientId=recipient)
            for _ in range(10)
            for sender, recipient in ((one, other), (other, one))
        )
    )

    assert refusals == [[]] * 20
    assert (await house.balance(one, "KES"), await house.balance(other, "KES")) == ("100", "100")


async def test_who_has_no_balance_yet_is_paid_by_many_at_once(house: House) -> None:
    dao = await house.dao(members=6)
    for person in dao.members[1:]:
        await house.give(person, "cUSD", "1")
    await house.make(ExchangeRate, from_currency="cUSD", to_currency="KES", rate=129, valid_from=datetime.now(UTC))

    refusals = await asyncio.gather(
        *(send(house, each, "1", "cUSD", recipientId=dao.admin) for each in dao.members[1:])
    )

    assert (refusals, await house.balance(dao.admin, "cUSD")) == ([[]] * 5, "5")


async def test_the_same_key_sends_once_and_a_dry_run_nothing(house: House, pair: Any, changes: Changes) -> None:
    before = await changes.mark()
    assert await send(house, pair[0], recipientId=pair[1], validateOnly=True) == []
    assert await changes.since(before) == []

    codes = await asyncio.gather(*(send(house, pair[0], recipientId=pair[1], idempotencyKey="rent") for _ in range(3)))

    assert {code for each in codes for code in each} <= {"IN_PROGRESS"}
    assert await house.balance(pair[1], "KES") == "100"


async def test_a_number_without_a_prefix_is_read_as_in_the_senders_country(house: House) -> None:
    sender, recipient = await house.person(profile={"locale": "en-KE"}, KES="100"), await house.person()

    assert await send(house, sender, recipientPhone=f"0{recipient.phone.removeprefix('+254')}") == []
    assert await house.balance(recipient, "KES") == "100"


async def test_a_balance_that_would_not_hold_the_sum_is_refused(house: House, pair: Any, changes: Changes) -> None:
    await house.give(pair[1], "KES", "99999999999999999999")
    before = await changes.mark()

    assert await send(house, pair[0], "1", recipientId=pair[1]) == ["AMOUNT_OUT_OF_RANGE"]
    assert await changes.since(before) == []
