"""What coins are worth, and which are traded: those that have a price."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

from sqlalchemy import ARRAY, Text, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from lango.db.prepared import Lookup, Prepared
from lango.db.session import Transaction
from lango.errors import Refused
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from models.trading import CryptoPrice
from resolvers.kernel import clock
from resolvers.kernel.amounts import DIGITS, AmountNotPositive, AmountOutOfRange, check_amount, fits
from resolvers.kernel.texts import TooMany, check_count
from resolvers.trading.refusals import CodeNotValid

MOST_PRICES = 500
CODE = re.compile(r"[A-Za-z0-9]{2,12}", re.ASCII)
COIN_PLACES = Decimal("0.00000001")


class NamedTwice(Refused):
    """The same coin is named twice."""


PRICE = Lookup([CryptoPrice.price_usd], lambda rows: rows.where(CryptoPrice.symbol == bindparam("symbol")))
# In the order of the symbols, as those that are there are locked: no two callers cross.
OPEN = Prepared(
    upsert(CryptoPrice.table())
    .from_select(
        ["symbol", "name", "price_usd"],
        select(
            func.unnest(bindparam("symbols", type_=ARRAY(Text))),
            func.unnest(bindparam("symbols", type_=ARRAY(Text))),
            bindparam("unknown", type_=CryptoPrice.price_usd.type),
        ),
        include_defaults=False,
    )
    .on_conflict_do_nothing()
)
LOCKED = Lookup(
    [CryptoPrice],
    lambda rows: (
        rows.where(CryptoPrice.symbol == any_(bindparam("symbols", type_=ARRAY(Text))))
        .order_by(CryptoPrice.symbol)
        .with_for_update(key_share=True)
    ),
)


@dataclass(frozen=True, slots=True)
class Quoted:
    """The prices that were written."""

    prices: list[CryptoPrice]


@rule(CodeNotValid, NamedTwice, TooMany, AmountNotPositive, AmountOutOfRange, staff=True)
async def upsert_prices(tx: RuleTransaction, prices: list[dict[str, Any]]) -> Quoted:
    """Take over what the market says of coins; what is left out of one stays as it was."""
    check_count(prices, MOST_PRICES, field="prices")
    for place, told in enumerate(prices):
        _check(told, f"prices.{place}")
    symbols = sorted({told["symbol"] for told in prices})
    if len(symbols) < len(prices):
        raise NamedTwice(field="prices")
    await OPEN.run(tx, symbols=symbols, unknown=Decimal())
    known = {row.symbol: row for (row,) in await LOCKED.all(tx, symbols=symbols)}
    now = await clock.now(tx)
    for told in sorted(prices, key=lambda told: str(told["symbol"])):
        row = known[told["symbol"]]
        for name, value in told.items():
            setattr(row, name, value)
        row.last_updated = now
        await tx.save(row)
    return Quoted([known[told["symbol"]] for told in prices])


async def price_of(tx: Transaction, coin: str) -> Decimal | None:
    """What one coin costs in US dollars; None for a coin that is not traded."""
    found = await PRICE.one(tx, symbol=coin)
    return found[0] if found else None


def times(amount: Decimal, price: Decimal) -> Decimal:
    """The value of so many coins, to 8 decimals, half to even."""
    with localcontext(prec=DIGITS):
        return (amount * price).quantize(COIN_PLACES, ROUND_HALF_EVEN)


def _check(told: dict[str, Any], field: str) -> None:
    if not CODE.fullmatch(told["symbol"]):
        raise CodeNotValid(field=f"{field}.symbol")
    check_amount(told["price_usd"], CryptoPrice.price_usd, field=f"{field}.priceUsd")
    for name, value in told.items():
        if isinstance(value, int | Decimal) and not fits(value, getattr(CryptoPrice, name)):
            head, *rest = name.split("_")
            raise AmountOutOfRange(field=f"{field}.{head}{''.join(word.capitalize() for word in rest)}")
