"""Reports on a DAO with a past, as its admins would have them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.client import STAFF
from tests.treasury.house import House
from tests.treasury.past import Past

DAY = timedelta(days=1)
REPRODUCE = "query ($id: ID!) { reproduceFinancialReport(reportId: $id) { reportData agrees } }"


class Reports:
    """What an admin of a DAO would call."""

    def __init__(self, house: House, start: datetime) -> None:
        self.house = house
        self.start, self.end = start, start + 30 * DAY

    def given(self, dao: Any = None, **more: Any) -> dict[str, Any]:
        period = {"periodStart": self.start.isoformat(), "periodEnd": self.end.isoformat(), "reportType": "MONTHLY"}
        return period | ({} if dao is None else {"daoId": dao.id}) | more

    async def generate(self, as_: Any, dao: Any = None, **more: Any) -> Any:
        answer = await self.house.call("generateFinancialReport", as_, **self.given(dao, **more))
        assert answer.refusals("generateFinancialReport") == []
        return answer["generateFinancialReport"]["report"]

    async def refused(self, as_: Any, dao: Any = None, **more: Any) -> list[str]:
        return await self.house.refused("generateFinancialReport", as_, **self.given(dao, **more))

    async def published(self, dao: Any, staff: Any, **more: Any) -> Any:
        report = await self.generate(dao.admin, dao, **more)
        assert await self.house.refused("submitFinancialReport", dao.admin, reportId=report["rowId"]) == []
        given = {"reportId": report["rowId"], "approved": True}
        assert await self.house.refused("reviewFinancialReport", staff, STAFF, **given) == []
        assert await self.house.refused("publishFinancialReport", dao.admin, reportId=report["rowId"]) == []
        return report


async def a_dao(house: House, past: Past, start: datetime, **given: Any) -> Any:
    """A DAO with 1,000 at the beginning of the period, which gets 700 and spends 300 within it, and 50 after it."""
    dao = await house.dao(members=3, signers=2, **given)
    account = f"dao:{dao.id}"
    await past.moves(start - DAY, "provider:bank", f"{account}:available", "1000", kind="gift")
    await past.moves(start, "provider:bank", f"{account}:available", "500", kind="gift")
    await past.moves(start + DAY, "provider:bank", f"{account}:available", "200", kind="gift")
    await past.moves(start + 2 * DAY, f"{account}:available", "provider:bank", "300", kind="bill")
    await past.moves(start + 3 * DAY, f"{account}:available", f"{account}:reserve", "100", kind="treasury_allocation")
    await past.moves(start + 30 * DAY, "provider:bank", f"{account}:available", "50", kind="gift")
    await past.proves(dao, is_dao=True)
    return dao
