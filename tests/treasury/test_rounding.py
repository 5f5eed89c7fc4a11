"""Rounding of swaps: once, against the customer, by less than a smallest unit, so that no way around ever gains."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise, permutations
from random import Random

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as some

from resolvers.kernel.currencies import scale_of
from resolvers.treasury.rates import effective, gaining_way, net, shown, terms_of

# Of all scales: 0, 2 and 8 decimal places.
CURRENCIES = ("XOF", "KES", "cUSD", "MTAA", "CELO")
currencies = some.sampled_from(CURRENCIES)
rates = some.decimals("0.00000001", "1000000", places=8)
spreads = some.decimals("0", "0.2", places=4)
fee_rates = some.one_of(some.just(Decimal()), some.decimals("0", "0.1", places=4))


def unit(currency: str) -> Decimal:
    return Decimal(1).scaleb(-scale_of(currency))


amounts = some.integers(1, 10**15)


@settings(max_examples=300, deadline=None)
@given(currencies, currencies, amounts, rates, spreads, rates, spreads, fee_rates)
@example("KES", "cUSD", 1, Decimal("0.0077"), Decimal(), Decimal("129.9"), Decimal(), Decimal())
@example("XOF", "KES", 3, Decimal("0.21"), Decimal(), Decimal("4.77"), Decimal(), Decimal())
def test_there_and_back_never_gains(
    here: str, there: str, units: int, rate: Decimal, spread: Decimal, back: Decimal, back_spread: Decimal, fee: Decimal
) -> None:
    assume(here != there)
    amount = units * unit(here)
    out, home = net(rate, spread), net(back, back_spread)

    received = terms_of(amount, fee, here, there, effective(out, home)).received
    returned = terms_of(received, fee, there, here, effective(home, out)).received if received else Decimal()

    assert returned <= amount


def test_there_and_back_never_gains_of_ten_thousand_amounts_and_rates() -> None:
    dice = Random(12)
    for _ in range(10_000):
        here, there = dice.sample(CURRENCIES, 2)
        price = Decimal(dice.randrange(1, 10**10)).scaleb(-dice.randrange(2, 9)).quantize(Decimal("0.00000001"))
        if not price:
            continue
        # About as much as the way out: the pairs that could gain.
        home = shown(1 / Fraction(price) * Fraction(dice.randrange(990, 1_011), 1_000)) or Decimal("0.00000001")
        there_net, back_net = net(price, Decimal()), net(home, Decimal())
        amount = dice.randrange(1, 10 ** dice.randrange(1, 12)) * unit(here)

        received = terms_of(amount, Decimal(), here, there, effective(there_net, back_net)).received
        returned = (
            terms_of(received, Decimal(), there, here, effective(back_net, there_net)).received if received else 0
        )

        assert returned <= amount


@settings(max_examples=300, deadline=None)
@given(currencies, currencies, amounts, rates, spreads, fee_rates)
def test_rounding_costs_less_than_one_smallest_unit_of_each_currency(
    here: str, there: str, units: int, rate: Decimal, spread: Decimal, fee_rate: Decimal
) -> None:
    assume(here != there)
    amount = units * unit(here)
    terms = terms_of(amount, fee_rate, here, there, net(rate, spread))

    exact_fee = Fraction(amount) * Fraction(fee_rate)
    exact = Fraction(amount - terms.fee) * net(rate, spread)
    assert 0 <= Fraction(terms.fee) - exact_fee < Fraction(unit(here))
    assert 0 <= exact - Fraction(terms.received) < Fraction(unit(there))
    assert terms.fee <= amount


@pytest.mark.parametrize(
    ("amount", "source", "target", "rate", "fee", "received"),
    [
        ("100", "KES", "cUSD", "0.0077", "0.50", "0.75848850"),
        ("100.01", "KES", "cUSD", "0.0077", "0.51", "0.75848850"),
        ("1", "XOF", "KES", "0.21", "1", "0"),
        ("0.01", "KES", "CELO", "0.0124", "0.01", "0"),
        ("0.02", "KES", "MTAA", "0.1", "0.01", "0.00099000"),
        ("0.00000100", "cUSD", "KES", "129.5", "0.00000001", "0"),
    ],
)
def test_what_some_swaps_come_to(amount: str, source: str, target: str, rate: str, fee: str, received: str) -> None:
    terms = terms_of(Decimal(amount), Decimal("0.005"), source, target, net(Decimal(rate), Decimal("0.01")))

    assert (terms.fee, terms.received) == (Decimal(fee), Decimal(received))


def test_a_pair_whose_rates_would_gain_is_held_to_what_the_way_back_allows() -> None:
    out, back = net(Decimal("0.008"), Decimal()), net(Decimal("129.5"), Decimal())

    assert effective(out, back) == 1 / back < out
    assert effective(out, None) == out
    assert shown(effective(out, back)) == Decimal("0.00772200")


STORED = {("KES", "cUSD"): "0.0077", ("cUSD", "CELO"): "1.6", ("CELO", "KES"): "80.3", ("KES", "CELO"): "0.0124"}


def test_a_way_through_three_currencies_gains_or_does_not() -> None:
    stored = {pair: Fraction(rate) for pair, rate in STORED.items()}
    dearer = stored | {("CELO", "KES"): Fraction("81.2")}

    assert gaining_way(stored) is None
    assert gaining_way(dearer) == ["CELO", "KES", "cUSD", "CELO"]


def test_a_way_through_four_currencies_is_found_as_well() -> None:
    ring = {("A", "B"): Fraction(2), ("B", "C"): Fraction(2), ("C", "D"): Fraction(1, 2), ("D", "A"): Fraction(1, 2)}

    assert gaining_way(ring) is None
    assert gaining_way(ring | {("D", "A"): Fraction("0.5001")}) == ["A", "B", "C", "D", "A"]


@settings(max_examples=500, deadline=None)
@given(some.lists(some.integers(1, 10**6), min_size=4, max_size=4), some.lists(some.integers(960, 1003), min_size=12, max_size=12),
       some.lists(some.integers(0, 3), max_size=6), some.integers(1, 10**9))  # fmt: skip
def test_where_no_way_gains_no_walk_back_to_its_start_does(
    prices: list[int], parts: list[int], walk: list[int], units: int
) -> None:
    ways = permutations(range(4), 2)
    stored = {
        (CURRENCIES[here], CURRENCIES[there]): Fraction(prices[here], prices[there]) * Fraction(part, 1000)
        for (here, there), part in zip(ways, parts, strict=True)
    }
    assume(gaining_way(stored) is None)
    held = {(here, there): effective(rate, stored[there, here]) for (here, there), rate in stored.items()}
    way = [CURRENCIES[place] for place in (1, *walk, 1)]
    amount = units * unit("KES")

    for here, there in pairwise(way):
        if amount and here != there:
            amount = terms_of(amount, Decimal(), here, there, held[here, there]).received

    assert amount <= units * unit("KES")
