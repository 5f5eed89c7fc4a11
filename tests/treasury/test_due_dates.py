"""Dates that recur: month ends are kept, clocks are put forward and back, and none depends on the one before."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from models.treasury import RecurringPaymentFrequency as Frequency
from resolvers.treasury.due_dates import MONTHS, nth

NAIROBI = "Africa/Nairobi"
ZONES = (NAIROBI, "UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")
moments = some.datetimes(datetime(2024, 1, 1), datetime(2060, 1, 1), timezones=some.just(UTC))  # noqa: DTZ001


def days(start: str, frequency: Frequency, interval: int, count: int, zone: str = NAIROBI) -> list[str]:
    first = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    dates = [nth(first, frequency, interval, n, zone).astimezone(ZoneInfo(zone)) for n in range(count)]
    return [f"{each:%Y-%m-%d %H:%M}" for each in dates]


@pytest.mark.parametrize(
    ("start", "frequency", "interval", "dates"),
    [
        ("2027-01-31 09:00", "monthly", 1, ["01-31", "02-28", "03-31", "04-30", "05-31"]),
        ("2028-01-31 09:00", "monthly", 1, ["01-31", "02-29", "03-31"]),
        ("2027-01-30 09:00", "monthly", 1, ["01-30", "02-28", "03-30"]),
        ("2027-12-31 09:00", "monthly", 2, ["12-31", "02-29", "04-30", "06-30", "08-31"]),
        ("2027-11-30 09:00", "quarterly", 1, ["11-30", "02-29", "05-30", "08-30", "11-30"]),
        ("2028-02-29 09:00", "yearly", 1, ["02-29", "02-28", "02-28", "02-28", "02-29"]),
        ("2027-12-30 09:00", "daily", 1, ["12-30", "12-31", "01-01"]),
        ("2027-02-20 09:00", "weekly", 1, ["02-20", "02-27", "03-06"]),
        ("2027-02-20 09:00", "weekly", 2, ["02-20", "03-06", "03-20"]),
        ("2027-02-20 09:00", "biweekly", 1, ["02-20", "03-06", "03-20"]),
    ],
)
def test_a_month_that_is_too_short_ends_early_and_the_next_does_not(
    start: str, frequency: str, interval: int, dates: list[str]
) -> None:
    found = days(start, Frequency(frequency), interval, len(dates))

    assert [each[5:] for each in found] == [f"{each} 09:00" for each in dates]


def test_the_day_is_that_of_the_zone() -> None:
    # 22:30 UTC on 30 January is the 31st in Nairobi.
    first = datetime(2027, 1, 30, 22, 30, tzinfo=UTC)

    assert nth(first, Frequency.MONTHLY, 1, 1, NAIROBI) == datetime(2027, 2, 27, 22, 30, tzinfo=UTC)
    assert nth(first, Frequency.MONTHLY, 1, 1, "UTC") == datetime(2027, 2, 28, 22, 30, tzinfo=UTC)


def test_the_clock_time_is_kept_when_the_clocks_change() -> None:
    assert days("2027-03-27 09:00", Frequency.DAILY, 1, 3, "Europe/Paris") == [
        "2027-03-27 09:00", "2027-03-28 09:00", "2027-03-29 09:00",
    ]  # fmt: skip
    first = datetime(2027, 3, 27, 8, tzinfo=UTC)
    assert nth(first, Frequency.DAILY, 1, 1, "Europe/Paris") - first == timedelta(hours=23)


def test_a_time_that_a_day_does_not_have_or_has_twice() -> None:
    # Clocks in Paris go from 02:00 to 03:00 on 28 March 2027, and from 03:00 to 02:00 on 31 October 2027.
    assert days("2027-03-27 02:30", Frequency.DAILY, 1, 3, "Europe/Paris") == [
        "2027-03-27 02:30", "2027-03-28 03:30", "2027-03-29 02:30",
    ]  # fmt: skip
    twice = nth(datetime(2027, 10, 30, 0, 30, tzinfo=UTC), Frequency.DAILY, 1, 1, "Europe/Paris")
    assert twice == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)


@given(moments, some.sampled_from(Frequency), some.integers(1, 12), some.integers(0, 60), some.sampled_from(ZONES))
def test_dates_follow_each_other_and_have_the_first_ones_day_and_time(
    start: datetime, frequency: Frequency, interval: int, n: int, zone: str
) -> None:
    date, following = (nth(start, frequency, interval, number, zone) for number in (n, n + 1))
    first, local = start.astimezone(ZoneInfo(zone)), date.astimezone(ZoneInfo(zone))

    assert nth(start, frequency, interval, 0, zone) == start
    assert following - date > timedelta(hours=22)
    assert abs(local.replace(tzinfo=None) - datetime.combine(local, first.time())) <= timedelta(hours=1)
    if frequency in MONTHS:
        assert local.day == min(first.day, monthrange(local.year, local.month)[1])
        assert (local.year - first.year) * 12 + local.month - first.month == MONTHS[frequency] * interval * n
