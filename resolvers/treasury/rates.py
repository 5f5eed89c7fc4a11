"""Exchange rates: what one currency is swapped for, and why no way around through several of them gains
(docs/adr/0047)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from math import floor, prod

from resolvers.kernel.amounts import DIGITS
from resolvers.kernel.currencies import scale_of
from resolvers.treasury.fees import ZERO, fee_of

# What a stored rate is counted in.
RATE_PLACES = Decimal("0.00000001")
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Terms:
    """What one gets for an amount: all in the first currency, but `received`, which is in the second."""

    fee: Decimal
    received: Decimal


def net(rate: Decimal, spread: Decimal) -> Fraction:
    """What one unit buys once the platform has kept its part of the rate; exactly."""
    return Fraction(rate) * (1 - Fraction(spread))


def effective(there: Fraction, back: Fraction | None) -> Fraction:
    """The rate that holds, of the stored one and that of the way back, if any: there and back gains nothing."""
    return there if back is None else min(there, 1 / back)


def terms_of(amount: Decimal, fee_rate: Decimal, source: str, target: str, rate: Fraction) -> Terms:
    """The fee is rounded up and what is received down, each once and to its currency's scale: together no more than a
    smallest unit of either is lost to rounding."""
    fee = fee_of(amount, fee_rate, source)
    scale = scale_of(target)
    units = floor(Fraction(amount - fee) * rate * 10**scale) if amount > fee else 0
    with localcontext(prec=DIGITS):
        return Terms(fee, Decimal(units).scaleb(-scale) if units else ZERO)


def shown(rate: Fraction) -> Decimal:
    """The rate as it is stored and shown: rounded down, where it has more decimal places than that."""
    with localcontext(prec=DIGITS):
        return (Decimal(rate.numerator) / Decimal(rate.denominator)).quantize(RATE_PLACES, ROUND_FLOOR)


def gaining_way(stored: Mapping[Pair, Fraction]) -> list[str] | None:
    """Some way from a currency through two or more others back to it by which one would gain; None where there is none.

    There and back again gains nothing anyway: `effective` sees to it, and makes no rate better than it is stored.
    """
    for way in _round_ways(stored, []):
        if prod((stored[step] for step in pairwise([*way, way[0]])), start=Fraction(1)) > 1:
            return [*way, way[0]]
    return None


def _round_ways(rates: Mapping[Pair, Fraction], way: Sequence[str]) -> Iterator[list[str]]:
    """Each way around through three currencies or more, once: from the one of them that comes first by its name."""
    if not way:
        for start in sorted({here for here, _ in rates}):
            yield from _round_ways(rates, [start])
        return
    if len(way) > 2 and (way[-1], way[0]) in rates:
        yield [*way]
    for here, there in sorted(rates):
        if here == way[-1] and there > way[0] and there not in way:
            yield from _round_ways(rates, [*way, there])
