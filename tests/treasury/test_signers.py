"""Signers of a treasury are members, each once, and as many as are required: whatever is written, by whoever."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from models.identity import User
from models.treasury import Dao, DaoTreasury
from tests.factories import Factory
from tests.treasury.house import House
from tests.treasury.test_keeping_an_admin import refused
from tests.triggers.refusals import CHECK, WRONG_SIGNERS

SIGNERS = "UPDATE treasury.dao_treasuries SET signers = $2 WHERE dao_id = $1"
THRESHOLD = "UPDATE treasury.dao_treasuries SET required_signatures = $2 WHERE dao_id = $1"


async def test_nobody_signs_twice(house: House, owner: asyncpg.Pool[Any]) -> None:
    dao = await house.dao(members=2, signers=1)
    one, other = (person.id for person in dao.members)

    assert await refused(owner, SIGNERS, dao.id, [one, one]) == WRONG_SIGNERS
    assert await refused(owner, SIGNERS, dao.id, [one, other, one]) == WRONG_SIGNERS
    assert await refused(owner, SIGNERS, dao.id, [other, one]) is None


async def test_there_are_as_many_as_must_approve(house: House, owner: asyncpg.Pool[Any]) -> None:
    dao = await house.dao(members=3, signers=2, threshold=2)

    assert await refused(owner, THRESHOLD, dao.id, 3) == WRONG_SIGNERS
    assert await refused(owner, SIGNERS, dao.id, [dao.admin.id]) == WRONG_SIGNERS
    assert await refused(owner, THRESHOLD, dao.id, 0) == CHECK
    # Then nobody may spend anything.
    assert await refused(owner, SIGNERS, dao.id, []) is None


async def test_a_missing_threshold_is_one(house: House, owner: asyncpg.Pool[Any]) -> None:
    dao = await house.dao()

    assert await refused(owner, THRESHOLD, dao.id, None) is None
    assert await refused(owner, SIGNERS, dao.id, [dao.admin.id]) is None


async def test_only_active_members_become_signers(house: House, owner: asyncpg.Pool[Any]) -> None:
    dao, other = await house.dao(members=2), await house.dao()
    applicant = await house.join(dao, status="pending")
    inactive = await house.join(dao, await house.person(user={"is_active": False}))

    for wrong in (other.admin, applicant, inactive):
        assert await refused(owner, SIGNERS, dao.id, [dao.admin.id, wrong.id]) == WRONG_SIGNERS
    assert await refused(owner, SIGNERS, dao.id, [dao.admin.id, dao.members[1].id]) is None


async def test_who_is_one_already_may_have_left(house: House, owner: asyncpg.Pool[Any]) -> None:
    dao = await house.dao(members=3, signers=2)
    await owner.execute("UPDATE identity.users SET is_active = false WHERE id = $1", dao.members[1].id)

    assert await refused(owner, SIGNERS, dao.id, [person.id for person in dao.members]) is None


async def test_a_new_treasury_is_looked_at_as_well(make: Factory) -> None:
    dao, stranger = await make(Dao), await make(User)

    with pytest.raises(asyncpg.PostgresError) as raised:
        await make(DaoTreasury, dao_id=dao.id, signers=[stranger.id])

    assert raised.value.sqlstate == WRONG_SIGNERS


async def test_no_part_is_owed(house: House, owner: asyncpg.Pool[Any]) -> None:
    dao = await house.dao(KES="10")

    for column in ("minimum_reserve", "daily_spending_limit"):
        statement = f"UPDATE treasury.dao_treasuries SET {column} = -1 WHERE dao_id = $1"
        assert await refused(owner, statement, dao.id) == CHECK
