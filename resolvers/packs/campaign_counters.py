"""Counters of campaigns: each impression and each click is an analytics event, from which the counters are updated."""

from __future__ import annotations

from typing import Annotated

from lango.jobs.job import scheduled
from lango.rules.inputs import Seen, Value
from lango.rules.rule import rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.analytics import AnalyticsEventPlatform
from models.packs import ActiveCampaign, SponsorCampaign
from resolvers.analytics.events import Counting, Visitor, note
from resolvers.kernel import due

CATEGORY = "campaigns"
SHOWN, CLICKED = "campaign_shown", "campaign_clicked"
COUNTERS = Counting(SponsorCampaign, impressions=SHOWN, clicks=CLICKED)


@rule(anonymous=True, idempotent=False)
async def record_campaign_impression(
    tx: RuleTransaction,
    campaign: Annotated[ActiveCampaign, Seen("The campaign that is shown.")],
    visitor: Visitor = None,
    platform: Annotated[AnalyticsEventPlatform | None, Value("Where it is shown.")] = None,
) -> ActiveCampaign:
    """Record that a campaign was shown to somebody. The campaign's `impressions` follow within 10 minutes."""
    return await _note(tx, SHOWN, campaign, visitor, platform)


@rule(anonymous=True, idempotent=False)
async def record_campaign_click(
    tx: RuleTransaction,
    campaign: Annotated[ActiveCampaign, Seen("The campaign that is clicked on.")],
    visitor: Visitor = None,
    platform: Annotated[AnalyticsEventPlatform | None, Value("Where it is clicked on.")] = None,
) -> ActiveCampaign:
    """Record that somebody clicked on a campaign. The campaign's `clicks` follow within 10 minutes."""
    return await _note(tx, CLICKED, campaign, visitor, platform)


@scheduled("impressions.count_impressions", "*/10 * * * *")
async def count_campaigns(services: Services) -> None:
    """Add the impressions and clicks that were recorded since the last run to the campaigns' counters."""
    await due.each(services, count_campaigns, COUNTERS.due, COUNTERS.count)


async def _note(
    tx: RuleTransaction,
    name: str,
    campaign: ActiveCampaign,
    visitor: str | None,
    platform: AnalyticsEventPlatform | None,
) -> ActiveCampaign:
    subject = campaign.id
    await note(tx, name, CATEGORY, subject=subject, visitor=visitor, platform=platform, campaignId=subject)
    return campaign
