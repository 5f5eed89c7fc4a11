"""A partner with an owner, a manager and a cashier, and a ledger that must add up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from models.identity import User
from models.packs import Partner
from tests.books import balanced, books, owner_engine  # noqa: F401 - fixtures
from tests.client import STAFF, Api
from tests.factories import Factory
from tests.settlements.calls import IN_JUNE, JUNE, Settlements, generate


@pytest.fixture
async def shop(make: Factory) -> SimpleNamespace:
    """An active partner that is paid from 10,000 francs on, with an owner, a manager and a cashier."""
    partner = await make(Partner, minimum_payout_cfa=10_000)
    people = {role: await make(User) for role in ("owner", "manager", "cashier")}
    for role, user in people.items():
        await make.member(partner, user, role)
    return SimpleNamespace(partner=partner, **people)


@pytest.fixture
def stored(owner: asyncpg.Pool[Any], shop: Any) -> Settlements:
    return Settlements(owner, shop.partner)


@pytest.fixture
async def pending(api: Api, make: Factory, staff: Any, shop: Any) -> SimpleNamespace:
    """A settlement of June over 12,000 francs, waiting for approval."""
    await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=IN_JUNE)
    answer = await generate(api, staff, shop.partner, *JUNE)
    return SimpleNamespace(id=answer["generateSettlement"]["settlement"]["rowId"])


@pytest.fixture
async def approved(api: Api, staff: Any, pending: Any) -> SimpleNamespace:
    await api.mutate("approveSettlement", staff, STAFF, settlementId=pending.id)
    return pending  # type: ignore[no-any-return]
