"""Invitations are accepted once, declined, or expire."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from lango.rules.services import Services
from lango.values import codes
from models.identity import User
from models.notifications import NotificationTemplate
from models.referrals import Referral
from resolvers.referrals.invitations import expire_referrals, next_birthday
from tests.books import Books
from tests.changes import Changes
from tests.client import Api
from tests.factories import Factory, now
from tests.referrals.calls import error_of
from tests.referrals.conftest import in_days, minor, person


@pytest.fixture
async def invitation(make: Factory, sponsor: Any) -> SimpleNamespace:
    return await invited_by(make, sponsor)


@pytest.fixture
async def guest(make: Factory) -> SimpleNamespace:
    return await person(make, full_name="Moussa Sarr")


async def invited_by(make: Factory, sponsor: SimpleNamespace, **given: Any) -> SimpleNamespace:
    return await make(Referral, sponsor_user_id=sponsor.id, referral_code=codes.new(), **given)


async def points_of(owner: asyncpg.Pool[Any], user: SimpleNamespace) -> list[Any]:
    return await owner.fetch(
        "SELECT * FROM referrals.points_ledger WHERE sponsor_user_id = $1 ORDER BY created_at, event_type", user.id
    )


async def kept(owner: asyncpg.Pool[Any], referral: SimpleNamespace) -> Any:
    return await owner.fetchrow("SELECT * FROM referrals.referrals WHERE id = $1", referral.id)


async def test_accepting_earns_the_sponsor_100_pending_points(
    api: Api, sponsor: Any, guest: Any, invitation: Any, owner: asyncpg.Pool[Any], books: Books
) -> None:
    answer = await api.mutate("acceptReferral", guest, code=invitation.referral_code)

    accepted = answer["acceptReferral"]["referral"]
    assert (accepted["status"], accepted["sponsoredUser"]["rowId"]) == ("ACCEPTED", str(guest.id))
    assert answer["acceptReferral"]["pot"] is None
    (points,) = await points_of(owner, sponsor)
    assert (points["event_type"], points["points_earned"], points["status"]) == ("referral_accepted", 100, "pending")
    assert (points["base_multiplier"], points["sponsor_boost_multiplier"], points["referral_id"]) == (
        1,
        1,
        invitation.id,
    )
    assert await books.events(invitation.id) == ["referral.accepted"]
    assert await books.events(points["id"]) == ["points.earned"]


async def test_how_many_points_is_staffs_to_change(
    api: Api, sponsor: Any, guest: Any, invitation: Any, owner: asyncpg.Pool[Any], configure: Any
) -> None:
    await configure("points.referral_accepted", 70)

    await api.mutate("acceptReferral", guest, code=invitation.referral_code)

    assert [row["points_earned"] for row in await points_of(owner, sponsor)] == [70]


async def test_the_sponsor_is_notified(
    api: Api, make: Factory, guest: Any, invitation: Any, owner: asyncpg.Pool[Any]
) -> None:
    template = await make(NotificationTemplate, template_key="referral_accepted", body_text="{user_name}: {points}",
                          channels=["email"])  # fmt: skip

    await api.mutate("acceptReferral", guest, code=invitation.referral_code)
    await owner.execute("UPDATE notifications.notification_templates SET is_active = false WHERE id = $1", template.id)

    row = await owner.fetchrow("SELECT * FROM notifications.notifications WHERE template_id = $1", template.id)
    assert (row["user_id"], row["body"]) == (invitation.sponsor_user_id, "Moussa: 100")


async def test_nobody_accepts_an_invitation_of_their_own(
    api: Api, sponsor: Any, invitation: Any, changes: Changes
) -> None:
    before = await changes.mark()

    for name in ("acceptReferral", "declineReferral"):
        answer = await api.mutate(name, sponsor, code=invitation.referral_code)
        assert answer.refusals(name) == ["OWN_REFERRAL"]
    assert await changes.since(before) == []


async def test_who_has_the_same_guardian_does_not_earn_by_the_other(api: Api, make: Factory, changes: Changes) -> None:
    child, guardian = await minor(make)
    other = await person(make, date_of_birth=date(date.today().year - 10, 1, 1), guardian_user_id=guardian.id,
                         relationship_type="parent", guardian_accepted_at=now())  # fmt: skip
    by_child, by_guardian = await invited_by(make, child), await invited_by(make, guardian)
    before = await changes.mark()

    answers = [
        await api.mutate("acceptReferral", guardian, code=by_child.referral_code, userId=str(other.id)),
        await api.mutate("acceptReferral", other, code=by_child.referral_code),
        await api.mutate("acceptReferral", child, code=by_guardian.referral_code),
        await api.mutate("acceptReferral", guardian, code=by_child.referral_code),
    ]

    assert [answer.refusals("acceptReferral") for answer in answers] == [["OWN_REFERRAL"]] * 4
    assert await changes.since(before) == []


async def test_a_guardian_does_not_accept_their_own_for_the_minor(api: Api, make: Factory, changes: Changes) -> None:
    child, guardian = await minor(make)
    invitation = await invited_by(make, guardian)
    before = await changes.mark()

    answer = await api.mutate("acceptReferral", guardian, code=invitation.referral_code, userId=str(child.id))

    assert answer.refusals("acceptReferral") == ["OWN_REFERRAL"]
    assert await changes.since(before) == []


async def test_a_user_accepts_once(api: Api, make: Factory, guest: Any, invitation: Any, changes: Changes) -> None:
    other = await invited_by(make, await person(make))
    await api.mutate("acceptReferral", guest, code=invitation.referral_code)
    before = await changes.mark()

    answer = await api.mutate("acceptReferral", guest, code=other.referral_code)

    assert answer.refusals("acceptReferral") == ["ALREADY_SPONSORED"]
    assert await changes.since(before) == []


async def test_of_many_invitations_accepted_at_once_one_counts(
    api: Api, make: Factory, guest: Any, owner: asyncpg.Pool[Any]
) -> None:
    invitations = [await invited_by(make, await person(make)) for _ in range(20)]

    answers = await asyncio.gather(
        *(api.mutate("acceptReferral", guest, code=each.referral_code, createPot={}) for each in invitations)
    )

    assert sorted(answer.refusals("acceptReferral") for answer in answers) == [[]] + [["ALREADY_SPONSORED"]] * 19
    assert await owner.fetchval("SELECT count(*) FROM pots.pots WHERE owner_user_id = $1", guest.id) == 1


async def test_of_many_people_with_one_code_one_accepts(
    api: Api, make: Factory, sponsor: Any, invitation: Any, owner: asyncpg.Pool[Any]
) -> None:
    people = [await person(make) for _ in range(20)]

    answers = await asyncio.gather(
        *(api.mutate("acceptReferral", each, code=invitation.referral_code) for each in people)
    )

    assert sorted(answer.refusals("acceptReferral") for answer in answers) == [[]] + [["INVALID_STATE"]] * 19
    assert len(await points_of(owner, sponsor)) == 1


async def test_two_who_accept_each_others_invitation_at_once_do_not_block(api: Api, make: Factory) -> None:
    for _ in range(5):
        one, two = await person(make), await person(make)
        from_one, from_two = await invited_by(make, one), await invited_by(make, two)

        answers = await asyncio.gather(
            api.mutate("acceptReferral", one, code=from_two.referral_code),
            api.mutate("acceptReferral", two, code=from_one.referral_code),
        )

        assert [answer.refusals("acceptReferral") for answer in answers] == [[], []]


async def test_accepting_and_declining_at_once_one_wins(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any]
) -> None:
    for _ in range(10):
        guest, invitation = await person(make), await invited_by(make, sponsor)

        accepted, declined = await asyncio.gather(
            api.mutate("acceptReferral", guest, code=invitation.referral_code),
            api.mutate("declineReferral", None, code=invitation.referral_code),
        )

        refusals = [*accepted.refusals("acceptReferral"), *declined.refusals("declineReferral")]
        assert refusals == ["INVALID_STATE"]
        earned = [row for row in await points_of(owner, sponsor) if row["referral_id"] == invitation.id]
        assert len(earned) == (0 if accepted.refusals("acceptReferral") else 1)


@pytest.mark.parametrize("name", ["acceptReferral", "declineReferral"])
@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"expired_at": now() - timedelta(seconds=1)}, "EXPIRED"),
        ({"status": "expired"}, "EXPIRED"),
        ({"status": "declined"}, "INVALID_STATE"),
        ({"status": "declined", "expired_at": now() - timedelta(days=1)}, "INVALID_STATE"),
    ],
)
async def test_an_expired_or_answered_invitation_is_not_answered(
    api: Api, make: Factory, sponsor: Any, guest: Any, changes: Changes, name: str, given: dict[str, Any], refusal: str
) -> None:
    invitation = await invited_by(make, sponsor, **given)
    before = await changes.mark()

    error = error_of(await api.mutate(name, guest, code=invitation.referral_code), name)

    assert error["code"] == refusal
    if refusal == "INVALID_STATE":
        assert error["details"] == {"state": "declined"}
    assert await changes.since(before) == []


@pytest.mark.parametrize("code", ["", "x", "%", "' OR 1=1 --", "🎂"])
@pytest.mark.parametrize("name", ["acceptReferral", "declineReferral"])
async def test_a_code_that_nobody_has_is_not_found(api: Api, guest: Any, code: str, name: str) -> None:
    error = error_of(await api.mutate(name, guest, code=code), name)

    assert (error["code"], error["field"]) == ("NOT_FOUND", ["code"])


@pytest.mark.parametrize("code", ["x" * 61, "nul\u0000"])
async def test_a_hostile_code_is_bad_input(api: Api, guest: Any, code: str) -> None:
    assert (await api.mutate("acceptReferral", guest, code=code)).codes == ["BAD_USER_INPUT"]


async def test_a_retry_accepts_nothing_again(
    api: Api, sponsor: Any, guest: Any, invitation: Any, owner: asyncpg.Pool[Any]
) -> None:
    key = str(uuid4())
    values = {"code": invitation.referral_code, "createPot": {}, "idempotencyKey": key}

    first = await api.mutate("acceptReferral", guest, **values)
    again = await api.mutate("acceptReferral", guest, **values)

    assert first.refusals("acceptReferral") == []
    assert again.data == first.data
    assert await owner.fetchval("SELECT count(*) FROM pots.pots WHERE owner_user_id = $1", guest.id) == 1


async def test_without_a_token_nothing_is_accepted(api: Api, invitation: Any) -> None:
    assert (await api.mutate("acceptReferral", None, code=invitation.referral_code)).codes == ["UNAUTHENTICATED"]


async def test_nobody_accepts_for_a_stranger(
    api: Api, make: Factory, guest: Any, invitation: Any, changes: Changes
) -> None:
    stranger, before = await person(make), await changes.mark()

    answer = await api.mutate("acceptReferral", guest, code=invitation.referral_code, userId=str(stranger.id))

    assert answer.refusals("acceptReferral") == ["NOT_FOUND"]
    assert await changes.since(before) == []


async def test_what_is_known_of_both_identities_is_noted(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    sponsor = await person(make, id_type="passport", id_verified_at=now())
    guest = await person(make, id_type="national_id")
    invitation = await invited_by(make, sponsor)

    await api.mutate("acceptReferral", guest, code=invitation.referral_code)

    row = await kept(owner, invitation)
    assert (row["both_ids_collected"], row["sponsor_id_verified"], row["sponsored_id_verified"]) == (True, True, False)


# The pot that comes with it


async def test_a_scheduled_pot_for_the_next_birthday_comes_with_it(
    api: Api, make: Factory, sponsor: Any, invitation: Any, owner: asyncpg.Pool[Any]
) -> None:
    birthday = in_days(100)
    guest = await person(make, date_of_birth=birthday.replace(year=1990))

    answer = await api.mutate("acceptReferral", guest, code=invitation.referral_code,
                        createPot={"title": "Ma fête", "targetAmountCfa": 70_000})  # fmt: skip

    pot = answer["acceptReferral"]["pot"]
    assert (pot["status"], pot["title"], pot["targetAmountCfa"]) == ("SCHEDULED", "Ma fête", 70_000)
    assert (pot["ownerUser"]["rowId"], pot["createdFromReferral"]["rowId"]) == (str(guest.id), str(invitation.id))
    assert pot["birthdayDate"] == birthday.isoformat()
    assert [row["event_type"] for row in await points_of(owner, sponsor)] == ["referral_accepted"]


async def test_a_pot_that_opens_at_once_earns_the_sponsor_its_points_too(
    api: Api, make: Factory, sponsor: Any, invitation: Any, owner: asyncpg.Pool[Any]
) -> None:
    guest = await person(make, date_of_birth=in_days(5).replace(year=1990))

    answer = await api.mutate("acceptReferral", guest, code=invitation.referral_code, createPot={})

    assert answer["acceptReferral"]["pot"]["status"] == "OPEN"
    earned = {row["event_type"]: row["points_earned"] for row in await points_of(owner, sponsor)}
    assert earned == {"referral_accepted": 100, "pot_opened": 50}


@pytest.mark.parametrize(
    ("born", "today", "following"),
    [
        (date(1990, 5, 4), date(2026, 5, 3), date(2026, 5, 4)),
        (date(1990, 5, 4), date(2026, 5, 4), date(2027, 5, 4)),
        (date(1990, 5, 4), date(2026, 5, 5), date(2027, 5, 4)),
        (date(1990, 1, 1), date(2026, 12, 31), date(2027, 1, 1)),
        (date(2000, 2, 29), date(2026, 2, 27), date(2026, 2, 28)),
        (date(2000, 2, 29), date(2026, 2, 28), date(2027, 2, 28)),
        (date(2000, 2, 29), date(2027, 3, 1), date(2028, 2, 29)),
        (date(2000, 2, 29), date(2028, 2, 28), date(2028, 2, 29)),
    ],
)
def test_the_next_birthday_is_after_today(born: date, today: date, following: date) -> None:
    assert next_birthday(born, today) == following


async def test_without_a_birthday_there_is_no_pot_and_nothing_is_accepted(
    api: Api, make: Factory, invitation: Any, changes: Changes
) -> None:
    guest, before = await make(User), await changes.mark()

    error = error_of(
        await api.mutate("acceptReferral", guest, code=invitation.referral_code, createPot={}), "acceptReferral"
    )

    assert (error["code"], error["field"]) == ("BIRTHDAY_UNKNOWN", ["createPot"])
    assert await changes.since(before) == []
    assert (await api.mutate("acceptReferral", guest, code=invitation.referral_code)).refusals("acceptReferral") == []


@pytest.mark.parametrize(
    ("wanted", "code", "field"),
    [({"title": " "}, "TEXT_MISSING", "title"), ({"targetAmountCfa": 0}, "AMOUNT_NOT_POSITIVE", "targetAmountCfa"),
     ({"targetAmountCfa": -5}, "AMOUNT_NOT_POSITIVE", "targetAmountCfa")],
)  # fmt: skip
async def test_a_pot_that_cannot_be_is_refused_with_the_rest(
    api: Api, guest: Any, invitation: Any, changes: Changes, wanted: dict[str, Any], code: str, field: str
) -> None:
    before = await changes.mark()

    error = error_of(
        await api.mutate("acceptReferral", guest, code=invitation.referral_code, createPot=wanted), "acceptReferral"
    )

    assert (error["code"], error["field"]) == (code, ["createPot", field])
    assert await changes.since(before) == []


async def test_a_minors_pot_is_planned_by_the_guardian(
    api: Api, make: Factory, invitation: Any, changes: Changes
) -> None:
    child, guardian = await minor(make)
    before = await changes.mark()

    alone = await api.mutate("acceptReferral", child, code=invitation.referral_code, createPot={})
    assert alone.refusals("acceptReferral") == ["GUARDIAN_REQUIRED"]
    assert await changes.since(before) == []

    answer = await api.mutate(
        "acceptReferral", guardian, code=invitation.referral_code, createPot={}, userId=str(child.id)
    )
    assert answer["acceptReferral"]["pot"]["ownerUser"]["rowId"] == str(child.id)


async def test_what_is_left_in_an_old_pot_goes_to_one_that_opens_at_once(
    api: Api, make: Factory, invitation: Any, owner: asyncpg.Pool[Any]
) -> None:
    guest = await person(make, date_of_birth=in_days(3).replace(year=1990))
    old = await make.funded_pot(3000, owner_user_id=guest.id, status="closed")

    pot = (await api.mutate("acceptReferral", guest, code=invitation.referral_code, createPot={}))["acceptReferral"][
        "pot"
    ]

    assert pot["status"] == "OPEN"
    balances = [
        await owner.fetchval("SELECT balance_cfa FROM pots.pots WHERE id = $1", key) for key in (old.id, pot["rowId"])
    ]
    assert balances == [0, 3000]


# What is typed


async def test_a_code_is_typed_as_it_is_read_out(api: Api, make: Factory, sponsor: Any, guest: Any) -> None:
    await make(Referral, sponsor_user_id=sponsor.id, referral_code="7K3Q0M1XVB2R9TZ4HWE8")

    answer = await api.mutate("acceptReferral", guest, code=" 7k3q-omIx vb2r-9tz4-hwe8")

    assert answer.refusals("acceptReferral") == []


async def test_a_code_of_the_old_alphabet_is_accepted(api: Api, make: Factory, sponsor: Any, guest: Any) -> None:
    await make(Referral, sponsor_user_id=sponsor.id, referral_code="P-X|R+FT*w%&zab@1234")

    answer = await api.mutate("acceptReferral", guest, code="P-X|R+FT*w%&zab@1234")

    assert answer.refusals("acceptReferral") == []


# Declining


async def test_declining_needs_no_account(
    api: Api, sponsor: Any, invitation: Any, owner: asyncpg.Pool[Any], books: Books
) -> None:
    answer = await api.mutate("declineReferral", None, code=invitation.referral_code)

    assert answer["declineReferral"] == {"referral": None, "declined": True, "userErrors": []}
    assert (await kept(owner, invitation))["status"] == "declined"
    assert await books.events(invitation.id) == ["referral.declined"]
    assert await points_of(owner, sponsor) == []


async def test_who_declined_may_not_accept(api: Api, guest: Any, invitation: Any) -> None:
    await api.mutate("declineReferral", guest, code=invitation.referral_code)

    answer = await api.mutate("acceptReferral", guest, code=invitation.referral_code)

    assert answer.refusals("acceptReferral") == ["INVALID_STATE"]


async def test_who_declined_one_may_accept_another(api: Api, make: Factory, guest: Any, invitation: Any) -> None:
    await api.mutate("declineReferral", guest, code=invitation.referral_code)
    other = await invited_by(make, await person(make))

    assert (await api.mutate("acceptReferral", guest, code=other.referral_code)).refusals("acceptReferral") == []


# Expiring


async def test_after_a_week_an_invitation_has_expired(
    make: Factory, sponsor: Any, services: Services, owner: asyncpg.Pool[Any], books: Books
) -> None:
    due = await invited_by(make, sponsor, expired_at=now() - timedelta(seconds=1))
    fresh = await invited_by(make, sponsor, expired_at=now() + timedelta(minutes=5))
    answered = await invited_by(make, sponsor, status="declined", expired_at=now() - timedelta(days=1))

    await expire_referrals(services)
    await expire_referrals(services)

    assert [(await kept(owner, each))["status"] for each in (due, fresh, answered)] == ["expired", "sent", "declined"]
    assert await books.events(due.id) == ["referral.expired"]
    assert await books.events(fresh.id) == []


async def test_many_workers_expire_each_invitation_once(
    make: Factory, sponsor: Any, services: Services, books: Books
) -> None:
    due = [await invited_by(make, sponsor, expired_at=datetime(2020, 1, 1, tzinfo=UTC)) for _ in range(30)]

    await asyncio.gather(*(expire_referrals(services) for _ in range(5)))
    await expire_referrals(services)

    assert [await books.events(each.id) for each in due] == [["referral.expired"]] * 30


async def test_accepting_at_the_last_moment_and_expiring_one_wins(
    api: Api, make: Factory, sponsor: Any, services: Services, owner: asyncpg.Pool[Any]
) -> None:
    for _ in range(5):
        guest = await person(make)
        invitation = await invited_by(make, sponsor, expired_at=now() + timedelta(milliseconds=60))
        await asyncio.sleep(0.04)

        answer, _ = await asyncio.gather(
            api.mutate("acceptReferral", guest, code=invitation.referral_code), expire_referrals(services)
        )
        await asyncio.sleep(0.05)
        await expire_referrals(services)

        status = (await kept(owner, invitation))["status"]
        assert (answer.refusals("acceptReferral"), status) in (([], "accepted"), (["EXPIRED"], "expired"))
