"""What must hold of everything, whatever was done: each as a query that names what is wrong."""

from __future__ import annotations

from collections import Counter
from typing import Any

import asyncpg
import orjson

from models.base import Base
from models.donations import Donation
from models.pots import Pot
from models.redemption import PartnerSettlement, QrCode
from models.trading import CryptoEscrow, CryptoTrade
from models.treasury import DaoMember, FinancialReport, MpesaTransaction, SignerChange, TreasuryTransfer

# The event that is published when a state is entered, or a step taken.
EVENTS: dict[type[Base], dict[str, str]] = {
    Pot: {
        "open": "pot.opened", "funded>open": "pot.reopened", "funded": "pot.funded", "closed": "pot.closed",
        "expired": "pot.expired", "cancelled": "pot.cancelled",
    },
    Donation: {"succeeded": "donation.succeeded", "failed": "donation.failed", "processing": "donation.held"},
    QrCode: {"redeemed": "qr_code.redeemed", "cancelled": "qr_code.cancelled", "expired": "qr_code.expired"},
    PartnerSettlement: {"approved": "settlement.approved", "paid": "settlement.paid", "disputed": "settlement.disputed"},
    CryptoEscrow: {
        "funded": "escrow.funded", "released": "escrow.released", "refunded": "escrow.refunded",
        "expired": "escrow.expired", "disputed": "escrow.disputed", "disputed>released": "escrow.resolved",
        "disputed>refunded": "escrow.resolved", "disputed>split": "escrow.resolved",
    },
    CryptoTrade: {"completed": "trade.completed", "cancelled": "trade.cancelled"},
    DaoMember: {"banned": "dao_member.banned", "left": "dao_member.left", "banned>approved": "dao_member.readmitted"},
    TreasuryTransfer: {
        "approved": "treasury_transfer.approved", "executed": "treasury_transfer.executed",
        "rejected": "treasury_transfer.rejected", "cancelled": "treasury_transfer.cancelled",
        "expired": "treasury_transfer.expired",
    },
    SignerChange: {
        "applied": "signer_change.applied", "rejected": "signer_change.rejected",
        "cancelled": "signer_change.cancelled", "expired": "signer_change.expired",
    },
    MpesaTransaction: {
        "completed": "mpesa_payment.completed", "failed": "mpesa_payment.failed",
        "cancelled": "mpesa_payment.cancelled", "expired": "mpesa_payment.expired", "held": "mpesa_payment.held",
        "reversed": "mpesa_payment.reversed",
    },
    FinancialReport: {"published": "financial_report.published"},
}  # fmt: skip

