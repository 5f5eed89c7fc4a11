"""Staff who act for a partner decide nothing about it: neither its standing, nor its terms, nor what it is paid."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from models.packs import Pack, Partner
from tests.changes import Changes
from tests.client import STAFF, Api
from tests.factories import Factory
from tests.settlements.calls import IN_JUNE, JULY, generate


@pytest.fixture
async def cashier(make: Factory, shop: Any) -> SimpleNamespace:
    """Somebody of the staff who redeems codes at the shop."""
    user = await make.staff()
    await make.member(shop.partner, user, "cashier")
    return user


async def test_staff_decide_no_settlement_of_a_partner_they_act_for(
    api: Api, make: Factory, shop: Any, approved: Any, cashier: Any, changes: Changes
) -> None:
    await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=IN_JUNE)
    before = await changes.mark()

    generated = await generate(api, cashier, shop.partner, *JULY)
    paid = await api.mutate("markSettlementPaid", cashier, STAFF, settlementId=approved.id, reference="VIR-1")
    disputed = await api.mutate("disputeSettlement", cashier, STAFF, settlementId=approved.id, reason="too little")

    assert generated.refusals("generateSettlement") == paid.refusals("markSettlementPaid") == ["OWN_MATTER"]
    assert disputed.refusals("disputeSettlement") == ["NOT_PARTNER_MANAGER"]
    assert await changes.since(before) == []


async def test_staff_approve_and_reopen_none_either(
    api: Api, shop: Any, pending: Any, cashier: Any, changes: Changes
) -> None:
    approved = await api.mutate("approveSettlement", cashier, STAFF, settlementId=pending.id)
    assert approved.refusals("approveSettlement") == ["OWN_MATTER"]
    await api.mutate("disputeSettlement", shop.manager, settlementId=pending.id, reason="too little")
    before = await changes.mark()

    reopened = await api.mutate("reopenSettlement", cashier, STAFF, settlementId=pending.id)

    assert reopened.refusals("reopenSettlement") == ["OWN_MATTER"]
    assert await changes.since(before) == []


async def test_staff_neither_verify_nor_stop_nor_pay_more_to_a_partner_they_act_for(
    api: Api, make: Factory, shop: Any, cashier: Any, owner: asyncpg.Pool[Any], changes: Changes
) -> None:
    registered = await make(Partner, status="pending")
    await make.member(registered, cashier, "owner")
    before = await changes.mark()
    calls: dict[str, dict[str, Any]] = {
        "verifyPartner": {"partnerId": registered},
        "suspendPartner": {"partnerId": shop.partner},
        "reinstatePartner": {"partnerId": shop.partner},
        "terminatePartner": {"partnerId": shop.partner},
        "setPartnerTerms": {"partnerId": shop.partner, "revenueSplitPercentage": "99"},
    }

    for name, given in calls.items():
        answer = await api.mutate(name, cashier, STAFF, **given)
        assert answer.refusals(name) == ["OWN_MATTER"], name

    assert await changes.since(before) == []


async def test_staff_have_at_a_partner_they_act_for_their_own_role(
    api: Api, make: Factory, shop: Any, cashier: Any, changes: Changes
) -> None:
    pack = await make(Pack, partner_id=shop.partner.id, is_active=False)
    before = await changes.mark()

    updated = await api.mutate("updatePartner", cashier, STAFF, partnerId=shop.partner, name="Ours")
    published = await api.mutate("publishPack", cashier, STAFF, packId=pack)

    assert updated.refusals("updatePartner") == ["NOT_PARTNER_OWNER"]
    assert published.refusals("publishPack") == ["NOT_PARTNER_MANAGER"]
    assert await changes.since(before) == []
