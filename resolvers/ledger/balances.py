"""Custodial balances: what the platform keeps for its users, outside of any DAO, a row a currency."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from lango.db.prepared import Lookup, Prepared
from lango.errors import Refused
from lango.rules.transaction import RuleTransaction
from models.treasury import UserBalance
from resolvers.kernel.amounts import AmountOutOfRange, fits

ZERO = Decimal()


class InsufficientFunds(Refused):
    """The available balance does not cover this."""


# In the order of the users, so that no two callers who open the same ones cross.
OPEN = Prepared(
    upsert(UserBalance.table())
    .from_select(
        ["user_id", "currency"],
        select(func.unnest(bindparam("user_ids", type_=ARRAY(Uuid))), bindparam("currency", type_=Text)),
        include_defaults=False,
    )
    .on_conflict_do_nothing()
)
LOCKED = Lookup(
    [UserBalance],
    lambda rows: (
        rows.where(
            UserBalance.user_id == any_(bindparam("user_ids", type_=ARRAY(Uuid))),
            UserBalance.dao_id.is_(None),
            UserBalance.currency == bindparam("currency"),
        )
        .order_by(UserBalance.id)
        .with_for_update(key_share=True)
    ),
)


async def lock_balances(tx: RuleTransaction, currency: str, *user_ids: UUID) -> dict[UUID, UserBalance]:
    """The users' balances in that currency, locked; those that there are not yet are opened. In the rules' role."""
    asked = {"user_ids": sorted(set(user_ids)), "currency": currency}
    await OPEN.run(tx, **asked)
    return {row.user_id: row for (row,) in await LOCKED.all(tx, **asked)}


async def lock_balance(tx: RuleTransaction, currency: str, user_id: UUID) -> UserBalance:
    """As `lock_balances`, of one user."""
    return (await lock_balances(tx, currency, user_id))[user_id]


def change(
    balance: UserBalance, now: datetime, *, available: Decimal = ZERO, locked: Decimal = ZERO, field: str
) -> None:
    """Add to the parts of a locked balance, or take from them; the ledger is the caller's to post.

    Raises InsufficientFunds, and AmountOutOfRange where the sum would not fit.
    """
    if balance.available_balance + available < 0:
        raise InsufficientFunds(
            f"This takes {format(-available, 'f')} {balance.currency}, and"
            f" {format(balance.available_balance, 'f')} are available.",
            field=field, needed=format(-available, "f"), available=format(balance.available_balance, "f"),
        )  # fmt: skip
    total = balance.total_balance + available + locked
    if not fits(total, UserBalance.total_balance):
        raise AmountOutOfRange(field=field)
    balance.available_balance += available
    balance.locked_balance += locked
    balance.total_balance = total
    balance.last_updated = now
