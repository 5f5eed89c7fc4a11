"""The mutations of settlements as the back office calls them, its periods, and what is stored of them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import asyncpg

from tests.client import Answer, Api

STAFF = ("admin",)
JUNE = (date(2026, 6, 1), date(2026, 6, 30))
JULY = (date(2026, 7, 1), date(2026, 7, 31))
IN_JUNE, IN_JULY = datetime(2026, 6, 15, 12, tzinfo=UTC), datetime(2026, 7, 15, 12, tzinfo=UTC)
SHOWN = """rowId partnerId periodStart periodEnd totalRedemptionsCount totalRevenueCfa partnerShareCfa woloCommissionCfa
  status approvedByUserId approvedAt paymentReference paidAt invoiceUrl receiptUrl disputeReason
  availableTransitions"""


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


async def call(
    api: Api, mutation: str, as_: SimpleNamespace | None, roles: tuple[str, ...] = (), /, **input: Any
) -> Answer:
    """`await call(api, "approveSettlement", admin, STAFF, settlementId=settlement)`."""
    told = {key: str(value) for key, value in input.items()}
    query = f"""
      mutation ($input: {mutation[:1].upper()}{mutation[1:]}Input!) {{
        {mutation}(input: $input) {{ settlement {{ {SHOWN} }} userErrors {{ code message field details }} }}
      }}
    """
    return await api(query, {"input": told}, as_=as_, roles=roles)


async def generate(api: Api, admin: SimpleNamespace, partner: SimpleNamespace, start: Any, end: Any) -> Answer:
    return await call(
        api, "generateSettlement", admin, STAFF, partnerId=partner.id, periodStart=start, periodEnd=end
    )  # fmt: skip
