"""Who has a part in a donation: who gave it, and whose pot it is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam

from lango.db.prepared import Lookup, Query
from lango.db.transaction import Transaction
from models.donations import Donation
from models.identity import User
from models.pots import Pot
from resolvers.kernel import own_matters

CONCERNED = Lookup(
    [Donation.donor_user_id, Pot.owner_user_id, User.id],
    lambda rows: (
        rows.select_from(Donation)
        .join(Pot, Pot.id == Donation.pot_id)
        .outerjoin(User, User.phone == Donation.donor_phone)
        .where(Donation.id == bindparam("donation_id"))
    ),
)


def concerning(donation_id: UUID) -> Query:
    """The look-up of the donor, the pot's owner, and whoever has the account of the phone that pays: of
    `refuse_own_donation`, to be sent together with others; `refuse_concerned` reads it."""
    return CONCERNED.query(donation_id=donation_id)


async def refuse_own_donation(tx: Transaction, donation_id: UUID, *, field: str) -> None:
    """Raises OwnMatter where a donation concerns the caller, who is of the staff. In the rules' role."""
    refuse_concerned(tx, *await tx.fetch(concerning(donation_id), own_matters.relating(tx)), field=field)


def refuse_concerned(
    tx: Transaction, concerned: Sequence[tuple[Any, ...]], wards: Sequence[tuple[Any, ...]], *, field: str
) -> None:
    """As `refuse_own_donation`, of what was found."""
    own_matters.refuse_related(tx, wards, *(user_id for found in concerned for user_id in found), field=field)
