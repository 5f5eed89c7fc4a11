"""Whoever comes a moment too late: the row is hidden from them already, and what became of it is theirs to hear."""

from __future__ import annotations

from functools import cache
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, literal_column, or_

from lango.db.prepared import Lookup
from lango.db.transaction import Transaction
from models.base import Base

# How long the end of what was everybody's to see is no secret.
A_WHILE_AGO = func.now() - literal_column("interval '1 hour'")


async def ended_lately(tx: Transaction, model: type[Base], key: UUID) -> bool:
    """Whether there is such a row that changed, or lapsed, within the hour: for rows that everybody sees until then.

    In the rules' role, after the caller did not see it. Callers who were a moment apart hear the same refusal,
    wherever each of them was when the row changed. One that was never changed may never have been seen.
    """
    return await _ended(model).one(tx, id=key) is not None


@cache
def _ended(model: type[Base]) -> Lookup:
    columns = model.table().c
    ends: list[ColumnElement[bool]] = [(columns.updated_at > columns.created_at) & (columns.updated_at > A_WHILE_AGO)]
    if "expires_at" in columns:
        ends.append(columns.expires_at.between(A_WHILE_AGO, func.now()))
    return Lookup([columns.id], lambda rows: rows.where(columns.id == bindparam("id"), or_(*ends)))
