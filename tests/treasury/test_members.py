"""Members, a sentence of the rules a test: who joins a DAO, who is let in or shut out, and who may leave."""

from __future__ import annotations

import asyncio
import random
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF, Answer
from tests.treasury.house import House

COUNTED = ("security.rate_limits",)


async def count(house: House, dao: Any) -> int:
    return int(await house.owner.fetchval("SELECT member_count FROM treasury.daos WHERE id = $1", dao.id))


async def state(house: House, dao: Any, person: Any) -> tuple[str, str]:
    row = await house.membership(dao, person)
    return row["status"], row["role"]


async def test_a_public_dao_is_requested_to_let_one_in(house: House, books: Books, templates: Any) -> None:
    await templates("dao_membership_requested", "{user_name}, {dao_name}")
    dao, person = await house.dao(members=2), await house.person(profile={"full_name": "Awa Diop"})

    answer = await house.call("joinDao", person, daoId=dao)

    member = answer["joinDao"]["member"]
    assert (member["status"], member["role"]) == ("PENDING", "MEMBER")
    assert (await house.membership(dao, person))["id"] == UUID(member["rowId"])
    assert await count(house, dao) == 2
    assert await books.events(member["rowId"]) == ["dao_member.requested"]
    assert await house.messages(dao.admin) == [f"Awa, {dao.name}"]
    assert await house.messages(dao.members[1]) == []


@pytest.mark.parametrize("access", ["public", "private"])
async def test_the_invite_code_lets_one_in_at_once(house: House, books: Books, access: str) -> None:
    code = f"0{uuid4().hex.upper()}"
    dao, person = await house.dao(dao={"access": access, "invite_code": code}), await house.person()

    answer = await house.call("joinDao", person, inviteCode=f" {code.lower()} ".replace("0", "o", 1))

    member = answer["joinDao"]["member"]
    assert member["status"] == "APPROVED"
    assert (await house.membership(dao, person))["id"] == UUID(member["rowId"])
    assert await count(house, dao) == 2
    assert await books.events(member["rowId"]) == ["dao_member.joined"]


async def test_a_private_dao_is_like_none(house: House, staff: Any, changes: Changes) -> None:
    dao, person = await house.dao(dao={"access": "private"}), await house.person()
    banned = await house.join(dao, status="banned")
    before = await changes.mark()

    async def errors(as_: Any, key: Any, roles: tuple[str, ...] = ()) -> Any:
        (error,) = (await house.call("joinDao", as_, roles, daoId=key))["joinDao"]["userErrors"]
        return error

    nothing = await errors(person, uuid4())
    assert nothing["code"] == "NOT_FOUND"
    assert await errors(person, dao) == await errors(banned, dao) == await errors(staff, dao, STAFF) == nothing
    assert (await errors(dao.admin, dao))["code"] == "ALREADY_MEMBER"
    assert await changes.since(before, but=COUNTED) == []


async def test_one_joins_by_an_id_or_by_a_code(house: House, changes: Changes) -> None:
    dao, person = await house.dao(), await house.person()
    before = await changes.mark()

    assert await house.refused("joinDao", person) == ["DAO_NOT_NAMED"]
    assert await house.refused("joinDao", person, daoId=dao, inviteCode=dao.invite_code) == ["DAO_NOT_NAMED"]
    for code in ("", "0", "' OR 1=1", uuid4().hex):
        assert await house.refused("joinDao", person, inviteCode=code) == ["INVITE_CODE_INVALID"]
    assert await changes.since(before, but=COUNTED) == []


async def test_the_code_of_a_deleted_dao_opens_nothing(house: House) -> None:
    dao, person = await house.dao(dao={"status": "archived"}), await house.person()

    archived = await house.refused("joinDao", person, inviteCode=dao.invite_code)
    await house.owner.execute("UPDATE treasury.daos SET deleted_at = now() WHERE id = $1", dao.id)
    deleted = await house.refused("joinDao", person, inviteCode=dao.invite_code)

    assert (archived, deleted) == (["DAO_NOT_ACTIVE"], ["INVITE_CODE_INVALID"])


async def test_codes_are_not_guessed_for_long(house: House) -> None:
    dao, person = await house.dao(), await house.person()

    answers: list[Answer] = [await house.call("joinDao", person, inviteCode=uuid4().hex) for _ in range(21)]

    assert [answer.codes for answer in answers] == [[]] * 20 + [["RATE_LIMITED"]]
    # Nor with the right one.
    assert (await house.call("joinDao", person, inviteCode=dao.invite_code)).codes == ["RATE_LIMITED"]


