"""Users and their sessions, as the API shows them."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry.types import Info

import models.identity as m
from gql.kit.loaders import read_node
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.planner.fields import root_own
from gql.kit.roots import root_fields
from gql.kit.type_registry import TypeReference
from resolvers.identity import reauthentication, refreshing, second_step, sign_in, sign_out, sign_up

mirrors(m.User, m.UserSession, m.PasswordResetToken)


async def viewer(info: Info) -> Any:
    """Who is asking; null without a token."""
    user_id = info.context.actor.user_id
    return None if user_id is None else await read_node(info.context, m.User, (user_id,))


viewer.__annotations__["return"] = TypeReference("User") | None


@strawberry.type
class Query(root_fields(m.User, m.UserSession, m.PasswordResetToken)):  # type: ignore[misc]
    viewer = strawberry.field(viewer, description=viewer.__doc__, metadata=root_own(m.User))


Mutation = mutations(
    sign_up.sign_up,
    sign_up.confirm_sign_up,
    sign_in.request_otp,
    sign_in.sign_in_with_otp,
    sign_in.sign_in_with_password,
    second_step.verify_two_factor,
    refreshing.refresh_session,
    sign_out.sign_out,
    sign_out.sign_out_everywhere,
    sign_out.revoke_session,
    reauthentication.request_reauthentication_code,
    reauthentication.reauthenticate,
    in_person=True,
)
