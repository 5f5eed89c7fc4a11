"""Dashboards of money, as docs/dashboards.md has them, over figures that are known."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from models.base import Base
from models.treasury import CurrencySwap, TransactionFee, TreasuryTransfer, WalletTransaction
from tests.client import STAFF, Api
from tests.factories import Factory, now
from tests.settlements.test_dashboards import QUERIES
from tests.treasury.house import House

# A day on which nothing else has happened.
DAY = {"from": "2021-03-04T00:00:00Z", "to": "2021-03-05T00:00:00Z"}
THEN, AFTER = datetime(2021, 3, 4, 12, tzinfo=UTC), datetime(2021, 3, 5, tzinfo=UTC)
Make = Callable[..., Awaitable[Any]]
TODAY = "query ($id: ID!) { daoTreasury(id: $id) { today { day spent left currency } } }"


@pytest.fixture(params=["planned", "ordinary"])
def ask(request: pytest.FixtureRequest, api: Api, ordinary: Api) -> Api:
    """The gateway with its planner and without."""
    return api if request.param == "planned" else ordinary


@pytest.fixture
async def shown(make: Factory, owner: asyncpg.Pool[Any]) -> AsyncIterator[Make]:
    """Makes rows that are only looked at: no posting is behind them, so they are gone after the test."""
    made: list[tuple[str, Any]] = []

    async def make_it(model: type[Base], **given: Any) -> Any:
        row = await make(model, **given)
        made.append((f"{model.table().schema}.{model.table().name}", row.id))
        return row

    yield make_it
    for table, key in reversed(made):
        await owner.execute(f"DELETE FROM {table} WHERE id = $1", key)


async def fee(make: Make, category: str, amount: str, currency: str = "KES", **given: Any) -> Any:
    kept = Decimal(amount)
    return await make(
        TransactionFee, fee_category=category, fee_amount=kept, platform_revenue=kept, dao_revenue=Decimal(0),
        protocol_revenue=Decimal(0), currency=currency, **({"created_at": THEN} | given),
    )  # fmt: skip


# financialDashboard


async def test_staff_see_fees_swaps_and_balances_by_currency(ask: Api, house: House, shown: Make, staff: Any) -> None:
    currency = f"T{uuid4().hex[:6]}"
    await house.person(**{currency: "100"})
    await house.person(**{currency: "20.5"})
    await house.person(user={"is_active": True})
    category = f"deposit_{currency}"
    await fee(shown, category, "25")
    await fee(shown, category, "0.5")
    await fee(shown, category, "0.00000001", "cUSD")
    await fee(shown, category, "1000", reversed_at=THEN)
    await fee(shown, category, "1000", created_at=AFTER)
    given = {"completed_at": THEN, "from_currency": currency, "to_currency": "cUSD"}
    for amount in ("100", "50"):
        await shown(CurrencySwap, status="completed", from_amount=Decimal(amount), **given)
    await shown(CurrencySwap, status="failed", from_amount=Decimal(7), **given)
    await shown(CurrencySwap, status="completed", from_amount=Decimal(7), **(given | {"completed_at": AFTER}))

    answer = await ask(QUERIES["Money"], DAY, as_=staff, roles=STAFF)

    found = answer["financialDashboard"]
    assert [row for row in found["platformRevenue"] if row["feeCategory"] == category] == [
        {"feeCategory": category, "currency": "KES", "revenue": "25.50000000", "transactions": 2},
        {"feeCategory": category, "currency": "cUSD", "revenue": "0.00000001", "transactions": 1},
    ]
    assert [row for row in found["swapVolume"] if row["fromCurrency"] == currency] == [
        {"fromCurrency": currency, "toCurrency": "cUSD", "swaps": 2, "volume": "150.00000000"}
    ]
    assert [row for row in found["balances"] if row["currency"] == currency] == [
        {"currency": currency, "users": 2, "total": "120.50000000"}
    ]


async def test_only_staff_see_them(ask: Api, house: House) -> None:
    for caller in (await house.person(), None):
        answer = await ask(QUERIES["Money"], DAY, as_=caller)
        assert answer.codes == ["FORBIDDEN"]
        assert answer.body["data"] == {"financialDashboard": None}


async def test_a_period_has_a_length(ask: Api, house: House, staff: Any) -> None:
    dao = await house.dao()
    given = {"from": DAY["to"], "to": DAY["to"]}

    assert (await ask(QUERIES["Money"], given, as_=staff, roles=STAFF)).codes == ["BAD_USER_INPUT"]
    answer = await ask(QUERIES["DaoMoney"], given | {"daoId": str(dao.id)}, as_=dao.admin)
    assert answer.codes == ["BAD_USER_INPUT"]


# daoDashboard


async def test_members_see_what_came_and_went_by_the_month(ask: Api, house: House, shown: Make, staff: Any) -> None:
    dao = await house.dao(members=2, dao={"time_zone": "Africa/Nairobi"})
    # Half past ten in the evening of the last day in UTC is the next month in Nairobi.
    last = datetime(2021, 1, 31, 22, 30, tzinfo=UTC)
    of_dao = {"dao_id": dao.id, "currency": "KES"}
    for amount, at, kind, status in (
        ("100", last - timedelta(hours=2), "contribution", "completed"),
        ("40", last, "contribution", "completed"),
        ("2.5", last, "contribution", "completed"),
        ("999", last, "contribution", "failed"),
        ("30", last, "payout", "completed"),
        ("999", last, "deposit", "completed"),
    ):
        await shown(WalletTransaction, amount=Decimal(amount), created_at=at, type=kind, status=status, **of_dao)
    await fee(shown, "mpesa_deposit", "25", dao_id=dao.id, paid_by=dao.members[1].id, created_at=last)
    given = {"daoId": str(dao.id), "from": "2021-01-01T00:00:00Z", "to": "2021-04-01T00:00:00Z"}

    by_admin = (await ask(QUERIES["DaoMoney"], given, as_=dao.admin))["daoDashboard"]
    by_member = (await ask(QUERIES["DaoMoney"], given, as_=dao.members[1]))["daoDashboard"]
    by_staff = (await ask(QUERIES["DaoMoney"], given, as_=staff, roles=STAFF))["daoDashboard"]

    assert by_admin["contributions"] == [
        {"month": "2021-01", "currency": "KES", "amount": "100.00000000", "payments": 1},
        {"month": "2021-02", "currency": "KES", "amount": "42.50000000", "payments": 2},
    ]
    assert by_admin["payouts"] == [{"month": "2021-02", "currency": "KES", "amount": "30.00000000", "payments": 1}]
    assert by_admin["fees"] == [
        {"feeCategory": "mpesa_deposit", "currency": "KES", "amount": "25.00000000", "transactions": 1}
    ]
    # Not even of those that they have paid themselves: a part would look like the whole.
    assert by_member == by_admin | {"fees": None}
    assert by_staff == by_admin


async def test_others_see_no_dashboard_of_a_dao(ask: Api, house: House) -> None:
    dao = await house.dao(dao={"access": "public"})
    applicant = await house.join(dao, status="pending")

    for caller in (applicant, await house.person(), None):
        answer = await ask(QUERIES["DaoMoney"], DAY | {"daoId": str(dao.id)}, as_=caller)
        assert answer["daoDashboard"] is None


# DaoTreasury.today


async def test_what_was_spent_today_is_of_the_daos_day(ask: Api, house: House, shown: Make) -> None:
    zone = "Pacific/Kiritimati"
    dao = await house.dao(dao={"time_zone": zone}, treasury={"daily_spending_limit": Decimal(1000)}, KES="9000")
    midnight = now().astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    for amount, at, status in (
        ("300", midnight, "executed"),
        ("50.5", now(), "executed"),
        ("100", midnight - timedelta(microseconds=1), "executed"),
        ("100", None, "approved"),
    ):
        await shown(
            TreasuryTransfer, treasury_id=dao.treasury.id, amount=Decimal(amount), currency="KES", status=status,
            executed_at=at,
        )  # fmt: skip

    today = (await ask(TODAY, {"id": str(dao.treasury.id)}, as_=dao.admin))["daoTreasury"]["today"]

    assert today == {
        "day": midnight.date().isoformat(), "spent": "350.50000000", "left": "649.50000000", "currency": "KES",
    }  # fmt: skip


@pytest.mark.parametrize(("limit", "left"), [(None, None), (Decimal(10), "0.00000000")])
async def test_a_limit_leaves_no_less_than_nothing(
    ask: Api, house: House, limit: Decimal | None, left: str | None, shown: Make
) -> None:
    dao = await house.dao(treasury={"daily_spending_limit": limit}, KES="9000")
    await shown(
        TreasuryTransfer, treasury_id=dao.treasury.id, amount=Decimal(300), status="executed", executed_at=now()
    )

    today = (await ask(TODAY, {"id": str(dao.treasury.id)}, as_=dao.admin))["daoTreasury"]["today"]

    assert (today["spent"], today["left"]) == ("300.00000000", left)