async def test_an_operation_tries_one_code(house: House) -> None:
    person = await house.person()
    tries = " ".join(f'{name}: joinDao(input: {{inviteCode: "{name}"}}) {{ userErrors {{ code }} }}' for name in "ab")

    assert (await house.api(f"mutation {{ {tries} }}", as_=person)).codes != []


@pytest.mark.parametrize("by_code", [True, False])
async def test_who_joins_many_times_at_once_is_one_member(house: House, by_code: bool) -> None:
    dao, person = await house.dao(), await house.person()
    way = {"inviteCode": dao.invite_code} if by_code else {"daoId": dao}

    refusals = await asyncio.gather(*(house.refused("joinDao", person, **way) for _ in range(6)))

    assert sorted(refusals) == [[], *[["ALREADY_MEMBER"]] * 5]
    assert await count(house, dao) == 1 + by_code


async def test_the_same_key_joins_once(house: House) -> None:
    dao, person = await house.dao(), await house.person()
    given = {"inviteCode": dao.invite_code, "idempotencyKey": "again"}

    first, again = [await house.call("joinDao", person, **given) for _ in range(2)]

    assert first["joinDao"] == again["joinDao"]
    assert await count(house, dao) == 2


async def test_a_dry_run_joins_nothing(house: House, changes: Changes) -> None:
    dao, person = await house.dao(), await house.person()
    before = await changes.mark()

    assert await house.refused("joinDao", person, inviteCode=dao.invite_code, validateOnly=True) == []
    assert await changes.since(before, but=COUNTED) == []


async def test_who_waits_is_let_in_by_the_code(house: House) -> None:
    dao = await house.dao()
    applicant = await house.join(dao, status="pending")

    assert await house.refused("joinDao", applicant, daoId=dao) == ["ALREADY_MEMBER"]
    assert await house.refused("joinDao", applicant, inviteCode=dao.invite_code) == []
    assert await state(house, dao, applicant) == ("approved", "member")


@pytest.mark.parametrize("before", ["rejected", "left"])
async def test_who_was_declined_or_has_left_may_request_again(house: House, before: str) -> None:
    dao = await house.dao()
    one, other = await house.join(dao, status=before), await house.join(dao, status=before)

    assert await house.refused("joinDao", one, daoId=dao) == []
    assert await house.refused("joinDao", other, inviteCode=dao.invite_code) == []
    assert await state(house, dao, one) == ("pending", "member")
    assert await state(house, dao, other) == ("approved", "member")


async def test_who_is_banned_does_not_come_back_by_any_way(house: House, changes: Changes) -> None:
    dao = await house.dao()
    banned = await house.join(dao, status="banned")
    before = await changes.mark()

    assert await house.refused("joinDao", banned, daoId=dao) == ["BANNED"]
    assert await house.refused("joinDao", banned, inviteCode=dao.invite_code) == ["BANNED"]
    assert await changes.since(before, but=COUNTED) == []


async def test_admins_and_elders_let_people_in(house: House, books: Books, templates: Any) -> None:
    await templates("dao_membership_approved", "in: {dao_name}")
    await templates("dao_membership_rejected", "out: {dao_name}")
    dao = await house.dao()
    elder = await house.join(dao, role="elder")
    one, other = await house.join(dao, status="pending"), await house.join(dao, status="pending")

    answer = await house.call("approveMember", elder, memberId=one.membership)
    refused = await house.call("rejectMember", dao.admin, memberId=other.membership)

    assert answer["approveMember"]["member"]["status"] == "APPROVED"
    assert refused["rejectMember"]["member"]["status"] == "REJECTED"
    assert await count(house, dao) == 3
    assert await books.events(one.membership.id) == ["dao_member.approved"]
    assert await books.events(other.membership.id) == ["dao_member.rejected"]
    assert await house.messages(one) == [f"in: {dao.name}"]
    assert await house.messages(other) == [f"out: {dao.name}"]


async def test_others_let_nobody_in(house: House, changes: Changes) -> None:
    dao, stranger, staff = await house.dao(members=2), await house.person(), await house.make.staff()
    applicant, proposer = await house.join(dao, status="pending"), await house.join(dao, role="proposer")
    before = await changes.mark()

    for name in ("approveMember", "rejectMember"):
        key = applicant.membership
        assert await house.refused(name, dao.members[1], memberId=key) == ["ROLE_TOO_LOW"]
        assert await house.refused(name, proposer, memberId=key) == ["ROLE_TOO_LOW"]
        assert await house.refused(name, applicant, memberId=key) == ["NOT_FOUND"]
        assert await house.refused(name, stranger, memberId=key) == ["NOT_FOUND"]
        assert await house.refused(name, staff, STAFF, memberId=key) == ["NOT_A_MEMBER"]
    assert await changes.since(before) == []


