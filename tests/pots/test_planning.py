"""Planning a pot, changing what it says, sharing and closing it."""

from __future__ import annotations

import asyncio
import re
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from models.identity import User
from models.packs import Pack
from models.pots import Pot
from models.profiles import Profile
from models.referrals import Referral
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF, Api
from tests.factories import Factory, now
from tests.pots.planning import Planning

DAKAR = "Africa/Dakar"


async def minor_of(make: Factory, guardian: Any, *, accepted: bool = True, years: int = 12) -> Any:
    minor = await make(User)
    born = date.today() - timedelta(days=years * 365)
    await make(Profile, user_id=minor.id, date_of_birth=born, guardian_user_id=guardian.id, relationship_type="parent",
               guardian_accepted_at=now() if accepted else None)  # fmt: skip
    return minor


# createPot


async def test_a_pot_opens_30_days_before_the_birthday_at_midnight_in_its_time_zone(
    planning: Planning, owner_of_pots: Any, books: Books
) -> None:
    answer = await planning.create(owner_of_pots, in_days=60, title=" Mes 30 ans ", timeZone="Africa/Nairobi")

    pot = answer["createPot"]["pot"]
    birthday = date.today() + timedelta(days=60)
    opens = datetime.combine(birthday - timedelta(days=30), datetime.min.time(), ZoneInfo("Africa/Nairobi"))
    assert answer.refusals("createPot") == []
    assert (pot["title"], pot["status"], pot["timeZone"]) == ("Mes 30 ans", "SCHEDULED", "Africa/Nairobi")
    assert datetime.fromisoformat(pot["scheduledOpenAt"]) == opens
    assert pot["actualOpenedAt"] is None
    assert (pot["raisedCfa"], pot["balanceCfa"], pot["visibility"]) == (0, 0, "PRIVATE")
    assert await books.events(pot["rowId"]) == ["pot.created"]


async def test_nearer_than_30_days_it_opens_at_once(
    planning: Planning, make: Factory, templates: Any, books: Books
) -> None:
    await templates("pot_opened", "{user_name}: {pot_title}")
    sponsor, owner = await make(User), await make(User)
    await make(Profile, user_id=owner.id, full_name="Awa Ndiaye")
    await make(Referral, sponsor_user_id=sponsor.id, sponsored_user_id=owner.id, status="accepted")

    pot = (await planning.create(owner, in_days=10))["createPot"]["pot"]

    assert (pot["status"], pot["title"], pot["timeZone"]) == ("OPEN", "Anniversaire de Awa", DAKAR)
    assert pot["actualOpenedAt"] == pot["scheduledOpenAt"]
    assert await books.events(pot["rowId"]) == ["pot.created", "pot.opened"]
    body = await planning.owner.fetchval("SELECT body FROM notifications.notifications WHERE user_id = $1", owner.id)
    assert body == "Awa: Anniversaire de Awa"
    earned = await planning.owner.fetchval(
        "SELECT points_earned FROM referrals.points_ledger WHERE sponsor_user_id = $1", sponsor.id
    )
    assert earned == 50


async def test_the_time_zone_is_the_owners_unless_another_is_named(planning: Planning, make: Factory) -> None:
    owner = await make(User)
    await make(Profile, user_id=owner.id, timezone="America/Montreal")

    own = (await planning.create(owner))["createPot"]["pot"]["timeZone"]
    named = (await planning.create(owner, timeZone="Europe/Paris"))["createPot"]["pot"]["timeZone"]
    unknown = await planning.create(owner, timeZone="Mars/Olympus")

    assert (own, named) == ("America/Montreal", "Europe/Paris")
    assert unknown.refusals("createPot") == ["TIME_ZONE_UNKNOWN"]


@pytest.mark.parametrize("days", [-1, 0, -10_000])
async def test_the_birthday_is_in_the_future(
    planning: Planning, owner_of_pots: Any, changes: Changes, days: int
) -> None:
    before = await changes.mark()

    assert (await planning.create(owner_of_pots, in_days=days)).refusals("createPot") == ["BIRTHDAY_NOT_IN_FUTURE"]
    assert await changes.since(before) == []


