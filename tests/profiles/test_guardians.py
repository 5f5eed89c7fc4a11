"""Guardians: requested, accepted by their own session, replaced, and gone at 18."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from lango.rules.services import Services
from models.identity import User
from resolvers.profiles.guardians import announce_majority, expire_lapsed_requests
from tests.client import STAFF, Api
from tests.factories import Factory
from tests.profiles.conftest import People, born

REQUESTS = "{ guardianshipRequests { nodes { rowId firstName status user { profile { fullName } } } } }"


async def request(api: Api, as_: SimpleNamespace, roles: tuple[str, ...] = (), **given: Any) -> Any:
    answer = await api.mutate("requestGuardian", as_, roles, relationshipType="parent", **given)
    made = answer["requestGuardian"]["request"]
    return answer.refusals("requestGuardian") or SimpleNamespace(id=UUID(made["rowId"]))


async def answer_to(api: Api, how: str, as_: SimpleNamespace, sent: SimpleNamespace) -> list[str]:
    return (await api.mutate(how, as_, requestId=sent)).refusals(how)


async def sees(api: Api, as_: SimpleNamespace, child: SimpleNamespace) -> bool:
    query = "query ($id: ID!) { profiles(where: {userId: {eq: $id}}) { nodes { userId } } }"
    return bool((await api(query, {"id": str(child.id)}, as_=as_))["profiles"]["nodes"])


async def test_a_guardian_accepts_and_knows_the_child_by_the_first_name_until_then(api: Api, people: People) -> None:
    named = await people.adult()
    child = await people.child(named, accepted=False)
    sent = await request(api, child, guardianId=named)

    before = (await api(REQUESTS, as_=named))["guardianshipRequests"]["nodes"]
    hidden = await sees(api, named, child)
    accepted = await answer_to(api, "acceptGuardianship", named, sent)

    assert [(each["firstName"], each["user"]) for each in before] == [("Moussa", None)]
    assert (hidden, accepted) == (False, [])
    assert await sees(api, named, child)
    assert await people.events(child) == ["guardian_accepted"]


async def test_only_who_is_named_answers_and_once(api: Api, people: People) -> None:
    named, stranger = await people.adult(), await people.adult()
    child = await people.child(named, accepted=False)
    sent = await request(api, child, guardianId=named)

    assert await answer_to(api, "acceptGuardianship", stranger, sent) == ["NOT_FOUND"]
    assert await answer_to(api, "acceptGuardianship", child, sent) == ["NOT_YOUR_REQUEST"]
    assert await answer_to(api, "declineGuardianship", named, sent) == []
    assert await answer_to(api, "acceptGuardianship", named, sent) == ["INVALID_STATE"]
    assert not await sees(api, named, child)


async def test_accepting_at_once_is_accepting_once(api: Api, people: People) -> None:
    named = await people.adult()
    child = await people.child(named, accepted=False)
    sent = await request(api, child, guardianId=named)

    answers = await asyncio.gather(*(answer_to(api, "acceptGuardianship", named, sent) for _ in range(8)))

    assert sorted(answers) == [[], *[["INVALID_STATE"]] * 7]
    assert await people.events(child) == ["guardian_accepted"]


async def test_nobody_unfit_becomes_a_guardian(
    api: Api, make: Factory, people: People, owner: asyncpg.Pool[Any]
) -> None:
    guardian = await people.adult()
    child, other = await people.child(guardian), await people.child(guardian)
    without_profile, suspended = await make(User), await people.adult()
    await owner.execute("UPDATE identity.users SET is_active = false WHERE id = $1", suspended.id)

    for unfit in (child, other, without_profile, suspended, guardian, SimpleNamespace(id=UUID(int=7))):
        assert await request(api, child, guardianId=unfit) == ["GUARDIAN_NOT_ELIGIBLE"], unfit


async def test_a_guardian_acts_until_the_next_one_accepts(api: Api, people: People) -> None:
    first, second = await people.adult(), await people.adult("Ibrahima Fall")
    child = await people.child(first)
    sent = await request(api, first, guardianId=second, userId=child)

    between = [await sees(api, who, child) for who in (first, second)]
    accepted = await answer_to(api, "acceptGuardianship", second, sent)

    assert (between, accepted) == ([True, False], [])
    assert [await sees(api, who, child) for who in (first, second)] == [False, True]


async def test_a_later_request_takes_the_place_of_the_first(api: Api, people: People) -> None:
    first, second = await people.adult(), await people.adult()
    child = await people.child(first, accepted=False)
    earlier = await request(api, child, guardianId=first)
    later = await request(api, child, guardianId=second)

    assert await answer_to(api, "acceptGuardianship", first, earlier) == ["INVALID_STATE"]
    assert await answer_to(api, "acceptGuardianship", second, later) == []


async def test_strangers_and_adults_request_nobody(api: Api, people: People) -> None:
    guardian, stranger = await people.adult(), await people.adult()
    child = await people.child(guardian)

    assert await request(api, stranger, guardianId=stranger, userId=child) == ["NOT_FOUND"]
    assert await request(api, stranger, guardianId=guardian) == ["NOT_MINOR"]


async def test_staff_take_a_child_out_of_a_guardians_hands_at_once(
    api: Api, people: People, owner: asyncpg.Pool[Any]
) -> None:
    bad, good, admin = await people.adult(), await people.adult(), await people.adult()
    child = await people.child(bad)
    await owner.execute("UPDATE identity.users SET roles = '{user,admin}' WHERE id = $1", admin.id)

    answer = await api.mutate(
        "replaceGuardian", admin, STAFF, userId=child, guardianId=good, relationshipType="guardian", reason="Court"
    )
    sent = SimpleNamespace(id=UUID(answer["replaceGuardian"]["request"]["rowId"]))

    assert not await sees(api, bad, child)
    assert await answer_to(api, "acceptGuardianship", good, sent) == []
    assert await sees(api, good, child)
    assert await people.events(child) == ["guardian_replaced", "guardian_accepted"]


async def test_a_request_that_nobody_answers_ends(
    api: Api, people: People, services: Services, owner: asyncpg.Pool[Any]
) -> None:
    named = await people.adult()
    child = await people.child(named, accepted=False)
    sent = await request(api, child, guardianId=named)
    await owner.execute(
        "UPDATE profiles.guardianship_requests SET expires_at = now() - interval '1 second' WHERE id = $1", sent.id
    )

    late = await answer_to(api, "acceptGuardianship", named, sent)
    await expire_lapsed_requests(services)

    assert late == ["REQUEST_EXPIRED"]
    status = await owner.fetchval("SELECT status FROM profiles.guardianship_requests WHERE id = $1", sent.id)
    assert status == "expired"
    assert await request(api, child, guardianId=named) is not None


@pytest.mark.parametrize(("days", "announced"), [(29, True), (40, False)])
async def test_majority_is_announced_once_and_30_days_before(
    people: People, services: Services, owner: asyncpg.Pool[Any], days: int, announced: bool
) -> None:
    child = await people.child(await people.adult(), date_of_birth=born(18, days=days - 2))

    await announce_majority(services)
    first = (await people.profile(child))["majority_announced_at"]
    await announce_majority(services)

    assert (first is not None) is announced
    assert (await people.profile(child))["majority_announced_at"] == first