@pytest.mark.parametrize("status", ["approved", "rejected", "left", "banned"])
async def test_only_who_waits_is_let_in_or_declined(house: House, status: str, changes: Changes) -> None:
    dao = await house.dao()
    person = await house.join(dao, status=status)
    before = await changes.mark()

    assert await house.refused("approveMember", dao.admin, memberId=person.membership) == ["INVALID_STATE"]
    assert await house.refused("rejectMember", dao.admin, memberId=person.membership) == ["INVALID_STATE"]
    assert await changes.since(before) == []


async def test_two_who_decide_on_a_request_at_once_decide_once(house: House) -> None:
    for _ in range(4):
        dao = await house.dao()
        elder, applicant = await house.join(dao, role="elder"), await house.join(dao, status="pending")

        refusals = await asyncio.gather(
            house.refused("approveMember", dao.admin, memberId=applicant.membership),
            house.refused("rejectMember", elder, memberId=applicant.membership),
        )

        assert sorted(refusals) == [[], ["INVALID_STATE"]]


async def test_its_admins_say_what_members_may_do(house: House, books: Books) -> None:
    dao = await house.dao(members=2)
    key = (await house.membership(dao, dao.members[1]))["id"]

    answer = await house.call("changeMemberRole", dao.admin, memberId=key, role="ADMIN")

    assert answer["changeMemberRole"]["member"]["role"] == "ADMIN"
    assert await books.events(key) == ["dao_member.role_changed"]


async def test_roles_are_given_by_admins_to_members(house: House, changes: Changes) -> None:
    dao = await house.dao()
    elder, applicant = await house.join(dao, role="elder"), await house.join(dao, status="pending")
    before = await changes.mark()

    async def refused(as_: Any, whose: Any) -> list[str]:
        return await house.refused("changeMemberRole", as_, memberId=whose.membership, role="ADMIN")

    assert await refused(elder, elder) == ["ROLE_TOO_LOW"]
    assert await refused(applicant, applicant) == ["NOT_FOUND"]
    assert await refused(dao.admin, applicant) == ["INVALID_STATE"]
    assert await changes.since(before) == []


async def test_the_last_admin_stays_one(house: House, changes: Changes) -> None:
    dao = await house.dao(members=3, signers=0, treasury={"signers": []})
    key = (await house.membership(dao, dao.admin))["id"]
    # An admin whose account is suspended runs nothing.
    await house.join(dao, await house.person(user={"is_active": False}), role="admin")
    before = await changes.mark()

    assert await house.refused("changeMemberRole", dao.admin, memberId=key, role="MEMBER") == ["LAST_ADMIN"]
    assert await house.refused("changeMemberRole", dao.admin, memberId=key, role="ADMIN") == []
    assert await house.refused("leaveDao", dao.admin, daoId=dao) == ["LAST_ADMIN"]
    assert [change for change in await changes.since(before) if "outbox_events" not in change] == []


@pytest.mark.parametrize("name", ["leaveDao", "changeMemberRole", "banMember"])
async def test_of_two_admins_at_once_one_stays(house: House, name: str) -> None:
    for _ in range(5):
        dao = await house.dao(signers=0)
        other = await house.join(dao, role="admin")
        keys = [(await house.membership(dao, each))["id"] for each in (dao.admin, other)]
        given: list[dict[str, Any]] = {
            "leaveDao": [{"daoId": dao}, {"daoId": dao}],
            # Each lowers, or bans, the other.
            "changeMemberRole": [{"memberId": key, "role": "MEMBER"} for key in reversed(keys)],
            "banMember": [{"memberId": key, "reason": "why not"} for key in reversed(keys)],
        }[name]
        await house.join(dao)

        refusals = await asyncio.gather(
            house.refused(name, dao.admin, **given[0]), house.refused(name, other, **given[1])
        )

        why = {"leaveDao": "LAST_ADMIN", "changeMemberRole": "ROLE_TOO_LOW", "banMember": "NOT_A_MEMBER"}[name]
        assert sorted(refusals) == [[], [why]]


