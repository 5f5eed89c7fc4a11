"""Days and months as they begin where a user is."""

from __future__ import annotations

from sqlalchemy import ColumnElement, DateTime, bindparam, func, literal, select

from models.profiles import Profile

# Of somebody without a profile.
USUAL_ZONE = "Africa/Dakar"
ITS_ZONE = func.coalesce(
    select(Profile.timezone).where(Profile.user_id == bindparam("user_id")).scalar_subquery(), literal(USUAL_ZONE)
)


def begin_of(period: str) -> ColumnElement[object]:
    """As part of a statement with a parameter `user_id`: when this `day` or `month` began, where that user is."""
    local = func.timezone(ITS_ZONE, func.clock_timestamp(), type_=DateTime(timezone=False))
    return func.timezone(ITS_ZONE, func.date_trunc(period, local), type_=DateTime(timezone=True))
