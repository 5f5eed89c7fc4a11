"""Staff do not decide on what is their own: one of the staff who has no part in it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from lango.db.prepared import Query
from lango.db.transaction import Transaction
from lango.errors import Refused
from resolvers.kernel import guardianship


class OwnMatter(Refused):
    """This concerns yourself or somebody related to you: another member of the staff must do it."""


async def is_own_matter(tx: Transaction, *user_ids: UUID | None) -> bool:
    """Whether one of these users is the caller, or somebody whom one person acts for together with the caller.

    Reads as a role that sees profiles: staff, or the rules' own.
    """
    if tx.actor.user_id is None:
        return False
    return not set(user_ids).isdisjoint(await guardianship.related_parties(tx, tx.actor.user_id))


async def refuse_own_matter(tx: Transaction, *user_ids: UUID | None, field: str) -> None:
    """Raises OwnMatter where `is_own_matter` says so; `field` is the input that names the matter."""
    if await is_own_matter(tx, *user_ids):
        raise OwnMatter(field=field)


def relating(tx: Transaction) -> Query:
    """The look-up of `refuse_own_matter`, to be sent together with others; `refuse_related` reads it."""
    return guardianship.relating(tx.user_id)


def refuse_related(tx: Transaction, wards: Sequence[tuple[Any, ...]], *user_ids: UUID | None, field: str) -> None:
    """As `refuse_own_matter`, of what was found."""
    if not guardianship.related_in(wards, tx.user_id).isdisjoint(user_ids):
        raise OwnMatter(field=field)
