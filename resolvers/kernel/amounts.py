"""Amounts that a caller names: positive, and such as their column holds without rounding."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

from sqlalchemy import BigInteger, Integer, Numeric

from lango.errors import Refused

DIGITS = 200


class AmountNotPositive(Refused):
    """The amount must be greater than 0."""


class AmountOutOfRange(Refused):
    """The amount is too large, or has more decimal places than are counted."""


def check_amount(amount: int | Decimal, column: Any, *, field: str) -> None:
    """Refuses an amount that is not positive, or that the model's column cannot hold as it is."""
    if amount <= 0:
        raise AmountNotPositive(field=field)
    if not fits(amount, column):
        raise AmountOutOfRange(field=field)


def fits(amount: int | Decimal, column: Any) -> bool:
    """Whether the model's column holds this amount as it is: a sum, say, before it is written."""
    kind = column.type
    if isinstance(kind, BigInteger):
        return -(2**63) <= amount < 2**63
    if isinstance(kind, Integer):
        return -(2**31) <= amount < 2**31
    assert isinstance(kind, Numeric)
    # Exactly: Python's usual 28 digits are fewer than a coin's column holds.
    with localcontext(prec=DIGITS):
        number = Decimal(amount)
        if kind.scale is not None and number != round(number, kind.scale):
            return False
        return kind.precision is None or abs(number) < Decimal(10) ** (kind.precision - (kind.scale or 0))
