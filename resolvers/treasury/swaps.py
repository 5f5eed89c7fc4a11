"""Swaps: one currency for another, at a quote or at the rate of the moment, against the platform's own position."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Annotated
from uuid import uuid4

from lango.errors import Refused
from lango.rules.inputs import Locked, Text, Value
from lango.rules.rule import NotFound, rule
from lango.rules.transaction import RuleTransaction
from models.ledger import LedgerKind
from models.topics import Topic
from models.treasury import (
    CurrencySwap,
    CurrencySwapProvider,
    CurrencySwapStatus,
    SwapQuote,
    WalletTransaction,
    WalletTransactionType,
)
from resolvers.kernel import ages
from resolvers.kernel.ages import NotOfAge, check_is_adult, minors_in
from resolvers.kernel.amounts import DIGITS, AmountOutOfRange, check_amount, fits
from resolvers.kernel.outbox import publish
from resolvers.ledger import ledger
from resolvers.ledger.balances import (
    InsufficientFunds,
    balances_by_currency,
    check_funds,
    check_room,
    locking_balances_of,
)
from resolvers.ledger.ledger import Movement
from resolvers.treasury import fees, movements, quotes
from resolvers.treasury.fees import FeeCategory
from resolvers.treasury.rates import shown
from resolvers.treasury.served_currencies import LONGEST_CURRENCY

FRACTION_PLACES = 4


class SwapNotNamed(Refused):
    """Name a quote; or both currencies and an amount, and no quote."""


class QuoteUsed(Refused):
    """This quote was taken already."""


class QuoteExpired(Refused):
    """This quote is not good any more: ask for another."""


class ExpectedRateMissing(Refused):
    """Say which rate you expect, for it is from there that the rate may slip."""


class SlippageExceeded(Refused):
    """The rate has become worse than you allow."""


@dataclass(frozen=True, slots=True)
class Swapped:
    """A swap, and the movement of what was given."""

    swap: CurrencySwap
    wallet_transaction: WalletTransaction


@rule(
    SwapNotNamed, QuoteUsed, QuoteExpired, *quotes.NOT_OFFERED, ExpectedRateMissing, SlippageExceeded, NotOfAge,
    InsufficientFunds,
)  # fmt: skip
async def swap_currency(
    tx: RuleTransaction,
    quote: Annotated[SwapQuote | None, Locked("The quote that is taken; null to swap at the rate of now.")] = None,
    from_currency: Annotated[str | None, Text("What is given, without a quote.", LONGEST_CURRENCY)] = None,
    to_currency: Annotated[str | None, Text("What is received, without a quote.", LONGEST_CURRENCY)] = None,
    amount: Annotated[Decimal | None, Value("How much is given, the fee included, without a quote.")] = None,
    expected_rate: Annotated[
        Decimal | None, Value("The rate you expect, without a quote: a worse one is refused, but for `maxSlippage`.")
    ] = None,
    max_slippage: Annotated[
        Decimal | None,
        Value("How much worse the rate of now may be than that of the quote, or than expected: 0.01 is 1 percent."),
    ] = None,
) -> Swapped:
    """Exchange money of one currency for another. A quote is taken once, and its amounts are exactly those."""
    source, target, given = _wanted(tx, quote, from_currency, to_currency, amount, expected_rate)
    expected, tolerance = _expected(quote, expected_rate, max_slippage)
    opened, locked, minors, *offered = await tx.fetch(
        *locking_balances_of(tx.user_id, source, target), ages.aging(tx.user_id), *quotes.offering(source, target)
    )
    check_is_adult(tx.user_id, minors_in(minors))
    now, holding = quotes.holding_in(offered, demand_fresh=quote is None)
    if quote is None:
        quote = quotes.offer_in(offered, tx.user_id, source, target, given)
    elif quote.expires_at <= now:
        raise QuoteExpired(field="quote_id")
    slipped = None if expected is None else _slippage(expected, shown(holding.effective))
    if slipped is not None and slipped > tolerance:
        worse, field = shown(holding.effective), "max_slippage" if max_slippage is not None else "expected_rate"
        raise SlippageExceeded(field=field, rate=format(worse, "f"))
    balances = balances_by_currency([opened, locked])
    check_funds(balances[source], given, field="amount" if amount is not None else "quote_id")
    check_room(balances[target], quote.to_amount, field="amount" if amount is not None else "quote_id")
    quote.used_at = now
    swap = CurrencySwap(
        id=uuid4(), user_id=tx.user_id, from_currency=source, to_currency=target, from_amount=given,
        to_amount=quote.to_amount, exchange_rate=quote.rate, market_rate=holding.stored.rate,
        spread=_fraction(_slippage(holding.stored.rate, quote.rate)), slippage=_fraction(slipped),
        platform_fee=quote.fee, total_fee=quote.fee, provider=CurrencySwapProvider.MANUAL,
        status=CurrencySwapStatus.COMPLETED, completed_at=now, quote_id=quote.id,
    )  # fmt: skip
    tx.save(quote, swap)
    moved = movements.record(
        tx, WalletTransactionType.SWAP, given, source, sender=tx.user_id, touched=balances.values()
    )
    fees.charge(
        tx, FeeCategory.CURRENCY_SWAP, given, quote.fee, source, of=swap.id, transaction_type="swap",
        paid_by=tx.user_id, rate=quote.fee_rate,
    )  # fmt: skip
    ledger.post(
        tx,
        LedgerKind.SWAP,
        [
            Movement(ledger.available(balances[source]), ledger.exchange(source), given - quote.fee),
            Movement(ledger.available(balances[source]), ledger.fees(source), quote.fee),
            Movement(ledger.exchange(target), ledger.available(balances[target]), quote.to_amount),
        ],
        of=swap,
    )
    publish(tx, Topic.SWAP_COMPLETED, swap.id, user_id=tx.user_id)
    return Swapped(swap, moved)


def _wanted(
    tx: RuleTransaction,
    quote: SwapQuote | None,
    source: str | None,
    target: str | None,
    amount: Decimal | None,
    expected_rate: Decimal | None,
) -> tuple[str, str, Decimal]:
    """Both currencies, and how much is given. Raises SwapNotNamed, QuoteUsed, and NotFound for another's quote."""
    if quote is not None:
        if any(each is not None for each in (source, target, amount, expected_rate)):
            raise SwapNotNamed(field="quote_id")
        if quote.user_id != tx.user_id:
            raise NotFound(field="quote_id")
        if quote.used_at is not None:
            raise QuoteUsed(field="quote_id")
        return quote.from_currency, quote.to_currency, quote.from_amount
    if source is None or target is None or amount is None:
        raise SwapNotNamed(field="quote_id")
    quotes.check_pair(source, target, amount)
    return source, target, amount


def _expected(
    quote: SwapQuote | None, expected_rate: Decimal | None, max_slippage: Decimal | None
) -> tuple[Decimal | None, Decimal]:
    """From which rate the newest may slip, if it matters, and by how much."""
    if max_slippage is not None and not 0 <= max_slippage < 1:
        raise AmountOutOfRange("A slippage is at least 0 and less than 1.", field="max_slippage")
    if expected_rate is not None:
        check_amount(expected_rate, SwapQuote.rate, field="expected_rate")
    elif quote is None and max_slippage is not None:
        raise ExpectedRateMissing(field="expected_rate")
    if quote is not None and max_slippage is not None:
        return quote.rate, max_slippage
    return expected_rate, max_slippage or Decimal()


def _slippage(expected: Decimal, rate: Decimal) -> Decimal | None:
    """How much worse a rate is than expected, as a fraction: less than 0 where it is better."""
    with localcontext(prec=DIGITS):
        return 1 - rate / expected if expected else None


def _fraction(part: Decimal | None) -> Decimal | None:
    """As it is stored; None where it is beyond what is stored."""
    rounded = None if part is None else round(part, FRACTION_PLACES)
    return rounded if rounded is not None and fits(rounded, CurrencySwap.slippage) else None
