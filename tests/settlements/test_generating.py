"""What a settlement sums: each redemption in exactly one, none lost. A sentence of the rules a test."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from models.packs import Pack, Partner
from models.redemption import QrCode
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF, Api
from tests.factories import Factory, now
from tests.settlements.calls import IN_JULY, IN_JUNE, JULY, JUNE, Settlements, generate


async def test_a_settlement_sums_the_periods_redemptions(
    api: Api, make: Factory, staff: Any, shop: Any, stored: Settlements, books: Books
) -> None:
    for price, share in ((10_000, 8000), (5555, 4444), (333, 267)):
        await make.redeemed_code(shop.partner, price=price, share=share, at=IN_JUNE)

    answer = await generate(api, staff, shop.partner, *JUNE)

    settlement = answer["generateSettlement"]["settlement"]
    assert answer.refusals("generateSettlement") == []
    assert (settlement["periodStart"], settlement["periodEnd"]) == ("2026-06-01", "2026-06-30")
    assert settlement["totalRedemptionsCount"] == 3
    assert settlement["totalRevenueCfa"] == 15_888
    assert settlement["partnerShareCfa"] == 12_711
    assert settlement["woloCommissionCfa"] == 3177
    assert (settlement["status"], settlement["approvedAt"]) == ("PENDING", None)
    assert [str(key) for key in await stored.of_codes()] == [settlement["rowId"]] * 3
    assert await books.events(settlement["rowId"]) == ["settlement.generated"]
    assert await books.owed(f"partner:{shop.partner.id}:payable") == 12_711


async def test_each_redemption_is_in_exactly_one_settlement(
    api: Api, make: Factory, staff: Any, shop: Any, stored: Settlements
) -> None:
    await make.redeemed_code(shop.partner, price=20_000, share=16_000, at=IN_JUNE)
    await make.redeemed_code(shop.partner, price=30_000, share=24_000, at=IN_JULY)

    june = await generate(api, staff, shop.partner, *JUNE)
    both = await generate(api, staff, shop.partner, JUNE[0], JULY[1])
    july = await generate(api, staff, shop.partner, *JULY)

    assert june["generateSettlement"]["settlement"]["partnerShareCfa"] == 16_000
    # The period is the longer one, and what of it was settled before is not settled again.
    assert both["generateSettlement"]["settlement"]["partnerShareCfa"] == 24_000
    assert july.refusals("generateSettlement") == ["NOTHING_TO_SETTLE"]
    assert len(set(await stored.of_codes())) == 2


async def test_a_period_is_of_whole_days_its_last_one_included(
    api: Api, make: Factory, staff: Any, shop: Any, stored: Settlements
) -> None:
    await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC))
    await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=datetime(2026, 7, 1, tzinfo=UTC))

    answer = await generate(api, staff, shop.partner, *JUNE)

    assert answer["generateSettlement"]["settlement"]["totalRedemptionsCount"] == 1
    assert [key is None for key in await stored.of_codes()] == [False, True]


async def test_what_is_below_the_least_payout_is_carried_over_to_the_next(
    api: Api, make: Factory, staff: Any, shop: Any, changes: Changes
) -> None:
    await make.redeemed_code(shop.partner, price=12_000, share=9999, at=IN_JUNE)
    before = await changes.mark()

    june = await generate(api, staff, shop.partner, *JUNE)

    (error,) = june["generateSettlement"]["userErrors"]
    assert (error["code"], error["details"]) == ("BELOW_MINIMUM", {"shareCfa": 9999, "minimumPayoutCfa": 10_000})
    assert await changes.since(before) == []

    await make.redeemed_code(shop.partner, price=2, share=1, at=IN_JULY)
    july = await generate(api, staff, shop.partner, *JULY)

    # Exactly the least is paid out.
    assert july["generateSettlement"]["settlement"]["partnerShareCfa"] == 10_000
    assert july["generateSettlement"]["settlement"]["totalRedemptionsCount"] == 2


async def test_a_partners_settlement_holds_nothing_of_another(
    api: Api, make: Factory, staff: Any, shop: Any, stored: Settlements
) -> None:
    rival = await make(Partner)
    theirs = await make.redeemed_code(rival, price=50_000, share=40_000, at=IN_JUNE)
    await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=IN_JUNE)

    answer = await generate(api, staff, shop.partner, *JUNE)

    assert answer["generateSettlement"]["settlement"]["partnerShareCfa"] == 12_000
    assert (
        await stored.owner.fetchval("SELECT settlement_id FROM redemption.qr_codes WHERE id = $1", theirs.id)
    ) is None


async def test_partners_may_approve_without_staff_where_configured(
    api: Api, make: Factory, staff: Any, books: Books
) -> None:
    partner = await make(Partner, auto_approve_redemptions=True, minimum_payout_cfa=1)
    await make.redeemed_code(partner, at=IN_JUNE)

    settlement = (await generate(api, staff, partner, *JUNE))["generateSettlement"]["settlement"]

    assert (settlement["status"], settlement["approvedByUserId"]) == ("APPROVED", None)
    assert settlement["approvedAt"] is not None
    assert await books.events(settlement["rowId"]) == ["settlement.generated", "settlement.approved"]


async def test_a_period_is_settled_once_and_what_came_late_goes_into_the_next(
    api: Api, make: Factory, staff: Any, shop: Any, pending: Any
) -> None:
    await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=IN_JUNE)

    again = await generate(api, staff, shop.partner, *JUNE)
    following = await generate(api, staff, shop.partner, *JULY)

    (error,) = again["generateSettlement"]["userErrors"]
    assert (error["code"], error["details"]) == ("ALREADY_SETTLED", {"settlementId": pending.id})
    assert following["generateSettlement"]["settlement"]["partnerShareCfa"] == 12_000


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        ("2026-06-30", "2026-06-01", "PERIOD_NOT_IN_ORDER"),
        ("2026-06-01", "2199-01-01", "PERIOD_NOT_OVER"),
        ("0001-01-01", "9999-12-31", "PERIOD_NOT_OVER"),
        ("0001-01-01", "0001-01-31", "NOTHING_TO_SETTLE"),
    ],
)
async def test_a_period_is_in_order_and_over(
    api: Api, make: Factory, staff: Any, shop: Any, stored: Settlements, start: str, end: str, code: str
) -> None:
    await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=IN_JUNE)

    assert (await generate(api, staff, shop.partner, start, end)).refusals("generateSettlement") == [code]
    assert await stored.all() == []


async def test_a_period_may_end_today(api: Api, make: Factory, staff: Any, shop: Any) -> None:
    await make.redeemed_code(shop.partner, price=15_000, share=12_000)

    answer = await generate(api, staff, shop.partner, "2026-01-01", now().date())

    assert answer["generateSettlement"]["settlement"]["partnerShareCfa"] == 12_000


async def test_a_sum_that_no_settlement_can_hold_is_refused(
    api: Api, make: Factory, staff: Any, shop: Any, stored: Settlements
) -> None:
    for day in (10, 20):
        await make.redeemed_code(shop.partner, price=1_500_000_000, share=1_000_000_000, at=IN_JUNE.replace(day=day))

    whole = await generate(api, staff, shop.partner, *JUNE)
    half = await generate(api, staff, shop.partner, "2026-06-01", "2026-06-15")
    rest = await generate(api, staff, shop.partner, *JUNE)

    assert whole.refusals("generateSettlement") == ["AMOUNT_OUT_OF_RANGE"]
    assert half["generateSettlement"]["settlement"]["totalRevenueCfa"] == 1_500_000_000
    assert rest["generateSettlement"]["settlement"]["totalRevenueCfa"] == 1_500_000_000


async def test_only_staff_settle(api: Api, make: Factory, shop: Any) -> None:
    given = {"partnerId": shop.partner.id, "periodStart": JUNE[0], "periodEnd": JUNE[1]}

    assert (await api.mutate("generateSettlement", shop.owner, **given)).codes == ["FORBIDDEN"]
    assert (await api.mutate("generateSettlement", None, **given)).codes == ["UNAUTHENTICATED"]


async def test_a_partner_that_is_not_there_is_not_found(api: Api, staff: Any) -> None:
    answer = await generate(api, staff, SimpleNamespace(id=uuid4()), *JUNE)

    assert answer.refusals("generateSettlement") == ["NOT_FOUND"]


async def test_a_retry_settles_once(api: Api, make: Factory, staff: Any, shop: Any, stored: Settlements) -> None:
    await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=IN_JUNE)
    given = {"partnerId": shop.partner.id, "periodStart": JUNE[0], "periodEnd": JUNE[1], "idempotencyKey": uuid4()}

    first = await api.mutate("generateSettlement", staff, STAFF, **given)
    again = await api.mutate("generateSettlement", staff, STAFF, **given)

    assert again.data == first.data
    assert len(await stored.all()) == 1


async def test_the_same_period_settled_by_20_at_once_is_settled_once(
    api: Api, make: Factory, staff: Any, shop: Any, stored: Settlements, books: Books
) -> None:
    await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=IN_JUNE)

    answers = await asyncio.gather(*(generate(api, staff, shop.partner, *JUNE) for _ in range(20)))

    refusals = [answer.refusals("generateSettlement") for answer in answers]
    assert sorted(refusals) == [[]] + [["ALREADY_SETTLED"]] * 19
    (settlement,) = await stored.all()
    assert settlement["partner_share_cfa"] == 12_000
    assert await books.events(settlement["id"]) == ["settlement.generated"]


async def test_periods_that_overlap_settled_at_once_share_no_redemption(
    api: Api, make: Factory, staff: Any, shop: Any, stored: Settlements
) -> None:
    for day in range(1, 21):
        await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=IN_JUNE.replace(day=day))

    await asyncio.gather(*(generate(api, staff, shop.partner, JUNE[0], date(2026, 6, day)) for day in range(1, 21)))

    settled = await stored.of_codes()
    assert None not in settled
    assert sum(row["partner_share_cfa"] for row in await stored.all()) == 20 * 12_000
    assert {row["id"] for row in await stored.all()} == set(settled)


async def test_the_till_goes_on_while_a_period_is_settled(
    api: Api, make: Factory, staff: Any, shop: Any, stored: Settlements
) -> None:
    await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=IN_JUNE)
    pack = await make(Pack, partner_id=shop.partner.id)
    pot = await make.funded_pot(150_000)
    await stored.owner.execute("UPDATE pots.pots SET balance_cfa = 0 WHERE id = $1", pot.id)
    codes = [await make(QrCode, pot_id=pot.id, pack_id=pack.id, price_cfa=5000) for _ in range(30)]
    for code in codes:
        await make.issued(code)
    today = now().date()

    answers = await asyncio.gather(
        *(api.redeem(code.code, as_=shop.cashier) for code in codes[:15]),
        generate(api, staff, shop.partner, JUNE[0], today),
        *(api.redeem(code.code, as_=shop.cashier) for code in codes[15:]),
    )
    await generate(api, staff, shop.partner, today, today)

    assert all(answer.data for answer in answers)
    assert None not in await stored.of_codes()
    assert sum(row["total_redemptions_count"] for row in await stored.all()) == 31
    assert sum(row["partner_share_cfa"] for row in await stored.all()) == 12_000 + 30 * 4000
