"""Ages: who is a minor, in the zone that counts for them, and what minors may not do by themselves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam

from lango.db.prepared import Lookup, Query
from lango.db.transaction import Transaction
from lango.errors import Refused
from models.profiles import Profile
from resolvers.kernel import guardianship

MINORS = Lookup(
    [Profile.user_id],
    lambda rows: rows.where(Profile.user_id == any_(bindparam("user_ids", type_=ARRAY(Uuid))), guardianship.MINOR),
)


class NotOfAge(Refused):
    """Money and coins are held, sent and paid for by adults alone: from the 18th birthday on."""


def aging(*user_ids: UUID) -> Query:
    """The look-up of who of these is a minor, to be sent together with others; `minors_in` reads it.

    Whose birthday is not known is taken for an adult whose identity is not checked yet. In the rules' role.
    """
    return MINORS.query(user_ids=user_ids)


def minors_in(found: Sequence[tuple[Any, ...]]) -> frozenset[UUID]:
    return frozenset(user_id for (user_id,) in found)


async def check_age(tx: Transaction, user_id: UUID, *, field: str | None = None) -> None:
    """Refuses a minor. In the rules' role."""
    check_is_adult(user_id, minors_in(await MINORS.all(tx, user_ids=[user_id])), field=field)


def check_is_adult(user_id: UUID, minors: Collection[UUID], *, field: str | None = None) -> None:
    """Refuses whom `minors_in` has found."""
    if user_id in minors:
        raise NotOfAge(field=field)
