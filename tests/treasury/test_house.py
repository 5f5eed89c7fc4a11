"""What tests of the treasury are given is what the ledger bears out."""

from __future__ import annotations

from tests.treasury.house import House


async def test_people_and_daos_hold_what_they_were_given(house: House) -> None:
    person = await house.person(KES="5000", cUSD="0.5")
    dao = await house.dao(members=3, signers=2, threshold=2, KES="10000")

    assert await house.balance(person, "KES") == "5000"
    assert await house.balance(person, "cUSD") == "0.5"
    assert await house.holds(dao) == "10000"
    assert [len(dao.members), len(dao.signers), dao.treasury.required_signatures] == [3, 2, 2]
    assert (await house.membership(dao, dao.admin))["role"] == "admin"


async def test_what_is_given_twice_is_there_twice(house: House) -> None:
    person, dao = await house.person(KES="5"), await house.dao(KES="1")

    await house.give(person, "KES", "5")
    await house.fill(dao, "1")

    assert (await house.balance(person, "KES"), await house.holds(dao)) == ("10", "2")
