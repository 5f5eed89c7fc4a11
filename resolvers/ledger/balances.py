"""Custodial balances: what the platform keeps for its users, outside of any DAO, a row a currency."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from lango.db.prepared import Lookup, Prepared, Query
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
    [UserBalance, func.clock_timestamp()],
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
# Of one user in several currencies: all of them by id, as those of several users are.
OPEN_OF = Prepared(
    upsert(UserBalance.table())
    .from_select(
        ["user_id", "currency"],
        select(bindparam("user_id", type_=Uuid), func.unnest(bindparam("currencies", type_=ARRAY(Text)))),
        include_defaults=False,
    )
    .on_conflict_do_nothing()
)
LOCKED_OF = Lookup(
    [UserBalance, func.clock_timestamp()],
    lambda rows: (
        rows.where(
            UserBalance.user_id == bindparam("user_id"),
            UserBalance.dao_id.is_(None),
            UserBalance.currency == any_(bindparam("currencies", type_=ARRAY(Text))),
        )
        .order_by(UserBalance.id)
        .with_for_update(key_share=True)
    ),
)


def locking_balances(currency: str, *user_ids: UUID) -> tuple[Query, Query]:
    """The look-ups of the users' balances in that currency, to be sent together with others; `balances_in` reads them.

    They are locked to be changed; those that there are not yet are opened.
    """
    of_users = {"user_ids": sorted(set(user_ids)), "currency": currency}
    return OPEN.query(**of_users), LOCKED.query(**of_users)


def balances_in(found: Sequence[Sequence[tuple[Any, ...]]]) -> dict[UUID, UserBalance]:
    """The balances, which are changed by what is posted on `ledger.available` and `ledger.locked` of them, and by
    nothing else."""
    _, locked = found
    for balance, now in locked:
        balance.last_updated = now
    return {balance.user_id: balance for balance, _ in locked}


async def lock_balance(tx: RuleTransaction, currency: str, user_id: UUID) -> UserBalance:
    """The user's balance, as `locking_balances` locks it."""
    return balances_in(await tx.fetch(*locking_balances(currency, user_id)))[user_id]


def locking_balances_of(user_id: UUID, *currencies: str) -> tuple[Query, Query]:
    """As `locking_balances`, of one user in several currencies; `balances_by_currency` reads them."""
    of_user = {"user_id": user_id, "currencies": sorted(set(currencies))}
    return OPEN_OF.query(**of_user), LOCKED_OF.query(**of_user)


def balances_by_currency(found: Sequence[Sequence[tuple[Any, ...]]]) -> dict[str, UserBalance]:
    """As `balances_in`, by their currencies."""
    _, locked = found
    for balance, now in locked:
        balance.last_updated = now
    return {balance.currency: balance for balance, _ in locked}


def check_funds(balance: UserBalance, amount: Decimal, *, field: str) -> None:
    """Raises InsufficientFunds where less than that is available in a locked balance."""
    available = balance.available_balance
    if available < amount:
        raise InsufficientFunds(
            f"This takes {format(amount, 'f')} {balance.currency}, and {format(available, 'f')} are available.",
            field=field, needed=format(amount, "f"), available=format(available, "f"),
        )  # fmt: skip


def check_room(balance: UserBalance, amount: Decimal, *, field: str) -> None:
    """Raises AmountOutOfRange where a locked balance cannot hold so much more."""
    if not fits(balance.total_balance + amount, UserBalance.total_balance):
        raise AmountOutOfRange(field=field)