async def test_tomorrow_is_counted_in_the_pots_time_zone(planning: Planning, owner_of_pots: Any) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Honolulu"):
        today = datetime.now(ZoneInfo(zone)).date()
        given = {"targetAmountCfa": 1000, "timeZone": zone}
        refused = await planning("createPot", owner_of_pots, birthday=today.isoformat(), **given)
        planned = await planning("createPot", owner_of_pots, birthday=(today + timedelta(days=1)).isoformat(), **given)

        assert refused.refusals("createPot") == ["BIRTHDAY_NOT_IN_FUTURE"]
        assert planned["createPot"]["pot"]["status"] == "OPEN"


@pytest.mark.parametrize("birthday", ["9999-12-31", "2099-01-01"])
async def test_a_birthday_is_not_many_years_away(planning: Planning, owner_of_pots: Any, birthday: str) -> None:
    answer = await planning.create(owner_of_pots, birthday=birthday)

    assert answer.refusals("createPot") == ["BIRTHDAY_TOO_FAR"]


@pytest.mark.parametrize("birthday", ["2027-02-30", "tomorrow", "", 20270101, "0000-00-00", "12027-01-01"])
async def test_what_is_no_day_is_bad_input(planning: Planning, owner_of_pots: Any, birthday: Any) -> None:
    assert (await planning.create(owner_of_pots, birthday=birthday)).codes == ["BAD_USER_INPUT"]


@pytest.mark.parametrize(
    ("target", "refusal"), [(0, "AMOUNT_NOT_POSITIVE"), (-1, "AMOUNT_NOT_POSITIVE"), (1, None), (2**31 - 1, None)]
)
async def test_the_target_is_positive(planning: Planning, owner_of_pots: Any, target: int, refusal: str | None) -> None:
    answer = await planning.create(owner_of_pots, targetAmountCfa=target)

    assert answer.refusals("createPot") == ([] if refusal is None else [refusal])


@pytest.mark.parametrize("target", [10**30, 2**31, "NaN", "5", 100.5, None])
async def test_an_amount_that_is_not_a_whole_number_is_bad_input(
    planning: Planning, owner_of_pots: Any, target: Any
) -> None:
    assert (await planning.create(owner_of_pots, targetAmountCfa=target)).codes == ["BAD_USER_INPUT"]


async def test_a_minors_pot_is_planned_by_the_guardian(planning: Planning, make: Factory, changes: Changes) -> None:
    guardian, stranger = await make(User), await make(User)
    minor = await minor_of(make, guardian)
    before = await changes.mark()

    alone = await planning.create(minor)
    foreign = await planning.create(stranger, ownerId=str(minor.id))

    assert alone.refusals("createPot") == ["GUARDIAN_REQUIRED"]
    assert foreign.refusals("createPot") == ["NOT_FOUND"]
    assert await changes.since(before) == []
    planned = await planning.create(guardian, ownerId=str(minor.id))
    assert (await planning.row(planned["createPot"]["pot"]["rowId"]))["owner_user_id"] == minor.id


async def test_a_guardian_who_has_not_accepted_plans_nothing(planning: Planning, make: Factory) -> None:
    guardian = await make(User)
    minor = await minor_of(make, guardian, accepted=False)

    assert (await planning.create(guardian, ownerId=str(minor.id))).refusals("createPot") == ["NOT_FOUND"]


async def test_at_18_one_plans_for_oneself(planning: Planning, make: Factory) -> None:
    guardian = await make(User)
    grown = await minor_of(make, guardian, years=19)

    assert (await planning.create(grown)).refusals("createPot") == []
    assert (await planning.create(guardian, ownerId=str(grown.id))).refusals("createPot") == ["NOT_FOUND"]


