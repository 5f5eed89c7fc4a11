"""What coins are worth, and which are traded: those that have a price."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Annotated, Any

from sqlalchemy import ARRAY, any_, bindparam, func, select
from sqlalchemy import types as sql
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import InstrumentedAttribute

from lango.db.prepared import Lookup, Prepared, Query
from lango.errors import Refused
from lango.rules.inputs import Text, Value
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from models.trading import CryptoPrice
from resolvers.kernel import clock
from resolvers.kernel.amounts import DIGITS, AmountNotPositive, AmountOutOfRange, check_amount, fits
from resolvers.kernel.texts import TooMany, check_count
from resolvers.trading.refusals import CodeNotValid

MOST_PRICES = 500
LONGEST_CODE = 12
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
            func.unnest(bindparam("symbols", type_=ARRAY(sql.Text))),
            func.unnest(bindparam("symbols", type_=ARRAY(sql.Text))),
            bindparam("unknown", type_=CryptoPrice.price_usd.type),
        ),
        include_defaults=False,
    )
    .on_conflict_do_nothing()
)
# By their symbols, in which order they are written, too; nothing else locks prices.
LOCKED = Lookup(
    [CryptoPrice],
    lambda rows: (
        rows.where(CryptoPrice.symbol == any_(bindparam("symbols", type_=ARRAY(sql.Text))))
        .order_by(CryptoPrice.symbol)
        .with_for_update(key_share=True)
    ),
    in_order=False,
)


def _figure(column: InstrumentedAttribute[Any]) -> Value:
    """A figure of the market, described as its column is."""
    return Value(str(CryptoPrice.table().columns[column.key].doc))


@dataclass(frozen=True, slots=True)
class CryptoPriceInput:
    """The market data of a coin; what is left out stays as it was."""

    symbol: Annotated[str, Text("The coin's code, as in `BTC`.", LONGEST_CODE)]
    price_usd: Annotated[Decimal, Value("What one coin costs, in US dollars.")]
    name: Annotated[str | None, Text("The coin's name; its code until one is given.", 100)] = None
    price_change_24h: Annotated[Decimal | None, _figure(CryptoPrice.price_change_24h)] = None
    volume_24h: Annotated[Decimal | None, _figure(CryptoPrice.volume_24h)] = None
    market_cap: Annotated[Decimal | None, _figure(CryptoPrice.market_cap)] = None
    market_cap_rank: Annotated[int | None, _figure(CryptoPrice.market_cap_rank)] = None
    high_24h: Annotated[Decimal | None, _figure(CryptoPrice.high_24h)] = None
    low_24h: Annotated[Decimal | None, _figure(CryptoPrice.low_24h)] = None
    circulating_supply: Annotated[Decimal | None, _figure(CryptoPrice.circulating_supply)] = None
    total_supply: Annotated[Decimal | None, _figure(CryptoPrice.total_supply)] = None
    max_supply: Annotated[Decimal | None, _figure(CryptoPrice.max_supply)] = None
    price_btc: Annotated[Decimal | None, _figure(CryptoPrice.price_btc)] = None
    price_eth: Annotated[Decimal | None, _figure(CryptoPrice.price_eth)] = None
    price_change_1h: Annotated[Decimal | None, _figure(CryptoPrice.price_change_1h)] = None
    price_change_7d: Annotated[Decimal | None, _figure(CryptoPrice.price_change_7d)] = None
    price_change_30d: Annotated[Decimal | None, _figure(CryptoPrice.price_change_30d)] = None
    dominance_percentage: Annotated[Decimal | None, _figure(CryptoPrice.dominance_percentage)] = None
    sentiment_score: Annotated[Decimal | None, _figure(CryptoPrice.sentiment_score)] = None
    rsi_14: Annotated[Decimal | None, _figure(CryptoPrice.rsi_14)] = None
    macd: Annotated[Decimal | None, _figure(CryptoPrice.macd)] = None
    macd_signal: Annotated[Decimal | None, _figure(CryptoPrice.macd_signal)] = None

    def given(self) -> dict[str, Any]:
        """The columns that change."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class QuotedPrices:
    """The prices that were written."""

    prices: list[CryptoPrice]


@rule(CodeNotValid, NamedTwice, TooMany, AmountNotPositive, AmountOutOfRange, staff=True)
async def upsert_crypto_prices(
    tx: RuleTransaction, prices: Annotated[list[CryptoPriceInput], Value("The coins, 500 at most.")]
) -> QuotedPrices:
    """Update the market data of coins; what is left out of one stays as it was."""
    check_count(prices, MOST_PRICES, field="prices")
    for place, price in enumerate(prices):
        _check(price, f"prices.{place}")
    symbols = sorted({price.symbol for price in prices})
    if len(symbols) < len(prices):
        raise NamedTwice(field="prices")
    OPEN.send(tx, symbols=symbols, unknown=Decimal())
    known = {row.symbol: row for (row,) in await LOCKED.all(tx, symbols=symbols)}
    now = await clock.now(tx)
    for price in sorted(prices, key=lambda price: price.symbol):
        row = known[price.symbol]
        for name, value in price.given().items():
            setattr(row, name, value)
        row.last_updated = now
        tx.save(row)
    return QuotedPrices([known[price.symbol] for price in prices])


def pricing(coin: str) -> Query:
    """The look-up of what one coin costs in US dollars, to be sent together with others; `price_in` reads it."""
    return PRICE.query(symbol=coin)


def price_in(found: Sequence[tuple[Any, ...]]) -> Decimal | None:
    """The price; None for a coin that is not traded."""
    return found[0][0] if found else None


def times(amount: Decimal, price: Decimal) -> Decimal:
    """The value of so many coins, to 8 decimals, half to even."""
    with localcontext(prec=DIGITS):
        return (amount * price).quantize(COIN_PLACES, ROUND_HALF_EVEN)


def _check(price: CryptoPriceInput, field: str) -> None:
    if not CODE.fullmatch(price.symbol):
        raise CodeNotValid(field=f"{field}.symbol")
    check_amount(price.price_usd, CryptoPrice.price_usd, field=f"{field}.price_usd")
    for name, value in price.given().items():
        if isinstance(value, int | Decimal) and not fits(value, getattr(CryptoPrice, name)):
            raise AmountOutOfRange(field=f"{field}.{name}")
