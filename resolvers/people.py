"""For whom a caller may act: themselves, and the minors they answer for."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, func
from sqlalchemy.ext.asyncio import AsyncSession

from lango.actor import Actor
from lango.prepared import Lookup
from lango.rules import NotFound
from models.profiles import Profile

NAME = Lookup([Profile.full_name], lambda rows: rows.where(Profile.user_id == bindparam("user_id")))
PEOPLE = Lookup([func.lango.my_people(type_=ARRAY(Uuid))], lambda rows: rows)


async def my_people(session: AsyncSession) -> list[UUID]:
    """The caller, and those for whom the caller is the accepted guardian; nobody for a caller without a token."""
    ((people,),) = await PEOPLE.all(session)
    return people or []


async def acting_for(session: AsyncSession, actor: Actor, user_id: UUID | None, *, field: str) -> UUID:
    """The user for whom a caller acts: the caller, or the minor that is named. Raises NotFound for anybody else."""
    assert actor.user_id is not None
    if user_id is not None and user_id not in await my_people(session):
        raise NotFound("There is nobody of that id whom you answer for.", field=field)
    return user_id or actor.user_id


async def first_name(session: AsyncSession, user_id: UUID) -> str:
    """What a notice calls somebody; empty without a profile. Reads as a role that sees the profile: the rules' own."""
    found = await NAME.one(session, user_id=user_id)
    return str(found[0]).split(maxsplit=1)[0] if found and str(found[0]).strip() else ""
