"""The ledger's proofs of settlements: each finds what it is there for."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from models.packs import Partner
from tests.books import verified
from tests.client import STAFF, Api
from tests.factories import Factory
from tests.settlements.calls import IN_JULY, IN_JUNE, generate

CODE = "UPDATE redemption.qr_codes SET {} WHERE id = :code"
SETTLEMENT = "UPDATE redemption.partner_settlements SET {} WHERE id = :settlement"


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        (SETTLEMENT.format("total_redemptions_count = 2"), "partner_settlements.total_redemptions_count"),
        (SETTLEMENT.format("total_redemptions_count = NULL"), "partner_settlements.total_redemptions_count"),
        (SETTLEMENT.format("total_revenue_cfa = 14999"), "partner_settlements.total_revenue_cfa"),
        (SETTLEMENT.format("wolo_commission_cfa = 1"), "partner_settlements.wolo_commission_cfa"),
        (SETTLEMENT.format("partner_share_cfa = 13000"), "partner_settlements.partner_share_cfa"),
        (SETTLEMENT.format("partner_share_cfa = 13000"), "partner_settlements paid"),
        # The code moves to another settlement, as if it were in two.
        (CODE.format("settlement_id = :other"), "partner_settlements.total_redemptions_count"),
        (CODE.format("settlement_id = :rivals"), "qr_codes.settlement_id"),
        (CODE.format("settlement_id = NULL"), "qr_codes.partner_share_cfa unpaid"),
        (
            "UPDATE ledger.ledger_transactions SET reference_id = :other WHERE reference_id = :settlement",
            "partner_settlements paid",
        ),
    ],
)
async def test_a_settlement_that_is_not_the_sum_of_its_codes_or_paid_otherwise_is_found(
    api: Api, make: Factory, staff: Any, shop: Any, owner_engine: AsyncEngine, wrong: str, found: str
) -> None:
    rival = await make(Partner)
    code = await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=IN_JUNE)
    await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=IN_JULY)
    await make.redeemed_code(rival, price=15_000, share=12_000, at=IN_JUNE)
    keys = []
    for partner, month in ((shop.partner, 6), (shop.partner, 7), (rival, 6)):
        made = await generate(api, staff, partner, date(2026, month, 1), date(2026, month, 30))
        keys.append(made["generateSettlement"]["settlement"]["rowId"])
    await api.mutate("approveSettlement", staff, STAFF, settlementId=keys[0])
    await api.mutate("markSettlementPaid", staff, STAFF, settlementId=keys[0], reference="VIR-1")
    known = {"code": code.id, "settlement": UUID(keys[0]), "other": UUID(keys[1]), "rivals": UUID(keys[2])}

    async with AsyncSession(owner_engine) as session:
        before = await verified(session)
        # Nothing of this stays: the triggers that would refuse it are away for this transaction.
        await session.execute(text("SET LOCAL session_replication_role = replica"))
        changed = await session.execute(text(wrong), {name: key for name, key in known.items() if f":{name}" in wrong})
        assert changed.rowcount == 1  # type: ignore[attr-defined]
        differences = await verified(session)
        await session.rollback()

    assert found in {difference.what for difference in differences if difference not in before}
