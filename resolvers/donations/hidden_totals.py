"""Totals while donors hide what they give: those who watch a pot are not notified after each gift."""

from __future__ import annotations

from datetime import timedelta

from lango.db.transaction import Transaction
from models.donations import Donation
from resolvers.kernel import clock, system_config
from resolvers.kernel.system_config import Configured

INTERVAL = Configured("pots.total_interval_seconds", 60)


async def hidden_until(tx: Transaction, donation: Donation) -> str | None:
    """Until when strangers hear nothing of what a donation changed, where its amount is hidden: a moment; else None.

    What else happens meanwhile is in the total that they get then, unless nothing does. In the rules' role.
    """
    if donation.show_amount:
        return None
    seconds = await system_config.number(tx, INTERVAL)
    return (await clock.now(tx) + timedelta(seconds=max(seconds, 0))).isoformat()
