"""How a partner comes to be, who verifies and stops it, and what its owners may change, a sentence a test."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from models.admin import SystemConfig
from models.identity import User
from models.packs import Partner
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF, Api
from tests.factories import Factory


async def row(owner: asyncpg.Pool[Any], partner: Any) -> Any:
    return await owner.fetchrow("SELECT * FROM packs.partners WHERE id = $1", partner.id)


# registerPartner


async def test_who_registers_a_partner_becomes_its_owner_and_it_waits(api: Api, make: Factory, books: Books) -> None:
    user = await make(User)

    answer = await api.mutate("registerPartner", user, name="Cinéma Pathé", type="cinema", contactPhone="+221338000000",
        venues=[{"name": "Le Plateau", "address": "1, place de l'Indépendance"}],
    )  # fmt: skip

    partner = answer["registerPartner"]["partner"]
    assert answer.refusals("registerPartner") == []
    assert (partner["name"], partner["type"], partner["status"]) == ("Cinéma Pathé", "cinema", "PENDING")
    assert (partner["contactPhone"], partner["verifiedAt"]) == ("+221338000000", None)
    assert (partner["revenueSplitPercentage"], partner["paymentTerms"]) == ("80.00", "MONTHLY")
    assert partner["venues"][0]["name"] == "Le Plateau"
    assert UUID(partner["venues"][0]["id"])
    (member,) = partner["members"]["nodes"]
    assert member["role"] == "OWNER"
    assert await books.events(partner["rowId"]) == ["partner.registered"]


async def test_the_platform_configures_the_share_of_a_new_partner(
    api: Api, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    await make(SystemConfig, config_key="partners.revenue_split_percentage", config_value="72.5", is_sensitive=False)
    try:
        answer = await api.mutate("registerPartner", await make(User), name="Spa", type="spa")
    finally:
        await owner.execute("DELETE FROM admin.system_config WHERE config_key = 'partners.revenue_split_percentage'")

    assert answer["registerPartner"]["partner"]["revenueSplitPercentage"] == "72.50"


async def test_without_a_token_nobody_registers(api: Api) -> None:
    assert (await api.mutate("registerPartner", None, name="Spa", type="spa")).codes == ["UNAUTHENTICATED"]


async def test_a_retry_registers_one_partner(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    user, key = await make(User), str(uuid4())

    answers = await asyncio.gather(
        *(api.mutate("registerPartner", user, name="Spa", type="spa", idempotencyKey=key) for _ in range(5))
    )

    assert len({answer["registerPartner"]["partner"]["rowId"] for answer in answers}) == 1
    assert await owner.fetchval("SELECT count(*) FROM packs.partner_members WHERE user_id = $1", user.id) == 1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"name": " \t"}, "TEXT_MISSING"),
        ({"type": ""}, "TEXT_MISSING"),
        ({"venues": [{"name": ""}]}, "TEXT_MISSING"),
        ({"venues": [{"id": " ", "name": "A"}]}, "TEXT_MISSING"),
        ({"venues": [{"name": "A"}, {"name": "A"}]}, "VENUE_TWICE"),
        ({"venues": [{"id": "a", "name": "A"}, {"id": "a", "name": "B"}]}, "VENUE_TWICE"),
        # The till finds a venue by either.
        ({"venues": [{"id": "a", "name": "A"}, {"id": "A", "name": "B"}]}, "VENUE_TWICE"),
        ({"venues": [{"name": f"venue {n}"} for n in range(201)]}, "TOO_MANY"),
    ],
)
async def test_a_partners_details_are_checked(
    api: Api, make: Factory, given: dict[str, Any], code: str, changes: Changes
) -> None:
    user, before = await make(User), await changes.mark()

    answer = await api.mutate("registerPartner", user, **{"name": "Spa", "type": "spa", **given})

    assert answer.refusals("registerPartner") == [code]
    assert await changes.since(before) == []


@pytest.mark.parametrize(
    "given", [{"name": "n" * 256}, {"name": "a\0b"}, {"venues": [{"name": "n" * 256}]}, {"venues": [{"id": "a"}]}]
)
async def test_what_no_column_holds_is_bad_input(api: Api, make: Factory, given: dict[str, Any]) -> None:
    answer = await api.mutate("registerPartner", await make(User), **{"name": "Spa", "type": "spa", **given})

    assert answer.codes == ["BAD_USER_INPUT"]


# verifyPartner, suspendPartner, reinstatePartner


async def test_staff_verify_suspend_and_reinstate_a_partner(
    api: Api, make: Factory, staff: Any, books: Books, owner: asyncpg.Pool[Any]
) -> None:
    partner = await make(Partner, status="pending")

    verified = await api.mutate("verifyPartner", staff, STAFF, partnerId=partner)
    suspended = await api.mutate("suspendPartner", staff, STAFF, partnerId=partner)
    reinstated = await api.mutate("reinstatePartner", staff, STAFF, partnerId=partner)

    assert verified["verifyPartner"]["partner"]["status"] == "ACTIVE"
    assert verified["verifyPartner"]["partner"]["verifiedAt"] is not None
    assert (await row(owner, partner))["verified_by_user_id"] == staff.id
    assert suspended["suspendPartner"]["partner"] == {"status": "SUSPENDED"}
    assert reinstated["reinstatePartner"]["partner"] == {"status": "ACTIVE"}
    assert await books.events(partner.id) == ["partner.verified", "partner.suspended", "partner.reinstated"]


@pytest.mark.parametrize("status", ["pending", "active", "suspended"])
async def test_staff_refuse_a_registration_or_end_with_a_partner(
    api: Api, make: Factory, staff: Any, books: Books, status: str
) -> None:
    partner = await make(Partner, status=status)

    ended = await api.mutate("terminatePartner", staff, STAFF, partnerId=partner)

    assert ended["terminatePartner"]["partner"] == {"status": "TERMINATED"}
    assert await books.events(partner.id) == ["partner.terminated"]


async def test_at_a_partner_that_is_stopped_no_code_is_redeemed_until_it_goes_on(
    api: Api, make: Factory, staff: Any
) -> None:
    till = await make.code_at_the_till()

    await api.mutate("suspendPartner", staff, STAFF, partnerId=till.partner)
    stopped = await api.redeem(till.code.code, as_=till.cashier)
    await api.mutate("reinstatePartner", staff, STAFF, partnerId=till.partner)
    again = await api.redeem(till.code.code, as_=till.cashier)

    assert stopped.refusals("redeemQrCode") == ["PARTNER_SUSPENDED"]
    assert again.refusals("redeemQrCode") == []


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("verifyPartner", "active"), ("verifyPartner", "suspended"), ("verifyPartner", "terminated"),
        ("suspendPartner", "pending"), ("suspendPartner", "suspended"), ("suspendPartner", "terminated"),
        ("reinstatePartner", "pending"), ("reinstatePartner", "active"), ("reinstatePartner", "terminated"),
        ("terminatePartner", "terminated"),
    ],
)  # fmt: skip
async def test_a_step_begins_where_it_may(
    api: Api, make: Factory, staff: Any, books: Books, name: str, status: str, changes: Changes
) -> None:
    partner = await make(Partner, status=status)
    before = await changes.mark()

    answer = await api.mutate(name, staff, STAFF, partnerId=partner)

    (error,) = answer[name]["userErrors"]
    assert (error["code"], error["field"], error["details"]) == ("INVALID_STATE", ["partnerId"], {"state": status})
    assert await changes.since(before) == []
    assert await books.events(partner.id) == []


@pytest.mark.parametrize(
    "name", ["verifyPartner", "suspendPartner", "reinstatePartner", "terminatePartner", "setPartnerTerms"]
)
async def test_only_staff_decide_about_a_partner(api: Api, shop: Any, name: str) -> None:
    assert (await api.mutate(name, shop.owner, partnerId=shop.partner)).codes == ["FORBIDDEN"]
    # A claim that the database does not confirm is none.
    assert (await api.mutate(name, shop.owner, STAFF, partnerId=shop.partner)).codes == ["FORBIDDEN"]
    assert (await api.mutate(name, None, partnerId=shop.partner)).codes == ["UNAUTHENTICATED"]


async def test_there_is_nothing_to_verify_of_a_partner_that_is_not_there(api: Api, staff: Any) -> None:
    answer = await api.mutate("verifyPartner", staff, STAFF, partnerId=str(uuid4()))

    assert answer.refusals("verifyPartner") == ["NOT_FOUND"]


async def test_many_verify_at_once_and_one_does(api: Api, make: Factory, staff: Any, books: Books) -> None:
    partner = await make(Partner, status="pending")

    answers = await asyncio.gather(*(api.mutate("verifyPartner", staff, STAFF, partnerId=partner) for _ in range(20)))

    refusals = [answer.refusals("verifyPartner") for answer in answers]
    assert sorted(refusals) == [[]] + [["INVALID_STATE"]] * 19
    assert await books.events(partner.id) == ["partner.verified"]


# updatePartner


async def test_an_owner_changes_given_fields_and_leaves_the_rest(api: Api, shop: Any, books: Books) -> None:
    answer = await api.mutate("updatePartner", shop.owner, partnerId=shop.partner, name="Le Grand Cinéma", contactEmail="a@b.example",
        taxId="12", paymentTerms="WEEKLY", minimumPayoutCfa=25_000, venues=[{"id": "vdn", "name": "La VDN"}],
    )  # fmt: skip

    partner = answer["updatePartner"]["partner"]
    assert answer.refusals("updatePartner") == []
    assert (partner["name"], partner["type"]) == ("Le Grand Cinéma", shop.partner.type)
    assert (partner["contactEmail"], partner["taxId"]) == ("a@b.example", "12")
    assert (partner["paymentTerms"], partner["minimumPayoutCfa"]) == ("WEEKLY", 25_000)
    assert partner["venues"] == [{"id": "vdn", "name": "La VDN"}]
    assert partner["revenueSplitPercentage"] == "80.00"


async def test_null_clears_what_may_be_empty_and_what_is_left_out_stays(api: Api, shop: Any) -> None:
    await api.mutate("updatePartner", shop.owner, partnerId=shop.partner, description="D", contactName="C")

    answer = await api.mutate("updatePartner", shop.owner, partnerId=shop.partner, description=None, name=None)

    partner = answer["updatePartner"]["partner"]
    assert (partner["description"], partner["contactName"]) == (None, "C")
    assert partner["name"] == shop.partner.name


@pytest.mark.parametrize("who", ["manager", "cashier"])
async def test_who_is_no_owner_changes_nothing(api: Api, shop: Any, who: str, changes: Changes) -> None:
    before = await changes.mark()

    answer = await api.mutate("updatePartner", getattr(shop, who), partnerId=shop.partner, name="Ours")

    assert answer.refusals("updatePartner") == ["NOT_PARTNER_OWNER"]
    assert await changes.since(before) == []


async def test_a_stranger_sees_no_partner_to_change_though_everyone_sees_its_face(
    api: Api, make: Factory, shop: Any
) -> None:
    answer = await api.mutate("updatePartner", await make(User), partnerId=shop.partner, name="Mine")

    assert answer.refusals("updatePartner") == ["NOT_FOUND"]


async def test_staff_may_change_a_partner(api: Api, shop: Any, staff: Any) -> None:
    answer = await api.mutate("updatePartner", staff, STAFF, partnerId=shop.partner, name="Corrected")

    assert answer["updatePartner"]["partner"]["name"] == "Corrected"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"name": " "}, "TEXT_MISSING"),
        ({"minimumPayoutCfa": 0}, "AMOUNT_NOT_POSITIVE"),
        ({"minimumPayoutCfa": -1}, "AMOUNT_NOT_POSITIVE"),
        ({"venues": [{"name": "A"}, {"name": "A"}]}, "VENUE_TWICE"),
    ],
)
async def test_a_change_is_checked(api: Api, shop: Any, given: dict[str, Any], code: str, changes: Changes) -> None:
    before = await changes.mark()

    answer = await api.mutate("updatePartner", shop.owner, partnerId=shop.partner, **given)

    assert answer.refusals("updatePartner") == [code]
    assert await changes.since(before) == []


# setPartnerTerms


async def test_staff_set_what_was_agreed(api: Api, shop: Any, staff: Any) -> None:
    first = await api.mutate("setPartnerTerms", staff, STAFF, partnerId=shop.partner, revenueSplitPercentage="82.5",
        autoApproveRedemptions=True,
    )  # fmt: skip
    second = await api.mutate("setPartnerTerms", staff, STAFF, partnerId=shop.partner, autoApproveRedemptions=False)

    assert first["setPartnerTerms"]["partner"]["revenueSplitPercentage"] == "82.50"
    assert first["setPartnerTerms"]["partner"]["autoApproveRedemptions"] is True
    assert second["setPartnerTerms"]["partner"]["revenueSplitPercentage"] == "82.50"
    assert second["setPartnerTerms"]["partner"]["autoApproveRedemptions"] is False


@pytest.mark.parametrize("split", ["-0.01", "100.01", "33.333", "99999999999999999999"])
async def test_a_split_is_a_percentage_of_two_places(
    api: Api, shop: Any, staff: Any, owner: asyncpg.Pool[Any], split: str
) -> None:
    answer = await api.mutate("setPartnerTerms", staff, STAFF, partnerId=shop.partner, revenueSplitPercentage=split)

    assert answer.refusals("setPartnerTerms") == ["SPLIT_OUT_OF_RANGE"]
    assert (await row(owner, shop.partner))["revenue_split_percentage"] == 80


@pytest.mark.parametrize("split", ["0", "100"])
async def test_a_split_may_be_all_or_nothing(api: Api, shop: Any, staff: Any, split: str) -> None:
    answer = await api.mutate("setPartnerTerms", staff, STAFF, partnerId=shop.partner, revenueSplitPercentage=split)

    assert answer["setPartnerTerms"]["partner"]["revenueSplitPercentage"] == f"{split}.00"


# Staff who are on a partner


@pytest.mark.parametrize(
    ("name", "status", "more"),
    [
        ("verifyPartner", "pending", {}),
        ("suspendPartner", "active", {}),
        ("reinstatePartner", "suspended", {}),
        ("terminatePartner", "active", {}),
        ("setPartnerTerms", "active", {"revenueSplitPercentage": "100"}),
    ],
)
async def test_staff_decide_nothing_about_a_partner_they_are_on(
    api: Api, make: Factory, name: str, status: str, more: dict[str, Any], changes: Changes
) -> None:
    staff, partner = await make.staff(), await make(Partner, status=status)
    await make.member(partner, staff, "cashier")
    before = await changes.mark()

    answer = await api.mutate(name, staff, STAFF, partnerId=partner, **more)

    assert answer.refusals(name) == ["OWN_MATTER"]
    assert await changes.since(before) == []


async def test_staff_who_are_on_a_partner_may_do_what_their_part_in_it_lets_them(
    api: Api, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    cashier, boss = await make.staff(), await make.staff()
    partner = await make(Partner)
    await make.member(partner, cashier, "cashier")
    await make.member(partner, boss, "owner")

    refused = await api.mutate("updatePartner", cashier, STAFF, partnerId=partner, name="Mine")
    done = await api.mutate("updatePartner", boss, STAFF, partnerId=partner, name="Ours")

    assert refused.refusals("updatePartner") == ["NOT_PARTNER_OWNER"]
    assert done.refusals("updatePartner") == []
    assert (await row(owner, partner))["name"] == "Ours"
