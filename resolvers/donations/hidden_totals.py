"""Totals while donors hide what they give: those who watch a pot are not notified after each gift."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from lango.db.prepared import Query
from models.donations import Donation
from resolvers.kernel import system_config
from resolvers.kernel.system_config import Configured

INTERVAL = Configured("pots.total_interval_seconds", 60)


def reading() -> Query:
    """The look-up of how long totals are hidden, in the rules' role; `hidden_until` reads it."""
    return system_config.reading(INTERVAL)


def hidden_until(donation: Donation, now: datetime, configured: Sequence[tuple[Any, ...]]) -> str | None:
    """Until when strangers hear nothing of what a donation changed, where its amount is hidden: a moment; else None.

    What else happens meanwhile is in the total that they get then, unless nothing does.
    """
    if donation.show_amount:
        return None
    (seconds,) = system_config.numbers_in(configured, INTERVAL)
    return (now + timedelta(seconds=max(seconds, 0))).isoformat()