# What is wrong, by what it would mean.
WRONG = {
    "points spent that were not there": """
        SELECT sponsor_user_id, sum(points_earned) FILTER (WHERE status = 'matured'), sum(points_spent)
        FROM referrals.points_ledger GROUP BY 1
        HAVING sum(points_spent) > coalesce(sum(points_earned) FILTER (WHERE status = 'matured'), 0)
    """,
    "conversions without their points": """
        SELECT sponsor_user_id, sum(points_converted) FROM referrals.points_conversions GROUP BY 1
        EXCEPT SELECT sponsor_user_id, sum(points_spent) FROM referrals.points_ledger GROUP BY 1
    """,
    "coins made or lost": """
        SELECT a.currency, sum(e.amount) FROM ledger.ledger_entries e JOIN ledger.ledger_accounts a ON a.id = e.account_id
        WHERE a.currency <> 'XOF' GROUP BY 1 HAVING sum(e.amount) <> 0
    """,
    "balances below nothing": """
        SELECT id, balance_cfa FROM pots.pots WHERE balance_cfa < 0 OR raised_cfa < 0
        UNION ALL SELECT id, 0 FROM treasury.user_balances WHERE available_balance < 0 OR locked_balance < 0
    """,
    "locked coins that lie in no escrow": """
        SELECT b.user_id, b.locked_balance, coalesce(e.held, 0) FROM treasury.user_balances b LEFT JOIN (
            SELECT seller_id, currency, sum(amount) AS held FROM trading.crypto_escrows
            WHERE status IN ('funded', 'disputed') GROUP BY 1, 2
        ) e ON e.seller_id = b.user_id AND e.currency = b.currency
        WHERE b.dao_id IS NULL AND b.locked_balance <> coalesce(e.held, 0)
    """,
    "packs sold more often than there are": """
        SELECT p.id, count(*) FROM packs.packs p JOIN redemption.qr_codes c ON c.pack_id = p.id
        WHERE c.status IN ('issued', 'redeemed') AND p.total_available_quantity IS NOT NULL
        GROUP BY p.id HAVING count(*) > p.total_available_quantity
    """,
    "redemptions without one success in the log that was not taken back": """
        SELECT c.id, count(l.id) FROM redemption.qr_codes c
        LEFT JOIN redemption.qr_redemption_logs l
            ON l.qr_code_id = c.id AND l.validation_result IN ('success', 'reversed')
        GROUP BY c.id, c.status HAVING coalesce(sum(
            CASE l.validation_result WHEN 'success' THEN 1 WHEN 'reversed' THEN -1 END), 0)
            <> (c.status = 'redeemed')::int
    """,
    "settlements that are not the sum of their codes": """
        SELECT s.id, s.partner_share_cfa FROM redemption.partner_settlements s
        LEFT JOIN redemption.qr_codes c ON c.settlement_id = s.id
        GROUP BY s.id HAVING s.partner_share_cfa <> coalesce(sum(c.partner_share_cfa), 0)
            OR s.total_redemptions_count <> count(c.id)
    """,
    "donations counted that Wave was not paid for, or twice": """
        SELECT t.reference_id, count(*) FROM ledger.ledger_transactions t WHERE t.kind = 'donation'
            AND t.reference_type = 'donation' GROUP BY 1 HAVING count(*) > 1
    """,
    "refunds beyond the donation": """
        SELECT d.id FROM donations.donations d JOIN donations.refunds r ON r.donation_id = d.id
        WHERE r.wave_refund_status <> 'failed' GROUP BY d.id HAVING sum(r.amount_cfa) > d.amount_cfa
    """,
}


async def wrong(owner: asyncpg.Pool[Any]) -> dict[str, list[Any]]:
    """What does not hold, and for whom; nothing where all is well."""
    found = {name: [tuple(row) for row in await owner.fetch(query)] for name, query in WRONG.items()}
    for model, topics in EVENTS.items():
        found |= await _story(owner, model, topics)
    return {name: rows for name, rows in found.items() if rows}


async def _story(owner: asyncpg.Pool[Any], model: type[Base], topics: dict[str, str]) -> dict[str, list[Any]]:
    """Audit and outbox tell of the same steps, each step is allowed, and the last one led to where the row is."""
    table, machine = model.table(), model.__transitions__
    assert machine is not None
    rows = await owner.fetch(f"SELECT id, {machine.column} AS state FROM {table.schema}.{table.name}")
    states = {row["id"]: row["state"] for row in rows}
    audits = await owner.fetch(
        "SELECT resource_id, old_values, new_values FROM admin.audit_logs"
        " WHERE resource_id = ANY ($1) AND old_values ? $2 ORDER BY timestamp, created_at, id",
        list(states), machine.column,
    )  # fmt: skip
    steps: list[tuple[Any, str, str]] = []
    for audit in audits:
        old, new = orjson.loads(audit["old_values"]), orjson.loads(audit["new_values"] or "{}")
        if machine.column in new and old[machine.column] != new[machine.column]:
            steps.append((audit["resource_id"], old[machine.column], new[machine.column]))
    events = await owner.fetch(
        "SELECT key, topic FROM platform.outbox_events WHERE topic = ANY ($1) AND key = ANY ($2)",
        list(topics.values()), [str(key) for key in states],
    )  # fmt: skip
    topic = [(str(key), topics.get(f"{old}>{new}") or topics.get(new)) for key, old, new in steps]
    entered = Counter(step for step in topic if step[1] is not None)
    announced = Counter((row["key"], row["topic"]) for row in events)
    name = model.__name__
    return {
        f"{name}: steps that are not allowed": [step for step in steps if not machine.allows(step[1], step[2])],
        f"{name}: in the audit, not in the outbox": list((entered - announced).elements()),
        f"{name}: in the outbox, not in the audit": list((announced - entered).elements()),
    }
