"""Sponsors invite people, so many a day."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from lango.values import codes
from models.identity import User
from models.notifications import NotificationTemplate
from models.referrals import Referral, SponsorDailyLimit
from tests.books import Books
from tests.changes import Changes
from tests.client import Api
from tests.factories import Factory, now
from tests.referrals.calls import error_of, phones
from tests.referrals.conftest import minor, person


def here(zone: str = "Africa/Dakar") -> date:
    return datetime.now(ZoneInfo(zone)).date()


async def day_of(owner: asyncpg.Pool[Any], user: SimpleNamespace) -> Any:
    return await owner.fetchrow(
        "SELECT * FROM referrals.sponsor_daily_limits WHERE sponsor_user_id = $1 ORDER BY limit_date DESC LIMIT 1",
        user.id,
    )


async def test_each_invitation_has_a_code_and_a_week(api: Api, sponsor: Any, books: Books) -> None:
    people = [{"phone": "77 123 45 67", "name": "Awa"}, {"email": "Moussa@Example.SN"}]

    sent = (await api.mutate("sendReferrals", sponsor, invitees=people, message="Viens !"))["sendReferrals"]

    first, second = sent["referrals"]
    assert (first["invitedPhone"], first["invitedName"], first["status"]) == ("+221771234567", "Awa", "SENT")
    assert (second["invitedEmail"], second["invitedPhone"]) == ("moussa@example.sn", None)
    week = datetime.fromisoformat(first["expiredAt"]) - datetime.fromisoformat(first["sentAt"])
    assert week == timedelta(days=7)
    assert sent["left"] == 48
    assert await books.events(first["rowId"]) == ["referral.sent"]


async def test_the_order_in_the_day_is_kept(api: Api, sponsor: Any) -> None:
    first = await api.mutate("sendReferrals", sponsor, invitees=phones(3))
    second = await api.mutate("sendReferrals", sponsor, invitees=phones(2, begin=3))

    orders = [item["invitationOrder"] for answer in (first, second) for item in answer["sendReferrals"]["referrals"]]
    assert orders == [1, 2, 3, 4, 5]


async def test_with_49_sent_20_callers_at_once_add_exactly_one(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any]
) -> None:
    await make(SponsorDailyLimit, sponsor_user_id=sponsor.id, limit_date=here(), invitations_sent_today=49)

    answers = await asyncio.gather(
        *(api.mutate("sendReferrals", sponsor, invitees=phones(1, begin=place)) for place in range(20))
    )

    refusals = [answer.refusals("sendReferrals") for answer in answers]
    assert refusals.count([]) == 1
    assert refusals.count(["DAILY_LIMIT_REACHED"]) == 19
    assert (await day_of(owner, sponsor))["invitations_sent_today"] == 50
    assert await owner.fetchval("SELECT count(*) FROM referrals.referrals WHERE sponsor_user_id = $1", sponsor.id) == 1


async def test_the_first_of_the_day_at_once_have_one_count(api: Api, sponsor: Any, owner: asyncpg.Pool[Any]) -> None:
    await asyncio.gather(*(api.mutate("sendReferrals", sponsor, invitees=phones(2, begin=2 * n)) for n in range(10)))

    rows = await owner.fetch("SELECT * FROM referrals.sponsor_daily_limits WHERE sponsor_user_id = $1", sponsor.id)
    assert [row["invitations_sent_today"] for row in rows] == [20]
    orders = await owner.fetch(
        "SELECT invitation_order FROM referrals.referrals WHERE sponsor_user_id = $1 ORDER BY 1", sponsor.id
    )
    assert [row[0] for row in orders] == list(range(1, 21))


async def test_more_than_what_is_left_sends_nothing(api: Api, make: Factory, sponsor: Any, changes: Changes) -> None:
    await make(SponsorDailyLimit, sponsor_user_id=sponsor.id, limit_date=here(), invitations_sent_today=47)
    before = await changes.mark()

    error = error_of(await api.mutate("sendReferrals", sponsor, invitees=phones(4)), "sendReferrals")

    assert (error["code"], error["details"]) == ("DAILY_LIMIT_REACHED", {"left": 3, "limit": 50})
    assert error["field"] == ["invitees"]
    assert await changes.since(before) == []
    assert (await api.mutate("sendReferrals", sponsor, invitees=phones(3)))["sendReferrals"]["left"] == 0


async def test_the_limit_is_staffs_to_change_at_once(api: Api, sponsor: Any, configure: Any) -> None:
    await configure("referrals.daily_limit", 3)
    assert (await api.mutate("sendReferrals", sponsor, invitees=phones(3)))["sendReferrals"]["left"] == 0
    await configure("referrals.daily_limit", 5)
    assert (await api.mutate("sendReferrals", sponsor, invitees=phones(1, begin=9)))["sendReferrals"]["left"] == 1
    await configure("referrals.daily_limit", 2)

    error = error_of(await api.mutate("sendReferrals", sponsor, invitees=phones(1, begin=10)), "sendReferrals")

    assert (error["code"], error["details"]["left"]) == ("DAILY_LIMIT_REACHED", 0)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Africa/Dakar"])
async def test_the_day_is_that_of_the_sponsor(api: Api, make: Factory, owner: asyncpg.Pool[Any], zone: str) -> None:
    user = await person(make, timezone=zone)

    await api.mutate("sendReferrals", user, invitees=phones(1))

    day = await day_of(owner, user)
    midnight = datetime.combine(here(zone) + timedelta(days=1), datetime.min.time(), ZoneInfo(zone))
    assert (day["limit_date"], day["next_reset_at"]) == (here(zone), midnight.astimezone(UTC))


async def test_a_zone_that_nobody_knows_is_dakar(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    user = await person(make, timezone="Atlantis/Main")

    assert (await api.mutate("sendReferrals", user, invitees=phones(1))).refusals("sendReferrals") == []
    assert (await day_of(owner, user))["limit_date"] == here()


async def test_the_next_day_begins_at_nothing_and_goes_on_in_a_row(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any]
) -> None:
    await make(SponsorDailyLimit, sponsor_user_id=sponsor.id, limit_date=here() - timedelta(days=1),
               invitations_sent_today=50, consecutive_active_days=3, total_lifetime_invitations=120)  # fmt: skip

    await api.mutate("sendReferrals", sponsor, invitees=phones(2))

    day = await day_of(owner, sponsor)
    assert (day["invitations_sent_today"], day["consecutive_active_days"], day["total_lifetime_invitations"]) == (
        2,
        4,
        122,
    )


async def test_after_a_day_without_any_the_row_begins_anew(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any]
) -> None:
    await make(SponsorDailyLimit, sponsor_user_id=sponsor.id, limit_date=here() - timedelta(days=2),
               invitations_sent_today=9, consecutive_active_days=3, total_lifetime_invitations=9)  # fmt: skip

    await api.mutate("sendReferrals", sponsor, invitees=phones(1))

    day = await day_of(owner, sponsor)
    assert (day["consecutive_active_days"], day["total_lifetime_invitations"]) == (1, 10)


# Whom


@pytest.mark.parametrize("status", ["sent", "accepted"])
@pytest.mark.parametrize("way", ["phone", "email"])
async def test_nobody_is_invited_twice(
    api: Api, make: Factory, sponsor: Any, changes: Changes, status: str, way: str
) -> None:
    contact = {"phone": "+221771112233", "email": "fatou@example.sn"}
    await make(Referral, sponsor_user_id=sponsor.id, referral_code=codes.new(), invited_phone=contact["phone"],
               invited_email=contact["email"], status=status)  # fmt: skip
    before = await changes.mark()

    answer = await api.mutate("sendReferrals", sponsor, invitees=[*phones(3), {way: contact[way].upper()}])

    error = error_of(answer, "sendReferrals")
    assert (error["code"], error["field"]) == ("ALREADY_INVITED", ["invitees", "3", way])
    assert await changes.since(before) == []


async def test_the_same_person_twice_in_one_call_is_refused(api: Api, sponsor: Any, changes: Changes) -> None:
    before = await changes.mark()

    answer = await api.mutate(
        "sendReferrals", sponsor, invitees=[{"phone": "771234567"}, {"phone": "+221 77 123 45 67"}]
    )

    error = error_of(answer, "sendReferrals")
    assert (error["code"], error["field"]) == ("ALREADY_INVITED", ["invitees", "1", "phone"])
    assert await changes.since(before) == []


async def test_many_at_once_invite_one_person_once(api: Api, sponsor: Any, owner: asyncpg.Pool[Any]) -> None:
    answers = await asyncio.gather(*(api.mutate("sendReferrals", sponsor, invitees=phones(1)) for _ in range(20)))

    refusals = [answer.refusals("sendReferrals") for answer in answers]
    assert sorted(refusals) == [[]] + [["ALREADY_INVITED"]] * 19
    assert (await day_of(owner, sponsor))["invitations_sent_today"] == 1


@pytest.mark.parametrize(
    "given",
    [
        {"status": "declined", "declined_at": now() - timedelta(days=30, seconds=1)},
        {"status": "declined", "sent_at": now() - timedelta(days=30, seconds=1)},
        {"status": "expired"},
        {"status": "sent", "expired_at": now()},
    ],
)
async def test_who_declined_long_ago_or_let_it_expire_may_be_invited_again(
    api: Api, make: Factory, sponsor: Any, given: dict[str, Any]
) -> None:
    await make(Referral, sponsor_user_id=sponsor.id, referral_code=codes.new(), invited_phone="+221771112233", **given)

    answer = await api.mutate("sendReferrals", sponsor, invitees=[{"phone": "+221771112233"}])

    assert answer.refusals("sendReferrals") == []


async def test_two_sponsors_may_invite_the_same_person(api: Api, make: Factory, sponsor: Any) -> None:
    other = await person(make)

    for each in (sponsor, other):
        assert (await api.mutate("sendReferrals", each, invitees=phones(1))).refusals("sendReferrals") == []


@pytest.mark.parametrize("way", ["phone", "email"])
async def test_a_user_who_switched_invitations_off_gets_none(
    api: Api, make: Factory, sponsor: Any, changes: Changes, way: str
) -> None:
    number = f"+22170{uuid4().int % 10**7:07d}"
    quiet = await person(make, user={"phone": number}, allow_contact_by_sponsors=False)
    before = await changes.mark()

    answer = await api.mutate("sendReferrals", sponsor, invitees=[*phones(1), {way: getattr(quiet, way)}])

    error = error_of(answer, "sendReferrals")
    assert (error["code"], error["field"]) == ("CONTACT_OPTED_OUT", ["invitees", "1", way])
    assert await changes.since(before) == []


async def test_nobody_invites_themselves(api: Api, sponsor: Any, changes: Changes) -> None:
    before = await changes.mark()

    answer = await api.mutate("sendReferrals", sponsor, invitees=[{"email": sponsor.email.upper()}])

    assert answer.refusals("sendReferrals") == ["OWN_CONTACT"]
    assert await changes.since(before) == []


@pytest.mark.parametrize(
    ("invitee", "code", "field"),
    [
        ({"phone": "123"}, "PHONE_NOT_VALID", ["invitees", "1", "phone"]),
        ({"phone": "call me"}, "PHONE_NOT_VALID", ["invitees", "1", "phone"]),
        ({"phone": "+221771234567;ext=5"}, "PHONE_NOT_VALID", ["invitees", "1", "phone"]),
        ({"phone": "🎂"}, "PHONE_NOT_VALID", ["invitees", "1", "phone"]),
        ({"email": "nobody"}, "EMAIL_NOT_VALID", ["invitees", "1", "email"]),
        ({"email": "a@b@c.sn"}, "EMAIL_NOT_VALID", ["invitees", "1", "email"]),
        ({"email": "a\nBcc: x@example.sn"}, "EMAIL_NOT_VALID", ["invitees", "1", "email"]),
        ({"email": "a\u200d@example.sn"}, "EMAIL_NOT_VALID", ["invitees", "1", "email"]),
        ({"name": "Awa"}, "CONTACT_MISSING", ["invitees", "1"]),
        ({"phone": "", "email": ""}, "CONTACT_MISSING", ["invitees", "1"]),
    ],
)
async def test_an_invitee_with_an_invalid_contact_is_named(
    api: Api, sponsor: Any, changes: Changes, invitee: dict[str, str], code: str, field: list[str]
) -> None:
    before = await changes.mark()

    error = error_of(await api.mutate("sendReferrals", sponsor, invitees=[*phones(1), invitee]), "sendReferrals")

    assert (error["code"], error["field"]) == (code, field)
    assert await changes.since(before) == []


@pytest.mark.parametrize(
    ("locale", "written", "stored"),
    [("fr-SN", "77 123 45 67", "+221771234567"), ("fr-FR", "06 12 34 56 78", "+33612345678"),
     ("en-KE", "0712 345678", "+254712345678"), ("fr", "771234567", "+221771234567"),
     ("fr-SN", "00 33 6 12 34 56 78", "+33612345678"), ("fr-SN", "+221 (77) 123-45-67", "+221771234567")],
)  # fmt: skip
async def test_a_number_is_read_as_in_the_sponsors_country(
    api: Api, make: Factory, locale: str, written: str, stored: str
) -> None:
    user = await person(make, locale=locale)

    sent = await api.mutate("sendReferrals", user, invitees=[{"phone": written}])

    assert sent["sendReferrals"]["referrals"][0]["invitedPhone"] == stored


async def test_nobody_to_invite_is_refused(api: Api, sponsor: Any) -> None:
    assert (await api.mutate("sendReferrals", sponsor, invitees=[])).refusals("sendReferrals") == ["NOBODY_INVITED"]


async def test_too_long_texts_are_bad_input(api: Api, sponsor: Any) -> None:
    answer = await api.mutate("sendReferrals", sponsor, invitees=[{"phone": "7" * 41}])

    assert answer.codes == ["BAD_USER_INPUT"]


async def test_the_person_is_written_to_with_the_code(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any]
) -> None:
    template = await make(NotificationTemplate, template_key="referral_invitation", body_text="{user_name}: {code} {message}",
                          subject="Invitation", channels=["sms", "email"])  # fmt: skip
    sent = await api.mutate("sendReferrals", sponsor, message="Viens", invitees=[*phones(1), {"email": "a@example.sn"}])
    await owner.execute("UPDATE notifications.notification_templates SET is_active = false WHERE id = $1", template.id)

    first, second = sent["sendReferrals"]["referrals"]
    rows = await owner.fetch(
        "SELECT * FROM notifications.notifications WHERE template_id = $1 ORDER BY channel DESC", template.id
    )
    assert [(row["channel"], row["recipient_identifier"], row["body"]) for row in rows] == [
        ("sms", "+221771000000", f"Awa: {first['referralCode']} Viens"),
        ("email", "a@example.sn", f"Awa: {second['referralCode']} Viens"),
    ]


# Who


async def test_a_guardian_invites_for_a_minor(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    child, guardian = await minor(make)

    answer = await api.mutate("sendReferrals", guardian, invitees=phones(1), sponsorId=str(child.id))

    assert answer.refusals("sendReferrals") == []
    assert (await day_of(owner, child))["invitations_sent_today"] == 1
    assert await day_of(owner, guardian) is None


async def test_nobody_invites_for_a_stranger(api: Api, make: Factory, sponsor: Any, changes: Changes) -> None:
    stranger = await person(make)
    before = await changes.mark()

    answer = await api.mutate("sendReferrals", sponsor, invitees=phones(1), sponsorId=str(stranger.id))

    assert answer.refusals("sendReferrals") == ["NOT_FOUND"]
    assert await changes.since(before) == []


async def test_without_a_token_nobody_is_invited(api: Api) -> None:
    assert (await api.mutate("sendReferrals", None, invitees=phones(1))).codes == ["UNAUTHENTICATED"]


async def test_a_user_without_a_profile_invites_as_well(api: Api, make: Factory) -> None:
    assert (await api.mutate("sendReferrals", await make(User), invitees=phones(1))).refusals("sendReferrals") == []


async def test_a_retry_sends_nothing_again(api: Api, sponsor: Any, owner: asyncpg.Pool[Any]) -> None:
    key = str(uuid4())

    first = await api.mutate("sendReferrals", sponsor, invitees=phones(2), idempotencyKey=key)
    again = await api.mutate("sendReferrals", sponsor, invitees=phones(2), idempotencyKey=key)

    assert again.data == first.data
    assert (await day_of(owner, sponsor))["invitations_sent_today"] == 2


async def test_a_stranger_reads_neither_invitation_nor_code(api: Api, make: Factory, sponsor: Any) -> None:
    sent = await api.mutate("sendReferrals", sponsor, invitees=phones(1))
    key = sent["sendReferrals"]["referrals"][0]["rowId"]
    query = "query ($id: ID!) { referral(id: $id) { referralCode } }"

    assert (await api(query, {"id": key}, as_=sponsor))["referral"] is not None
    assert (await api(query, {"id": key}, as_=await person(make)))["referral"] is None
