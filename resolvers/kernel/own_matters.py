"""Staff do not decide on what is their own: one of the staff who has no part in it does."""

from __future__ import annotations

from uuid import UUID

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