async def test_a_member_leaves_and_comes_back_without_a_role(house: House, books: Books) -> None:
    dao = await house.dao(members=2)
    elder = await house.join(dao, role="elder")

    answer = await house.call("leaveDao", elder, daoId=dao)
    left = await state(house, dao, elder)
    await house.call("joinDao", elder, inviteCode=dao.invite_code)

    assert answer["leaveDao"]["member"]["status"] == "LEFT"
    assert left == ("left", "member")
    assert await state(house, dao, elder) == ("approved", "member")
    assert await count(house, dao) == 3
    assert await books.events(elder.membership.id) == ["dao_member.left", "dao_member.joined"]


@pytest.mark.parametrize("access", ["public", "private"])
async def test_who_waits_takes_the_request_back(house: House, access: str) -> None:
    dao = await house.dao(dao={"access": access})
    applicant = await house.join(dao, status="pending")

    answer = await house.call("leaveDao", applicant, daoId=dao)

    assert answer["leaveDao"]["member"]["status"] == "LEFT"
    assert await count(house, dao) == 1


async def test_who_does_not_belong_to_it_does_not_leave_it(house: House, changes: Changes) -> None:
    dao, stranger = await house.dao(), await house.person()
    banned, rejected = await house.join(dao, status="banned"), await house.join(dao, status="rejected")
    before = await changes.mark()

    assert await house.refused("leaveDao", stranger, daoId=dao) == ["NOT_FOUND"]
    assert await house.refused("leaveDao", stranger, daoId=uuid4()) == ["NOT_FOUND"]
    assert await house.refused("leaveDao", banned, daoId=dao) == ["INVALID_STATE"]
    assert await house.refused("leaveDao", rejected, daoId=dao) == ["INVALID_STATE"]
    assert await changes.since(before) == []


async def test_a_signer_neither_leaves_nor_is_banned(house: House, changes: Changes) -> None:
    dao = await house.dao(members=3, signers=2, threshold=2)
    signer = dao.members[1]
    key = (await house.membership(dao, signer))["id"]
    before = await changes.mark()

    assert await house.refused("leaveDao", signer, daoId=dao) == ["MEMBER_IS_SIGNER"]
    assert await house.refused("banMember", dao.admin, memberId=key, reason="why not") == ["MEMBER_IS_SIGNER"]
    assert await changes.since(before) == []


async def test_the_last_member_closes_an_empty_dao(house: House, books: Books, changes: Changes) -> None:
    empty, rich = await house.dao(), await house.dao(KES="1")
    before = await changes.mark()

    held = await house.refused("leaveDao", rich.admin, daoId=rich)
    changed = await changes.since(before)
    left = await house.refused("leaveDao", empty.admin, daoId=empty)

    assert (held, changed, left) == (["TREASURY_NOT_EMPTY"], [], [])
    assert await house.owner.fetchval("SELECT status FROM treasury.daos WHERE id = $1", empty.id) == "archived"
    assert await count(house, empty) == 0
    assert await books.events(empty.id) == ["dao.archived"]


async def test_a_ban_is_lifted_by_an_admin(house: House, books: Books, templates: Any) -> None:
    await templates("dao_banned", "{dao_name}: {reason}")
    dao = await house.dao()
    elder = await house.join(dao, role="elder")

    banned = await house.call("banMember", dao.admin, memberId=elder.membership, reason=" absent ")
    members = await count(house, dao)
    back = await house.call("readmitMember", dao.admin, memberId=elder.membership, reason="explained")

    assert (banned["banMember"]["member"]["status"], banned["banMember"]["member"]["statusReason"]) == (
        "BANNED", "absent",
    )  # fmt: skip
    assert (members, await count(house, dao)) == (1, 2)
    member = back["readmitMember"]["member"]
    assert (member["status"], member["role"], member["statusReason"]) == ("APPROVED", "MEMBER", "explained")
    assert await books.events(elder.membership.id) == ["dao_member.banned", "dao_member.readmitted"]
    assert await house.messages(elder) == [f"{dao.name}: absent"]


@pytest.mark.parametrize("status", ["pending", "rejected", "left"])
async def test_who_is_no_member_is_banned_too(house: House, status: str) -> None:
    dao = await house.dao()
    person = await house.join(dao, status=status)

    assert await house.refused("banMember", dao.admin, memberId=person.membership, reason="spam") == []
    assert await house.refused("joinDao", person, inviteCode=dao.invite_code) == ["BANNED"]
    assert await count(house, dao) == 1


