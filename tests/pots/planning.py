"""What owners and visitors do with pots, in one line each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import asyncpg

from tests.client import Answer, Api
from tests.factories import Factory


@dataclass
class Planning:
    """The mutations of pots, by name."""

    api: Api
    make: Factory

    @property
    def owner(self) -> asyncpg.Pool[Any]:
        return self.make.owner

    async def __call__(self, name: str, as_: Any = None, roles: tuple[str, ...] = (), **given: Any) -> Answer:
        return await self.api.mutate(name, as_, roles, **given)

    async def create(self, as_: Any, in_days: int = 60, **given: Any) -> Answer:
        birthday = (date.today() + timedelta(days=in_days)).isoformat()
        return await self("createPot", as_, **{"birthday": birthday, "targetAmountCfa": 100_000} | given)

    async def row(self, key: Any) -> Any:
        return await self.owner.fetchrow("SELECT * FROM pots.pots WHERE id = $1", key)

    async def money(self, pot: Any) -> tuple[int, int]:
        row = await self.row(pot.id)
        return row["raised_cfa"], row["balance_cfa"]
