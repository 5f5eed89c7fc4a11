"""Birthday pots, who is invited, and how they fare, as the API shows them."""

from __future__ import annotations

import re
from typing import Annotated, Any

import strawberry
from sqlalchemy import ARRAY, Text, func, literal, select
from strawberry.types import Info

import models.pots as m
from gql.kit.addresses import Address
from gql.kit.mirror import mirror
from gql.kit.node import parse_id
from gql.kit.planner.fields import root_one
from gql.kit.roots import root_fields
from gql.kit.rows import read_node
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


@strawberry.type
class Query(root_fields(m.Pot, m.PotInvitation, m.PotAnalytics)):  # type: ignore[misc]
    pot = strawberry.field(pot, description=pot.__doc__, metadata=root_one(m.Pot))
