"""What a column holds, and what a pot can."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest
from sqlalchemy import BigInteger, Integer, Numeric

from models.pots import Pot, PotStatus
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount, fits
from resolvers.ledger.ledger import Projection
from resolvers.pots.gifts import Gifts


@pytest.mark.parametrize(
    ("kind", "amount", "held"),
    [(Integer(), 2**31 - 1, True), (Integer(), 2**31, False), (Integer(), -(2**31) - 1, False),
     (BigInteger(), 2**63 - 1, True), (BigInteger(), 2**63, False),
     (Numeric(20, 8), Decimal("999999999999.99999999"), True), (Numeric(20, 8), Decimal(10**12), False),
     (Numeric(20, 8), Decimal("0.000000001"), False), (Numeric(20, 8), Decimal("1.100000000"), True),
     (Numeric(36, 18), Decimal("99999999999999999.123456789012345678"), True),
     (Numeric(36, 18), Decimal("1E30"), False), (Numeric(), Decimal("1E30"), True)],
)  # fmt: skip
def test_a_column_holds_what_fits_without_rounding(kind: object, amount: int | Decimal, held: bool) -> None:
    assert fits(amount, SimpleNamespace(type=kind)) is held


@pytest.mark.parametrize("amount", [0, -1, Decimal("0.0"), Decimal("-0.01")])
def test_an_amount_is_positive(amount: int | Decimal) -> None:
    with pytest.raises(AmountNotPositive):
        check_amount(amount, SimpleNamespace(type=Numeric(20, 8)), field="amount")


def test_an_amount_that_does_not_fit_is_refused_with_its_field() -> None:
    with pytest.raises(AmountOutOfRange) as refused:
        check_amount(2**31, SimpleNamespace(type=Integer()), field="amountCfa")

    assert refused.value.field == "amountCfa"


@pytest.mark.parametrize(
    ("status", "amount", "after"),
    [(PotStatus.OPEN, 99, PotStatus.OPEN), (PotStatus.OPEN, 100, PotStatus.FUNDED),
     (PotStatus.FUNDED, 5, PotStatus.FUNDED)],
)  # fmt: skip
def test_at_its_target_a_pot_is_funded(status: PotStatus, amount: int, after: PotStatus) -> None:
    pot = Pot(raised_cfa=900, balance_cfa=10, target_amount_cfa=1000, status=status)

    Gifts(pot, Pot.balance_cfa).add(Decimal(amount))

    assert (pot.raised_cfa, pot.balance_cfa, pot.status) == (900 + amount, 10 + amount, after)


@pytest.mark.parametrize(
    ("status", "raised", "amount", "after"),
    [(PotStatus.FUNDED, 1100, 100, PotStatus.FUNDED), (PotStatus.FUNDED, 1100, 101, PotStatus.OPEN),
     (PotStatus.CANCELLED, 1100, 1100, PotStatus.CANCELLED)],
)  # fmt: skip
def test_below_its_target_a_funded_pot_is_open_again(
    status: PotStatus, raised: int, amount: int, after: PotStatus
) -> None:
    pot = Pot(raised_cfa=raised, balance_cfa=2000, target_amount_cfa=1000, status=status)

    Gifts(pot, Pot.balance_cfa).add(Decimal(-amount))

    assert (pot.raised_cfa, pot.balance_cfa, pot.status) == (raised - amount, 2000 - amount, after)


@pytest.mark.parametrize(("raised", "balance"), [(2**31 - 1, 0), (0, 2**31 - 1)])
def test_a_pot_that_cannot_hold_it_stays_as_it_is(raised: int, balance: int) -> None:
    pot = Pot(raised_cfa=raised, balance_cfa=balance, target_amount_cfa=1000, status=PotStatus.OPEN)

    with pytest.raises(AmountOutOfRange):
        Gifts(pot, Pot.balance_cfa).add(Decimal(1))

    assert (pot.raised_cfa, pot.balance_cfa, pot.status) == (raised, balance, PotStatus.OPEN)


def test_a_balance_that_its_column_cannot_hold_stays_as_it_is() -> None:
    pot = Pot(balance_cfa=10)

    with pytest.raises(AmountOutOfRange):
        Projection(pot, Pot.balance_cfa).add(Decimal(2**31 - 10))

    assert pot.balance_cfa == 10
