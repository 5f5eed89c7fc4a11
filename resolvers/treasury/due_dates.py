"""The dates of what recurs: the n-th is reckoned from the first, never from the one before (docs/adr/0049)."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from models.treasury import RecurringPaymentFrequency as Frequency

DAYS = {Frequency.DAILY: 1, Frequency.WEEKLY: 7, Frequency.BIWEEKLY: 14}
MONTHS = {Frequency.MONTHLY: 1, Frequency.QUARTERLY: 3, Frequency.YEARLY: 12}


def nth(start: datetime, frequency: Frequency, interval: int, n: int, zone: str) -> datetime:
    """When the n-th payment falls due, in UTC; that of number 0 is at `start`.

    It has the clock time of the first in that zone, also over a change of clocks: a time that this day does not have is
    as much later as the clocks were put forward; of one that it has twice, it is the earlier. A day that its month does
    not have is the month's last.
    """
    if n == 0:
        return start
    first = start.astimezone(ZoneInfo(zone))
    steps = interval * n
    day = (
        first.date() + timedelta(days=DAYS[frequency] * steps)
        if frequency in DAYS
        else _months_later(first.date(), MONTHS[frequency] * steps)
    )
    local = datetime.combine(day, first.time(), first.tzinfo)
    return local.replace(fold=0).astimezone(start.tzinfo)


def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
