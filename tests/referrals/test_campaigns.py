"""Campaigns boost the points of those they are for, while their budget lasts."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from lango.rules.services import Services
from models.identity import User
from models.packs import Pack, SponsorCampaign
from models.pots import Pot
from models.profiles import UserAddress
from resolvers.packs.campaign_counters import count_campaigns
from resolvers.packs.campaigns import complete_ended_campaigns
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF, Api
from tests.factories import Factory, now
from tests.referrals.calls import error_of
from tests.referrals.conftest import person
from tests.referrals.test_answers import invited_by, points_of

CREATED = {
    "sponsorCompanyName": "Wave", "campaignName": "Fête", "budgetCfa": 10_000, "pointsMultiplier": "2.00",
    "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2030-01-01T00:00:00Z",
}  # fmt: skip
STEPS = ["startCampaign", "pauseCampaign", "completeCampaign"]


async def running(make: Factory, **given: Any) -> SimpleNamespace:
    usual = {"status": "active", "starts_at": now() - timedelta(days=1), "ends_at": now() + timedelta(days=1),
             "budget_cfa": 100_000, "points_multiplier": Decimal("1.50")}  # fmt: skip
    return await make(SponsorCampaign, **(usual | given))


async def accepted(api: Api, make: Factory, sponsor: Any, guest: Any) -> None:
    invitation = await invited_by(make, sponsor)
    answer = await api.mutate("acceptReferral", guest, code=invitation.referral_code)
    assert answer.refusals("acceptReferral") == []


async def kept(owner: asyncpg.Pool[Any], campaign: SimpleNamespace) -> Any:
    return await owner.fetchrow("SELECT * FROM packs.sponsor_campaigns WHERE id = $1", campaign.id)


async def earned(owner: asyncpg.Pool[Any], sponsor: SimpleNamespace) -> list[int]:
    return [row["points_earned"] for row in await points_of(owner, sponsor)]


# The boost


async def test_a_campaign_multiplies_the_points_and_pays_for_the_extra_ones(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any]
) -> None:
    campaign = await running(make)

    await accepted(api, make, sponsor, await person(make))

    (points,) = await points_of(owner, sponsor)
    assert (points["points_earned"], points["sponsor_boost_multiplier"]) == (150, Decimal("1.50"))
    assert points["metadata"] == f'{{"costCfa": 250, "campaign": "{campaign.id}"}}'
    row = await kept(owner, campaign)
    # 50 extra points at 5 francs.
    assert (row["spent_cfa"], row["conversions"]) == (250, 1)


async def test_a_campaign_gets_back_what_it_paid_for_points_that_are_revoked(
    api: Api, make: Factory, staff: Any, sponsor: Any, owner: asyncpg.Pool[Any]
) -> None:
    campaign = await running(make)
    await accepted(api, make, sponsor, await person(make))
    (points,) = await points_of(owner, sponsor)

    await api.mutate("revokePoints", staff, STAFF, pointsLedgerEntryId=str(points["id"]), reason="An account before")
    again = await api.mutate("revokePoints", staff, STAFF, pointsLedgerEntryId=str(points["id"]), reason="Twice")

    row = await kept(owner, campaign)
    assert (row["spent_cfa"], row["conversions"]) == (0, 0)
    assert again.refusals("revokePoints") == ["INVALID_STATE"]


async def test_the_best_of_several_boosts(api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any]) -> None:
    best, other = await running(make, points_multiplier=Decimal("2.00")), await running(make)

    await accepted(api, make, sponsor, await person(make))

    assert await earned(owner, sponsor) == [200]
    assert [(await kept(owner, each))["spent_cfa"] for each in (best, other)] == [500, 0]


async def test_where_the_best_has_too_little_left_the_next_boosts(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any]
) -> None:
    best = await running(make, points_multiplier=Decimal("2.00"), budget_cfa=1000, spent_cfa=501)
    await running(make)

    await accepted(api, make, sponsor, await person(make))

    assert await earned(owner, sponsor) == [150]
    assert (await kept(owner, best))["spent_cfa"] == 501


async def test_a_budget_is_spent_to_the_last_franc(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any]
) -> None:
    campaign = await running(make, budget_cfa=1000, spent_cfa=750)

    for _ in range(2):
        await accepted(api, make, sponsor, await person(make))

    assert sorted(await earned(owner, sponsor)) == [100, 150]
    assert (await kept(owner, campaign))["spent_cfa"] == 1000


async def test_100_acceptances_at_once_against_a_budget_for_3_boost_exactly_3(
    api: Api, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    campaign = await running(make, budget_cfa=999)
    sponsors = [await person(make) for _ in range(10)]
    pairs = [(sponsors[place % 10], await person(make)) for place in range(100)]

    await asyncio.gather(*(accepted(api, make, *pair) for pair in pairs))

    points = [number for each in sponsors for number in await earned(owner, each)]
    assert sorted(points) == [100] * 97 + [150] * 3
    row = await kept(owner, campaign)
    assert (row["spent_cfa"], row["conversions"]) == (750, 3)


@pytest.mark.parametrize(
    "given",
    [
        {"status": "draft"}, {"status": "paused"}, {"status": "completed"},
        {"starts_at": now() + timedelta(hours=1)}, {"ends_at": now() - timedelta(seconds=1)},
        {"points_multiplier": Decimal("1.00")}, {"points_multiplier": Decimal("0.50")}, {"points_multiplier": None},
        {"budget_cfa": 249},
    ],
)  # fmt: skip
async def test_a_campaign_that_does_not_run_boosts_nothing(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any], given: dict[str, Any]
) -> None:
    campaign = await running(make, **given)

    await accepted(api, make, sponsor, await person(make))

    assert await earned(owner, sponsor) == [100]
    assert (await kept(owner, campaign))["spent_cfa"] == 0


@pytest.mark.parametrize(
    ("targets", "points"),
    [
        (None, 150), ("{}", 150), ('{"age": null, "regions": []}', 150),
        ('{"age": [18, 45]}', 150), ('{"age": [30, 30]}', 150), ('{"age": [null, 30]}', 150), ('{"age": [30, null]}', 150),
        ('{"age": [31, 45]}', 100), ('{"age": [18, 29]}', 100),
        ('{"regions": ["Dakar", "thiès"]}', 150), ('{"regions": ["Dakar"]}', 100),
        ('{"interests": ["Cinema"]}', 150), ('{"interests": ["romance"]}', 150), ('{"interests": ["spa"]}', 100),
        ('{"age": [18, 45], "regions": ["Thiès"], "interests": ["cinema"]}', 150),
        ('{"age": [18, 45], "regions": ["Dakar"], "interests": ["cinema"]}', 100),
        # What nobody understands is for nobody.
        ('{"shoe_size": [40]}', 100), ('{"age": "young"}', 100), ('{"age": ["a", "b"]}', 100), ('{"age": [1]}', 100),
        ('["Dakar"]', 100), ('"all"', 100), ('{"regions": {"a": 1}}', 100),
    ],
)  # fmt: skip
async def test_a_campaign_is_for_those_it_targets(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any], targets: str | None, points: int
) -> None:
    """The guest is 30, lives in Thiès, and wishes for a romantic evening at the cinema."""
    today = date.today()
    guest = await person(make, date_of_birth=today.replace(year=today.year - 30, day=min(today.day, 28)))
    await make(UserAddress, user_id=guest.id, region="Thiès")
    pack = await make(Pack, category="cinema", marketing_tags=["romance"])
    await make(Pot, owner_user_id=guest.id, preferred_pack_id=pack.id)
    await running(make, target_demographics=targets)

    await accepted(api, make, sponsor, guest)

    assert await earned(owner, sponsor) == [points]


async def test_zero_points_are_not_boosted(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any], configure: Any
) -> None:
    campaign = await running(make)
    await configure("points.referral_accepted", 0)

    await accepted(api, make, sponsor, await person(make))

    assert await earned(owner, sponsor) == []
    assert (await kept(owner, campaign))["conversions"] == 0


async def test_of_whom_nothing_is_known_only_a_campaign_for_everyone_is(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any]
) -> None:
    await running(make, target_demographics='{"age": [0, 120]}', points_multiplier=Decimal("3.00"))
    await running(make)

    await accepted(api, make, sponsor, await make(User))

    assert await earned(owner, sponsor) == [150]


@pytest.mark.parametrize("whose", ["guest", "sponsor", "nobody"])
async def test_a_campaign_for_packs_boosts_where_one_of_the_two_wishes_for_such(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any], whose: str
) -> None:
    guest = await person(make)
    pack = await make(Pack, category="cinema")
    if whose != "nobody":
        await make(Pot, owner_user_id=guest.id if whose == "guest" else sponsor.id, preferred_pack_id=pack.id)
    await make(Pot, owner_user_id=guest.id, preferred_pack_id=pack.id, status="expired")
    await running(make, pack_categories=["spa", "cinema"])

    await accepted(api, make, sponsor, guest)

    assert await earned(owner, sponsor) == [100 if whose == "nobody" else 150]


# Staff run them


async def test_staff_prepare_and_start_a_campaign(api: Api, make: Factory, staff: Any, books: Books) -> None:
    targets = {"minAge": 18, "regions": ["Dakar"], "interests": []}

    made = await api.mutate("createCampaign", staff, STAFF, **CREATED, targets=targets, packCategories=["spa"])

    campaign = made["createCampaign"]["campaign"]
    assert (campaign["status"], campaign["pointsMultiplier"], campaign["spentCfa"]) == ("DRAFT", "2.00", 0)
    assert campaign["targetDemographics"] == {"age": [18, None], "regions": ["Dakar"]}
    assert campaign["packCategories"] == ["spa"]
    states = [(await api.mutate(name, staff, STAFF, campaignId=campaign["rowId"]))[name]["campaign"]["status"]
              for name in ("startCampaign", "pauseCampaign", "startCampaign", "completeCampaign")]  # fmt: skip
    assert states == ["ACTIVE", "PAUSED", "ACTIVE", "COMPLETED"]
    assert await books.events(campaign["rowId"]) == [
        "campaign.created", "campaign.started", "campaign.paused", "campaign.started", "campaign.completed",
    ]  # fmt: skip


async def test_a_campaign_multiplies_by_one_and_a_half_by_default(api: Api, staff: Any) -> None:
    values = {name: value for name, value in CREATED.items() if name != "pointsMultiplier"}

    made = await api.mutate("createCampaign", staff, STAFF, **values)

    assert made["createCampaign"]["campaign"]["pointsMultiplier"] == "1.50"


INVALID = [
    ({"campaignName": " "}, "TEXT_MISSING", ["campaignName"]),
    ({"sponsorCompanyName": ""}, "TEXT_MISSING", ["sponsorCompanyName"]),
    ({"budgetCfa": 0}, "AMOUNT_NOT_POSITIVE", ["budgetCfa"]),
    ({"pointsMultiplier": "1.00"}, "MULTIPLIER_TOO_SMALL", ["pointsMultiplier"]),
    ({"pointsMultiplier": "-2"}, "MULTIPLIER_TOO_SMALL", ["pointsMultiplier"]),
    ({"pointsMultiplier": "1.555"}, "AMOUNT_OUT_OF_RANGE", ["pointsMultiplier"]),
    ({"pointsMultiplier": "10"}, "AMOUNT_OUT_OF_RANGE", ["pointsMultiplier"]),
    ({"endsAt": "2025-12-31T00:00:00Z"}, "DATES_NOT_IN_ORDER", ["endsAt"]),
    ({"endsAt": "9999-12-31T00:00:00Z"}, "DATES_NOT_IN_ORDER", ["endsAt"]),
    ({"targets": {"minAge": 40, "maxAge": 20}}, "AGES_NOT_IN_ORDER", ["targets", "maxAge"]),
    ({"targets": {"minAge": -1}}, "AGES_NOT_IN_ORDER", ["targets", "minAge"]),
]


@pytest.mark.parametrize(("given", "code", "field"), INVALID)
async def test_a_campaign_that_does_not_hold_together_is_refused(
    api: Api, make: Factory, staff: Any, changes: Changes, given: dict[str, Any], code: str, field: list[str]
) -> None:
    campaign = await running(make, starts_at=now(), ends_at=now() + timedelta(days=9))
    before = await changes.mark()

    made = error_of(await api.mutate("createCampaign", staff, STAFF, **(CREATED | given)), "createCampaign")
    changed = error_of(
        await api.mutate("updateCampaign", staff, STAFF, campaignId=str(campaign.id), **given), "updateCampaign"
    )

    assert (made["code"], made["field"]) == (changed["code"], changed["field"]) == (code, field)
    assert await changes.since(before) == []


async def test_a_campaign_is_changed_in_part(api: Api, make: Factory, staff: Any) -> None:
    campaign = await running(make, spent_cfa=500, target_demographics='{"age": [1, 2]}', pack_categories=["spa"])

    answer = await api.mutate("updateCampaign", staff, STAFF, campaignId=str(campaign.id), budgetCfa=500, targets={},
                            packCategories=[])  # fmt: skip

    assert answer["updateCampaign"]["campaign"] == {
        "status": "ACTIVE", "pointsMultiplier": "1.50", "budgetCfa": 500, "targetDemographics": {},
        "packCategories": [], "campaignName": campaign.campaign_name,
    }  # fmt: skip


async def test_a_budget_does_not_fall_below_what_is_spent(
    api: Api, make: Factory, staff: Any, changes: Changes
) -> None:
    campaign = await running(make, spent_cfa=500)
    before = await changes.mark()

    error = error_of(
        await api.mutate("updateCampaign", staff, STAFF, campaignId=str(campaign.id), budgetCfa=499), "updateCampaign"
    )

    assert (error["code"], error["details"]) == ("BUDGET_BELOW_SPENT", {"spentCfa": 500})
    assert await changes.since(before) == []


@pytest.mark.parametrize(
    ("status", "allowed"),
    [("draft", {"startCampaign"}), ("active", {"pauseCampaign", "completeCampaign"}),
     ("paused", {"startCampaign", "completeCampaign"}), ("completed", set())],
)  # fmt: skip
async def test_a_campaign_goes_from_state_to_state(
    api: Api, make: Factory, staff: Any, status: str, allowed: set[str]
) -> None:
    done = set()
    for name in STEPS:
        campaign = await running(make, status=status)
        answer = await api.mutate(name, staff, STAFF, campaignId=str(campaign.id))
        if not answer.refusals(name):
            done.add(name)
        else:
            assert error_of(answer, name)["code"] == "INVALID_STATE"
            assert error_of(answer, name)["details"] == {"state": status}

    assert done == allowed


async def test_a_completed_campaign_is_not_changed(api: Api, make: Factory, staff: Any) -> None:
    campaign = await running(make, status="completed")

    answer = await api.mutate("updateCampaign", staff, STAFF, campaignId=str(campaign.id), budgetCfa=7)

    assert answer.refusals("updateCampaign") == ["INVALID_STATE"]


async def test_a_campaign_whose_time_is_over_is_not_started(api: Api, make: Factory, staff: Any) -> None:
    campaign = await running(make, status="paused", ends_at=now() - timedelta(seconds=1))

    answer = await api.mutate("startCampaign", staff, STAFF, campaignId=str(campaign.id))

    assert answer.refusals("startCampaign") == ["CAMPAIGN_OVER"]


async def test_a_campaign_whose_time_is_over_completes(
    make: Factory, services: Services, owner: asyncpg.Pool[Any], books: Books
) -> None:
    ended = await running(make, ends_at=now() - timedelta(seconds=1))
    others = [await running(make), await running(make, status="draft", ends_at=now() - timedelta(days=1))]

    await asyncio.gather(*(complete_ended_campaigns(services) for _ in range(3)))

    assert [(await kept(owner, each))["status"] for each in (ended, *others)] == ["completed", "active", "draft"]
    assert await books.events(ended.id) == ["campaign.completed"]


@pytest.mark.parametrize("name", ["createCampaign", "updateCampaign", *STEPS])
async def test_only_staff_run_campaigns(api: Api, make: Factory, changes: Changes, name: str) -> None:
    campaign, user = await running(make), await person(make)
    values = CREATED if name == "createCampaign" else {"campaignId": str(campaign.id)}
    before = await changes.mark()

    assert (await api.mutate(name, user, **values)).codes == ["FORBIDDEN"]
    assert (await api.mutate(name, None, **values)).codes == ["UNAUTHENTICATED"]
    assert await changes.since(before) == []


@pytest.mark.parametrize("name", ["updateCampaign", *STEPS])
async def test_a_campaign_that_is_none_is_not_found(api: Api, staff: Any, name: str) -> None:
    assert (await api.mutate(name, staff, STAFF, campaignId=str(uuid4()))).refusals(name) == ["NOT_FOUND"]


# Impressions and clicks


async def test_impressions_and_clicks_are_counted(
    api: Api, make: Factory, services: Services, owner: asyncpg.Pool[Any]
) -> None:
    campaign, other, user = await running(make), await running(make, impressions=7), await person(make)
    shown, clicked = "recordCampaignImpression", "recordCampaignClick"
    for name, count in ((shown, 5), (clicked, 2)):
        for place in range(count):
            answer = await api.mutate(name, user if place % 2 else None, campaignId=str(campaign.id), visitor="v1",
                                platform="MOBILE_APP")  # fmt: skip
            assert answer[name]["campaign"] == {"campaignName": campaign.campaign_name}

    await count_campaigns(services)
    await asyncio.gather(*(count_campaigns(services) for _ in range(3)))

    row = await kept(owner, campaign)
    assert (row["impressions"], row["clicks"]) == (5, 2)
    # What was counted before, from events that are not kept any more, stays.
    assert (await kept(owner, other))["impressions"] == 7


async def test_showing_a_campaign_waits_for_nobody(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    campaign = await running(make)
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM packs.sponsor_campaigns WHERE id = $1 FOR UPDATE", campaign.id)
        answer = await asyncio.wait_for(api.mutate("recordCampaignImpression", None, campaignId=str(campaign.id)), 10)

    assert answer.refusals("recordCampaignImpression") == []


@pytest.mark.parametrize(
    "given", [{"status": "paused"}, {"status": "draft"}, {"ends_at": now() - timedelta(seconds=1)}]
)
async def test_what_nobody_sees_is_not_shown(api: Api, make: Factory, given: dict[str, Any]) -> None:
    campaign = await running(make, **given)

    answer = await api.mutate("recordCampaignClick", None, campaignId=str(campaign.id))

    assert answer.refusals("recordCampaignClick") == ["NOT_FOUND"]
