"""The time zones that are taken, wherever one is written."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones


@cache
def zones() -> frozenset[str]:
    """The names `Area/Place` of the IANA database, and UTC.

    The others are leftovers: `localtime` is the server's own zone, and PostgreSQL takes `CET` for an offset that knows
    no summer.
    """
    return frozenset(name for name in available_timezones() if "/" in name) | {"UTC"}
