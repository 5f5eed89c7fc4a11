"""Quotes: what a swap would come to, offered to one user for a short time and taken once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID, uuid4

from lango.db.prepared import Query
from lango.errors import Refused
from lango.rules.inputs import Named, Text, Value
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from lango.security.rate_limits import take
from models.treasury import CurrencySwap, SwapQuote
from resolvers.kernel import system_config
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, fits
from resolvers.kernel.currencies import check_money
from resolvers.kernel.system_config import Configured
from resolvers.treasury import exchange_rates
from resolvers.treasury.exchange_rates import Holding, RateMissing, RateStale, SameCurrency
from resolvers.treasury.limits import QUOTES
from resolvers.treasury.rates import shown, terms_of
from resolvers.treasury.served_currencies import LONGEST_CURRENCY, CurrencyNotServed, check_currency

SWAP_FEE = Configured("treasury.swap_fee", Decimal("0.005"))
QUOTE_SECONDS = Configured("treasury.quote_seconds", 60)


class AmountTooSmall(Refused):
    """Nothing would be left of it: it is worth less than the smallest unit, or no more than the fee."""


# What an offer may be refused for.
NOT_OFFERED = (
    SameCurrency, CurrencyNotServed, AmountNotPositive, AmountOutOfRange, RateMissing, RateStale, AmountTooSmall,
)  # fmt: skip


@rule(*NOT_OFFERED)
async def quote_swap(
    tx: RuleTransaction,
    from_currency: Annotated[str, Text("What is given: `KES`, `cUSD`, `CELO` or `MTAA`.", LONGEST_CURRENCY)],
    to_currency: Annotated[str, Text("What is received: `KES`, `cUSD`, `CELO` or `MTAA`.", LONGEST_CURRENCY)],
    amount: Annotated[Decimal, Value("How much is given, the fee included, in `fromCurrency`.")],
) -> Annotated[SwapQuote, Named("quote")]:
    """Say what a swap comes to: whoever takes it within `treasury.quote_seconds` gets exactly that.

    The fee is rounded up and what is received down, each to its currency's smallest unit.
    """
    await take(tx.services.pipeline, (QUOTES, str(tx.user_id)))
    check_pair(from_currency, to_currency, amount)
    found = await tx.fetch(*offering(from_currency, to_currency))
    quote = offer_in(found, tx.user_id, from_currency, to_currency, amount)
    tx.save(quote)
    return quote


def check_pair(source: str, target: str, amount: Decimal) -> None:
    """Refuses what is exchanged for nothing, whatever the rates are."""
    check_currency(source, field="from_currency")
    check_currency(target, field="to_currency")
    if source == target:
        raise SameCurrency(field="to_currency")
    check_money(amount, source, CurrencySwap.from_amount, field="amount")


def offering(source: str, target: str) -> tuple[Query, ...]:
    """The look-ups of what a swap comes to, to be sent together with others; `offer_in` reads them."""
    return (
        system_config.reading(SWAP_FEE),
        system_config.reading(QUOTE_SECONDS),
        *exchange_rates.reading(source, target),
    )


def holding_in(found: Sequence[Sequence[tuple[Any, ...]]], *, demand_fresh: bool = True) -> tuple[datetime, Holding]:
    """Of what `offering` has found: now, and the rate that holds. Raises RateMissing and RateStale."""
    return exchange_rates.holding_in(found[2:], field="to_currency", demand_fresh=demand_fresh)


def offer_in(
    found: Sequence[Sequence[tuple[Any, ...]]], user_id: UUID, source: str, target: str, amount: Decimal
) -> SwapQuote:
    """A quote that is not saved yet, at the rate of now. Raises RateMissing, RateStale, AmountTooSmall, and
    AmountOutOfRange."""
    fees, seconds, *_ = found
    (fee_rate,) = system_config.numbers_in(fees, SWAP_FEE)
    (good_for,) = system_config.numbers_in(seconds, QUOTE_SECONDS)
    now, holding = holding_in(found)
    terms = terms_of(amount, fee_rate, source, target, holding.effective)
    if not terms.received:
        raise AmountTooSmall(field="amount")
    if not fits(terms.received, CurrencySwap.to_amount):
        raise AmountOutOfRange(field="amount")
    return SwapQuote(
        id=uuid4(), user_id=user_id, from_currency=source, to_currency=target, from_amount=amount,
        to_amount=terms.received, rate=shown(holding.effective), fee=terms.fee, fee_rate=fee_rate,
        rate_id=holding.stored.id, expires_at=now + timedelta(seconds=good_for), created_at=now,
    )  # fmt: skip
