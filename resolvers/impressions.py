"""How campaigns do: each time one is shown or clicked on is an analytics event, from which the counts are rolled up."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, func, text
from sqlalchemy.ext.asyncio import AsyncSession

from lango.actor import Actor, DatabaseRole
from lango.jobs import scheduled
from lango.prepared import Lookup, Prepared
from lango.rows import find
from lango.rules import NotFound, rule
from lango.services import Services
from lango.session import become
from models.analytics import AnalyticsEventPlatform
from models.packs import ActiveCampaign, SponsorCampaign, SponsorCampaignStatus
from resolvers import due
from resolvers.analytics import note

CATEGORY = "campaigns"
SHOWN, CLICKED = "campaign_shown", "campaign_clicked"


@rule(NotFound, anonymous=True, idempotent=False)
async def record_impression(
    session: AsyncSession,
    actor: Actor,
    campaign_id: UUID,
    visitor: str | None = None,
    platform: AnalyticsEventPlatform | None = None,
) -> ActiveCampaign:
    """Note that a campaign is shown to somebody. It is counted later."""
    return await _note(session, actor, SHOWN, campaign_id, visitor, platform)


@rule(NotFound, anonymous=True, idempotent=False)
async def record_click(
    session: AsyncSession,
    actor: Actor,
    campaign_id: UUID,
    visitor: str | None = None,
    platform: AnalyticsEventPlatform | None = None,
) -> ActiveCampaign:
    """Note that somebody clicks on a campaign. It is counted later."""
    return await _note(session, actor, CLICKED, campaign_id, visitor, platform)


@scheduled("impressions.count_impressions", "*/10 * * * *")
async def count_impressions(services: Services) -> None:
    """Bring the campaigns' impressions and clicks up to what has been noted."""
    await due.each(services, COUNTED, _count)


async def _count(session: AsyncSession, campaign_id: UUID) -> None:
    await COUNT.run(session, campaign=str(campaign_id), shown=SHOWN, clicked=CLICKED)


async def _note(
    session: AsyncSession,
    actor: Actor,
    name: str,
    campaign_id: UUID,
    visitor: str | None,
    platform: AnalyticsEventPlatform | None,
) -> ActiveCampaign:
    campaign = await find(session, ActiveCampaign, campaign_id)
    if campaign is None:
        raise NotFound("There is no such campaign now.", field="campaignId")
    await become(session, DatabaseRole.RULES)
    await note(session, actor, name, CATEGORY, visitor=visitor, platform=platform, campaignId=campaign_id)
    return campaign


# Those that are shown, and those whose last events may have come late.
COUNTED = Lookup(
    [SponsorCampaign.id],
    lambda rows: rows.where(
        SponsorCampaign.status != SponsorCampaignStatus.DRAFT,
        SponsorCampaign.ends_at > func.now() - func.make_interval(0, 0, 0, bindparam("days", 1)),
    ).order_by(SponsorCampaign.id),
)
# Counted anew, so that doing it twice changes nothing; never less than before, for old events are not kept for ever.
COUNT = Prepared(
    text("""
    UPDATE packs.sponsor_campaigns c
    SET impressions = greatest(c.impressions, noted.shown), clicks = greatest(c.clicks, noted.clicked)
    FROM (
        SELECT count(*) FILTER (WHERE e.event_name = :shown) AS shown,
               count(*) FILTER (WHERE e.event_name = :clicked) AS clicked
        FROM analytics.analytics_events e
        WHERE e.event_name IN (:shown, :clicked) AND e.properties ->> 'campaignId' = :campaign
    ) noted
    WHERE c.id = CAST(:campaign AS uuid)
      AND (c.impressions IS NULL OR c.clicks IS NULL OR c.impressions < noted.shown OR c.clicks < noted.clicked)
    """)
)
