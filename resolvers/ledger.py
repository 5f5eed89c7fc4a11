"""The ledger: every movement of money is one balanced transaction, and every balance can be proved from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Select, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from lango.actor import Actor
from models.ledger import LedgerAccount, LedgerEntry, LedgerTransaction

XOF = "XOF"


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the chart. Debits are positive; what the platform owes grows by credits."""

    code: str
    kind: str
    owner_type: str
    owner_id: UUID | None = None
    currency: str = XOF


@dataclass(frozen=True, slots=True)
class Movement:
    """An amount that leaves `credit` and arrives at `debit`."""

    debit: Account
    credit: Account
    amount: Decimal | int


def pot_balance(pot_id: UUID) -> Account:
    """What a pot may still spend."""
    return Account(f"pot:{pot_id}:balance", "liability", "pot", pot_id)


def pot_reserved(pot_id: UUID) -> Account:
    """What is set aside for codes that are not redeemed yet."""
    return Account(f"pot:{pot_id}:reserved", "liability", "pot", pot_id)


def partner_payable(partner_id: UUID) -> Account:
    """What a partner is owed."""
    return Account(f"partner:{partner_id}:payable", "liability", "partner", partner_id)


def provider(name: str, currency: str = XOF) -> Account:
    """What is held at a provider: `wave`, `mpesa`, `lithic`, `bank` or `chain`."""
    return Account(f"provider:{name}:{currency}", "asset", "provider", None, currency)


def commission(currency: str = XOF) -> Account:
    """The platform's part of redemptions."""
    return Account(f"platform:commission:{currency}", "income", "platform", None, currency)


async def post(
    session: AsyncSession, actor: Actor, kind: str, movements: Sequence[Movement], *, of: tuple[str, UUID]
) -> UUID:
    """Post one transaction. `of` is the kind and id of what it is about. Movements of nothing are left out."""
    moved = [movement for movement in movements if movement.amount]
    touched = [account for movement in moved for account in (movement.debit, movement.credit)]
    accounts = await _account_ids(session, touched)
    transaction_id = uuid4()
    about, about_id = of
    header = {"id": transaction_id, "kind": kind, "reference_type": about, "reference_id": about_id}
    await session.execute(insert(LedgerTransaction).values(**header, created_by=actor.user_id))
    sums: dict[str, Decimal] = {}
    for movement in moved:
        amount = Decimal(movement.amount)
        sums[movement.debit.code] = sums.get(movement.debit.code, Decimal()) + amount
        sums[movement.credit.code] = sums.get(movement.credit.code, Decimal()) - amount
    entries = [
        {"id": uuid4(), "transaction_id": transaction_id, "account_id": accounts[code], "amount": amount}
        for code, amount in sums.items()
        if amount
    ]
    await session.execute(insert(LedgerEntry).values(entries))
    return transaction_id


async def _account_ids(session: AsyncSession, accounts: list[Account]) -> dict[str, UUID]:
    """The ids of accounts, made where they are missing; in the order of their codes, so that no two callers cross."""
    wanted = sorted({account.code: account for account in accounts}.values(), key=lambda account: account.code)
    query = select(LedgerAccount.code, LedgerAccount.id).where(LedgerAccount.code.in_([item.code for item in wanted]))
    found = await _pairs(session, query)
    missing = [item for item in wanted if item.code not in found]
    if missing:
        rows: list[dict[str, Any]] = [
            {"id": uuid4(), "code": item.code, "kind": item.kind, "owner_type": item.owner_type,
             "owner_id": item.owner_id, "currency": item.currency}
            for item in missing
        ]  # fmt: skip
        await session.execute(upsert(LedgerAccount).values(rows).on_conflict_do_nothing(index_elements=["code"]))
        found = await _pairs(session, query)
    return found


async def _pairs(session: AsyncSession, query: Select[str, UUID]) -> dict[str, UUID]:
    return {row[0]: row[1] for row in await session.execute(query)}


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that the ledger does not bear out."""

    what: str
    key: str
    stored: Decimal
    proved: Decimal


BALANCES = """
    SELECT a.code, a.owner_type, a.owner_id, a.currency, -sum(e.amount) AS owed
    FROM ledger.ledger_entries e JOIN ledger.ledger_accounts a ON a.id = e.account_id
    GROUP BY a.id
