"""How much of a coin somebody may take out in a day and a month: through all their wallets together."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Any

from sqlalchemy import bindparam, func, or_

from lango.db.prepared import Lookup, Query
from models.trading import (
    CryptoTransaction,
    CryptoTransactionStatus,
    CryptoTransactionTransactionType,
    CryptoWallet,
)
from resolvers.kernel import system_config
from resolvers.kernel.amounts import DIGITS
from resolvers.kernel.periods import begin_of
from resolvers.kernel.system_config import Configured
from resolvers.ledger.balances import ZERO
from resolvers.trading import market
from resolvers.trading.refusals import LimitExceeded

# The value in US dollars of what a user may withdraw of one coin, where it has a price.
DAILY_WITHDRAWALS = Configured("trading.daily_withdrawal_limit", Decimal(10_000))
MONTHLY_WITHDRAWALS = Configured("trading.monthly_withdrawal_limit", Decimal(100_000))

# What failed came back, and counts no more.
TAKEN_OUT = Lookup(
    [
        func.coalesce(func.sum(CryptoTransaction.amount).filter(CryptoTransaction.timestamp >= begin_of("day")), 0),
        func.coalesce(func.sum(CryptoTransaction.amount), 0),
    ],
    lambda rows: rows.where(
        CryptoTransaction.user_id == bindparam("user_id"),
        CryptoTransaction.currency == bindparam("currency"),
        CryptoTransaction.transaction_type == CryptoTransactionTransactionType.WITHDRAWAL,
        or_(
            CryptoTransaction.status == CryptoTransactionStatus.PENDING,
            CryptoTransaction.status == CryptoTransactionStatus.CONFIRMED,
        ),
        CryptoTransaction.timestamp >= begin_of("month"),
    ),
)
# The narrowest of all wallets for the coin, also of those that were disconnected.
OF_WALLETS = Lookup(
    [func.min(CryptoWallet.withdrawal_limit_daily), func.min(CryptoWallet.withdrawal_limit_monthly)],
    lambda rows: rows.where(
        CryptoWallet.user_id == bindparam("user_id"), CryptoWallet.currency == bindparam("currency")
    ),
)


def limiting(wallet: CryptoWallet) -> tuple[Query, ...]:
    """The look-ups of `check_limits`, to be sent together with others, under the user's lock."""
    of_user = {"user_id": wallet.user_id, "currency": wallet.currency}
    return (
        TAKEN_OUT.query(**of_user), OF_WALLETS.query(**of_user),
        market.pricing(wallet.currency), system_config.reading(DAILY_WITHDRAWALS, MONTHLY_WITHDRAWALS),
    )  # fmt: skip


def check_limits(found: Sequence[Sequence[tuple[Any, ...]]], wallet: CryptoWallet, amount: Decimal) -> None:
    """Refuses what goes beyond the limits that a user has for the wallet's coin, whichever wallet it would go to.

    A wallet's own limits narrow those that hold for everybody, and none widens them: another wallet is no way round.
    """
    coin = wallet.currency
    ((today, this_month),), ((own_daily, own_monthly),), price, everybodys = found
    daily, monthly = _limits(own_daily, own_monthly, market.price_in(price), everybodys)
    for period, limit, taken in (("day", daily, today), ("month", monthly, this_month)):
        if limit is not None and amount > (left := max(limit - taken, ZERO)):
            shown = format(left, "f")
            message = f"{shown} {coin} are left of your limit this {period}."
            raise LimitExceeded(message, field="amount", period=period, left=shown)


def _limits(
    daily: Decimal | None, monthly: Decimal | None, price: Decimal | None, everybodys: Sequence[tuple[Any, ...]]
) -> list[Decimal | None]:
    """The most of a coin that a user may take out in a day and in a month, of whose wallets those are the limits; None
    for no limit."""
    if not price:
        return [daily, monthly]
    values = system_config.numbers_in(everybodys, DAILY_WITHDRAWALS, MONTHLY_WITHDRAWALS)
    worth = [_coins_for(value, price) for value in values]
    return [most if own is None else min(most, own) for most, own in zip(worth, (daily, monthly), strict=True)]


def _coins_for(value: Decimal, price: Decimal) -> Decimal:
    """How many coins so many US dollars are, to 8 decimals, rounded down."""
    with localcontext(prec=DIGITS):
        return (value / price).quantize(market.COIN_PLACES, ROUND_DOWN)
