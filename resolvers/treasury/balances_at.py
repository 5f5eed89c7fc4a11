"""Balances at a moment: what a user or a DAO held then, as the ledger's entries until then say; and what a DAO spent
today."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Date, DateTime, Numeric, Select, Text, case, cast, func, literal_column, select

from models.ledger import LedgerAccount, LedgerEntry
from models.treasury import Dao, TreasuryTransfer, TreasuryTransferStatus

# As the balances' own columns.
EXACT = Numeric(28, 8)
NONE: ColumnElement[Any] = literal_column("0")
OF_USER, OF_DAO = ("available", "pending", "locked"), ("available", "allocated", "reserve")


def code_of(owner: str, owner_id: Any, part: str, currency: Any) -> ColumnElement[str]:
    """The code of an account of the chart, over a row's columns: `user:<id>:available:KES`."""
    code: ColumnElement[str] = (
        literal_column(f"'{owner}:'", Text) + cast(owner_id, Text) + literal_column(f"':{part}:'", Text) + currency
    )
    return code


def user_balance_at(balance: Any, *, at: ColumnElement[Any]) -> Select[Any]:
    """The parts of a balance at that moment, over a row of it; none of one within a DAO: the ledger keeps no such.

    What was posted by a transaction that had begun by then counts: its entries bear the time of its begin.
    """
    return _held(balance, "user", balance.user_id, OF_USER, at).where(balance.dao_id.is_(None))


def treasury_balance_at(treasury: Any, *, at: ColumnElement[Any]) -> Select[Any]:
    """The parts of a treasury at that moment, as `user_balance_at` gives those of a balance."""
    return _held(treasury, "dao", treasury.dao_id, OF_DAO, at)


def _held(row: Any, owner: str, owner_id: Any, parts: Sequence[str], at: ColumnElement[Any]) -> Select[Any]:
    account, entry = LedgerAccount.table().alias(), LedgerEntry.table().alias()
    codes = {part: code_of(owner, owner_id, part, row.currency) for part in parts}

    def owed(*condition: ColumnElement[bool]) -> ColumnElement[Any]:
        # What is owed grows by credits, which are negative.
        credited: Any = func.sum(-entry.c.amount)
        return cast(func.coalesce(credited.filter(*condition) if condition else credited, NONE), EXACT)

    sums = (
        select(*(owed(account.c.code == code).label(part) for part, code in codes.items()), owed().label("total"))
        .join_from(account, entry, entry.c.account_id == account.c.id)
        .where(account.c.code.in_(list(codes.values())), entry.c.created_at <= at)
        .correlate(row)
        .subquery("sums")
    )
    return select(*sums.c, row.currency.label("currency")).select_from(sums)


def spent_today(treasury: Any) -> Select[Any]:
    """What transfers took of a treasury since midnight in the DAO's zone, over a row of it; what its limit leaves."""
    dao, transfer = Dao.table().alias(), TreasuryTransfer.table().alias()
    today = cast(func.timezone(dao.c.time_zone, func.now()), Date)
    midnight = func.timezone(dao.c.time_zone, cast(today, DateTime(timezone=False)))
    spent = (
        select(today.label("day"), cast(func.coalesce(func.sum(transfer.c.amount), NONE), EXACT).label("spent"))
        .join_from(
            dao, transfer,
            (transfer.c.treasury_id == treasury.id)
            & (transfer.c.status == literal_column(f"'{TreasuryTransferStatus.EXECUTED.value}'", Text))
            & (transfer.c.executed_at >= midnight),
            isouter=True,
        )
        .where(dao.c.id == treasury.dao_id)
        .group_by(dao.c.id)
        .correlate(treasury)
        .subquery("spent")
    )  # fmt: skip
    limit = treasury.daily_spending_limit
    left = case((limit.is_not(None), func.greatest(limit - spent.c.spent, NONE)))
    return select(*spent.c, cast(left, EXACT).label("left"), treasury.currency.label("currency")).select_from(spent)
