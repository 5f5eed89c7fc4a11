"""The currencies that users and DAOs hold here, and send to each other; coins that are only traded are not among
them."""

from __future__ import annotations

from lango.errors import Refused

LONGEST_CURRENCY = 20
SERVED = ("KES", "cUSD", "CELO", "MTAA")


class CurrencyNotServed(Refused):
    """This currency cannot be used here."""


def check_currency(currency: str, *, field: str) -> None:
    """Raises CurrencyNotServed, which names those that are: the letters count, and their case."""
    if currency not in SERVED:
        raise CurrencyNotServed(f"One of {', '.join(SERVED)}.", field=field, served=list(SERVED))
