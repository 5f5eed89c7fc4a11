"""How campaigns do: each time one is shown or clicked on is an analytics event, from which the counts are rolled up."""

from __future__ import annotations

from uuid import UUID

from lango.jobs.job import scheduled
from lango.rules.rule import NotFound, rule
from lango.rules.services import Services
from lango.rules.transaction import CallerTransaction
from models.analytics import AnalyticsEventPlatform
from models.packs import ActiveCampaign, SponsorCampaign
from resolvers.analytics.events import Counting, note
from resolvers.kernel import due

CATEGORY = "campaigns"
SHOWN, CLICKED = "campaign_shown", "campaign_clicked"
IMPRESSIONS = Counting(SponsorCampaign, impressions=SHOWN, clicks=CLICKED)


@rule(NotFound, anonymous=True, idempotent=False)
async def record_impression(
    caller: CallerTransaction,
    campaign_id: UUID,
    visitor: str | None = None,
    platform: AnalyticsEventPlatform | None = None,
) -> ActiveCampaign:
    """Note that a campaign is shown to somebody. It is counted later."""
    return await _note(caller, SHOWN, campaign_id, visitor, platform)


@rule(NotFound, anonymous=True, idempotent=False)
async def record_click(
    caller: CallerTransaction,
    campaign_id: UUID,
    visitor: str | None = None,
    platform: AnalyticsEventPlatform | None = None,
) -> ActiveCampaign:
    """Note that somebody clicks on a campaign. It is counted later."""
    return await _note(caller, CLICKED, campaign_id, visitor, platform)


@scheduled("impressions.count_impressions", "*/10 * * * *")
async def count_impressions(services: Services) -> None:
    """Bring the campaigns' impressions and clicks up to what has been noted."""
    await due.each(services, count_impressions, IMPRESSIONS.due, IMPRESSIONS.count)


async def _note(
    caller: CallerTransaction,
    name: str,
    campaign_id: UUID,
    visitor: str | None,
    platform: AnalyticsEventPlatform | None,
) -> ActiveCampaign:
    campaign = await caller.find(ActiveCampaign, campaign_id)
    if campaign is None:
        raise NotFound("There is no such campaign now.", field="campaignId")
    tx = await caller.as_rules()
    await note(
        tx,
        name,
        CATEGORY,
        subject=campaign_id,
        visitor=visitor,
        platform=platform,
        campaignId=campaign_id,
    )
    return campaign
