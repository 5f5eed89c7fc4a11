"""Analytics events: what people look at and pass on, appended one by one, and counted later."""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from lango.actor import Actor
from lango.postgres import RawJson
from lango.rows import save
from models.analytics import AnalyticsEvent, AnalyticsEventPlatform


async def note(
    session: AsyncSession,
    actor: Actor,
    name: str,
    category: str,
    *,
    visitor: str | None,
    platform: AnalyticsEventPlatform | None,
    referrer: str | None = None,
    **properties: object,
) -> None:
    """Append an event. `visitor` tells people without a token apart; `properties` are kept as texts.

    In the rules' role.
    """
    told = {key: str(value) for key, value in properties.items() if value is not None}
    event = AnalyticsEvent(
        id=uuid4(), event_name=name, event_category=category, user_id=actor.user_id,
        anonymous_id=visitor if actor.user_id is None else None, properties=RawJson.of(told),
        ip_address=str(actor.ip) if actor.ip else None, user_agent=actor.user_agent, platform=platform,
        referrer=referrer,
    )  # fmt: skip
    await save(session, event)
