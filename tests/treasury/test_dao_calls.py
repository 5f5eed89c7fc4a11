"""Every mutation of DAOs and members: a dry run changes nothing, and the same key does it once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.changes import Changes
from tests.client import STAFF, Api
from tests.treasury.house import House

# Who calls it, and with what; `idempotencyKey` where it takes one.
CALLS: dict[str, Any] = {
    "updateDao": lambda it: (it.dao.admin, (), {"daoId": it.dao, "description": "Pour nous"}),
    "suspendDao": lambda it: (it.staff, STAFF, {"daoId": it.dao, "reason": "complaints"}),
    "reinstateDao": lambda it: (it.staff, STAFF, {"daoId": it.suspended, "reason": "cleared up"}),
    "archiveDao": lambda it: (it.dao.admin, (), {"daoId": it.dao, "reason": "we are done"}),
    "approveMember": lambda it: (it.dao.admin, (), {"memberId": it.applicant.membership}),
    "rejectMember": lambda it: (it.dao.admin, (), {"memberId": it.applicant.membership}),
    "changeMemberRole": lambda it: (it.dao.admin, (), {"memberId": it.member.membership, "role": "ELDER"}),
    "leaveDao": lambda it: (it.member, (), {"daoId": it.dao}),
    "banMember": lambda it: (it.dao.admin, (), {"memberId": it.member.membership, "reason": "absent"}),
    "readmitMember": lambda it: (it.dao.admin, (), {"memberId": it.banned.membership, "reason": "explained"}),
}


@pytest.fixture
async def it(house: House, staff: Any) -> SimpleNamespace:
    dao = await house.dao()
    return SimpleNamespace(
        dao=dao,
        staff=staff,
        suspended=await house.dao(dao={"status": "suspended"}),
        member=await house.join(dao),
        applicant=await house.join(dao, status="pending"),
        banned=await house.join(dao, status="banned"),
    )


@pytest.mark.parametrize("name", CALLS)
async def test_a_dry_run_changes_nothing(house: House, it: Any, name: str, changes: Changes) -> None:
    as_, roles, given = CALLS[name](it)
    before = await changes.mark()

    assert await house.refused(name, as_, roles, validateOnly=True, **given) == []
    assert await changes.since(before) == []


async def test_a_dry_run_makes_no_code(house: House, it: Any, changes: Changes) -> None:
    before = await changes.mark()

    assert await house.refused("rotateDaoInviteCode", it.dao.admin, daoId=it.dao, validateOnly=True) == []
    assert await changes.since(before) == []


@pytest.mark.parametrize("name", CALLS)
async def test_the_same_key_does_it_once(house: House, it: Any, name: str, changes: Changes) -> None:
    as_, roles, given = CALLS[name](it)

    first = await house.call(name, as_, roles, idempotencyKey="once", **given)
    before = await changes.mark()
    again = await house.call(name, as_, roles, idempotencyKey="once", **given)

    assert (first.refusals(name), again[name]) == ([], first[name])
    assert await changes.since(before) == []


async def test_the_ordinary_executor_shows_the_same(house: House, ordinary: Api) -> None:
    """Who only requests to join sees the request in the answer, and nowhere else."""
    dao = await house.dao()
    one, other = await house.person(), await house.person()
    shown = "member { status role dao { name } }"

    planned = await house.api.mutate("joinDao", one, show=shown, daoId=dao)
    executed = await ordinary.mutate("joinDao", other, show=shown, daoId=dao)
    afterwards = await house.api("{ daoMembers { nodes { status } } }", as_=one)

    assert planned["joinDao"] == executed["joinDao"]
    assert planned["joinDao"]["member"] == {"status": "PENDING", "role": "MEMBER", "dao": {"name": dao.name}}
    assert afterwards["daoMembers"]["nodes"] == []
