"""Dashboards of money, for staff and for the members of a DAO, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import asyncpg
import orjson
import strawberry
from strawberry.types import Info

from gql.kit.node import parse_id
from lango.errors import BadUserInput, Forbidden
from models.treasury import Dao
from resolvers.treasury.dashboards import FINANCIAL, OF_DAO

From = Annotated[datetime, strawberry.argument(name="from", description="When the period begins.")]
To = Annotated[datetime, strawberry.argument(description="When it ends: what happened at that moment is not in it.")]
CURRENCY = "What the amount is counted in."


@strawberry.type(description="What the platform kept of the fees of a kind, in a currency.")
class PlatformRevenue:
    fee_category: str = strawberry.field(description="What was done for the fees, such as `mpesa_deposit`.")
    currency: str = strawberry.field(description=CURRENCY)
    revenue: Decimal = strawberry.field(description="What was kept; fees that were given back are not in it.")
    transactions: int = strawberry.field(description="How many fees they were.")


@strawberry.type(description="What was exchanged of one currency for another.")
class SwapVolume:
    from_currency: str = strawberry.field(description="What was given, and what `volume` is counted in.")
    to_currency: str = strawberry.field(description="What was got for it.")
    swaps: int = strawberry.field(description="How many swaps were completed.")
    volume: Decimal = strawberry.field(description="What was given altogether, in `fromCurrency`.")


@strawberry.type(description="What all users hold of a currency now.")
class HeldByUsers:
    currency: str = strawberry.field(description=CURRENCY)
    users: int = strawberry.field(description="How many hold some of it.")
    total: Decimal = strawberry.field(description="What they hold: available, pending and locked together.")


@strawberry.type(description="The platform's money in figures, by currency: amounts of several are never added up.")
class FinancialDashboard:
    platform_revenue: list[PlatformRevenue] = strawberry.field(description="What was earned in the period.")
    swap_volume: list[SwapVolume] = strawberry.field(description="What was exchanged in the period.")
    balances: list[HeldByUsers] = strawberry.field(description="What users hold now, whatever the period is.")


@strawberry.type(description="What came into a DAO, or what it paid, in a month and a currency.")
class DaoMonth:
    month: str = strawberry.field(description="The month in the DAO's time zone, such as `2026-01`.")
    currency: str = strawberry.field(description=CURRENCY)
    amount: Decimal = strawberry.field(description="How much it was.")
    payments: int = strawberry.field(description="How many payments it was.")


@strawberry.type(description="What was charged in a DAO for one kind of thing, in a currency.")
class DaoFees:
    fee_category: str = strawberry.field(description="What was done for the fees, such as `mpesa_deposit`.")
    currency: str = strawberry.field(description=CURRENCY)
    amount: Decimal = strawberry.field(description="What was charged; fees that were given back are not in it.")
    transactions: int = strawberry.field(description="How many fees they were.")


@strawberry.type(description="A DAO's money in figures.")
class DaoDashboard:
    contributions: list[DaoMonth] = strawberry.field(description="What members gave, by the month, the first first.")
    payouts: list[DaoMonth] = strawberry.field(description="What was paid from the treasury, by the month.")
    fees: list[DaoFees] | None = strawberry.field(description="What was charged; null for all but admins and staff.")


async def financial_dashboard(info: Info, begin: From, to: To) -> Any:
    """Fees, swaps and balances by currency, for staff."""
    if not info.context.actor.is_staff:
        raise Forbidden("Only staff may see this.")
    found = await _read(info, FINANCIAL, begin, to)
    return found and FinancialDashboard(
        platform_revenue=[PlatformRevenue(**_exact(each, "revenue")) for each in found["platform_revenue"]],
        swap_volume=[SwapVolume(**_exact(each, "volume")) for each in found["swap_volume"]],
        balances=[HeldByUsers(**_exact(each, "total")) for each in found["balances"]],
    )


async def dao_dashboard(
    info: Info,
    dao_id: Annotated[strawberry.ID, strawberry.argument(description="The DAO's id, or its `rowId`.")],
    begin: From,
    to: To,
) -> Any:
    """What came into a DAO and what it paid, for its members; null where you are none."""
    found = await _read(info, OF_DAO, begin, to, parse_id(Dao, dao_id))
    return found and DaoDashboard(
        contributions=[DaoMonth(**_exact(each, "amount")) for each in found["contributions"]],
        payouts=[DaoMonth(**_exact(each, "amount")) for each in found["payouts"]],
        fees=None if found["fees"] is None else [DaoFees(**_exact(each, "amount")) for each in found["fees"]],
    )


financial_dashboard.__annotations__["return"] = FinancialDashboard | None
dao_dashboard.__annotations__["return"] = DaoDashboard | None


async def _read(info: Info, sql: str, begin: datetime, to: datetime, before: Sequence[Any] = ()) -> Any:
    """What a statement gives as the caller; None where it gives no row."""
    if to <= begin:
        raise BadUserInput("`to` is after `from`.")
    (text,) = await info.context.texts([(sql, [*before, begin, to])])
    if isinstance(text, asyncpg.PostgresError):
        raise text
    return None if text is None else orjson.loads(text)


def _exact(row: dict[str, Any], amount: str) -> dict[str, Any]:
    return row | {amount: Decimal(row[amount])}
