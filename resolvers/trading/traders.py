"""Traders: for how much a day and a month they may trade, and what they have traded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import ARRAY, Date, Text, Uuid, any_, bindparam, cast, func, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from lango.db.prepared import Lookup, Prepared, Query
from lango.errors import Refused
from lango.jobs.job import scheduled
from lango.rules.inputs import Named, Seen, Value
from lango.rules.rule import rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.profiles import Profile
from models.trading import CryptoPrice, CryptoProfile, CryptoProfileKycStatus, CryptoTrade, CryptoTradeStatus
from resolvers.kernel import clock, due, own_matters, system_config
from resolvers.kernel.ages import NotOfAge, aging, check_is_adult, minors_in
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.system_config import Configured
from resolvers.trading.refusals import CounterpartyNotAvailable, LimitExceeded
from resolvers.trading.standing import BARRED, check_standing

# In US dollars; what a trader begins with, until staff set others.
DAILY_LIMIT = Configured("trading.daily_limit", Decimal(1_000))
MONTHLY_LIMIT = Configured("trading.monthly_limit", Decimal(10_000))
MOST = Decimal("999999999999.99999999")
# Taken, and neither completed nor called off: what these are worth may yet be traded today.
UNDER_WAY = (CryptoTradeStatus.MATCHED, CryptoTradeStatus.IN_ESCROW, CryptoTradeStatus.DISPUTED)
RESETS_AT_ONCE = 500
# What keeps somebody from a trade, and is nobody else's to know.
NOT_AVAILABLE: tuple[type[Refused], ...] = (*BARRED, LimitExceeded)

ZONE = func.coalesce(Profile.timezone, "Africa/Dakar")
TODAY = cast(func.timezone(ZONE, func.clock_timestamp()), Date)

# In the order of the users, so that no two callers who open the same ones cross. Gives those who are new.
OPEN = Prepared(
    upsert(CryptoProfile.table())
    .from_select(["user_id"], select(func.unnest(bindparam("user_ids", type_=ARRAY(Uuid)))), include_defaults=False)
    .on_conflict_do_nothing()
    .returning(CryptoProfile.table().c.user_id)
)
LOCKED = Lookup(
    [CryptoProfile, TODAY],
    lambda rows: (
        rows.outerjoin(Profile, Profile.user_id == CryptoProfile.user_id)
        .where(CryptoProfile.user_id == any_(bindparam("user_ids", type_=ARRAY(Uuid))))
        .order_by(CryptoProfile.id)
        .with_for_update(of=CryptoProfile, key_share=True)
    ),
)
# Of a user, in US dollars.
COMMITTED = Lookup(
    [func.coalesce(func.sum(CryptoTrade.amount * CryptoPrice.price_usd), 0)],
    lambda rows: (
        rows.select_from(CryptoTrade)
        .join(CryptoPrice, CryptoPrice.symbol == func.split_part(CryptoTrade.pair, "/", 1))
        .where(
            or_(CryptoTrade.seller_id == bindparam("user_id"), CryptoTrade.buyer_id == bindparam("user_id")),
            CryptoTrade.status == any_(bindparam("under_way", type_=ARRAY(Text))),
        )
    ),
)
STALE = due.Due(
    CryptoProfile.user_id,
    lambda rows: (
        rows.outerjoin(Profile, Profile.user_id == CryptoProfile.user_id)
        .where(
            CryptoProfile.volume_day < TODAY,
            or_(CryptoProfile.current_daily_volume != 0, CryptoProfile.current_monthly_volume != 0),
            or_(
                CryptoProfile.current_daily_volume != 0,
                cast(func.date_trunc("month", TODAY), Date) > CryptoProfile.volume_day,
            ),
        )
        .order_by(CryptoProfile.id)
        .limit(RESETS_AT_ONCE)
    ),
)


@rule(OwnMatter, NotOfAge, AmountNotPositive, AmountOutOfRange, staff=True)
async def set_kyc_status(
    tx: RuleTransaction,
    user: Annotated[User, Seen("Who trades.")],
    status: Annotated[CryptoProfileKycStatus, Value("Whether their identity was confirmed.")],
    daily_limit: Annotated[Decimal | None, Value("The most they may trade in a day, in US dollars.")] = None,
    monthly_limit: Annotated[Decimal | None, Value("The most they may trade in a month, in US dollars.")] = None,
) -> Annotated[CryptoProfile, Named("profile")]:
    """Say whether a trader's identity was confirmed, and how much they may trade; limits left out stay.

    A minor's is not confirmed: only adults trade.
    """
    wards, ages = await tx.fetch(own_matters.relating(tx), aging(user.id))
    own_matters.refuse_related(tx, wards, user.id, field="user_id")
    if status == CryptoProfileKycStatus.VERIFIED:
        check_is_adult(user.id, minors_in(ages), field="user_id")
    *found, ((now,),) = await tx.fetch(*locking_traders(user.id), clock.reading())
    trader = traders_in(tx, found)[user.id]
    for limit, field in ((daily_limit, "daily_limit"), (monthly_limit, "monthly_limit")):
        if limit is not None:
            check_amount(limit, CryptoProfile.daily_limit, field=field)
    trader.daily_limit = trader.daily_limit if daily_limit is None else daily_limit
    trader.monthly_limit = trader.monthly_limit if monthly_limit is None else monthly_limit
    verified = status == CryptoProfileKycStatus.VERIFIED
    trader.kyc_status, trader.is_verified_trader = status, verified
    trader.kyc_verified_at = now if verified else None
    tx.save(trader)
    return trader


def locking_traders(*user_ids: UUID) -> tuple[Query, Query, Query]:
    """The look-ups of what these users are as traders, to be sent together with others; `traders_in` reads them.

    They are locked, and opened where there is nothing yet. In the rules' role.
    """
    wanted = sorted(set(user_ids))
    return (
        OPEN.query(user_ids=wanted), LOCKED.query(user_ids=wanted), system_config.reading(DAILY_LIMIT, MONTHLY_LIMIT)
    )  # fmt: skip


def traders_in(tx: RuleTransaction, found: Sequence[Sequence[tuple[Any, ...]]]) -> dict[UUID, CryptoProfile]:
    """The traders, with the volumes of this day and month."""
    new, locked, limits = found
    traders = {trader.user_id: trader for trader, _ in locked}
    for (user_id,) in new:
        trader = traders[user_id]
        trader.daily_limit, trader.monthly_limit = system_config.numbers_in(limits, DAILY_LIMIT, MONTHLY_LIMIT)
        tx.save(trader)
    for trader, today in locked:
        _begin_day(trader, today)
    return traders


@dataclass(frozen=True, slots=True)
class Checks:
    """Traders who are locked, and what decides whether they may trade, as it is under their locks."""

    traders: dict[UUID, CryptoProfile]
    minors: Collection[UUID]
    # What each has under way, in US dollars.
    under_way: Mapping[UUID, Decimal]
    now: datetime


def checking(*user_ids: UUID) -> list[Query]:
    """The look-ups of `Checks`, which lock as `locking_traders` does, to be sent together with others; `checks_in`
    reads them."""
    under_way = [COMMITTED.query(user_id=user_id, under_way=UNDER_WAY) for user_id in user_ids]
    return [*locking_traders(*user_ids), clock.reading(), aging(*user_ids), *under_way]


def checks_in(tx: RuleTransaction, found: Sequence[Sequence[tuple[Any, ...]]], *user_ids: UUID) -> Checks:
    new, locked, limits, ((now,),), ages, *sums = found
    under_way = {user_id: amount for user_id, ((amount,),) in zip(user_ids, sums, strict=True)}
    return Checks(traders_in(tx, [new, locked, limits]), minors_in(ages), under_way, now)


def check_trader(checks: Checks, user_id: UUID, value: Decimal, *, field: str) -> None:
    """Refuses whom their standing or a limit keeps from a trade worth `value` US dollars.

    Counted are what was traded this day and month, and what is under way.
    """
    trader, under_way = checks.traders[user_id], checks.under_way[user_id]
    check_standing(trader, checks.minors, checks.now)
    for period, limit, traded in (
        ("day", trader.daily_limit, trader.current_daily_volume),
        ("month", trader.monthly_limit, trader.current_monthly_volume),
    ):
        if limit is not None and value > (left := limit - traded - under_way):
            shown = format(max(round(left, 2), Decimal()), "f")
            worth = format(round(value, 2), "f")
            message = f"This is worth {worth} US dollars; {shown} are left of your limit this {period}."
            raise LimitExceeded(message, field=field, period=period, leftUsd=shown)


def check_counterparty(checks: Checks, user_id: UUID, value: Decimal, *, field: str) -> None:
    """As `check_trader`, of the other one: why is not the caller's to know."""
    try:
        check_trader(checks, user_id, value, field=field)
    except NOT_AVAILABLE:
        raise CounterpartyNotAvailable(field=field) from None


def add_trade(trader: CryptoProfile, value: Decimal) -> None:
    """Count a completed trade, worth `value` US dollars."""
    trader.total_trades += 1
    # Prices move; a volume that its column cannot hold any more must not hold up anybody's coins.
    trader.trading_volume = min(trader.trading_volume + value, MOST)
    trader.current_daily_volume = min(trader.current_daily_volume + value, MOST)
    trader.current_monthly_volume = min(trader.current_monthly_volume + value, MOST)


@scheduled("traders.begin_trading_days", "*/15 * * * *")
async def begin_trading_days(services: Services) -> None:
    """What was traded today is nothing when a trader's day begins, also where nobody trades."""
    await due.each(services, begin_trading_days, STALE, _begin_stale)


async def _begin_stale(tx: RuleTransaction, user_id: UUID) -> None:
    tx.save(*traders_in(tx, await tx.fetch(*locking_traders(user_id))).values())


def _begin_day(trader: CryptoProfile, today: date) -> None:
    before = trader.volume_day
    if before is not None and before != today:
        trader.current_daily_volume = Decimal()
        if (before.year, before.month) != (today.year, today.month):
            trader.current_monthly_volume = Decimal()
    if before != today:
        trader.volume_day = today
