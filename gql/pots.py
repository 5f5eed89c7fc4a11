"""Birthday pots, who is invited, and how they fare, as the API shows them."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Any

import strawberry
from graphql import GraphQLObjectType
from sqlalchemy import ARRAY, Select, Text, Uuid, func, literal, select
from strawberry.types import Info

import models.pots as m
from gql.kit.addresses import Address
from gql.kit.mirror import mirror
from gql.kit.node import parse_id
from gql.kit.planner.builder import Builder
from gql.kit.planner.fields import Nodes, one_by_id, parts_of, planned
from gql.kit.roots import root_fields
from gql.kit.rows import read_node
from gql.kit.slots import Slot, changed
from lango.errors import BadUserInput

SHARE_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")


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
    if not SHARE_TOKEN.fullmatch(share_token):
        return None
    await info.context.reads.present(share_token)
    shared = select(func.lango.shared_pots(literal([share_token], ARRAY(Text))))
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
    builder.presented = known = changed(token, _well_formed)
    opened = func.lango.shared_pots(literal(changed(known, lambda found: [found]), ARRAY(Text)), type_=ARRAY(Uuid))[1]
    found = builder.one(m.Pot, [opened], nodes)
    if id_ is None or id_ is strawberry.UNSET:
        return found
    (key,) = parts_of(m.Pot, changed(id_, partial(parse_id, m.Pot)))
    return found.where(opened == key)


def _well_formed(token: str) -> str | None:
    return token if SHARE_TOKEN.fullmatch(token) else None


@strawberry.type
class Query(root_fields(m.Pot, m.PotInvitation, m.PotAnalytics)):  # type: ignore[misc]
    pot = strawberry.field(pot, description=pot.__doc__, metadata=planned(plan_pot))