async def test_the_guardian_goes_on_acting_for_the_minor(planning: Planning, make: Factory) -> None:
    guardian = await make(User)
    minor = await minor_of(make, guardian)
    key = (await planning.create(guardian, in_days=5, ownerId=str(minor.id)))["createPot"]["pot"]["rowId"]

    assert (await planning("updatePot", guardian, potId=key, title="Bon anniversaire")).refusals("updatePot") == []
    assert (await planning("sharePot", guardian, potId=key)).refusals("sharePot") == []
    assert (await planning("closePot", guardian, potId=key)).refusals("closePot") == []


@pytest.mark.parametrize("title", ["🎂🎉", "<script>alert(1)</script>", "كل عام", "'; DROP TABLE x", "x" * 255, "été"])
async def test_any_title_is_kept_as_it_is(planning: Planning, owner_of_pots: Any, title: str) -> None:
    assert (await planning.create(owner_of_pots, title=title))["createPot"]["pot"]["title"] == title


@pytest.mark.parametrize("given", [{"title": "x" * 256}, {"title": "nul\0"}, {"description": "x" * 5001}])
async def test_hostile_texts_are_bad_input(planning: Planning, owner_of_pots: Any, given: dict[str, str]) -> None:
    assert (await planning.create(owner_of_pots, **given)).codes == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("title", ["  ", "\u200b", "\u2800", "\u3164", "\u00ad", "\ufeff", "\u202e", "\x07"])
async def test_a_title_shows_something(planning: Planning, owner_of_pots: Any, title: str) -> None:
    answer = await planning.create(owner_of_pots, title=title)

    assert answer.refusals("createPot") == ["TEXT_MISSING"]


async def test_nothing_hides_in_a_title(planning: Planning, owner_of_pots: Any) -> None:
    answer = await planning.create(owner_of_pots, title="\u202eAwa\u202c\u200b\n Diop", description="one\r\ntwo\x1b")

    assert answer["createPot"]["pot"]["title"] == "Awa  Diop"
    assert answer["createPot"]["pot"]["description"] == "one\ntwo"


@pytest.mark.parametrize(
    "zone", ["CET", "MET", "EET", "WET", "localtime", "posix/Europe/Paris", "EST5EDT", "GMT+2", ""]
)
async def test_a_pot_is_in_a_zone_that_knows_its_summer(planning: Planning, owner_of_pots: Any, zone: str) -> None:
    answer = await planning.create(owner_of_pots, timeZone=zone)

    assert answer.refusals("createPot") == ["TIME_ZONE_UNKNOWN"]


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "/etc/passwd", "https://", "https://a b", "x"]
)
async def test_a_picture_has_the_address_of_one(planning: Planning, owner_of_pots: Any, url: str) -> None:
    cover = await planning.create(owner_of_pots, coverImageUrl=url)
    gallery = await planning.create(owner_of_pots, galleryImages=["https://cdn.example/1.png", url])

    assert cover.refusals("createPot") == gallery.refusals("createPot") == ["URL_NOT_VALID"]


async def test_pictures_and_wishes_are_kept(planning: Planning, make: Factory, owner_of_pots: Any) -> None:
    pack = await make(Pack)
    urls = [f"https://cdn.example/{number}.png" for number in range(20)]

    answer = await planning.create(
        owner_of_pots, description="Venez tous", coverImageUrl=urls[0], galleryImages=urls, preferredPackId=str(pack.id),
        visibility="FRIENDS_ONLY", allowAnonymousDonations=False, showDonorNames=False, enableMessages=False,
    )  # fmt: skip

    pot = answer["createPot"]["pot"]
    row = await planning.row(pot["rowId"])
    assert (pot["galleryImages"], pot["coverImageUrl"], pot["description"]) == (urls, urls[0], "Venez tous")
    assert (row["visibility"], row["preferred_pack_id"]) == ("friends_only", pack.id)
    assert (row["allow_anonymous_donations"], row["show_donor_names"], row["enable_messages"]) == (False,) * 3
    many = await planning.create(owner_of_pots, galleryImages=[*urls, urls[0]])
    assert many.refusals("createPot") == ["TOO_MANY"]


