"""Referrals, points and what they are converted to, as the API shows them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.types import Info

import models.referrals as m
from gql.kit.kinds import enum_of
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.roots import root_fields
from resolvers.points import points
from resolvers.pots import point_conversions
from resolvers.referrals import batches, invitations, referral_codes

enum_of(m.ReferralStatus)


mirrors(m.Referral, m.PointsLedgerEntry, m.PointsConversion, m.SponsorDailyLimit, m.SponsorContactBatch)


Mutation = mutations(
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
    point_conversions.convert_points,
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
    info: Info, code: Annotated[str, strawberry.argument(description=invitations.CODE.doc)]
) -> ReferralInvitation | None:
    """Who invites, until when and with which words, to be shown before it is answered; null where the code is none."""
    found = await referral_codes.invitation(info.context.pipeline, info.context.actor, code)
    return None if found is None else ReferralInvitation(**asdict(found))


ROOTS = (m.Referral, m.PointsLedgerEntry, m.PointsConversion, m.SponsorDailyLimit, m.SponsorContactBatch)


@strawberry.type
class Query(root_fields(*ROOTS)):  # type: ignore[misc]
    referral_invitation = strawberry.field(referral_invitation, description=referral_invitation.__doc__)
