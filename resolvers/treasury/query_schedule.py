"""When M-Pesa is queried about what nothing was heard of: soon at first, then every hour for a day."""

from __future__ import annotations

from datetime import datetime, timedelta

SOON = tuple(timedelta(seconds=seconds) for seconds in (30, 60, 120, 300, 900))
AN_HOUR = timedelta(hours=1)
# A payment that nothing was heard of for so long is given up.
LASTS = timedelta(hours=24)


def next_query(began: datetime, now: datetime) -> datetime | None:
    """The next moment of the schedule; None where the last is past."""
    age = now - began
    for after in SOON:
        if age < after:
            return began + after
    after = (age // AN_HOUR + 1) * AN_HOUR
    return began + after if after <= LASTS else None
