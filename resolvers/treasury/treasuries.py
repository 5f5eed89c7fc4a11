"""The treasury of a DAO, locked to be spent from or paid into."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam

from lango.db.prepared import Lookup, Query
from lango.rules.rule import NotFound
from lango.rules.transaction import RuleTransaction
from models.treasury import DaoTreasury
from resolvers.ledger.balances import InsufficientFunds

LOCKED = Lookup(
    [DaoTreasury],
    lambda rows: rows.where(DaoTreasury.dao_id == bindparam("dao_id")).with_for_update(key_share=True),
)


def locking_treasury(dao_id: UUID) -> Query:
    """The look-up of a DAO's treasury, to be sent together with others; `treasury_in` reads it.

    It is locked to be changed by what is posted on `ledger.dao_available` of it, and by nothing else.
    """
    return LOCKED.query(dao_id=dao_id)


def treasury_in(found: Sequence[tuple[Any, ...]], *, field: str) -> DaoTreasury:
    """Every DAO has one that was founded here; raises NotFound for one that was put there by other ways without."""
    if not found:
        raise NotFound("This DAO has no treasury.", field=field)
    ((treasury,),) = found
    assert isinstance(treasury, DaoTreasury)
    return treasury


async def lock_treasury(tx: RuleTransaction, dao_id: UUID, *, field: str) -> DaoTreasury:
    """The DAO's treasury, as `locking_treasury` locks it. Raises NotFound where it has none."""
    treasury = treasury_in(await LOCKED.all(tx, dao_id=dao_id), field=field)
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
