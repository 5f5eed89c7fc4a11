"""Recurring payments that tests are given, and what has become of them."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from models.treasury import RecurringPayment
from tests.factories import now
from tests.treasury.house import House, key_of


async def a_dao(house: House) -> Any:
    """A DAO, with a `member` who has 1,000 shillings."""
    made = await house.dao()
    made.member = await house.join(made, await house.person(KES="1000"))
    return made


async def ordered(house: House, dao: Any, **given: Any) -> Any:
    """An order of the member's whose first date was so long ago, or as it is given."""
    usual = {
        "user_id": dao.member.id, "dao_id": dao.id, "amount": 100, "currency": "KES", "frequency": "monthly",
        "start_date": now() + timedelta(days=3), "payment_method": "wallet",
    }  # fmt: skip
    values = usual | given
    return await house.make(RecurringPayment, **({"next_payment_date": values["start_date"]} | values))


async def row_of(house: House, payment: Any) -> Any:
    row = await house.owner.fetchrow("SELECT * FROM treasury.recurring_payments WHERE id = $1", key_of(payment))
    return SimpleNamespace(**row)


async def outcomes(house: House, payment: Any) -> list[tuple[int, str]]:
    rows = await house.owner.fetch(
        "SELECT occurrence, outcome FROM treasury.recurring_occurrences WHERE recurring_payment_id = $1 ORDER BY 1",
        key_of(payment),
    )
    return [(row["occurrence"], row["outcome"]) for row in rows]
