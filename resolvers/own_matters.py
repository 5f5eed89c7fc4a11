"""Staff do not decide on what is their own: one of the staff who has no part in it does."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from lango.actor import Actor
from lango.errors import Refused
from resolvers import people


class OwnMatter(Refused):
    """This is about yourself: somebody else of the staff must do it."""


async def is_own_matter(session: AsyncSession, *user_ids: UUID | None) -> bool:
    """Whether one of these users is the caller, or somebody whom the caller acts for."""
    return not set(user_ids).isdisjoint(await people.my_people(session))


async def refuse_own_matter(session: AsyncSession, *user_ids: UUID | None, field: str) -> None:
    """Raises OwnMatter where one of those whom it is about is the caller, or somebody whom the caller acts for.

    `field` is the input that names the matter. In whichever role: the caller stays the same.
    """
    if await is_own_matter(session, *user_ids):
        raise OwnMatter(field=field)


async def acts_as_staff(session: AsyncSession, actor: Actor, *user_ids: UUID | None) -> bool:
    """Whether a rule that people and staff share gives the caller what only staff may.

    Staff who are one of those whom it is about have the rights of everybody else.
    """
    return actor.is_staff and not await is_own_matter(session, *user_ids)