async def test_a_pack_that_there_is_not_cannot_be_wished_for(planning: Planning, owner_of_pots: Any) -> None:
    answer = await planning.create(owner_of_pots, preferredPackId=str(uuid4()))

    assert answer.refusals("createPot") == ["NOT_FOUND"]


async def test_without_a_token_nothing_is_planned(planning: Planning) -> None:
    assert (await planning.create(None)).codes == ["UNAUTHENTICATED"]


async def test_the_same_key_plans_one_pot(planning: Planning, owner_of_pots: Any) -> None:
    key = str(uuid4())

    answers = await asyncio.gather(*(planning.create(owner_of_pots, idempotencyKey=key) for _ in range(10)))

    assert len({answer["createPot"]["pot"]["rowId"] for answer in answers}) == 1


# updatePot


async def test_what_is_left_out_stays_and_an_empty_text_clears(planning: Planning, owner_of_pots: Any) -> None:
    pot = (await planning.create(owner_of_pots, title="Avant", description="alt"))["createPot"]["pot"]

    first = await planning("updatePot", owner_of_pots, potId=pot["rowId"], title="Après")
    second = await planning("updatePot", owner_of_pots, potId=pot["rowId"], description="", visibility="PUBLIC")

    assert (first["updatePot"]["pot"]["title"], first["updatePot"]["pot"]["description"]) == ("Après", "alt")
    changed = second["updatePot"]["pot"]
    assert (changed["title"], changed["description"], changed["visibility"]) == ("Après", None, "PUBLIC")


async def test_the_target_changes_only_before_the_pot_opens(
    planning: Planning, make: Factory, owner_of_pots: Any, changes: Changes
) -> None:
    planned = await make(Pot, owner_user_id=owner_of_pots.id, status="scheduled", target_amount_cfa=5)
    opened = await make(Pot, owner_user_id=owner_of_pots.id, status="open", target_amount_cfa=5)

    before = await changes.mark()
    refused = await planning("updatePot", owner_of_pots, potId=str(opened.id), targetAmountCfa=6)
    by_refusal = await changes.since(before)
    changed = await planning("updatePot", owner_of_pots, potId=str(planned.id), targetAmountCfa=6)
    same = await planning("updatePot", owner_of_pots, potId=str(opened.id), targetAmountCfa=5)

    assert refused.refusals("updatePot") == ["TARGET_FIXED"]
    assert by_refusal == []
    assert changed["updatePot"]["pot"]["targetAmountCfa"] == 6
    assert same.refusals("updatePot") == []


@pytest.mark.parametrize("target", [0, -1])
async def test_a_new_target_is_positive(planning: Planning, make: Factory, owner_of_pots: Any, target: int) -> None:
    pot = await make(Pot, owner_user_id=owner_of_pots.id, status="scheduled")

    answer = await planning("updatePot", owner_of_pots, potId=str(pot.id), targetAmountCfa=target)

    assert answer.refusals("updatePot") == ["AMOUNT_NOT_POSITIVE"]


@pytest.mark.parametrize("status", ["expired", "cancelled"])
async def test_an_ended_pot_is_not_changed(planning: Planning, make: Factory, owner_of_pots: Any, status: str) -> None:
    pot = await make(Pot, owner_user_id=owner_of_pots.id, status=status)

    answer = await planning("updatePot", owner_of_pots, potId=str(pot.id), title="Encore")

    assert answer.refusals("updatePot") == ["INVALID_STATE"]
    assert answer["updatePot"]["userErrors"][0]["details"] == {"state": status}


@pytest.mark.parametrize("name", ["updatePot", "sharePot", "closePot", "cancelPot"])
async def test_a_pot_is_its_owners(planning: Planning, make: Factory, changes: Changes, name: str) -> None:
    private, public = await make(Pot), await make(Pot, visibility="public")
    stranger = await make(User)
    before = await changes.mark()

    hidden = await planning(name, stranger, potId=str(private.id))
    seen = await planning(name, stranger, potId=str(public.id))
    nobody = await planning(name, None, potId=str(public.id))

    assert hidden.refusals(name) == ["NOT_FOUND"]
    assert seen.refusals(name) == ["NOT_YOUR_POT"]
    assert nobody.codes == ["UNAUTHENTICATED"]
    assert await changes.since(before) == []


