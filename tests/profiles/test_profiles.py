"""Profiles: one fills in one's own, and a guardian that of a minor."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from models.identity import User
from tests.client import STAFF, Api
from tests.factories import Factory
from tests.profiles.conftest import People, born

SHOW = """profile {
  userId fullName dateOfBirth locale timezone avatarUrl bio isProfilePublic allowContactBySponsors guardianUserId
  relationshipType guardianAcceptedAt
}"""


async def update(api: Api, as_: SimpleNamespace, **given: Any) -> Any:
    answer = await api.mutate("updateProfile", as_, **given)
    return answer.refusals("updateProfile") or (await profile_of(api, as_, given.get("userId", as_)))


async def profile_of(api: Api, as_: SimpleNamespace, whose: SimpleNamespace) -> Any:
    found = await api(
        f"query ($id: ID!) {{ profiles(where: {{userId: {{eq: $id}}}}) {{ nodes {SHOW.removeprefix('profile ')} }} }}",
        {"id": str(whose.id)},
        as_=as_,
    )
    (profile,) = found["profiles"]["nodes"]
    return profile


async def test_a_new_profile_needs_a_name_and_a_birth_date(api: Api, make: Factory) -> None:
    user = await make(User)

    assert await update(api, user, bio="Bonjour") == ["PROFILE_INCOMPLETE"]
    assert await update(api, user, fullName="Awa Ndiaye") == ["PROFILE_INCOMPLETE"]
    profile = await update(
        api, user, fullName="Awa Ndiaye", dateOfBirth=born(30), bio="Bonjour", locale="fr-SN", timezone="Africa/Nairobi"
    )

    assert (profile["fullName"], profile["bio"], profile["timezone"]) == ("Awa Ndiaye", "Bonjour", "Africa/Nairobi")
    assert profile["isProfilePublic"] is True


async def test_what_is_left_out_stays_and_null_takes_off(api: Api, people: People) -> None:
    user = await people.adult(bio="Bonjour", avatar_url="https://img.example/a.png")

    profile = await update(api, user, bio=None, isProfilePublic=False)

    assert (profile["bio"], profile["avatarUrl"], profile["isProfilePublic"]) == (
        None, "https://img.example/a.png", False
    )  # fmt: skip
    assert profile["fullName"] == "Awa Ndiaye"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"fullName": "   "}, "TEXT_MISSING"),
        ({"avatarUrl": "javascript:alert(1)"}, "URL_NOT_VALID"),
        ({"locale": "francais"}, "LOCALE_NOT_VALID"),
        ({"timezone": "Dakar"}, "TIME_ZONE_UNKNOWN"),
        ({"dateOfBirth": "2999-01-01"}, "BIRTH_DATE_NOT_VALID"),
        ({"dateOfBirth": "1800-01-01"}, "BIRTH_DATE_NOT_VALID"),
        ({"dateOfBirth": "2020-01-01"}, "GUARDIAN_REQUIRED"),
    ],
)
async def test_what_is_wrong_is_refused(api: Api, people: People, given: dict[str, Any], code: str) -> None:
    assert await update(api, await people.adult(), **given) == [code]


async def test_two_first_profiles_at_once_are_one(api: Api, make: Factory) -> None:
    user = await make(User)

    answers = await asyncio.gather(
        *(api.mutate("updateProfile", user, fullName=f"Awa {n}", dateOfBirth=born(30)) for n in range(6))
    )

    assert all(answer.refusals("updateProfile") == [] for answer in answers)


async def test_a_minor_names_a_guardian_who_acts_only_after_accepting(api: Api, make: Factory, people: People) -> None:
    guardian, minor = await people.adult(), await make(User)
    given = {"fullName": "Moussa Diop", "dateOfBirth": born(12)}

    assert await update(api, minor, **given) == ["GUARDIAN_REQUIRED"]
    assert await update(api, minor, **given, guardianId=guardian) == ["GUARDIAN_REQUIRED"]
    made = await update(api, minor, **given, guardianId=guardian, relationshipType="parent")

    stored = await people.profile(minor)
    assert (stored["guardian_user_id"], made["guardianAcceptedAt"]) == (guardian.id, None)
    # Until then the guardian neither sees nor changes anything.
    refused = await api.mutate("updateProfile", guardian, userId=minor, bio="?")
    assert refused.refusals("updateProfile") == ["NOT_FOUND"]


async def test_a_guardian_changes_the_profile_of_their_ward_and_nobody_elses(api: Api, people: People) -> None:
    guardian, stranger = await people.adult(), await people.adult()
    child = await people.child(guardian)

    assert (await update(api, guardian, userId=child, bio="Lutteur"))["bio"] == "Lutteur"
    refused = await api.mutate("updateProfile", stranger, userId=child, bio="?")
    assert refused.refusals("updateProfile") == ["NOT_FOUND"]


async def test_a_birth_date_that_is_verified_or_gave_a_guardian_is_corrected_by_staff(
    api: Api, people: People, owner: asyncpg.Pool[Any]
) -> None:
    guardian, verified, admin = await people.adult(), await people.adult(), await people.adult()
    child = await people.child(guardian)
    await owner.execute("UPDATE profiles.profiles SET id_verified_at = now() WHERE user_id = $1", verified.id)
    await owner.execute("UPDATE identity.users SET roles = '{user,admin}' WHERE id = $1", admin.id)

    assert await update(api, child, dateOfBirth=born(30)) == ["BIRTH_DATE_FIXED"]
    assert await update(api, verified, dateOfBirth=born(31)) == ["BIRTH_DATE_FIXED"]
    corrected = await api.mutate(
        "correctBirthDate", admin, STAFF, userId=child, dateOfBirth=born(19), reason="Birth certificate"
    )

    assert corrected.refusals("correctBirthDate") == []
    assert (await people.profile(child))["date_of_birth"] == born(19)
    assert await people.events(child) == ["birth_date_corrected"]
    # And the guardian's access has ended with that.
    refused = await api.mutate("updateProfile", guardian, userId=child, bio="?")
    assert refused.refusals("updateProfile") == ["NOT_FOUND"]


async def test_staff_correct_no_birth_date_of_their_own(api: Api, people: People, owner: asyncpg.Pool[Any]) -> None:
    admin = await people.adult()
    await owner.execute("UPDATE identity.users SET roles = '{user,admin}' WHERE id = $1", admin.id)

    refused = await api.mutate("correctBirthDate", admin, STAFF, userId=admin, dateOfBirth=born(40), reason="x")

    assert refused.refusals("correctBirthDate") == ["OWN_MATTER"]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Africa/Dakar", "Pacific/Pago_Pago"])
async def test_majority_begins_at_midnight_of_the_persons_own_zone(
    api: Api, people: People, owner: asyncpg.Pool[Any], zone: str
) -> None:
    guardian = await people.adult()
    # Born 18 years before the day that it is there.
    today = await owner.fetchval("SELECT (now() AT TIME ZONE $1)::date", zone)
    child = await people.child(
        guardian,
        timezone=zone,
        date_of_birth=await owner.fetchval("SELECT ($1::date - interval '18 years')::date", today),
    )
    next_day = await owner.fetchval("SELECT ($1::date - interval '18 years' + interval '1 day')::date", today)
    almost = await people.child(guardian, timezone=zone, date_of_birth=next_day)
    query = "query ($ids: [ID!]) { profiles(where: {userId: {in: $ids}}) { nodes { user { rowId } } } }"

    seen = await api(query, {"ids": [str(child.id), str(almost.id)]}, as_=guardian)

    assert [each["user"]["rowId"] for each in seen["profiles"]["nodes"]] == [str(almost.id)]
