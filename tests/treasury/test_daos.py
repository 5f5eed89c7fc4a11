"""DAOs, a sentence of the rules a test: who founds one, what its admins may change, and who stops it."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from models.treasury import TreasuryTransfer
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF
from tests.treasury.house import House


async def found(house: House, as_: Any, name: str, **given: Any) -> Any:
    answer = await house.call("createDao", as_, name=name, **given)
    assert answer.refusals("createDao") == []
    return answer["createDao"]


async def test_whoever_founds_a_dao_runs_it_and_signs_for_it(house: House, books: Books) -> None:
    person = await house.person()

    made = await found(house, person, " Tontine Awa ", description="Pour le loyer", access="PRIVATE")

    dao, treasury = made["dao"], made["treasury"]
    assert (dao["name"], dao["access"], dao["status"], dao["memberCount"]) == ("Tontine Awa", "PRIVATE", "ACTIVE", 1)
    assert (dao["quorumPercentage"], dao["votingPeriodHours"], dao["timeZone"]) == (20, 72, "Africa/Nairobi")
    assert (treasury["currency"], treasury["totalBalance"], treasury["requiredSignatures"]) == ("KES", "0.00000000", 1)
    assert treasury["signers"] == [str(person.id)]
    member = await house.membership(dao["rowId"], person)
    assert (member["role"], member["status"]) == ("admin", "approved")
    assert len(made["inviteCode"]) == 20
    assert await books.events(UUID(dao["rowId"])) == ["dao.created"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"name": " \u200b "}, "TEXT_MISSING"), ({"currency": "XOF"}, "CURRENCY_NOT_SERVED"),
        ({"currency": "kes"}, "CURRENCY_NOT_SERVED"), ({"timeZone": "Africa/Atlantis"}, "TIME_ZONE_UNKNOWN"),
        ({"quorumPercentage": 101}, "QUORUM_OUT_OF_RANGE"), ({"quorumPercentage": -1}, "QUORUM_OUT_OF_RANGE"),
        ({"votingPeriodHours": 0}, "VOTING_PERIOD_OUT_OF_RANGE"),
        ({"votingPeriodHours": 2**31 - 1}, "VOTING_PERIOD_OUT_OF_RANGE"),
    ],
)  # fmt: skip
async def test_what_a_dao_cannot_be_is_refused(house: House, changes: Changes, given: Any, code: str) -> None:
    person = await house.person()
    before = await changes.mark()

    assert await house.refused("createDao", person, **({"name": f"A {given}"} | given)) == [code]
    assert await changes.since(before) == []


async def test_a_minor_founds_none(house: House, changes: Changes) -> None:
    minor = await house.minor()
    before = await changes.mark()

    assert await house.refused("createDao", minor, name="Nous les enfants") == ["NOT_OF_AGE"]
    assert await changes.since(before) == []


async def test_two_daos_have_two_names_until_one_is_deleted(house: House) -> None:
    person, other = await house.person(), await house.person()
    first = await found(house, person, "Nous deux")

    taken = await house.refused("createDao", other, name="Nous deux")
    await house.owner.execute("UPDATE treasury.daos SET deleted_at = now() WHERE id = $1", UUID(first["dao"]["rowId"]))
    free = await house.refused("createDao", other, name="Nous deux")

    assert (taken, free) == (["NAME_TAKEN"], [])


async def test_of_two_who_take_a_name_at_once_one_has_it(house: House) -> None:
    people = [await house.person() for _ in range(4)]

    refusals = await asyncio.gather(*(house.refused("createDao", each, name="La même") for each in people))

    assert sorted(refusals) == [[], ["NAME_TAKEN"], ["NAME_TAKEN"], ["NAME_TAKEN"]]


async def test_so_many_a_day_also_at_once(house: House, configure: Any) -> None:
    await configure("treasury.daily_daos", 2)
    person = await house.person()

    refusals = await asyncio.gather(*(house.refused("createDao", person, name=f"{person.id} {n}") for n in range(5)))

    assert sorted(refusals) == [[], [], *[["TOO_MANY_DAOS"]] * 3]


async def test_the_invite_code_is_shown_once(house: House) -> None:
    person = await house.person()
    given = {"name": f"Une fois {person.id}", "idempotencyKey": "once"}

    first, again = [(await house.call("createDao", person, **given))["createDao"] for _ in range(2)]

    assert (first["dao"], again["inviteCode"]) == (again["dao"], None)
    assert first["inviteCode"] is not None


async def test_a_dry_run_founds_nothing(house: House, changes: Changes) -> None:
    person = await house.person()
    before = await changes.mark()

    assert await house.refused("createDao", person, name="À l'essai", validateOnly=True) == []
    assert await changes.since(before) == []


async def test_its_admins_change_what_it_says_of_itself(house: House, books: Books) -> None:
    dao = await house.dao(members=2)

    answer = await house.call("updateDao", dao.admin, daoId=dao, access="PRIVATE", quorumPercentage=50)

    changed = answer["updateDao"]["dao"]
    assert (changed["name"], changed["access"], changed["quorumPercentage"]) == (dao.name, "PRIVATE", 50)
    assert await books.events(dao.id) == ["dao.updated"]


async def test_others_do_not(house: House, changes: Changes) -> None:
    dao, stranger = await house.dao(members=2), await house.person()
    elder, applicant = await house.join(dao, role="elder"), await house.join(dao, status="pending")
    private, staff = await house.dao(dao={"access": "private"}), await house.make.staff()
    before = await changes.mark()

    async def refused(as_: Any, which: Any = dao) -> list[str]:
        found = [await house.refused(name, as_, daoId=which) for name in ("updateDao", "rotateDaoInviteCode")]
        assert found[0] == found[1]
        return found[0]

    assert await refused(dao.members[1]) == await refused(elder) == ["ROLE_TOO_LOW"]
    assert await refused(stranger) == await refused(applicant) == await refused(staff) == ["NOT_A_MEMBER"]
    assert await refused(stranger, private) == ["NOT_FOUND"]
    assert await changes.since(before) == []


async def test_a_name_is_taken_for_another_too(house: House) -> None:
    one, other = await house.dao(), await house.dao()

    assert await house.refused("updateDao", one.admin, daoId=one, name=other.name) == ["NAME_TAKEN"]
    assert await house.refused("updateDao", one.admin, daoId=one, name=one.name) == []


async def test_one_that_is_stopped_is_not_changed(house: House) -> None:
    dao = await house.dao(dao={"status": "suspended"})

    assert await house.refused("updateDao", dao.admin, daoId=dao, name="Autre") == ["DAO_NOT_ACTIVE"]
    assert await house.refused("rotateDaoInviteCode", dao.admin, daoId=dao) == ["DAO_NOT_ACTIVE"]


async def test_a_new_code_takes_the_place_of_the_one_before(house: House) -> None:
    dao, early, late = await house.dao(), await house.person(), await house.person()

    answer = await house.call("rotateDaoInviteCode", dao.admin, daoId=dao)

    code = answer["rotateDaoInviteCode"]["inviteCode"]
    assert await house.refused("joinDao", early, inviteCode=dao.invite_code) == ["INVITE_CODE_INVALID"]
    assert await house.refused("joinDao", late, inviteCode=code) == []


async def test_staff_stop_a_dao_and_let_it_go_on(house: House, staff: Any, books: Books) -> None:
    dao, person = await house.dao(members=2, KES="10"), await house.person()

    stopped = await house.call("suspendDao", staff, STAFF, daoId=dao, reason=" complaints ")
    meanwhile = await house.refused("joinDao", person, inviteCode=dao.invite_code)
    going_on = await house.call("reinstateDao", staff, STAFF, daoId=dao, reason="cleared up")

    assert (stopped["suspendDao"]["dao"]["status"], stopped["suspendDao"]["dao"]["statusReason"]) == (
        "SUSPENDED", "complaints",
    )  # fmt: skip
    assert meanwhile == ["DAO_NOT_ACTIVE"]
    assert going_on["reinstateDao"]["dao"]["status"] == "ACTIVE"
    assert await books.events(dao.id) == ["dao.suspended", "dao.reinstated"]


async def test_staff_do_not_decide_on_their_own_dao(house: House, staff: Any, changes: Changes) -> None:
    dao, archived = await house.dao(), await house.dao(dao={"status": "archived"})
    await house.join(dao, staff)
    before = await changes.mark()

    assert await house.refused("suspendDao", staff, STAFF, daoId=dao, reason="mine") == ["OWN_MATTER"]
    assert await house.refused("suspendDao", staff, STAFF, daoId=archived, reason="late") == ["INVALID_STATE"]
    assert await house.refused("reinstateDao", staff, STAFF, daoId=archived, reason="late") == ["INVALID_STATE"]
    assert await house.refused("suspendDao", staff, STAFF, daoId=archived, reason=" ") == ["TEXT_MISSING"]
    assert (await house.call("suspendDao", dao.admin, daoId=dao, reason="mine")).codes == ["FORBIDDEN"]
    assert await changes.since(before) == []


async def test_a_dao_that_nobody_runs_does_not_go_on(house: House, staff: Any, changes: Changes) -> None:
    dao = await house.dao(dao={"status": "suspended"})
    await house.owner.execute("UPDATE treasury.dao_members SET role = 'elder' WHERE dao_id = $1", dao.id)
    before = await changes.mark()

    assert await house.refused("reinstateDao", staff, STAFF, daoId=dao, reason="why not") == ["WITHOUT_ADMIN"]
    assert await changes.since(before) == []


async def test_an_admin_closes_an_empty_dao_for_good(house: House, books: Books) -> None:
    dao = await house.dao(members=2)

    answer = await house.call("archiveDao", dao.admin, daoId=dao, reason="we are done")

    assert answer["archiveDao"]["dao"]["status"] == "ARCHIVED"
    assert await books.events(dao.id) == ["dao.archived"]
    # All may leave then, its last admin and its signer too.
    assert await house.refused("leaveDao", dao.admin, daoId=dao) == []
    assert await house.refused("leaveDao", dao.members[1], daoId=dao) == []


async def test_a_dao_with_money_or_open_payments_is_not_closed(house: House, changes: Changes) -> None:
    dao, rich, busy = await house.dao(members=2), await house.dao(KES="1"), await house.dao()
    await house.make(
        TreasuryTransfer, treasury_id=busy.treasury.id, proposed_by=busy.admin.id, recipient_user_id=busy.admin.id,
        currency="KES", status="proposed",
    )  # fmt: skip
    before = await changes.mark()

    async def refused(as_: Any, which: Any, reason: str = "we are done") -> list[str]:
        return await house.refused("archiveDao", as_, daoId=which, reason=reason)

    assert await refused(rich.admin, rich) == ["TREASURY_NOT_EMPTY"]
    assert await refused(busy.admin, busy) == ["OPEN_TRANSFERS"]
    assert await refused(dao.members[1], dao) == ["ROLE_TOO_LOW"]
    assert await refused(rich.admin, dao) == ["NOT_A_MEMBER"]
    assert await refused(dao.admin, dao, "") == ["TEXT_MISSING"]
    assert await changes.since(before) == []


async def test_what_is_given_while_a_dao_is_closed_is_given_before_it_or_not_at_all(house: House) -> None:
    for _ in range(5):
        dao = await house.dao()
        person = await house.join(dao, await house.person(KES="10"))

        given, closed = await asyncio.gather(
            house.refused("contributeToDao", person, daoId=dao, amount="10"),
            house.refused("archiveDao", dao.admin, daoId=dao, reason="we are done"),
        )

        assert (given, closed) in (([], ["TREASURY_NOT_EMPTY"]), (["DAO_NOT_ACTIVE"], []))
