"""The limits and rates that refuse people, which everybody may ask for before they are refused."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

import resolvers
from gql.limits import LIMITS
from resolvers.kernel.system_config import Configured
from tests.client import Api

QUERY = "{ limits { donationMinimumCfa donationMaximumCfa pointsRateCfa tradingFeeRate dailyReferrals } }"
# What would help those whom it is to stop, or concerns nobody but those who run it.
NOT_PUBLIC = {
    "donations.hold_score", "events.retention_hours", "partners.revenue_split_percentage",
    "security.lockout_threshold", "security.lockout_minutes", "security.refresh_leeway_seconds",
    "security.sessions_per_user", "security.session_days", "security.session_idle_days", "security.challenge_minutes",
    "security.recent_minutes", "security.code_retention_days", "security.token_retention_days",
    "security.attempt_retention_days", "security.device_trust_days", "security.password_reset_minutes",
    "admin.session_minutes",
    "treasury.rate_max_age",
}  # fmt: skip


def configured() -> set[str]:
    """Every number that a rule reads and staff may change."""
    found: set[str] = set()
    for module in pkgutil.walk_packages(resolvers.__path__, "resolvers."):
        for value in vars(import_module(module.name)).values():
            values = value.values() if isinstance(value, dict) else [value]
            found |= {each.key for each in values if isinstance(each, Configured)}
    return found


async def test_everybody_may_read_the_limits(api: Api) -> None:
    assert (await api(QUERY))["limits"] == {
        "donationMinimumCfa": 100, "donationMaximumCfa": 2_000_000, "pointsRateCfa": "5", "tradingFeeRate": "0.005",
        "dailyReferrals": 50,
    }  # fmt: skip


async def test_they_are_those_that_hold_now(api: Api, configure: Any) -> None:
    await configure("donations.minimum_cfa", 250)
    await configure("points.cfa_per_point", 6)

    found = (await api(QUERY))["limits"]

    assert (found["donationMinimumCfa"], found["pointsRateCfa"]) == (250, "6")


def test_every_number_is_public_or_has_a_reason_why_not() -> None:
    public = {limit.number.key for limit in LIMITS.values()}

    assert public & NOT_PUBLIC == set()
    assert public | NOT_PUBLIC == configured()
