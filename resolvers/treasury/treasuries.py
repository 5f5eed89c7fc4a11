"""The treasury of a DAO, locked to be spent from or paid into."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from sqlalchemy import bindparam

from lango.db.prepared import Lookup, Query
from lango.rules.transaction import RuleTransaction
from models.treasury import DaoTreasury
from resolvers.ledger.balances import InsufficientFunds

LOCKED = Lookup(
    [DaoTreasury],
    lambda rows: rows.where(DaoTreasury.dao_id == bindparam("dao_id")).with_for_update(key_share=True),
)


def locking_treasury(dao_id: UUID) -> Query:
    """The look-up of a DAO's treasury, to be sent together with others: `[(treasury,)]`.

    It is locked to be changed by what is posted on `ledger.dao_available` of it, and by nothing else.
    """
    return LOCKED.query(dao_id=dao_id)


async def lock_treasury(tx: RuleTransaction, dao_id: UUID) -> DaoTreasury:
    """The DAO's treasury, as `locking_treasury` locks it: every DAO has one."""
    ((treasury,),) = await LOCKED.all(tx, dao_id=dao_id)
    assert isinstance(treasury, DaoTreasury)
    tx.note_lock(DaoTreasury, treasury.id)
    return treasury


def check_treasury_funds(treasury: DaoTreasury, amount: Decimal, *, field: str) -> None:
    """Raises InsufficientFunds where less than that is available in a locked treasury."""
    available = treasury.available_balance
    if available < amount:
        raise InsufficientFunds(
            f"This takes {format(amount, 'f')} {treasury.currency}, and {format(available, 'f')} are available.",
            field=field, needed=format(amount, "f"), available=format(available, "f"),
        )  # fmt: skip