# sharePot


async def test_the_owner_can_always_get_the_share_link(
    planning: Planning, make: Factory, api: Api, owner_of_pots: Any
) -> None:
    pot = await make(Pot, owner_user_id=owner_of_pots.id)
    query = "query ($token: String!) { pot(shareToken: $token) { rowId } }"

    first, again = [(await planning("sharePot", owner_of_pots, potId=str(pot.id)))["sharePot"] for _ in range(2)]

    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", first["shareToken"])
    assert again["shareToken"] == first["shareToken"]
    assert (await api(query, {"token": first["shareToken"]}))["pot"] == {"rowId": str(pot.id)}
    renewed = (await planning("sharePot", owner_of_pots, potId=str(pot.id), renew=True))["sharePot"]["shareToken"]
    assert (await api(query, {"token": first["shareToken"]}))["pot"] is None
    assert (await api(query, {"token": renewed}))["pot"] == {"rowId": str(pot.id)}


async def test_twenty_requests_at_once_get_one_token(planning: Planning, make: Factory, owner_of_pots: Any) -> None:
    pot = await make(Pot, owner_user_id=owner_of_pots.id)

    answers = await asyncio.gather(*(planning("sharePot", owner_of_pots, potId=str(pot.id)) for _ in range(20)))

    assert len({answer["sharePot"]["shareToken"] for answer in answers}) == 1


async def test_the_token_is_kept_nowhere_else(planning: Planning, make: Factory, owner_of_pots: Any) -> None:
    pot = await make(Pot, owner_user_id=owner_of_pots.id)
    token = (await planning("sharePot", owner_of_pots, potId=str(pot.id)))["sharePot"]["shareToken"]

    for table in ("admin.audit_logs", "platform.outbox_events", "platform.idempotency_keys"):
        rows = await planning.owner.fetchval(f"SELECT count(*) FROM {table} t WHERE position($1 IN t::text) > 0", token)
        assert rows == 0


# closePot


@pytest.mark.parametrize("status", ["open", "funded"])
async def test_a_closed_pot_keeps_what_it_has(
    planning: Planning, make: Factory, owner_of_pots: Any, books: Books, status: str
) -> None:
    pot = await make.funded_pot(5000, owner_user_id=owner_of_pots.id, status=status)

    answer = await planning("closePot", owner_of_pots, potId=str(pot.id))

    closed = answer["closePot"]["pot"]
    assert (closed["status"], closed["balanceCfa"]) == ("CLOSED", 5000)
    assert closed["closedAt"] is not None
    assert await books.events(pot.id) == ["pot.closed"]


@pytest.mark.parametrize("status", ["scheduled", "closed", "expired", "cancelled"])
async def test_only_an_open_or_funded_pot_is_closed(
    planning: Planning, make: Factory, owner_of_pots: Any, changes: Changes, status: str
) -> None:
    pot = await make(Pot, owner_user_id=owner_of_pots.id, status=status)
    before = await changes.mark()

    assert (await planning("closePot", owner_of_pots, potId=str(pot.id))).refusals("closePot") == ["INVALID_STATE"]
    assert await changes.since(before) == []


async def test_of_ten_who_close_it_at_once_one_does(
    planning: Planning, make: Factory, owner_of_pots: Any, books: Books
) -> None:
    pot = await make(Pot, owner_user_id=owner_of_pots.id)

    answers = await asyncio.gather(*(planning("closePot", owner_of_pots, potId=str(pot.id)) for _ in range(10)))

    assert sorted(answer.refusals("closePot") for answer in answers) == [[]] + [["INVALID_STATE"]] * 9
    assert await books.events(pot.id) == ["pot.closed"]


async def test_staff_may_close(planning: Planning, make: Factory) -> None:
    pot, staff = await make(Pot), await make.staff()

    assert (await planning("closePot", staff, STAFF, potId=str(pot.id))).refusals("closePot") == []