"""

# Each proof gives: what, whose, what is stored, what the entries say.
PROOFS = {
    "transactions balance": """
        SELECT 'transaction', t.id || ' in ' || a.currency, sum(e.amount), 0
        FROM ledger.ledger_transactions t
        JOIN ledger.ledger_entries e ON e.transaction_id = t.id JOIN ledger.ledger_accounts a ON a.id = e.account_id
        GROUP BY t.id, a.currency HAVING sum(e.amount) <> 0
    """,
    "pots may spend what their account holds": f"""
        SELECT 'pots.balance_cfa', p.id::text, p.balance_cfa, coalesce(b.owed, 0)
        FROM pots.pots p LEFT JOIN ({BALANCES}) b ON b.code = 'pot:' || p.id || ':balance'
        WHERE p.balance_cfa <> coalesce(b.owed, 0)
    """,
    "pots have raised what was given, less refunds": """
        SELECT 'pots.raised_cfa', p.id::text, p.raised_cfa, coalesce(r.raised, 0)
        FROM pots.pots p LEFT JOIN (
            SELECT a.owner_id, -sum(e.amount) AS raised
            FROM ledger.ledger_entries e JOIN ledger.ledger_accounts a ON a.id = e.account_id
            JOIN ledger.ledger_transactions t ON t.id = e.transaction_id
            WHERE a.code LIKE 'pot:%:balance'
              AND t.kind IN ('donation', 'donation_refund', 'points_conversion', 'points_conversion_reversal')
            GROUP BY a.owner_id
        ) r ON r.owner_id = p.id
        WHERE p.raised_cfa <> coalesce(r.raised, 0)
    """,
    "what is reserved is the price of the codes outstanding": f"""
        SELECT 'qr_codes.price_cfa outstanding', 'pot ' || p.id, coalesce(q.reserved, 0), coalesce(b.owed, 0)
        FROM pots.pots p LEFT JOIN ({BALANCES}) b ON b.code = 'pot:' || p.id || ':reserved'
        LEFT JOIN (
            SELECT pot_id, sum(price_cfa) AS reserved FROM redemption.qr_codes WHERE status = 'issued' GROUP BY pot_id
        ) q ON q.pot_id = p.id
        WHERE coalesce(q.reserved, 0) <> coalesce(b.owed, 0)
    """,
    "partners are owed their shares less what was paid": f"""
        SELECT 'qr_codes.partner_share_cfa unpaid', 'partner ' || p.id, coalesce(q.share, 0), coalesce(b.owed, 0)
        FROM packs.partners p LEFT JOIN ({BALANCES}) b ON b.code = 'partner:' || p.id || ':payable'
        LEFT JOIN (
            SELECT c.redeemed_by_partner_id, sum(c.partner_share_cfa) AS share
            FROM redemption.qr_codes c LEFT JOIN redemption.partner_settlements s ON s.id = c.settlement_id
            WHERE c.status = 'redeemed' AND coalesce(s.status, 'pending') <> 'paid'
            GROUP BY c.redeemed_by_partner_id
        ) q ON q.redeemed_by_partner_id = p.id
        WHERE coalesce(q.share, 0) <> coalesce(b.owed, 0)
    """,
    "users hold what their accounts hold": f"""
        SELECT 'user_balances.' || part.name, u.user_id || ' in ' || u.currency, part.stored, coalesce(b.owed, 0)
        FROM treasury.user_balances u
        CROSS JOIN LATERAL (VALUES ('available', u.available_balance), ('pending', u.pending_balance),
                                   ('locked', u.locked_balance)) part (name, stored)
        LEFT JOIN ({BALANCES}) b ON b.code = 'user:' || u.user_id || ':' || part.name || ':' || u.currency
        WHERE u.dao_id IS NULL AND part.stored <> coalesce(b.owed, 0)
    """,
    "treasuries hold what their accounts hold": f"""
        SELECT 'dao_treasuries.' || part.name, t.dao_id || ' in ' || t.currency, part.stored, coalesce(b.owed, 0)
        FROM treasury.dao_treasuries t
        CROSS JOIN LATERAL (VALUES ('available', t.available_balance), ('allocated', t.allocated_balance),
                                   ('reserve', t.reserve_balance)) part (name, stored)
        LEFT JOIN ({BALANCES}) b ON b.code = 'dao:' || t.dao_id || ':' || part.name || ':' || t.currency
        WHERE part.stored <> coalesce(b.owed, 0)
    """,
    "card accounts hold what their account holds": f"""
        SELECT 'accounts.balance', c.id || ' in ' || c.currency, c.balance, coalesce(b.owed, 0)
        FROM cards.accounts c
        LEFT JOIN ({BALANCES}) b ON b.code = 'card_account:' || c.id || ':available:' || c.currency
        WHERE c.balance <> coalesce(b.owed, 0)
    """,
    "nothing is held for whom no balance is kept": f"""
        SELECT 'user_balances', b.code, 0, b.owed FROM ({BALANCES}) b
        WHERE b.owner_type = 'user' AND b.owed <> 0 AND NOT EXISTS (
            SELECT FROM treasury.user_balances u
            WHERE u.user_id = b.owner_id AND u.dao_id IS NULL AND u.currency = b.currency)
    """,
}


async def verify(session: AsyncSession) -> list[Difference]:
    """Recompute every balance from the entries and name each difference. Reads as a role that sees all rows."""
    found = []
    for proof in PROOFS.values():
        rows = await session.execute(text(proof.replace(":", "\\:")))
        found += [Difference(what, key, Decimal(stored), Decimal(proved)) for what, key, stored, proved in rows]
    return found
