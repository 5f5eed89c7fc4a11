"""What a report says: for each account of a DAO or a user what it held, what came and went, and what it held then.

All of it is one statement over the ledger's entries up to a position: with the same position it gives the same text,
whatever is posted later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, DateTime, Uuid, bindparam, text

from lango.db.postgres import RawJson
from lango.db.prepared import Prepared, Query
from models.treasury import FinancialReportReportType

# Which accounts are the owner's: those behind the balances that there are rows of.
DAO_ACCOUNTS = """
    SELECT a.id, part.name AS part, a.currency FROM treasury.dao_treasuries t
    CROSS JOIN unnest(ARRAY['available', 'allocated', 'reserve']) part (name)
    JOIN ledger.ledger_accounts a ON a.code = 'dao:' || t.dao_id || ':' || part.name || ':' || t.currency
    WHERE t.dao_id = :owner_id
"""
USER_ACCOUNTS = """
    SELECT a.id, part.name AS part, a.currency FROM treasury.user_balances b
    CROSS JOIN unnest(ARRAY['available', 'pending', 'locked']) part (name)
    JOIN ledger.ledger_accounts a ON a.code = 'user:' || b.user_id || ':' || part.name || ':' || b.currency
    WHERE b.user_id = :owner_id AND b.dao_id IS NULL
"""
# The last posting, and how many entries the period has.
LAST = """
    WITH accounts AS ({accounts})
    SELECT t.position, t.id, count(*) FILTER (WHERE e.created_at >= :start AND e.created_at < :end) OVER () AS many
    FROM accounts a JOIN ledger.ledger_entries e ON e.account_id = a.id
    JOIN ledger.ledger_transactions t ON t.id = e.transaction_id
    ORDER BY t.position DESC LIMIT 1
"""
# As jsonb writes it, so that text that was stored and text that is computed anew are the same.
LINES = """
    WITH accounts AS ({accounts}), entries AS (
        SELECT a.currency, a.part, CASE WHEN e.created_at >= :start THEN t.kind END AS kind, -e.amount AS amount,
               t.id, t.position, t.reference_type, t.reference_id, e.created_at
        FROM accounts a JOIN ledger.ledger_entries e ON e.account_id = a.id
        JOIN ledger.ledger_transactions t ON t.id = e.transaction_id
        WHERE t.position <= :position AND e.created_at < :end
    ), moved AS (
        SELECT currency, part, jsonb_agg(CASE WHEN :detailed THEN movement || transactions ELSE movement END
                                         ORDER BY kind) AS movements
        FROM (
            SELECT currency, part, kind, jsonb_build_object(
                'kind', kind, 'in', sum(greatest(amount, 0))::numeric(28, 8)::text,
                'out', sum(greatest(-amount, 0))::numeric(28, 8)::text
            ) AS movement, jsonb_build_object('transactions', jsonb_agg(jsonb_build_object(
                'id', id, 'at', created_at, 'amount', amount::numeric(28, 8)::text, 'referenceType', reference_type,
                'referenceId', reference_id) ORDER BY position)) AS transactions
            FROM entries WHERE kind IS NOT NULL GROUP BY currency, part, kind
        ) m GROUP BY currency, part
    ), lines AS (
        SELECT currency, part, sum(CASE WHEN kind IS NULL THEN amount ELSE 0 END)::numeric(28, 8) AS opening,
               sum(amount)::numeric(28, 8) AS closing
        FROM entries GROUP BY currency, part
    ), crossed AS (
        SELECT currency, sum(greatest(net, 0))::numeric(28, 8) AS came, sum(greatest(-net, 0))::numeric(28, 8) AS went
        FROM (SELECT currency, sum(amount) AS net FROM entries WHERE kind IS NOT NULL GROUP BY currency, id) n
        GROUP BY currency
    )
    SELECT jsonb_build_object(
        'position', CAST(:position AS bigint),
        'lastTransactionId', CAST(:transaction_id AS uuid),
        'lines', coalesce((
            SELECT jsonb_agg(jsonb_build_object(
                'account', l.part, 'currency', l.currency, 'opening', l.opening::text,
                'movements', coalesce(m.movements, '[]'), 'closing', l.closing::text
            ) ORDER BY l.currency, l.part)
            FROM lines l LEFT JOIN moved m USING (currency, part)
        ), '[]'),
        'totals', coalesce((
            SELECT jsonb_agg(jsonb_build_object(
                'currency', t.currency, 'opening', t.opening::text, 'in', coalesce(c.came, 0)::numeric(28, 8)::text,
                'out', coalesce(c.went, 0)::numeric(28, 8)::text, 'closing', t.closing::text
            ) ORDER BY t.currency)
            FROM (
                SELECT currency, sum(opening) AS opening, sum(closing) AS closing FROM lines GROUP BY currency
            ) t LEFT JOIN crossed c USING (currency)
        ), '[]')
    )::text AS report
"""
# With each transaction, for whoever checks them one by one.
DETAILED = frozenset({FinancialReportReportType.AUDIT, FinancialReportReportType.TAX})
TYPES: dict[str, Any] = {
    "owner_id": Uuid, "start": DateTime(timezone=True), "end": DateTime(timezone=True), "position": BigInteger,
    "transaction_id": Uuid, "detailed": Boolean,
}  # fmt: skip


def _prepared(template: str) -> dict[bool, Prepared]:
    """The statement for a DAO's accounts, and for a user's."""
    made = {}
    for of_dao, accounts in ((True, DAO_ACCOUNTS), (False, USER_ACCOUNTS)):
        sql = template.format(accounts=accounts)
        named = [bindparam(name, type_=kind) for name, kind in TYPES.items() if f":{name}" in sql]
        made[of_dao] = Prepared(text(sql).bindparams(*named))
    return made


FIND_LAST, FIND_LINES = _prepared(LAST), _prepared(LINES)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose accounts a report is about: a DAO's, or a user's."""

    id: UUID
    is_dao: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the ledger: its position and the transaction there, and how many entries the period has until then."""

    position: int = 0
    transaction_id: UUID | None = None
    entries: int = 0


@dataclass(frozen=True, slots=True)
class Total:
    """What came and went in a currency, between the accounts and everybody else, and what was there in the end."""

    currency: str
    came: Decimal
    went: Decimal
    closing: Decimal


def last_place(owner: Owner, start: datetime, end: datetime) -> Query:
    """The look-up of the last posting to the owner's accounts; `place_in` reads it. Send it after what locks them."""
    return FIND_LAST[owner.is_dao].query(owner_id=owner.id, start=start, end=end)


def place_in(found: Sequence[tuple[Any, ...]]) -> Place:
    return Place(*found[0]) if found else Place()


def drawing(owner: Owner, kind: FinancialReportReportType, start: datetime, end: datetime, place: Place) -> Query:
    """The look-up of the report's figures up to that place; `figures_in` reads it. In a role that sees the ledger."""
    return FIND_LINES[owner.is_dao].query(
        owner_id=owner.id, start=start, end=end, position=place.position, transaction_id=place.transaction_id,
        detailed=kind in DETAILED,
    )  # fmt: skip


def figures_in(found: Sequence[tuple[Any, ...]]) -> RawJson:
    ((figures,),) = found
    return RawJson(figures)


def totals_of(figures: RawJson) -> list[Total]:
    """The totals of a report, by currency."""
    return [
        Total(each["currency"], *(Decimal(each[name]) for name in ("in", "out", "closing")))
        for each in figures.parsed()["totals"]
    ]
