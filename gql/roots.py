"""The root types: the groups' queries, mutations and subscriptions gathered into one of each."""

from __future__ import annotations

import asyncio
from typing import Annotated

import strawberry
from strawberry.types import Info

from gql import (
    admin,
    analytics,
    cards,
    donations,
    identity,
    ledger,
    limits,
    notifications,
    packs,
    pots,
    privacy,
    profiles,
    redemption,
    referrals,
    security,
    trading,
    treasury,
    usage,
)
from gql.kit.loaders import read_node
from gql.kit.node import Node, parse_global_id
from gql.kit.planner import fields as planner
from gql.kit.types import merged
from lango.errors import BadUserInput

GROUPS = (
    identity, profiles, referrals, pots, donations, packs, redemption, notifications, analytics, admin, trading,
    security, treasury, cards, usage, ledger, privacy, limits,
)  # fmt: skip


@strawberry.type
class Nodes:
    @strawberry.field(
        description="The object of that id; null where there is none that you may see.", metadata=planner.root_node()
    )
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="A global id.")]
    ) -> Node | None:
        found: Node | None = await read_node(info.context, *parse_global_id(id))
        return found

    @strawberry.field(
        description="The objects of those ids, in their order; null for each that you may not see.",
        metadata=planner.root_nodes(),
    )
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="Global ids, 100 at most.")],
    ) -> list[Node | None] | None:
        if len(ids) > planner.MAX_NODES:
            raise BadUserInput(f"`ids` takes at most {planner.MAX_NODES} ids at once.")
        keys = [parse_global_id(text) for text in ids]
        return list(await asyncio.gather(*(read_node(info.context, model, key) for model, key in keys)))


Query = merged(
    "Query",
    (Nodes, *(group.Query for group in GROUPS)),
    description="What may be read; every caller sees what concerns them.",
)
Mutation = merged(
    "Mutation",
    (group.Mutation for group in GROUPS if hasattr(group, "Mutation")),
    description="What may be done; each runs by itself, in the order of the document.",
)
Subscription = merged(
    "Subscription",
    (group.Subscription for group in GROUPS if hasattr(group, "Subscription")),
    description="What may be watched; events are read as the one who watches.",
)
