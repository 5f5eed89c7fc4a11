"""Contributions, a sentence of the rules a test: what members give to their DAO."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.books import Books
from tests.changes import Changes
from tests.treasury.house import House


@pytest.fixture
async def dao(house: House) -> Any:
    """A DAO that holds 100 shillings, and a member of it who holds 1,000."""
    made = await house.dao(members=2, KES="100")
    made.member = made.members[1]
    await house.give(made.member, "KES", "1000")
    return made


async def test_a_contribution_leaves_the_member_and_is_the_daos(house: House, dao: Any, books: Books) -> None:
    answer = await house.call("contributeToDao", dao.member, daoId=dao, amount="250.5", description="juin")

    made = answer["contributeToDao"]["walletTransaction"]
    assert (made["type"], made["status"], made["amount"]) == ("CONTRIBUTION", "COMPLETED", "250.50000000")
    assert (made["currency"], made["description"]) == ("KES", "juin")
    assert answer["contributeToDao"]["treasury"]["availableBalance"] == "350.50000000"
    assert (await house.balance(dao.member, "KES"), await house.holds(dao), await house.holds(dao, "total")) == (
        "749.5", "350.5", "350.5",
    )  # fmt: skip
    assert await house.posted(made["rowId"]) == [
        ("dao_contribution", f"user:{dao.member.id}:available:KES", "250.5"),
        ("dao_contribution", f"dao:{dao.id}:available:KES", "-250.5"),
    ]
    row = await house.owner.fetchrow(
        "SELECT w.from_user_id, w.dao_id, b.last_transaction_id FROM treasury.wallet_transactions w"
        " JOIN treasury.user_balances b ON b.user_id = w.from_user_id WHERE w.id = $1",
        UUID(made["rowId"]),
    )
    assert tuple(row) == (dao.member.id, dao.id, UUID(made["rowId"]))
    assert (await books.events(dao.id))[-1] == "dao.contributed"
    assert (await books.events(dao.treasury.id))[-1] == "treasury.changed"


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("0", "AMOUNT_NOT_POSITIVE"), ("-5", "AMOUNT_NOT_POSITIVE"), ("0.001", "AMOUNT_OUT_OF_RANGE"),
        ("10000000000", "AMOUNT_OUT_OF_RANGE"), ("1000.01", "INSUFFICIENT_FUNDS"),
    ],
)  # fmt: skip
async def test_an_amount_that_cannot_be_given_is_refused(
    house: House, dao: Any, amount: str, code: str, changes: Changes
) -> None:
    before = await changes.mark()

    assert await house.refused("contributeToDao", dao.member, daoId=dao, amount=amount) == [code]
    assert await changes.since(before) == []


async def test_only_approved_members_give(house: House, dao: Any, changes: Changes) -> None:
    stranger = await house.person(KES="50")
    others = [
        await house.join(dao, await house.person(KES="50"), status=each) for each in ("pending", "left", "banned")
    ]
    minor = await house.join(dao, await house.minor(KES="50"))
    private = await house.dao(dao={"access": "private"})
    before = await changes.mark()

    for person in (stranger, *others):
        assert await house.refused("contributeToDao", person, daoId=dao, amount="1") == ["NOT_A_MEMBER"]
    assert await house.refused("contributeToDao", minor, daoId=dao, amount="1") == ["NOT_OF_AGE"]
    assert await house.refused("contributeToDao", stranger, daoId=private, amount="1") == ["NOT_FOUND"]
    assert await house.refused("contributeToDao", stranger, daoId=uuid4(), amount="1") == ["NOT_FOUND"]
    assert await changes.since(before) == []


@pytest.mark.parametrize("status", ["suspended", "archived"])
async def test_a_dao_that_is_stopped_takes_nothing(house: House, dao: Any, status: str, changes: Changes) -> None:
    await house.owner.execute("UPDATE treasury.daos SET status = $2 WHERE id = $1", dao.id, status)
    before = await changes.mark()

    assert await house.refused("contributeToDao", dao.member, daoId=dao, amount="1") == ["DAO_NOT_ACTIVE"]
    assert await changes.since(before) == []


async def test_the_treasurys_currency_is_what_is_given(house: House) -> None:
    dao = await house.dao(cUSD="1")
    await house.give(dao.admin, "KES", "1000")

    poor = await house.refused("contributeToDao", dao.admin, daoId=dao, amount="0.00000001")
    await house.give(dao.admin, "cUSD", "1")

    assert poor == ["INSUFFICIENT_FUNDS"]
    assert await house.refused("contributeToDao", dao.admin, daoId=dao, amount="0.00000001") == []
    assert await house.holds(dao) == "1.00000001"


async def test_many_at_once_give_no_more_than_there_is(house: House, dao: Any) -> None:
    refusals = await asyncio.gather(
        *(house.refused("contributeToDao", dao.member, daoId=dao, amount="300") for _ in range(6))
    )

    assert sorted(refusals) == [[], [], [], *[["INSUFFICIENT_FUNDS"]] * 3]
    assert (await house.balance(dao.member, "KES"), await house.holds(dao)) == ("100", "1000")


async def test_members_give_at_once_and_nothing_is_lost(house: House, dao: Any) -> None:
    people = [await house.join(dao, await house.person(KES="10")) for _ in range(6)]

    refusals = await asyncio.gather(
        *(house.refused("contributeToDao", each, daoId=dao, amount="10") for each in people)
    )

    assert (refusals, await house.holds(dao)) == ([[]] * 6, "160")


async def test_who_is_banned_meanwhile_gives_before_it_or_not_at_all(house: House) -> None:
    for _ in range(5):
        dao = await house.dao()
        person = await house.join(dao, await house.person(KES="10"))

        given, banned = await asyncio.gather(
            house.refused("contributeToDao", person, daoId=dao, amount="10"),
            house.refused("banMember", dao.admin, memberId=person.membership, reason="why not"),
        )

        assert banned == []
        assert (given, await house.holds(dao)) in (([], "10"), (["NOT_A_MEMBER"], "0"))


async def test_the_same_key_gives_once_and_a_dry_run_nothing(house: House, dao: Any, changes: Changes) -> None:
    before = await changes.mark()
    assert await house.refused("contributeToDao", dao.member, daoId=dao, amount="10", validateOnly=True) == []
    assert await changes.since(before) == []

    given = {"daoId": dao, "amount": "10", "idempotencyKey": "june"}
    first, again = await asyncio.gather(*(house.call("contributeToDao", dao.member, **given) for _ in range(2)))

    codes = [*first.refusals("contributeToDao"), *again.refusals("contributeToDao")]
    assert codes in ([], ["IN_PROGRESS"])
    assert await house.balance(dao.member, "KES") == "990"


async def test_a_treasury_that_would_not_hold_the_sum_is_refused(house: House, dao: Any, changes: Changes) -> None:
    await house.fill(dao, "9999999899")
    before = await changes.mark()

    assert await house.refused("contributeToDao", dao.member, daoId=dao, amount="1") == ["AMOUNT_OUT_OF_RANGE"]
    assert await changes.since(before) == []
