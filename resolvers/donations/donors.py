"""Who has a part in a donation: who gave it, and whose pot it is for."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam

from lango.db.prepared import Lookup
from lango.db.transaction import Transaction
from models.donations import Donation
from models.identity import User
from models.pots import Pot

BY_PHONE = Lookup([User.id], lambda rows: rows.where(User.phone == bindparam("phone")))


async def concerned(tx: Transaction, donation: Donation) -> list[UUID | None]:
    """The donor, whoever has the account of the phone that pays, and the pot's owner. In the rules' role."""
    pot = await tx.find(Pot, donation.pot_id)
    paying = [] if donation.donor_phone is None else await BY_PHONE.all(tx, phone=donation.donor_phone)
    return [donation.donor_user_id, pot.owner_user_id if pot else None, *(key for (key,) in paying)]
