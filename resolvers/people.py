"""For whom a caller may act: themselves, and the minors they answer for."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ARRAY, Uuid, func
from sqlalchemy.ext.asyncio import AsyncSession

from lango.prepared import Lookup

PEOPLE = Lookup([func.lango.my_people(type_=ARRAY(Uuid))], lambda rows: rows)


async def my_people(session: AsyncSession) -> list[UUID]:
    """The caller, and those for whom the caller is the accepted guardian; nobody for a caller without a token."""
    ((people,),) = await PEOPLE.all(session)
    return people or []
