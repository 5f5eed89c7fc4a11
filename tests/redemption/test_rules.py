"""What may happen to a QR code, a sentence of the rules a test."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import orjson
import pytest

from lango.rules.services import Services
from models.identity import User
from models.packs import Pack, Partner
from models.profiles import Profile
from resolvers.redemption.codes import expire_due_codes
from resolvers.redemption.till import partner_share
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF, Answer, Api
from tests.factories import Factory, now

VENUES = orjson.dumps([{"id": "plateau", "name": "Le Plateau"}, {"id": "almadies", "name": "Les Almadies"}]).decode()


async def issue(api: Api, pot: Any, pack: Any, as_: Any, **more: Any) -> Answer:
    return await api.mutate("issueQrCode", as_, potId=pot, packId=pack, **more)


async def cancel(api: Api, code: Any, as_: Any, roles: tuple[str, ...] = ()) -> Answer:
    return await api.mutate("cancelQrCode", as_, roles, qrCodeId=code)


async def check(api: Api, code: str, as_: Any, **more: Any) -> Answer:
    return await api.mutate("checkQrCode", as_, code=code, **more)


@pytest.fixture
async def shop(make: Factory) -> SimpleNamespace:
    """A pot with 20,000 francs and a pack that costs 5,000."""
    owner, partner = await make(User), await make(Partner)
    pack = await make(Pack, partner_id=partner.id, base_price_cfa=5000, max_redemptions_per_user=3)
    pot = await make.funded_pot(20_000, owner_user_id=owner.id)
    return SimpleNamespace(owner=owner, partner=partner, pack=pack, pot=pot)


# issueQrCode


async def test_issuing_moves_the_price_from_the_pot_to_its_reserve(api: Api, shop: Any, books: Books) -> None:
    answer = await issue(api, shop.pot, shop.pack, shop.owner)

    code = answer["issueQrCode"]["qrCode"]
    assert answer.refusals("issueQrCode") == []
    assert (code["status"], code["priceCfa"], code["pot"]["balanceCfa"]) == ("ISSUED", 5000, 15_000)
    assert await books.owed(f"pot:{shop.pot.id}:balance") == 15_000
    assert await books.owed(f"pot:{shop.pot.id}:reserved") == 5000
    assert await books.events(code["rowId"]) == ["qr_code.issued"]


async def test_a_code_carries_128_random_bits_and_svg_draws_it(api: Api, shop: Any) -> None:
    codes = [(await issue(api, shop.pot, shop.pack, shop.owner))["issueQrCode"]["qrCode"] for _ in range(2)]

    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", code["code"]) for code in codes)
    assert codes[0]["code"] != codes[1]["code"]
    assert codes[0]["svg"].startswith("<svg")


async def test_a_discounted_price_is_the_price(api: Api, make: Factory, shop: Any) -> None:
    pack = await make(Pack, partner_id=shop.partner.id, base_price_cfa=5000, discounted_price_cfa=3500)

    answer = await issue(api, shop.pot, pack, shop.owner)

    assert answer["issueQrCode"]["qrCode"]["priceCfa"] == 3500


@pytest.mark.parametrize("zone", ["Africa/Dakar", "Pacific/Auckland", "America/New_York"])
async def test_it_is_redeemable_from_the_birthday_in_the_pots_zone_for_validity_days(
    api: Api, make: Factory, shop: Any, zone: str
) -> None:
    day = date(2027, 3, 20)
    pot = await make.funded_pot(20_000, owner_user_id=shop.owner.id, birthday_date=day, time_zone=zone)
    pack = await make(Pack, partner_id=shop.partner.id, base_price_cfa=100, validity_days=30)

    code = (await issue(api, pot, pack, shop.owner))["issueQrCode"]["qrCode"]

    def midnight(on: date) -> str:
        local = datetime(on.year, on.month, on.day, tzinfo=ZoneInfo(zone))
        return local.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    assert code["redeemableFrom"] == midnight(day)
    assert code["expiresAt"] == midnight(day + timedelta(days=30))


@pytest.mark.parametrize(
    ("pot", "pack", "code"),
    [
        ({"status": "scheduled"}, {}, "INVALID_STATE"),
        ({"status": "cancelled"}, {}, "INVALID_STATE"),
        ({"status": "expired"}, {}, "INVALID_STATE"),
        ({}, {"is_active": False}, "NOT_FOUND"),
        ({}, {"available_from": date(2200, 1, 1)}, "PACK_NOT_AVAILABLE"),
        ({}, {"available_until": date(2020, 1, 1)}, "PACK_NOT_AVAILABLE"),
        ({}, {"total_available_quantity": 0}, "SOLD_OUT"),
        ({}, {"max_redemptions_per_user": 0}, "LIMIT_REACHED"),
        ({}, {"base_price_cfa": 20_001}, "INSUFFICIENT_FUNDS"),
        (
            {"birthday_date": date(2024, 1, 1), "scheduled_open_at": datetime(2023, 12, 1, tzinfo=UTC)},
            {},
            "BIRTHDAY_LONG_PAST",
        ),
    ],
)
async def test_issuing_is_refused_and_changes_nothing(
    api: Api, make: Factory, shop: Any, pot: dict[str, Any], pack: dict[str, Any], code: str, changes: Changes
) -> None:
    its_pot = await make.funded_pot(20_000, owner_user_id=shop.owner.id, **pot)
    its_pack = await make(Pack, partner_id=shop.partner.id, **{"base_price_cfa": 5000, **pack})
    before = await changes.mark()

    answer = await issue(api, its_pot, its_pack, shop.owner)

    assert answer.refusals("issueQrCode") == [code]
    assert await changes.since(before) == []


async def test_a_pot_may_spend_while_open_funded_or_closed(api: Api, make: Factory, shop: Any) -> None:
    for status in ("open", "funded", "closed"):
        pot = await make.funded_pot(5000, owner_user_id=shop.owner.id, status=status)
        assert (await issue(api, pot, shop.pack, shop.owner)).refusals("issueQrCode") == []


async def test_a_suspended_partners_pack_is_not_offered(api: Api, make: Factory, shop: Any) -> None:
    partner = await make(Partner, status="suspended")
    pack = await make(Pack, partner_id=partner.id, base_price_cfa=100)

    assert (await issue(api, shop.pot, pack, shop.owner)).refusals("issueQrCode") == ["PACK_NOT_AVAILABLE"]


async def test_what_a_stranger_may_not_see_is_not_found_and_what_they_may_is_not_theirs(
    api: Api, make: Factory, shop: Any
) -> None:
    stranger = await make(User)
    public = await make.funded_pot(20_000, owner_user_id=shop.owner.id, visibility="public")

    assert (await issue(api, shop.pot, shop.pack, stranger)).refusals("issueQrCode") == ["NOT_FOUND"]
    assert (await issue(api, public, shop.pack, stranger)).refusals("issueQrCode") == ["NOT_YOUR_POT"]


async def test_a_guardian_issues_for_the_minor(api: Api, make: Factory, shop: Any) -> None:
    minor, guardian = await make(User), await make(User)
    born = date.today() - timedelta(days=12 * 365)
    await make(Profile, user_id=minor.id, date_of_birth=born, guardian_user_id=guardian.id, relationship_type="parent",
               guardian_accepted_at=now())  # fmt: skip
    pot = await make.funded_pot(20_000, owner_user_id=minor.id)

    assert (await issue(api, pot, shop.pack, guardian)).refusals("issueQrCode") == []


async def test_without_a_token_nothing_is_issued(api: Api, shop: Any) -> None:
    assert (await issue(api, shop.pot, shop.pack, None)).codes == ["UNAUTHENTICATED"]


async def test_an_id_of_another_type_is_bad_input(api: Api, shop: Any) -> None:
    users = await api("{ viewer { id } }", as_=shop.owner)
    answer = await api.mutate("issueQrCode", shop.owner, potId=users["viewer"]["id"], packId=shop.pack)

    assert answer.codes == ["BAD_USER_INPUT"]


async def test_the_last_one_of_a_pack_is_taken_once(api: Api, make: Factory, shop: Any) -> None:
    pack = await make(Pack, partner_id=shop.partner.id, base_price_cfa=100, total_available_quantity=1)
    owners = [await make(User) for _ in range(20)]
    pots = [await make.funded_pot(1000, owner_user_id=owner.id) for owner in owners]

    answers = await asyncio.gather(*(issue(api, pot, pack, owner) for pot, owner in zip(pots, owners, strict=True)))

    refusals = [answer.refusals("issueQrCode") for answer in answers]
    assert sorted(refusals) == [[]] + [["SOLD_OUT"]] * 19


async def test_a_packs_dates_are_days_where_the_pot_is(api: Api, make: Factory, shop: Any) -> None:
    # 25 hours apart: it is never the same day in both.
    early, late = "Pacific/Pago_Pago", "Pacific/Kiritimati"
    ends = await make(Pack, partner_id=shop.partner.id, available_until=datetime.now(ZoneInfo(early)).date())
    begins = await make(Pack, partner_id=shop.partner.id, available_from=datetime.now(ZoneInfo(late)).date())
    pots = [await make.funded_pot(20_000, owner_user_id=shop.owner.id, time_zone=zone) for zone in (early, late)]

    answers = [(await issue(api, pot, pack, shop.owner)) for pack in (ends, begins) for pot in pots]

    refusals = [answer.refusals("issueQrCode") for answer in answers]
    assert refusals == [[], ["PACK_NOT_AVAILABLE"], ["PACK_NOT_AVAILABLE"], []]


async def test_what_is_left_of_a_pack_is_the_total_less_issued_and_redeemed(
    api: Api, make: Factory, services: Services, owner: asyncpg.Pool[Any]
) -> None:
    till = await make.code_at_the_till(pack={"total_available_quantity": 2, "max_redemptions_per_user": None})

    second = await issue(api, till.pot, till.pack, till.owner)
    full = await issue(api, till.pot, till.pack, till.owner)
    await api.redeem(till.code.code, as_=till.cashier)
    still_full = await issue(api, till.pot, till.pack, till.owner)
    await cancel(api, SimpleNamespace(id=second["issueQrCode"]["qrCode"]["rowId"]), till.owner)
    third = await issue(api, till.pot, till.pack, till.owner)
    key = UUID(third["issueQrCode"]["qrCode"]["rowId"])
    await owner.execute(
        "UPDATE redemption.qr_codes SET redeemable_from = now() - interval '2 days', expires_at = now() WHERE id = $1",
        key,
    )
    await expire_due_codes(services)
    fourth = await issue(api, till.pot, till.pack, till.owner)

    assert full.refusals("issueQrCode") == still_full.refusals("issueQrCode") == ["SOLD_OUT"]
    for answer in (second, third, fourth):
        assert answer.refusals("issueQrCode") == []


async def test_a_pots_last_francs_are_spent_once(api: Api, make: Factory, shop: Any) -> None:
    pack = await make(Pack, partner_id=shop.partner.id, base_price_cfa=5000, max_redemptions_per_user=100)

    answers = await asyncio.gather(*(issue(api, shop.pot, pack, shop.owner) for _ in range(20)))

    refusals = [answer.refusals("issueQrCode") for answer in answers]
    assert sorted(refusals) == [[]] * 4 + [["INSUFFICIENT_FUNDS"]] * 16


# redeemQrCode


async def test_a_code_is_typed_as_it_is_read_out(api: Api, till: Any, owner: asyncpg.Pool[Any]) -> None:
    code = "0123456789ABCDEFGHJKMNPQRS"
    await owner.execute("UPDATE redemption.qr_codes SET code = $2 WHERE id = $1", till.code.id, code)
    typed = "o123 4567-89abc defgh jkmnp qrs"

    checked = await check(api, typed, till.cashier)
    answer = await api.redeem(typed, as_=till.cashier)

    assert checked.refusals("checkQrCode") == answer.refusals("redeemQrCode") == []
    assert await owner.fetchval("SELECT status FROM redemption.qr_codes WHERE id = $1", till.code.id) == "redeemed"


async def test_a_code_is_redeemed_once(api: Api, till: Any, books: Books) -> None:
    first = await api.redeem(till.code.code, as_=till.cashier, notes="table 4")
    again = await api.redeem(till.code.code, as_=till.cashier)

    assert first.refusals("redeemQrCode") == []
    assert first["redeemQrCode"]["qrCode"]["status"] == "REDEEMED"
    assert first["redeemQrCode"]["qrCode"]["redeemedByPartner"]["name"] == till.partner.name
    assert again.refusals("redeemQrCode") == ["ALREADY_USED"]
    assert again["redeemQrCode"]["qrCode"] is None
    assert await books.attempts(till.code.code) == ["success", "already_used"]
    assert (await books.code(till.code.id))["partner_notes"] == "table 4"
    assert await books.events(till.code.id) == ["qr_code.redeemed"]


async def test_already_used_names_time_and_place(api: Api, make: Factory) -> None:
    till = await make.code_at_the_till(partner={"venues": VENUES})
    await api.redeem(till.code.code, as_=till.cashier, venue="plateau")

    (error,) = (await api.redeem(till.code.code, as_=till.cashier, venue="plateau"))["redeemQrCode"]["userErrors"]

    assert "Le Plateau" in error["message"]
    assert error["details"]["venue"]["id"] == "plateau"
    assert datetime.fromisoformat(error["details"]["redeemedAt"]) <= now()


async def test_the_reserve_is_split_between_partner_and_platform(api: Api, till: Any, books: Books) -> None:
    commission = await books.owed("platform:commission:XOF")

    answer = await api.redeem(till.code.code, as_=till.cashier)

    assert answer["redeemQrCode"]["qrCode"]["partnerShareCfa"] == 4000
    assert await books.owed(f"partner:{till.partner.id}:payable") == 4000
    assert await books.owed("platform:commission:XOF") - commission == 1000
    assert await books.owed(f"pot:{till.pot.id}:reserved") == 0


@pytest.mark.parametrize(
    ("price", "percentage", "share"),
    [(5000, "80", 4000), (5, "50", 2), (15, "50", 8), (1, "0", 0), (1, "100", 1), (999, "33.33", 333), (25, "10", 2)],
)
def test_the_share_is_rounded_half_even_to_the_franc(price: int, percentage: str, share: int) -> None:
    assert partner_share(price, Decimal(percentage)) == share


@pytest.mark.parametrize("percentage", ["0", "100"])
async def test_a_split_of_all_or_nothing_posts_one_movement(api: Api, make: Factory, percentage: str) -> None:
    till = await make.code_at_the_till(partner={"revenue_split_percentage": Decimal(percentage)})

    assert (await api.redeem(till.code.code, as_=till.cashier)).refusals("redeemQrCode") == []


@pytest.mark.parametrize(
    ("given", "refusal", "logged"),
    [
        ({"partner": {"status": "suspended"}}, "PARTNER_SUSPENDED", "partner_suspended"),
        ({"status": "cancelled"}, "CANCELLED", "cancelled"),
        ({"redeemable_from": datetime(2200, 1, 1, tzinfo=UTC), "expires_at": datetime(2200, 4, 1, tzinfo=UTC)},
         "NOT_YET_REDEEMABLE", "not_yet_redeemable"),
        ({"redeemable_from": datetime(2020, 1, 1, tzinfo=UTC), "expires_at": datetime(2020, 4, 1, tzinfo=UTC)},
         "EXPIRED", "expired"),
        ({"pack": {"venue_restrictions": '["plateau"]'}, "partner": {"venues": VENUES}}, "VENUE_NOT_ALLOWED", "venue_not_allowed"),
        # The order of the checks: which refusal comes first when several hold.
        ({"status": "cancelled", "partner": {"status": "suspended"}}, "PARTNER_SUSPENDED", "partner_suspended"),
        ({"status": "cancelled", "redeemable_from": datetime(2020, 1, 1, tzinfo=UTC),
          "expires_at": datetime(2020, 4, 1, tzinfo=UTC)}, "CANCELLED", "cancelled"),
    ],
)  # fmt: skip
async def test_redeeming_is_refused_logged_and_changes_nothing(
    api: Api,
    make: Factory,
    owner: asyncpg.Pool[Any],
    books: Books,
    given: dict[str, Any],
    refusal: str,
    logged: str,
    changes: Changes,
) -> None:
    till = await make.code_at_the_till(**given)
    if given.get("status") == "cancelled":
        await give_back(owner, make, till)
    before = await changes.mark()

    answer = await api.redeem(till.code.code, as_=till.cashier)

    assert answer.refusals("redeemQrCode") == [refusal]
    assert await books.attempts(till.code.code) == [logged]
    # What was presented is logged, and that is all.
    assert await changes.since(before, but=("redemption.qr_redemption_logs",)) == []


async def give_back(owner: asyncpg.Pool[Any], make: Factory, till: Any) -> None:
    """What the rules would have posted for a code that was cancelled."""
    await make.move(f"pot:{till.pot.id}:reserved", f"pot:{till.pot.id}:balance", 5000, "qr_cancel",
                    of=("qr_code", till.code.id))  # fmt: skip
    await owner.execute("UPDATE pots.pots SET balance_cfa = balance_cfa + 5000 WHERE id = $1", till.pot.id)


async def test_a_code_nobody_issued_and_one_of_another_partner_look_alike(
    api: Api, make: Factory, owner: asyncpg.Pool[Any], till: Any, books: Books
) -> None:
    elsewhere = await make.code_at_the_till()

    unknown = await api.redeem("no-such-code", as_=till.cashier)
    foreign = await api.redeem(elsewhere.code.code, as_=till.cashier)

    assert unknown["redeemQrCode"]["userErrors"] == foreign["redeemQrCode"]["userErrors"]
    assert foreign.refusals("redeemQrCode") == ["INVALID"]
    assert await books.attempts("no-such-code") == ["invalid"]
    assert await books.attempts(elsewhere.code.code) == ["wrong_partner"]
    partner = await owner.fetchval(
        "SELECT partner_id FROM redemption.qr_redemption_logs WHERE qr_code_id = $1", elsewhere.code.id
    )
    assert partner == till.partner.id


async def test_a_caller_without_a_partner_redeems_nothing(api: Api, till: Any, books: Books) -> None:
    answer = await api.redeem(till.code.code, as_=till.owner)

    assert answer.refusals("redeemQrCode") == ["INVALID"]
    assert await books.attempts(till.code.code) == ["wrong_partner"]
    assert (await books.code(till.code.id))["status"] == "issued"


@pytest.mark.parametrize("venue", ["plateau", "Le Plateau"])
async def test_a_venue_is_named_by_its_id_or_its_name(api: Api, make: Factory, books: Books, venue: str) -> None:
    till = await make.code_at_the_till(partner={"venues": VENUES}, pack={"venue_restrictions": '["plateau"]'})

    refused = await api.redeem(till.code.code, as_=till.cashier, venue="almadies")
    unknown = await api.redeem(till.code.code, as_=till.cashier, venue="nowhere")
    redeemed = await api.redeem(till.code.code, as_=till.cashier, venue=venue)

    assert refused.refusals("redeemQrCode") == unknown.refusals("redeemQrCode") == ["VENUE_NOT_ALLOWED"]
    assert redeemed.refusals("redeemQrCode") == []
    assert orjson.loads((await books.code(till.code.id))["redeemed_at_venue"])["name"] == "Le Plateau"


async def test_of_200_callers_at_once_one_redeems(api: Api, make: Factory, till: Any, books: Books) -> None:
    cashiers = [till.cashier, *[await make(User) for _ in range(3)]]
    for cashier in cashiers[1:]:
        await make.member(till.partner, cashier)

    answers = await asyncio.gather(*(api.redeem(till.code.code, as_=cashiers[i % 4]) for i in range(200)))

    refusals = [answer.refusals("redeemQrCode") for answer in answers]
    assert refusals.count([]) == 1
    assert refusals.count(["ALREADY_USED"]) == 199
    assert sorted(await books.attempts(till.code.code)) == ["already_used"] * 199 + ["success"]
    assert await books.owed(f"partner:{till.partner.id}:payable") == 4000


# cancelQrCode


async def test_cancelling_gives_the_reserve_back_to_the_pot(api: Api, till: Any, books: Books) -> None:
    answer = await cancel(api, till.code, till.owner)

    assert answer["cancelQrCode"]["qrCode"] == {"status": "CANCELLED", "pot": {"balanceCfa": 20_000}}
    assert await books.owed(f"pot:{till.pot.id}:reserved") == 0
    assert await books.events(till.code.id) == ["qr_code.cancelled"]


async def test_a_redeemed_code_is_not_cancelled(api: Api, till: Any, changes: Changes) -> None:
    await api.redeem(till.code.code, as_=till.cashier)
    before = await changes.mark()

    answer = await cancel(api, till.code, till.owner)

    assert answer.refusals("cancelQrCode") == ["INVALID_STATE"]
    assert await changes.since(before) == []


async def test_a_stranger_cannot_see_the_code_to_cancel(api: Api, make: Factory, till: Any) -> None:
    assert (await cancel(api, till.code, await make(User))).refusals("cancelQrCode") == ["NOT_FOUND"]


async def test_staff_may_cancel(api: Api, make: Factory, till: Any) -> None:
    staff = await make.staff()

    assert (await cancel(api, till.code, staff, roles=STAFF)).refusals("cancelQrCode") == []


async def test_cancelling_and_redeeming_at_once_one_wins(api: Api, make: Factory, books: Books) -> None:
    for _ in range(10):
        till = await make.code_at_the_till()

        redeemed, cancelled = await asyncio.gather(
            api.redeem(till.code.code, as_=till.cashier), cancel(api, till.code, till.owner)
        )

        outcome = [*redeemed.refusals("redeemQrCode"), *cancelled.refusals("cancelQrCode")]
        assert outcome in (["INVALID_STATE"], ["CANCELLED"])
        assert await books.owed(f"pot:{till.pot.id}:reserved") == 0


# checkQrCode


async def test_checking_shows_what_a_code_is_for_and_changes_nothing(
    api: Api, till: Any, books: Books, changes: Changes
) -> None:
    before = await changes.mark()

    answer = await check(api, till.code.code, till.cashier)

    assert answer["checkQrCode"]["pack"] == {"name": till.pack.name}
    assert answer["checkQrCode"]["priceCfa"] == 5000
    assert await changes.since(before) == []
    assert (await books.code(till.code.id))["status"] == "issued"


async def test_checking_refuses_as_the_till_would(api: Api, make: Factory, till: Any) -> None:
    elsewhere = await make.code_at_the_till()

    foreign = await check(api, elsewhere.code.code, till.cashier)
    await api.redeem(till.code.code, as_=till.cashier)
    used = await check(api, till.code.code, till.cashier)

    assert foreign.refusals("checkQrCode") == ["INVALID"]
    assert foreign["checkQrCode"]["pack"] is None
    assert used.refusals("checkQrCode") == ["ALREADY_USED"]
