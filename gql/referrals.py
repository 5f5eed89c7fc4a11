"""Referrals, points and what they are converted to, as the API shows them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.types import Info

import models.referrals as m
from gql.kit.inputs import id_of, key_input, text_input, value_input
from gql.kit.kinds import enum_of
from gql.kit.mirror import mirror
from gql.kit.mutation import mutation, mutations
from gql.kit.roots import root_fields
from models.identity import User
from models.pots import Pot
from resolvers.points import points
from resolvers.pots import point_conversions
from resolvers.referrals import batches, invitations, referral_codes

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
