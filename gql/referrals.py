"""Referrals, points and what they are converted to, and campaigns, as the API shows them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import strawberry
from strawberry.types import Info

import models.referrals as m
from gql.kit.inputs import id_of, key_input, text_input, value_input
from gql.kit.kinds import enum_of
from gql.kit.mirror import mirror
from gql.kit.mutation import mutation, mutations
from gql.kit.roots import root_fields
from models.analytics import AnalyticsEventPlatform
from models.identity import User
from models.packs import ActiveCampaign, SponsorCampaign
from models.pots import Pot
from resolvers.packs import campaign_counters, campaigns
from resolvers.points import points
from resolvers.pots import point_conversions
from resolvers.referrals import batches, invitations, referral_codes

PLATFORM = enum_of(AnalyticsEventPlatform)
enum_of(m.ReferralStatus)
LEFT = (int, "How many more invitations may be sent today.")
CODE = "The invitation's code, as it was sent or is typed: blanks, hyphens and small letters do not matter."
ANY_CODE = "The code of an invitation, or the token of one to a pot, as it was sent or is typed."
INVITATIONS = (bool, "Whether invitations go there from now on. Null where it was refused.")
FOR_A_MINOR = "For whom, where it is a minor you answer for; for yourself when left out."


@mirror(m.Referral)
class Referral:
    pass


@mirror(m.PointsLedgerEntry)
class PointsLedgerEntry:
    pass


@mirror(m.PointsConversion)
class PointsConversion:
    pass


@mirror(m.SponsorDailyLimit)
class SponsorDailyLimit:
    pass


@mirror(m.SponsorContactBatch)
class SponsorContactBatch:
    pass


@strawberry.input(description="What `convertPoints` takes.")
class ConvertPointsInput:
    points: int = value_input("How many points to give.", required=True)
    pot_id: strawberry.ID = id_of(Pot, "The pot that receives the money.")
    share_token: str | None = text_input(
        "The token of the pot's share link, if it is by that you see it.", max_length=64
    )
    sponsor_id: strawberry.ID | None = id_of(User, FOR_A_MINOR, required=False)
    idempotency_key: str | None = key_input()


@strawberry.input(description="For whom a campaign is: all that is given must hold of who accepts an invitation.")
class CampaignTargetsInput:
    min_age: int | None = value_input("The youngest, in years; anyone when left out.")
    max_age: int | None = value_input("The oldest, in years; anyone when left out.")
    regions: list[str] | None = text_input("One of these regions, as addresses name them.", max_length=100)
    interests: list[str] | None = text_input(
        "One of these interests: a category or a tag of a pack that the person's pots wish for.", max_length=100
    )


@strawberry.input(description="What `createCampaign` takes.")
class CreateCampaignInput:
    sponsor_company_name: str = text_input("The company that pays for the boost.", max_length=255, required=True)
    campaign_name: str = text_input("What the company calls it.", max_length=255, required=True)
    budget_cfa: int = value_input("The most its extra points may cost, in CFA francs.", required=True)
    starts_at: datetime = value_input("When it begins.", required=True)
    ends_at: datetime = value_input("When it ends.", required=True)
    description: str | None = text_input("What it is about.", max_length=5000)
    targets: CampaignTargetsInput | None = value_input("For whom it is; for everyone when left out.")
    pack_categories: list[str] | None = text_input(
        "The categories of packs it boosts, of which the sponsor or the invited one wishes for one; all when left out.",
        max_length=50,
    )
    points_multiplier: Decimal | None = value_input("What points are multiplied by; 1.50 when left out.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `updateCampaign` takes; what is left out stays as it is.")
class UpdateCampaignInput:
    campaign_id: strawberry.ID = id_of(SponsorCampaign, "The campaign to change.")
    sponsor_company_name: str | None = text_input("The company that pays for the boost.", max_length=255)
    campaign_name: str | None = text_input("What the company calls it.", max_length=255)
    budget_cfa: int | None = value_input("The most its extra points may cost, in CFA francs; not less than is spent.")
    starts_at: datetime | None = value_input("When it begins.")
    ends_at: datetime | None = value_input("When it ends.")
    description: str | None = text_input("What it is about.", max_length=5000)
    targets: CampaignTargetsInput | None = value_input("For whom it is; `{}` for everyone.")
    pack_categories: list[str] | None = text_input("The categories of packs it boosts; `[]` for all.", max_length=50)
    points_multiplier: Decimal | None = value_input("What points are multiplied by, from now on.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `startCampaign` takes.")
class StartCampaignInput:
    campaign_id: strawberry.ID = id_of(SponsorCampaign, "The campaign to start.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `pauseCampaign` takes.")
class PauseCampaignInput:
    campaign_id: strawberry.ID = id_of(SponsorCampaign, "The campaign to stop for now.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `completeCampaign` takes.")
class CompleteCampaignInput:
    campaign_id: strawberry.ID = id_of(SponsorCampaign, "The campaign to end.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `recordCampaignImpression` takes.")
class RecordCampaignImpressionInput:
    campaign_id: strawberry.ID = id_of(ActiveCampaign, "The campaign that is shown.")
    visitor: str | None = text_input("What joins the events of one visitor who is not signed in.", max_length=100)
    platform: PLATFORM | None = value_input("Where it is shown.")  # type: ignore[valid-type]


@strawberry.input(description="What `recordCampaignClick` takes.")
class RecordCampaignClickInput:
    campaign_id: strawberry.ID = id_of(ActiveCampaign, "The campaign that is clicked on.")
    visitor: str | None = text_input("What joins the events of one visitor who is not signed in.", max_length=100)
    platform: PLATFORM | None = value_input("Where it is clicked on.")  # type: ignore[valid-type]


_Rules = mutations(
    batches.prepare_contact_batch,
    batches.select_batch_contacts,
    batches.send_batch,
    batches.skip_batch,
    invitations.send_referrals,
    invitations.accept_referral,
    invitations.decline_referral,
    invitations.opt_out_of_invitations,
    invitations.opt_in_to_invitations,
    points.revoke_points,
)


@strawberry.type
class Mutation(_Rules):  # type: ignore[misc,valid-type]
    convert_points = mutation(
        point_conversions.convert,
        name="convertPoints",
        input=ConvertPointsInput,
        makes={"points_conversion": m.PointsConversion},
    )
    create_campaign = mutation(
        campaigns.create, name="createCampaign", input=CreateCampaignInput, makes={"campaign": SponsorCampaign}
    )
    update_campaign = mutation(
        campaigns.update, name="updateCampaign", input=UpdateCampaignInput, makes={"campaign": SponsorCampaign}
    )
    start_campaign = mutation(
        campaigns.start, name="startCampaign", input=StartCampaignInput, makes={"campaign": SponsorCampaign}
    )
    pause_campaign = mutation(
        campaigns.pause, name="pauseCampaign", input=PauseCampaignInput, makes={"campaign": SponsorCampaign}
    )
    complete_campaign = mutation(
        campaigns.complete, name="completeCampaign", input=CompleteCampaignInput, makes={"campaign": SponsorCampaign}
    )
    record_campaign_impression = mutation(
        campaign_counters.record_impression,
        name="recordCampaignImpression",
        input=RecordCampaignImpressionInput,
        makes={"campaign": ActiveCampaign},
    )
    record_campaign_click = mutation(
        campaign_counters.record_click,
        name="recordCampaignClick",
        input=RecordCampaignClickInput,
        makes={"campaign": ActiveCampaign},
    )


@strawberry.type(description="An invitation as the holder of its code sees it, also without an account.")
class ReferralInvitation:
    status: m.ReferralStatus = strawberry.field(description="Where it stands; it is answered while it is `SENT`.")
    sent_at: datetime = strawberry.field(description="When it was sent.")
    expires_at: datetime | None = strawberry.field(
        description="Until when it can be accepted or declined; null where it has no end."
    )
    inviter_name: str | None = strawberry.field(
        description="The first name of who invites; null where the profile is not public, and once it is not `SENT`."
    )
    message: str | None = strawberry.field(
        description="What the inviter wrote to go with it; null where nothing, and once it is not `SENT`."
    )
    points: int | None = strawberry.field(
        description="How many points the inviter earns when it is accepted, before any campaign; null once it is not"
        " `SENT`."
    )


async def referral_invitation(
    info: Info, code: Annotated[str, strawberry.argument(description=CODE)]
) -> ReferralInvitation | None:
    """Who invites, until when and with which words, to be shown before it is answered; null where the code is none."""
    found = await referral_codes.invitation(info.context.engine, info.context.actor, code)
    return None if found is None else ReferralInvitation(**asdict(found))


ROOTS = (m.Referral, m.PointsLedgerEntry, m.PointsConversion, m.SponsorDailyLimit, m.SponsorContactBatch)


@strawberry.type
class Query(root_fields(*ROOTS)):  # type: ignore[misc]
    referral_invitation = strawberry.field(referral_invitation, description=referral_invitation.__doc__)
