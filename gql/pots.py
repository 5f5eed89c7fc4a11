"""Birthday pots, who is invited, and how they fare, as the API shows them."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Annotated, Any

import strawberry
from graphql import GraphQLObjectType
from sqlalchemy import ARRAY, Select, Text, Uuid, func, literal, select
from strawberry.types import Info

import models.pots as m
from gql.hidden_gifts import LATER, is_stranger
from gql.kit.deferred_values import Slot, changed
from gql.kit.inputs import id_of, key_input, text_input, value_input
from gql.kit.kinds import enum_of
from gql.kit.loaders import read_node
from gql.kit.mirror import mirror
from gql.kit.mutation import Once, mutation
from gql.kit.node import parse_id
from gql.kit.planner.builder import Builder
from gql.kit.planner.fields import Nodes, one_by_id, parts_of, planned
from gql.kit.roots import root_fields
from gql.kit.subscription import subscription
from gql.kit.type_registry import Address
from lango.errors import BadUserInput
from models.analytics import AnalyticsEventPlatform
from models.identity import User
from models.packs import Pack
from models.topics import Topic
from resolvers.donations import pot_cancellation
from resolvers.kernel.share_links import tokens_of
from resolvers.pots import invitations, pots, views

for choice in (m.PotVisibility, m.PotInvitationInvitationMethod, AnalyticsEventPlatform):
    enum_of(choice)
LONGEST_TEXT = 5_000


@mirror(m.Pot)
class Pot:
    pass


@mirror(m.PotInvitation)
class PotInvitation:
    pass


@mirror(m.PotAnalytics)
class PotAnalytics:
    pass


async def pot(
    info: Info,
    id: Annotated[strawberry.ID | None, strawberry.argument(description="Its id, or its `rowId`.")] = strawberry.UNSET,
    share_token: Annotated[
        str | None, strawberry.argument(description="The token of a share link: whoever brings it sees the pot.")
    ] = strawberry.UNSET,
) -> Any:
    """One pot by its id or by the token of its share link; null where there is none that you may see."""
    if not share_token:
        if not id:
            raise BadUserInput("Say which pot: by `id` or by `shareToken`.")
        return await read_node(info.context, m.Pot, parse_id(m.Pot, id))
    tokens = tokens_of(share_token)
    if not tokens:
        return None
    for token in tokens:
        await info.context.reads.present(token)
    shared = select(func.lango.shared_pots(literal(tokens, ARRAY(Text))))
    ((keys,),) = await info.context.reads.rows(shared)
    if not keys or (id and parse_id(m.Pot, id) != (keys[0],)):
        return None
    return await read_node(info.context, m.Pot, (keys[0],))


pot.__annotations__["return"] = Address("Pot") | None


def plan_pot(builder: Builder, parent: GraphQLObjectType, nodes: Nodes) -> Select[Any]:
    """The pot by its id; by the token, it is the one that the token opens, and the context has the token."""
    given = builder.arguments(parent, nodes[0])
    token, id_ = given.get("share_token"), given.get("id")
    if not (token.decide(bool) if isinstance(token, Slot) else token):
        return one_by_id(m.Pot, builder, id_, nodes)
    builder.presented = changed(token, lambda typed: ",".join(tokens_of(typed)) or None)
    opened = func.lango.shared_pots(literal(changed(token, tokens_of), ARRAY(Text)), type_=ARRAY(Uuid))[1]
    found = builder.one(m.Pot, [opened], nodes)
    if id_ is None or id_ is strawberry.UNSET:
        return found
    (key,) = parts_of(m.Pot, changed(id_, partial(parse_id, m.Pot)))
    return found.where(opened == key)


@strawberry.type
class Query(root_fields(m.Pot, m.PotInvitation, m.PotAnalytics)):  # type: ignore[misc]
    pot = strawberry.field(pot, description=pot.__doc__, metadata=planned(plan_pot))


@strawberry.input(description="What `createPot` takes.")
class CreatePotInput:
    birthday: date = value_input("The birthday, in the future; a day in the pot's time zone.", required=True)
    target_amount_cfa: int = value_input("What is hoped for, in CFA francs.", required=True)
    title: str | None = text_input("The headline; without one the pot is named after its owner.", max_length=255)
    owner_id: strawberry.ID | None = id_of(
        User, "Whose birthday it is: a minor whose guardian you are. Without it, yours.", required=False
    )
    time_zone: str | None = text_input(
        "The IANA time zone whose day the birthday is; without it the one of the owner's profile.", max_length=50
    )
    description: str | None = text_input("What you say about it.", max_length=LONGEST_TEXT)
    visibility: m.PotVisibility | None = value_input("Who sees it; without it, private.")
    preferred_pack_id: strawberry.ID | None = id_of(Pack, "The pack you wish for.", required=False)
    allow_anonymous_donations: bool | None = value_input("Whether people may give without signing in; true without it.")
    show_donor_names: bool | None = value_input("Whether others see who gave; true without it.")
    enable_messages: bool | None = value_input("Whether others see what donors wrote; true without it.")
    cover_image_url: str | None = text_input("Where the main picture is.", max_length=500)
    gallery_images: list[str] | None = text_input("Where further pictures are, 20 at most.", max_length=500)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `updatePot` takes; what is left out stays as it is.")
class UpdatePotInput:
    pot_id: strawberry.ID = id_of(m.Pot, "The pot to change.")
    title: str | None = text_input("The headline.", max_length=255)
    target_amount_cfa: int | None = value_input("What is hoped for, in CFA francs; only before the pot opens.")
    description: str | None = text_input("What you say about it; an empty text takes it away.", max_length=LONGEST_TEXT)
    visibility: m.PotVisibility | None = value_input("Who sees it.")
    preferred_pack_id: strawberry.ID | None = id_of(Pack, "The pack you wish for.", required=False)
    allow_anonymous_donations: bool | None = value_input("Whether people may give without signing in.")
    show_donor_names: bool | None = value_input("Whether others see who gave.")
    enable_messages: bool | None = value_input("Whether others see what donors wrote.")
    cover_image_url: str | None = text_input("Where the main picture is; an empty text takes it away.", max_length=500)
    gallery_images: list[str] | None = text_input("Where further pictures are, 20 at most.", max_length=500)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `inviteToPot` takes.")
class InviteToPotInput:
    pot_id: strawberry.ID = id_of(m.Pot, "The pot to invite to.")
    method: m.PotInvitationInvitationMethod = value_input("How the invitation is sent.", required=True)
    recipient: str = text_input(
        "Where it goes: a phone number, an email address, or a name on a social network.", max_length=255, required=True
    )
    message: str | None = text_input("What goes with it.", max_length=1_000)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `openPotInvitation` takes.")
class OpenPotInvitationInput:
    token: str = text_input("The token of the invitation's link.", max_length=64, required=True)


@strawberry.input(description="What `sharePot` takes.")
class SharePotInput:
    pot_id: strawberry.ID = id_of(m.Pot, "The pot to share.")
    renew: bool | None = value_input("Make another token: links with the one before open nothing any more.")


@strawberry.input(description="What `recordPotView` takes.")
class RecordPotViewInput:
    pot_id: strawberry.ID | None = id_of(m.Pot, "The pot that is looked at.", required=False)
    share_token: str | None = text_input("The token of the share link it was reached by.", max_length=64)
    invitation_token: str | None = text_input("The token of the invitation it was reached by.", max_length=64)
    visitor: str | None = text_input("What joins the events of one visitor who is not signed in.", max_length=100)
    platform: AnalyticsEventPlatform | None = value_input("Where it is looked at.")
    referrer: str | None = text_input("The page the visitor came from.", max_length=500)


@strawberry.input(description="What `recordPotShare` takes.")
class RecordPotShareInput:
    pot_id: strawberry.ID | None = id_of(m.Pot, "The pot whose link is passed on.", required=False)
    share_token: str | None = text_input("The token of the share link that is passed on.", max_length=64)
    channel: str | None = text_input("How it is passed on, such as `whatsapp`.", max_length=50)
    visitor: str | None = text_input("What joins the events of one visitor who is not signed in.", max_length=100)
    platform: AnalyticsEventPlatform | None = value_input("Where it is passed on.")


@strawberry.input(description="What `closePot` takes.")
class ClosePotInput:
    pot_id: strawberry.ID = id_of(m.Pot, "The pot to close.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `cancelPot` takes.")
class CancelPotInput:
    pot_id: strawberry.ID = id_of(m.Pot, "The pot to call off.")
    idempotency_key: str | None = key_input()


@strawberry.type
class Mutation:
    create_pot = mutation(pots.create, name="createPot", input=CreatePotInput, makes={"pot": m.Pot})
    update_pot = mutation(pots.update, name="updatePot", input=UpdatePotInput, makes={"pot": m.Pot})
    invite_to_pot = mutation(
        invitations.invite,
        name="inviteToPot",
        input=InviteToPotInput,
        makes={
            "invitation": m.PotInvitation,
            "token": Once(str, "The token of its link, for passing it on yourself."),
        },
    )
    open_pot_invitation = mutation(
        invitations.open_,
        name="openPotInvitation",
        input=OpenPotInvitationInput,
        makes={
            "pot": m.Pot,
            "invitation": m.PotInvitation,
            "share_token": (str, "What opens the pot to its holder. Null where it was refused."),
        },
    )
    share_pot = mutation(
        pots.share,
        name="sharePot",
        input=SharePotInput,
        makes={"pot": m.Pot, "share_token": (str, "The token of the share link. Null where it was refused.")},
    )
    record_pot_view = mutation(views.record_view, name="recordPotView", input=RecordPotViewInput, makes={"pot": m.Pot})
    record_pot_share = mutation(
        views.record_share, name="recordPotShare", input=RecordPotShareInput, makes={"pot": m.Pot}
    )
    close_pot = mutation(pots.close, name="closePot", input=ClosePotInput, makes={"pot": m.Pot})
    cancel_pot = mutation(pot_cancellation.cancel, name="cancelPot", input=CancelPotInput, makes={"pot": m.Pot})


@strawberry.type
class Subscription:
    pot_updated = subscription(
        m.Pot,
        name="potUpdated",
        topics=(
            "pot.*",
            Topic.DONATION_SUCCEEDED,
            Topic.DONATION_REFUNDED,
            Topic.POINTS_CONVERTED,
            Topic.QR_CODE_ISSUED,
            Topic.QR_CODE_CANCELLED,
            Topic.QR_CODE_EXPIRED,
        ),
        by="pot_id",
        doc=f"Whenever a pot changes: its money, its state, or what it says of itself. {LATER}",
        waits=is_stranger,
    )
