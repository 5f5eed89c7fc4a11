"""Currencies: how many decimal places each is counted in. What is finer is refused, never rounded."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import Any

from resolvers.kernel.amounts import DIGITS, AmountOutOfRange, check_amount

SCALES = {"XOF": 0, "KES": 2, "USD": 2, "cUSD": 8, "CELO": 8, "MTAA": 8}
# Of a coin that is traded, and of whatever else is counted: as many places as the columns have.
FINEST = 8


def scale_of(currency: str) -> int:
    """How many decimal places an amount in it may have."""
    return SCALES.get(currency, FINEST)


def check_money(amount: Decimal, currency: str, column: Any, *, field: str) -> None:
    """Refuses an amount that is not positive, does not fit its column, or is finer than its currency is counted in.

    Raises AmountNotPositive and AmountOutOfRange.
    """
    check_amount(amount, column, field=field)
    scale = scale_of(currency)
    if amount != rounded_down(amount, currency):
        places = f"{scale} decimal places" if scale else "no decimal places"
        raise AmountOutOfRange(f"An amount in {currency} has {places}.", field=field, scale=scale)


def rounded_up(amount: Decimal, currency: str) -> Decimal:
    """The least amount of the currency's scale that is not below this one."""
    return _rounded(amount, currency, ROUND_CEILING)


def rounded_down(amount: Decimal, currency: str) -> Decimal:
    """The greatest amount of the currency's scale that is not above this one."""
    return _rounded(amount, currency, ROUND_FLOOR)


def plain(amount: Decimal) -> str:
    """An amount as people read it, without zeros at its end."""
    return format(amount.normalize(), "f")


def _rounded(amount: Decimal, currency: str, rounding: str) -> Decimal:
    # Exactly: Python's usual 28 digits are fewer than a coin's column holds.
    with localcontext(prec=DIGITS):
        return amount.quantize(Decimal(1).scaleb(-scale_of(currency)), rounding=rounding)
