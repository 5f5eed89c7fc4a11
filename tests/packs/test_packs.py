"""What a partner's owners and managers do with its packs, a sentence a test."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from models.identity import User
from models.packs import Pack, Partner
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF, Answer, Api
from tests.factories import Factory

EVENING = {"name": "Soirée ciné", "description": "Deux places.", "category": "cinema", "basePriceCfa": 5000}


async def create(api: Api, shop: Any, as_: Any = None, **given: Any) -> Answer:
    return await api.mutate("createPack", as_ or shop.manager, partnerId=shop.partner, **{**EVENING, **given})


async def packs(owner: asyncpg.Pool[Any], partner: Any) -> list[Any]:
    return list(await owner.fetch("SELECT * FROM packs.packs WHERE partner_id = $1 ORDER BY id", partner.id))


# createPack


@pytest.mark.parametrize("who", ["owner", "manager"])
async def test_owners_and_managers_make_a_pack_that_is_not_on_offer_yet(
    api: Api, make: Factory, shop: Any, who: str
) -> None:
    answer = await create(
        api, shop, getattr(shop, who), discountedPriceCfa=4500, availableFrom="2026-01-01", availableUntil="2027-01-01",
        totalAvailableQuantity=100, imageUrl="https://media.example/a.jpg", galleryImages=["https://media.example/b.jpg"],
        venueRestrictions=["plateau", "Les Almadies", "plateau"], validityDays=30, marketingTags=["anniversaire"],
    )  # fmt: skip

    pack = answer["createPack"]["pack"]
    assert answer.refusals("createPack") == []
    assert {key: pack[key] for key in EVENING} == EVENING
    assert (pack["discountedPriceCfa"], pack["isActive"], pack["validityDays"]) == (4500, False, 30)
    assert (pack["availableFrom"], pack["availableUntil"]) == ("2026-01-01", "2027-01-01")
    assert (pack["maxRedemptionsPerUser"], pack["totalAvailableQuantity"]) == (1, 100)
    assert pack["galleryImages"] == ["https://media.example/b.jpg"]
    assert pack["venueRestrictions"] == ["plateau", "Les Almadies"]
    unseen = await api("query ($id: ID!) { pack(id: $id) { name } }", {"id": pack["rowId"]}, as_=await make(User))
    assert unseen["pack"] is None


async def test_a_pack_without_a_limit_for_one_user(api: Api, shop: Any) -> None:
    assert (await create(api, shop, maxRedemptionsPerUser=None))["createPack"]["pack"]["maxRedemptionsPerUser"] is None


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"name": " "}, "TEXT_MISSING", "name"),
        ({"description": ""}, "TEXT_MISSING", "description"),
        ({"category": "\n"}, "TEXT_MISSING", "category"),
        ({"basePriceCfa": 0}, "AMOUNT_NOT_POSITIVE", "basePriceCfa"),
        ({"basePriceCfa": -5000}, "AMOUNT_NOT_POSITIVE", "basePriceCfa"),
        ({"discountedPriceCfa": 0}, "AMOUNT_NOT_POSITIVE", "discountedPriceCfa"),
        ({"discountedPriceCfa": 5000}, "DISCOUNT_NOT_BELOW_PRICE", "discountedPriceCfa"),
        ({"discountedPriceCfa": 5001}, "DISCOUNT_NOT_BELOW_PRICE", "discountedPriceCfa"),
        ({"availableFrom": "2027-01-02", "availableUntil": "2027-01-01"}, "DATES_NOT_IN_ORDER", "availableUntil"),
        ({"availableUntil": "9999-12-31"}, "DATES_NOT_IN_ORDER", "availableUntil"),
        ({"maxRedemptionsPerUser": 0}, "AMOUNT_NOT_POSITIVE", "maxRedemptionsPerUser"),
        ({"totalAvailableQuantity": -1}, "AMOUNT_NOT_POSITIVE", "totalAvailableQuantity"),
        ({"validityDays": 0}, "AMOUNT_NOT_POSITIVE", "validityDays"),
        ({"validityDays": 3651}, "AMOUNT_OUT_OF_RANGE", "validityDays"),
        ({"imageUrl": "javascript:alert(1)"}, "URL_NOT_VALID", "imageUrl"),
        ({"imageUrl": "https://"}, "URL_NOT_VALID", "imageUrl"),
        ({"imageUrl": "http://[half"}, "URL_NOT_VALID", "imageUrl"),
        ({"galleryImages": ["https://a.example/\" onload=\"x"]}, "URL_NOT_VALID", "galleryImages"),
        ({"galleryImages": ["https://a.example"] * 21}, "TOO_MANY", "galleryImages"),
        ({"marketingTags": ["a"] * 51}, "TOO_MANY", "marketingTags"),
        ({"venueRestrictions": ["plateau", "nowhere"]}, "UNKNOWN_VENUE", "venueRestrictions"),
    ],
)  # fmt: skip
async def test_a_pack_is_checked_and_a_refusal_changes_nothing(
    api: Api, shop: Any, owner: asyncpg.Pool[Any], given: dict[str, Any], code: str, field: str
) -> None:
    answer = await create(api, shop, **given)

    (error,) = answer["createPack"]["userErrors"]
    assert (error["code"], error["field"]) == (code, [field])
    assert await packs(owner, shop.partner) == []


@pytest.mark.parametrize("price", [2**31, "5000", 5000.5, None])
async def test_a_price_that_is_no_whole_number_of_francs_is_bad_input(api: Api, shop: Any, price: Any) -> None:
    assert (await create(api, shop, basePriceCfa=price)).codes == ["BAD_USER_INPUT"]


async def test_a_cashier_and_a_stranger_make_no_pack(
    api: Api, make: Factory, shop: Any, owner: asyncpg.Pool[Any]
) -> None:
    cashier = await create(api, shop, shop.cashier)
    stranger = await create(api, shop, await make(User))

    assert cashier.refusals("createPack") == ["NOT_PARTNER_MANAGER"]
    assert stranger.refusals("createPack") == ["NOT_FOUND"]
    assert await packs(owner, shop.partner) == []


async def test_a_partner_that_has_ended_makes_no_pack(api: Api, make: Factory) -> None:
    partner, user = await make(Partner, status="terminated"), await make(User)
    await make.member(partner, user, "owner")

    answer = await api.mutate("createPack", user, partnerId=partner, **EVENING)

    assert answer.refusals("createPack") == ["INVALID_STATE"]


async def test_a_retry_makes_one_pack(api: Api, shop: Any, owner: asyncpg.Pool[Any]) -> None:
    key = str(uuid4())

    answers = await asyncio.gather(*(create(api, shop, idempotencyKey=key) for _ in range(5)))

    assert len({answer["createPack"]["pack"]["rowId"] for answer in answers}) == 1
    assert len(await packs(owner, shop.partner)) == 1


# updatePack


async def test_a_change_keeps_what_is_left_out_and_null_clears(api: Api, make: Factory, shop: Any) -> None:
    pack = await make(
        Pack, partner_id=shop.partner.id, base_price_cfa=5000, discounted_price_cfa=4000, image_url="https://a.example",
        available_from=date(2026, 1, 1), venue_restrictions='["plateau"]', total_available_quantity=5,
    )  # fmt: skip

    answer = await api.mutate("updatePack", shop.manager, packId=pack, name="Autre", discountedPriceCfa=None, venueRestrictions=None,
        totalAvailableQuantity=None, basePriceCfa=None,
    )  # fmt: skip

    changed = answer["updatePack"]["pack"]
    assert answer.refusals("updatePack") == []
    assert (changed["name"], changed["basePriceCfa"], changed["discountedPriceCfa"]) == ("Autre", 5000, None)
    assert (changed["imageUrl"], changed["availableFrom"]) == ("https://a.example", "2026-01-01")
    assert (changed["venueRestrictions"], changed["totalAvailableQuantity"]) == (None, None)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        # Checked against what stays as it is.
        ({"basePriceCfa": 4000}, "DISCOUNT_NOT_BELOW_PRICE"),
        ({"availableUntil": "2025-12-31"}, "DATES_NOT_IN_ORDER"),
        ({"name": ""}, "TEXT_MISSING"),
        ({"validityDays": -3}, "AMOUNT_NOT_POSITIVE"),
        ({"venueRestrictions": ["elsewhere"]}, "UNKNOWN_VENUE"),
    ],
)
async def test_a_change_is_checked_with_what_stays(
    api: Api, make: Factory, shop: Any, given: dict[str, Any], code: str, changes: Changes
) -> None:
    pack = await make(
        Pack, partner_id=shop.partner.id, base_price_cfa=5000, discounted_price_cfa=4000,
        available_from=date(2026, 1, 1),
    )  # fmt: skip
    before = await changes.mark()

    answer = await api.mutate("updatePack", shop.manager, packId=pack, **given)

    assert answer.refusals("updatePack") == [code]
    assert await changes.since(before) == []


async def test_everyone_sees_a_pack_on_offer_and_only_its_partners_managers_change_it(
    api: Api, make: Factory, shop: Any, changes: Changes
) -> None:
    pack, rival, rivals = await make(Pack, partner_id=shop.partner.id), await make(User), await make(Partner)
    await make.member(rivals, rival, "owner")
    before = await changes.mark()

    for name in ("updatePack", "publishPack", "withdrawPack"):
        for caller in (rival, shop.cashier):
            assert (await api.mutate(name, caller, packId=pack)).refusals(name) == ["NOT_PARTNER_MANAGER"]

    assert await changes.since(before) == []


async def test_a_pack_that_is_not_on_offer_is_not_found_by_a_stranger(api: Api, make: Factory, shop: Any) -> None:
    pack = await make(Pack, partner_id=shop.partner.id, is_active=False)

    assert (await api.mutate("publishPack", await make(User), packId=pack)).refusals("publishPack") == ["NOT_FOUND"]


async def test_a_pack_of_no_partner_is_for_staff(api: Api, make: Factory, shop: Any, staff: Any) -> None:
    pack = await make(Pack, partner_id=None)

    member = await api.mutate("updatePack", shop.owner, packId=pack, name="Mine")
    by_staff = await api.mutate("updatePack", staff, STAFF, packId=pack, name="Ours")

    assert member.refusals("updatePack") == ["NOT_PARTNER_MANAGER"]
    assert by_staff["updatePack"]["pack"]["name"] == "Ours"


# publishPack, withdrawPack


async def test_a_pack_is_published_and_withdrawn(api: Api, make: Factory, shop: Any, books: Books) -> None:
    pack = await make(Pack, partner_id=shop.partner.id, is_active=False)

    published = await api.mutate("publishPack", shop.manager, packId=pack)
    twice = await api.mutate("publishPack", shop.manager, packId=pack)
    withdrawn = await api.mutate("withdrawPack", shop.owner, packId=pack)
    again = await api.mutate("withdrawPack", shop.owner, packId=pack)

    assert published["publishPack"]["pack"] == {"isActive": True}
    assert twice["publishPack"]["userErrors"][0]["details"] == {"state": "published"}
    assert withdrawn["withdrawPack"]["pack"] == {"isActive": False}
    assert again["withdrawPack"]["userErrors"][0]["details"] == {"state": "withdrawn"}
    assert twice.refusals("publishPack") == again.refusals("withdrawPack") == ["INVALID_STATE"]
    assert await books.events(pack.id) == ["pack.published", "pack.withdrawn"]


@pytest.mark.parametrize("status", ["pending", "suspended", "terminated"])
async def test_a_partner_that_is_not_active_publishes_nothing(
    api: Api, make: Factory, shop: Any, owner: asyncpg.Pool[Any], status: str
) -> None:
    partner = await make(Partner, status=status)
    await make.member(partner, shop.owner, "owner")
    pack = await make(Pack, partner_id=partner.id, is_active=False)

    answer = await api.mutate("publishPack", shop.owner, packId=pack)

    assert answer.refusals("publishPack") == ["PARTNER_NOT_ACTIVE"]
    assert not (await packs(owner, partner))[0]["is_active"]


async def test_a_pack_published_by_20_at_once_is_published_once(
    api: Api, make: Factory, shop: Any, books: Books
) -> None:
    pack = await make(Pack, partner_id=shop.partner.id, is_active=False)

    answers = await asyncio.gather(*(api.mutate("publishPack", shop.manager, packId=pack) for _ in range(20)))

    refusals = [answer.refusals("publishPack") for answer in answers]
    assert sorted(refusals) == [[]] + [["INVALID_STATE"]] * 19
    assert await books.events(pack.id) == ["pack.published"]


async def test_codes_of_a_withdrawn_pack_are_still_redeemed_and_none_is_issued(
    api: Api, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    till, manager = await make.code_at_the_till(), await make(User)
    await make.member(till.partner, manager, "manager")

    await api.mutate("withdrawPack", manager, packId=till.pack)
    issued = await api.mutate("issueQrCode", till.owner, potId=till.pot, packId=till.pack)
    redeemed = await api.redeem(till.code.code, as_=till.cashier)

    assert issued.refusals("issueQrCode") == ["PACK_NOT_AVAILABLE"]
    assert redeemed.refusals("redeemQrCode") == []
