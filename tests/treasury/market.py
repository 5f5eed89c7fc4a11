"""The rates that tests swap at: whatever other tests have stored is too old meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg

from models.treasury import ExchangeRate
from tests.factories import Factory, now


@dataclass
class Market:
    """`await market.rate("KES", "cUSD", "0.0077", spread="0.01")`."""

    make: Factory
    owner: asyncpg.Pool[Any]

    async def close(self) -> None:
        """No rate is new enough any more."""
        await self.owner.execute("UPDATE treasury.exchange_rates SET valid_from = valid_from - interval '10 days'")

    async def rate(
        self, source: str, target: str, rate: str, spread: str = "0", *, age: timedelta = timedelta(), **given: Any
    ) -> Any:
        """A rate that holds since a moment ago, or so long."""
        begins: datetime = now() - age
        return await self.make(
            ExchangeRate, from_currency=source, to_currency=target, rate=Decimal(rate), spread=Decimal(spread),
            valid_from=begins, source="test", **given,
        )  # fmt: skip
