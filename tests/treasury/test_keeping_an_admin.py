"""An active DAO keeps an approved admin, whatever is written and however many write at once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from models.treasury import Dao, DaoMember
from tests.factories import Factory
from tests.triggers.refusals import WITHOUT_ADMIN

LEAVES = "UPDATE treasury.dao_members SET status = 'left' WHERE id = $1"


async def refused(owner: asyncpg.Pool[Any], statement: str, *values: Any) -> str | None:
    """The SQLSTATE by which it is refused when its transaction ends; None where it stays."""
    try:
        await owner.execute(statement, *values)
    except asyncpg.PostgresError as error:
        return str(error.sqlstate)
    return None


@pytest.fixture
async def dao(make: Factory) -> SimpleNamespace:
    """A DAO with one admin and one member."""
    made = await make(Dao, member_count=2)
    made.admin = await make(DaoMember, dao_id=made.id, role="admin", status="approved")
    made.member = await make(DaoMember, dao_id=made.id, role="member", status="approved")
    return made


@pytest.mark.parametrize(
    "statement",
    [LEAVES, "UPDATE treasury.dao_members SET status = 'banned' WHERE id = $1",
     "UPDATE treasury.dao_members SET role = 'elder' WHERE id = $1", "DELETE FROM treasury.dao_members WHERE id = $1"],
)  # fmt: skip
async def test_the_last_admin_stays(owner: asyncpg.Pool[Any], dao: SimpleNamespace, statement: str) -> None:
    assert await refused(owner, statement, dao.admin.id) == WITHOUT_ADMIN
    assert await refused(owner, statement, dao.member.id) is None


async def test_another_admin_takes_over_within_the_transaction(owner: asyncpg.Pool[Any], dao: SimpleNamespace) -> None:
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute(LEAVES, dao.admin.id)
        await connection.execute("UPDATE treasury.dao_members SET role = 'admin' WHERE id = $1", dao.member.id)

    assert await owner.fetchval("SELECT status FROM treasury.dao_members WHERE id = $1", dao.admin.id) == "left"


async def test_of_two_admins_who_go_at_once_one_stays(
    owner: asyncpg.Pool[Any], make: Factory, dao: SimpleNamespace
) -> None:
    second = await make(DaoMember, dao_id=dao.id, role="admin", status="approved")

    ends = await asyncio.gather(*(refused(owner, LEAVES, each.id) for each in (dao.admin, second)))

    assert sorted(map(str, ends)) == [WITHOUT_ADMIN, "None"]


@pytest.mark.parametrize("ending", ["status = 'archived'", "deleted_at = now()"])
async def test_a_dao_that_has_ended_needs_none(owner: asyncpg.Pool[Any], dao: SimpleNamespace, ending: str) -> None:
    await owner.execute(f"UPDATE treasury.daos SET {ending} WHERE id = $1", dao.id)

    assert await refused(owner, LEAVES, dao.admin.id) is None


async def test_without_an_admin_a_dao_does_not_become_active(owner: asyncpg.Pool[Any], dao: SimpleNamespace) -> None:
    await owner.execute("UPDATE treasury.daos SET status = 'suspended' WHERE id = $1", dao.id)
    await owner.execute(LEAVES, dao.admin.id)

    reinstating = "UPDATE treasury.daos SET status = 'active' WHERE id = $1"
    assert await refused(owner, reinstating, dao.id) == WITHOUT_ADMIN
