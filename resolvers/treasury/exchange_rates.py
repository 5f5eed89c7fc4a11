"""The rates that staff store: which of them holds, for how long, and that together they give nothing away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any
from uuid import uuid4

from sqlalchemy import BigInteger, bindparam, func, select
from sqlalchemy.orm import aliased

from lango.db.prepared import Lookup, Prepared, Query
from lango.errors import Refused
from lango.rules.inputs import Text, Value
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from models.treasury import ExchangeRate
from resolvers.kernel import clock, system_config
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount, fits
from resolvers.kernel.system_config import Configured
from resolvers.kernel.texts import TextMissing, TooMany, check_count, check_text
from resolvers.treasury.rates import Pair, effective, gaining_way, net
from resolvers.treasury.served_currencies import LONGEST_CURRENCY, CurrencyNotServed, check_currency

# In seconds; nobody swaps at a rate that is older.
RATE_MAX_AGE = Configured("treasury.rate_max_age", 86_400)
MOST_RATES = 100


class SameCurrency(Refused):
    """A currency is not exchanged for itself."""


class RateMissing(Refused):
    """There is no rate at which these currencies are exchanged."""


class RateStale(Refused):
    """The rate is too old: it must be brought up to date first."""


class RatePast(Refused):
    """A rate holds from now on or from a later moment: what held before stays as it was."""


class RateTwice(Refused):
    """The same rate is named twice."""


class SpreadNotValid(Refused):
    """A spread is at least 0 and less than 1, with no more than 4 decimal places."""


class RatesGain(Refused):
    """With these rates one would gain by exchanging in a circle."""


NEWEST = Lookup(
    [ExchangeRate],
    lambda rows: (
        rows.where(
            ExchangeRate.from_currency == bindparam("source"),
            ExchangeRate.to_currency == bindparam("target"),
            ExchangeRate.valid_from <= func.clock_timestamp(),
        )
        .order_by(ExchangeRate.valid_from.desc())
        .limit(1)
    ),
)
# Whoever stores rates looks at all of them together: one after the other.
ONE_AT_A_TIME = Prepared(
    select(func.pg_advisory_xact_lock(func.hashtextextended("treasury.exchange_rates", 0, type_=BigInteger)))
)
LATER = aliased(ExchangeRate)
# Those that hold now and are not too old, and those that will.
HOLDING = Lookup(
    [ExchangeRate],
    lambda rows: rows.where(
        ExchangeRate.valid_from >= bindparam("oldest"),
        ~select(LATER.id)
        .where(
            LATER.from_currency == ExchangeRate.from_currency,
            LATER.to_currency == ExchangeRate.to_currency,
            LATER.valid_from > ExchangeRate.valid_from,
            LATER.valid_from <= bindparam("now"),
        )
        .exists(),
    ),
)


@dataclass(frozen=True, slots=True)
class Holding:
    """The stored rate of a pair that holds now, and what it comes to: with its spread, and with the way back."""

    stored: ExchangeRate
    effective: Fraction


def reading(source: str, target: str) -> tuple[Query, Query, Query, Query]:
    """The look-ups of what holds for a pair, to be sent together with others; `holding_in` reads them."""
    there, back = (NEWEST.query(source=one, target=other) for one, other in ((source, target), (target, source)))
    return system_config.reading(RATE_MAX_AGE), clock.reading(), there, back


def holding_in(
    found: Sequence[Sequence[tuple[Any, ...]]], *, field: str, demand_fresh: bool = True
) -> tuple[datetime, Holding]:
    """What holds now, and now. Raises RateMissing, and RateStale where that rate is older than `treasury.rate_max_age`,
    unless it need not be fresh: who takes a quote has its rate.

    A way back that is too old to be taken limits nothing.
    """
    configured, ((now,),), there, back = found
    (max_age,) = system_config.numbers_in(configured, RATE_MAX_AGE)
    if not there:
        raise RateMissing(field=field)
    ((stored,),) = there
    oldest = now - timedelta(seconds=max_age)
    if demand_fresh and stored.valid_from < oldest:
        raise RateStale(field=field, validFrom=stored.valid_from.isoformat())
    way_back = [net(rate.rate, rate.spread) for (rate,) in back if rate.valid_from >= oldest]
    return now, Holding(stored, effective(net(stored.rate, stored.spread), way_back[0] if way_back else None))


@dataclass(frozen=True, slots=True)
class ExchangeRateInput:
    """A rate, and from when it holds."""

    from_currency: Annotated[str, Text("What is given: `KES`, `cUSD`, `CELO` or `MTAA`.", LONGEST_CURRENCY)]
    to_currency: Annotated[str, Text("What is received: `KES`, `cUSD`, `CELO` or `MTAA`.", LONGEST_CURRENCY)]
    rate: Annotated[Decimal, Value("How many units of `toCurrency` one unit of `fromCurrency` buys.")]
    source: Annotated[str, Text("Where the rate was taken from.", 200)]
    spread: Annotated[Decimal, Value("What the platform keeps of the rate: 0.01 is 1 percent; 0 without it.")] = (
        Decimal()
    )
    valid_from: Annotated[datetime | None, Value("From when it holds; at once without it.")] = None


@dataclass(frozen=True, slots=True)
class StoredRates:
    """The rates that were stored."""

    rates: list[ExchangeRate]


@rule(
    TooMany, SameCurrency, CurrencyNotServed, TextMissing, AmountNotPositive, AmountOutOfRange, SpreadNotValid,
    RatePast, RateTwice, RatesGain, staff=True,
)  # fmt: skip
async def upsert_exchange_rates(
    tx: RuleTransaction, rates: Annotated[list[ExchangeRateInput], Value("The rates, 100 at most.")]
) -> StoredRates:
    """Store the rates at which currencies are exchanged, from now on or from a later moment.

    One that was stored for the same pair and the same later moment is replaced. A set of rates with which one would
    gain by exchanging in a circle is refused.
    """
    check_count(rates, MOST_RATES, field="rates")
    for place, rate in enumerate(rates):
        _check(rate, f"rates.{place}")
    _, ((now,),), configured = await tx.fetch(
        ONE_AT_A_TIME.query(), clock.reading(), system_config.reading(RATE_MAX_AGE)
    )
    (max_age,) = system_config.numbers_in(configured, RATE_MAX_AGE)
    age = timedelta(seconds=max_age)
    found = await HOLDING.all(tx, oldest=now - age, now=now)
    known = {_key(row): row for (row,) in found}
    stored = [_stored(rate, now, known, f"rates.{place}") for place, rate in enumerate(rates)]
    known |= {_key(row): row for row in stored}
    if len({_key(row) for row in stored}) < len(stored):
        raise RateTwice(field="rates")
    for moment in sorted({now, *(row.valid_from for row in known.values() if row.valid_from > now)}):
        way = gaining_way(_held_at(known.values(), moment, age))
        if way is not None:
            raise RatesGain(f"One would gain by {' → '.join(way)}.", field="rates", way=way)
    tx.save(*stored)
    return StoredRates(stored)


Key = tuple[str, str, datetime]


def _key(row: ExchangeRate) -> Key:
    return row.from_currency, row.to_currency, row.valid_from


def _stored(given: ExchangeRateInput, now: datetime, known: Mapping[Key, ExchangeRate], field: str) -> ExchangeRate:
    begins = given.valid_from or now
    if begins < now:
        raise RatePast(field=f"{field}.valid_from")
    row = known.get((given.from_currency, given.to_currency, begins)) or ExchangeRate(
        id=uuid4(), from_currency=given.from_currency, to_currency=given.to_currency, valid_from=begins
    )
    row.rate, row.spread, row.source = given.rate, given.spread, given.source.strip()
    return row


def _held_at(rows: Iterable[ExchangeRate], moment: datetime, age: timedelta) -> dict[Pair, Fraction]:
    """The rates that hold at that moment, and are not too old then."""
    begun = sorted((row for row in rows if row.valid_from <= moment), key=lambda row: row.valid_from)
    newest = {(row.from_currency, row.to_currency): row for row in begun}
    return {pair: net(row.rate, row.spread) for pair, row in newest.items() if row.valid_from >= moment - age}


def _check(rate: ExchangeRateInput, field: str) -> None:
    check_currency(rate.from_currency, field=f"{field}.from_currency")
    check_currency(rate.to_currency, field=f"{field}.to_currency")
    if rate.from_currency == rate.to_currency:
        raise SameCurrency(field=f"{field}.to_currency")
    check_amount(rate.rate, ExchangeRate.rate, field=f"{field}.rate")
    if not 0 <= rate.spread < 1 or not fits(rate.spread, ExchangeRate.spread):
        raise SpreadNotValid(field=f"{field}.spread")
    check_text(rate.source, field=f"{field}.source")
