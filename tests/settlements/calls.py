"""Settlements as the back office has them made, their periods, and what is stored of them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import asyncpg

from tests.client import STAFF, Answer, Api

JUNE = (date(2026, 6, 1), date(2026, 6, 30))
JULY = (date(2026, 7, 1), date(2026, 7, 31))
IN_JUNE, IN_JULY = datetime(2026, 6, 15, 12, tzinfo=UTC), datetime(2026, 7, 15, 12, tzinfo=UTC)


class Settlements:
    """What is stored of a partner's settlements."""

    def __init__(self, owner: asyncpg.Pool[Any], partner: Any) -> None:
        self.owner = owner
        self.partner = partner

    async def of_codes(self) -> list[Any]:
        """The settlement of each of the partner's redemptions, in their order in time."""
        rows = await self.owner.fetch(
            "SELECT settlement_id FROM redemption.qr_codes WHERE redeemed_by_partner_id = $1 ORDER BY redeemed_at",
            self.partner.id,
        )
        return [row["settlement_id"] for row in rows]

    async def all(self) -> list[Any]:
        return list(
            await self.owner.fetch(
                "SELECT * FROM redemption.partner_settlements WHERE partner_id = $1 ORDER BY period_start, id",
                self.partner.id,
            )
        )


async def generate(api: Api, staff: SimpleNamespace, partner: SimpleNamespace, start: Any, end: Any) -> Answer:
    return await api.mutate(
        "generateSettlement", staff, STAFF, partnerId=partner.id, periodStart=start, periodEnd=end
    )  # fmt: skip