async def test_what_cannot_be_banned_or_readmitted_is_refused(house: House, changes: Changes) -> None:
    dao = await house.dao(signers=0)
    elder, member = await house.join(dao, role="elder"), await house.join(dao)
    banned, stranger = await house.join(dao, status="banned"), await house.person()
    own = (await house.membership(dao, dao.admin))["id"]
    before = await changes.mark()

    async def refused(name: str, as_: Any, key: Any, reason: str = "why not") -> list[str]:
        return await house.refused(name, as_, memberId=key, reason=reason)

    assert await refused("banMember", dao.admin, own) == ["ONESELF"]
    assert await refused("banMember", dao.admin, banned.membership) == ["INVALID_STATE"]
    assert await refused("banMember", dao.admin, member.membership, " ") == ["TEXT_MISSING"]
    assert await refused("banMember", elder, member.membership) == ["ROLE_TOO_LOW"]
    assert await refused("banMember", stranger, member.membership) == ["NOT_FOUND"]
    assert await refused("readmitMember", dao.admin, member.membership) == ["INVALID_STATE"]
    assert await refused("readmitMember", dao.admin, banned.membership, "") == ["TEXT_MISSING"]
    assert await refused("readmitMember", elder, banned.membership) == ["ROLE_TOO_LOW"]
    assert await changes.since(before) == []


async def test_whoever_was_just_lowered_does_nothing_more(house: House) -> None:
    """A ban and the lowering of the one who bans, at once: both happen in that order, or the ban is refused."""
    for _ in range(5):
        dao = await house.dao(signers=0)
        other, victim = await house.join(dao, role="admin"), await house.join(dao)

        lowered, banned = await asyncio.gather(
            house.refused("changeMemberRole", dao.admin, memberId=other.membership, role="MEMBER"),
            house.refused("banMember", other, memberId=victim.membership, reason="why not"),
        )

        assert lowered == []
        assert banned in ([], ["ROLE_TOO_LOW"])


async def test_members_are_counted_whatever_happens_in_whichever_order(house: House) -> None:
    """Random joins, decisions, bans and departures, many at once; `house` compares the count afterwards."""
    dice = random.Random(12)
    dao = await house.dao(signers=0)
    people = [await house.person() for _ in range(4)]

    async def act(person: Any) -> None:
        row = await house.membership(dao, person)
        calls: list[tuple[str, Any, dict[str, Any]]] = [
            ("joinDao", person, {"daoId": dao}), ("joinDao", person, {"inviteCode": dao.invite_code}),
            ("leaveDao", person, {"daoId": dao}),
        ]  # fmt: skip
        if row is not None:
            calls += [
                ("approveMember", dao.admin, {"memberId": row["id"]}),
                ("rejectMember", dao.admin, {"memberId": row["id"]}),
                ("banMember", dao.admin, {"memberId": row["id"], "reason": "dice"}),
                ("readmitMember", dao.admin, {"memberId": row["id"], "reason": "dice"}),
            ]
        name, as_, given = dice.choice(calls)
        answer = await house.call(name, as_, **given)
        assert answer.codes == []

    for _ in range(12):
        await asyncio.gather(*(act(person) for person in people + people[:2]))


async def test_a_code_that_is_replaced_meanwhile_lets_one_in_before_it_or_not_at_all(house: House) -> None:
    for _ in range(5):
        dao, person = await house.dao(), await house.person()

        joined, replaced = await asyncio.gather(
            house.refused("joinDao", person, inviteCode=dao.invite_code),
            house.refused("rotateDaoInviteCode", dao.admin, daoId=dao),
        )

        assert replaced == []
        assert (joined, await count(house, dao)) in (([], 2), (["INVITE_CODE_INVALID"], 1))


async def test_a_private_dao_takes_as_many_round_trips_as_none(house: House) -> None:
    dao, person = await house.dao(dao={"access": "private"}), await house.person()

    async def sent(name: str, key: Any) -> list[list[str]]:
        async with house.api.sending() as batches:
            assert await house.refused(name, person, daoId=key) == ["NOT_FOUND"]
        return batches

    for name in ("joinDao", "leaveDao"):
        assert await sent(name, dao) == await sent(name, uuid4())


async def test_a_deleted_dao_is_left_by_all(house: House) -> None:
    dao = await house.dao(members=2)
    await house.owner.execute("UPDATE treasury.daos SET deleted_at = now() WHERE id = $1", dao.id)

    assert await house.refused("leaveDao", dao.admin, daoId=dao) == []
    assert await house.refused("leaveDao", dao.members[1], daoId=dao) == []
