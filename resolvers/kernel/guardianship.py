"""For whom a caller may act, and who is therefore not a party of their own beside another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, Select, Uuid, bindparam, func, or_, select

from lango.db.prepared import Lookup, Query
from lango.db.transaction import Transaction
from lango.rules.rule import NotFound
from models.profiles import Profile

NAME = Lookup([Profile.full_name], lambda rows: rows.where(Profile.user_id == bindparam("user_id")))
REPRESENTED = Lookup([func.lango.my_people(type_=ARRAY(Uuid))], lambda rows: rows)
# Majority begins at midnight in the person's own time zone.
MINOR = func.lango.is_minor(Profile.date_of_birth, Profile.timezone, type_=Boolean)


def _guarded(rows: Select[Any]) -> Select[Any]:
    user = bindparam("user_id", type_=Uuid)
    guardian = select(Profile.guardian_user_id).where(Profile.user_id == user, MINOR).scalar_subquery()
    return rows.where(
        MINOR,
        Profile.guardian_user_id.is_not(None),
        or_(Profile.user_id == user, Profile.guardian_user_id.in_([user, guardian])),
    )


# The minors of the user's own guardian, and of the user as a guardian; the user among them, where a minor.
WARDS = Lookup([Profile.user_id, Profile.guardian_user_id], _guarded)


async def represented_users(tx: Transaction) -> list[UUID]:
    """The caller, and those for whom the caller is the accepted guardian; nobody for a caller without a token."""
    return represented_in(await REPRESENTED.all(tx))


def representing() -> Query:
    """The look-up of `represented_users`, to be sent together with others; `represented_in` reads it."""
    return REPRESENTED.query()


def represented_in(found: Sequence[tuple[Any, ...]]) -> list[UUID]:
    ((users,),) = found
    return users or []


async def acting_for(tx: Transaction, user_id: UUID | None, *, field: str) -> UUID:
    """The user for whom a caller acts: the caller, or the minor that is named. Raises NotFound for anybody else."""
    if user_id is not None and user_id not in await represented_users(tx):
        raise NotFound("There is nobody of that id for whom you may act.", field=field)
    return user_id or tx.user_id


def naming(user_id: UUID) -> Query:
    """The look-up of somebody's first name, for notifications; `first_name_in` reads it.

    In a role that sees the profile: the rules' own.
    """
    return NAME.query(user_id=user_id)


def first_name_in(found: Sequence[tuple[Any, ...]]) -> str:
    """The first name; empty without a profile."""
    return next((word for (name,) in found for word in str(name).split(maxsplit=1)[:1]), "")


async def related_parties(tx: Transaction, user_id: UUID) -> frozenset[UUID]:
    """The user, and everybody with whom one person acts for both: the user's guardian, the minors whose guardian the
    user is, and those who have the same guardian. None of them may be the other side of what the user does.

    A guardian who is named and has not yet agreed counts: agreeing between two steps would put one person on both
    sides. Reads as a role that sees profiles: the rules' own.
    """
    return related_in(await WARDS.all(tx, user_id=user_id), user_id)


def relating(user_id: UUID) -> Query:
    """The look-up of `related_parties`, to be sent together with others; `related_in` reads it."""
    return WARDS.query(user_id=user_id)


def related_in(wards: Sequence[tuple[Any, ...]], user_id: UUID) -> frozenset[UUID]:
    return frozenset({user_id, *(person for ward in wards for person in ward)})
