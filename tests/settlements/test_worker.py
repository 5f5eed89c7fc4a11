"""What the worker settles by itself, by each partner's terms: on time, once, however many workers run."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import asyncpg
import pytest

from lango.rules.services import Services
from models.packs import Partner, PartnerPaymentTerms
from resolvers.redemption import settlements
from resolvers.redemption.settlements import last_period, settle_partners
from tests.books import Books
from tests.factories import Factory, now


def at(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def last(terms: PartnerPaymentTerms) -> settlements.Period:
    return last_period(terms, now().date())


async def of(owner: asyncpg.Pool[Any], *partners: Any) -> list[Any]:
    return list(
        await owner.fetch(
            "SELECT * FROM redemption.partner_settlements WHERE partner_id = ANY ($1) ORDER BY period_start",
            [partner.id for partner in partners],
        )
    )


@pytest.mark.parametrize(
    ("terms", "today", "start", "end"),
    [
        # 2026-11-16 is a Monday.
        ("weekly", "2026-11-16", "2026-11-09", "2026-11-15"),
        ("weekly", "2026-11-22", "2026-11-09", "2026-11-15"),
        ("weekly", "2027-01-01", "2026-12-21", "2026-12-27"),
        ("monthly", "2026-11-01", "2026-10-01", "2026-10-31"),
        ("monthly", "2026-01-31", "2025-12-01", "2025-12-31"),
        ("monthly", "2028-03-31", "2028-02-01", "2028-02-29"),
        ("quarterly", "2026-12-31", "2026-07-01", "2026-09-30"),
        ("quarterly", "2026-10-01", "2026-07-01", "2026-09-30"),
        ("quarterly", "2026-03-31", "2025-10-01", "2025-12-31"),
        (None, "2026-11-21", "2026-10-01", "2026-10-31"),
    ],
)
def test_the_last_full_period_by_the_terms(terms: str | None, today: str, start: str, end: str) -> None:
    found = last_period(PartnerPaymentTerms(terms) if terms else None, date.fromisoformat(today))

    assert found == (date.fromisoformat(start), date.fromisoformat(end))


@pytest.mark.parametrize("terms", list(PartnerPaymentTerms))
async def test_the_worker_settles_each_partners_last_period(
    services: Services, make: Factory, owner: asyncpg.Pool[Any], terms: PartnerPaymentTerms
) -> None:
    partner, period = await make(Partner, payment_terms=terms.value), last(terms)
    for day in (period.start, period.end):
        await make.redeemed_code(partner, price=15_000, share=12_000, at=at(day))
    after = await make.redeemed_code(partner, price=15_000, share=12_000, at=at(period.end + timedelta(days=1)))

    await settle_partners(services)

    (settlement,) = await of(owner, partner)
    assert (settlement["period_start"], settlement["period_end"]) == period
    assert (settlement["total_redemptions_count"], settlement["partner_share_cfa"]) == (2, 24_000)
    assert settlement["status"] == "pending"
    assert await owner.fetchval("SELECT settlement_id FROM redemption.qr_codes WHERE id = $1", after.id) is None


async def test_what_was_missed_or_below_the_least_payout_comes_into_the_next_settlement(
    services: Services, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    partner, period = await make(Partner, minimum_payout_cfa=10_000), last(PartnerPaymentTerms.MONTHLY)
    await make.redeemed_code(partner, at=at(period.start - timedelta(days=100)))
    await make.redeemed_code(partner, at=at(period.start))

    await settle_partners(services)
    assert await of(owner, partner) == []
    await make.redeemed_code(partner, at=at(period.end))
    await settle_partners(services)

    (settlement,) = await of(owner, partner)
    assert (settlement["total_redemptions_count"], settlement["partner_share_cfa"]) == (3, 12_000)


async def test_the_job_twice_and_by_many_workers_at_once_settles_once(
    services: Services, make: Factory, owner: asyncpg.Pool[Any], books: Books
) -> None:
    partners = [await make(Partner, auto_approve_redemptions=True) for _ in range(4)]
    for partner in partners:
        await make.redeemed_code(partner, price=15_000, share=12_000, at=at(last(PartnerPaymentTerms.MONTHLY).start))

    await asyncio.gather(*(settle_partners(services) for _ in range(6)))
    await settle_partners(services)

    settled = await of(owner, *partners)
    assert [row["partner_share_cfa"] for row in settled] == [12_000] * 4
    assert {row["status"] for row in settled} == {"approved"}
    for row in settled:
        assert await books.events(row["id"]) == ["settlement.generated", "settlement.approved"]


async def test_a_worker_killed_half_way_loses_and_doubles_nothing(
    services: Services, make: Factory, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await settle_partners(services)
    partners = sorted([await make(Partner) for _ in range(3)], key=lambda partner: partner.id)
    for partner in partners:
        await make.redeemed_code(partner, price=15_000, share=12_000, at=at(last(PartnerPaymentTerms.MONTHLY).start))
    publish = settlements.publish

    def die_at_the_second(tx: Any, topic: str, key: Any, **payload: Any) -> None:
        if payload["partner_id"] == partners[1].id:
            raise asyncio.CancelledError
        publish(tx, topic, key, **payload)

    monkeypatch.setattr(settlements, "publish", die_at_the_second)
    with pytest.raises(asyncio.CancelledError):
        await settle_partners(services)
    monkeypatch.setattr(settlements, "publish", publish)

    assert [row["partner_id"] for row in await of(owner, *partners)] == [partners[0].id]
    await settle_partners(services)
    assert len(await of(owner, *partners)) == 3


async def test_a_partner_whose_sum_is_too_large_does_not_stop_the_others(
    services: Services, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    partners = sorted([await make(Partner) for _ in range(2)], key=lambda partner: partner.id)
    day = at(last(PartnerPaymentTerms.MONTHLY).start)
    for _ in range(2):
        await make.redeemed_code(partners[0], price=1_500_000_000, share=1_000_000_000, at=day)
    await make.redeemed_code(partners[1], price=15_000, share=12_000, at=day)

    await settle_partners(services)

    assert [row["partner_id"] for row in await of(owner, *partners)] == [partners[1].id]


async def test_a_suspended_partner_is_still_owed(services: Services, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    partner = await make(Partner, status="suspended")
    await make.redeemed_code(partner, price=15_000, share=12_000, at=at(last(PartnerPaymentTerms.MONTHLY).start))

    await settle_partners(services)

    assert len(await of(owner, partner)) == 1
