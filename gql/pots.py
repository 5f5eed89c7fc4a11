"""Birthday pots, who is invited, and how they fare, as the API shows them."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import strawberry
from graphql import GraphQLObjectType
from sqlalchemy import ARRAY, Select, Text, Uuid, func, literal, select
from strawberry.types import Info

import models.pots as m
from gql.hidden_gifts import LATER, is_stranger
from gql.kit.deferred_values import DeferredValue, changed
from gql.kit.loaders import read_node
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.node import parse_id
from gql.kit.planner.builder import Builder
from gql.kit.planner.fields import Nodes, one_by_id, parts_of, planned
from gql.kit.roots import root_fields
from gql.kit.subscription import subscription
from gql.kit.type_registry import TypeReference
from lango.errors import BadUserInput
from models.topics import Topic
from resolvers.donations import pot_cancellation
from resolvers.kernel.share_links import tokens_of
from resolvers.pots import invitations, pots, views

mirrors(m.Pot, m.PotInvitation, m.PotAnalytics)


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


pot.__annotations__["return"] = TypeReference("Pot") | None


def plan_pot(builder: Builder, parent: GraphQLObjectType, nodes: Nodes) -> Select[Any]:
    """The pot by its id; by the token, it is the one that the token opens, and the context has the token."""
    given = builder.arguments(parent, nodes[0])
    token, id_ = given.get("share_token"), given.get("id")
    if not (token.decide(bool) if isinstance(token, DeferredValue) else token):
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


Mutation = mutations(
    pots.create_pot,
    pots.update_pot,
    invitations.invite_to_pot,
    invitations.open_pot_invitation,
    pots.share_pot,
    views.record_pot_view,
    views.record_pot_share,
    pots.close_pot,
    pot_cancellation.cancel_pot,
)


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
