"""Holds: why a part of a user's balance is pending or locked, and until when.

What holds it is what the ledger says: whatever was posted to that part of the balance for a row, and was not taken out
again for the same row. So the holds of a part always add up to it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Select, Text, case, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from models.columns import Documented
from models.ledger import LedgerAccount, LedgerEntry, LedgerKind, LedgerTransaction
from models.trading import CryptoEscrow, CryptoEscrowStatus, CryptoTrade
from resolvers.treasury.balances_at import EXACT, NONE, code_of

# What puts money aside, in words for whoever wonders where it is.
REASONS = {
    LedgerKind.ESCROW_FUND: "Locked for a trade until it is completed, called off or decided.",
    LedgerKind.MPESA_WITHDRAWAL: "On its way to a phone by M-Pesa, with its fee.",
    LedgerKind.REFERRAL_PAYOUT: "The reward of a referral, on its way to a phone by M-Pesa.",
}


class HeldPart(Documented):
    """Where money lies that its owner cannot spend."""

    PENDING = "pending", "On its way, and not yet confirmed."
    LOCKED = "locked", "Set aside until something is decided."


def holds_of(balance: Any) -> Select[Any]:
    """What is held of a balance, over a row of it, the longest held first."""
    account, entry, posted = (model.table().alias() for model in (LedgerAccount, LedgerEntry, LedgerTransaction))
    codes = {part: code_of("user", balance.user_id, part, balance.currency) for part in HeldPart}
    held = (
        select(
            case(*((account.c.code == code, _text(part)) for part, code in codes.items())).label("part"),
            cast(-func.sum(entry.c.amount), EXACT).label("amount"),
            _newest(posted.c.kind, entry, posted).label("kind"),
            _newest(posted.c.created_at, entry, posted).label("since"),
            posted.c.reference_type,
            posted.c.reference_id.label("row_id"),
        )
        .select_from(account)
        .join(entry, entry.c.account_id == account.c.id)
        .join(posted, posted.c.id == entry.c.transaction_id)
        .where(
            balance.dao_id.is_(None),
            # Most balances hold nothing, and then no account is looked at.
            balance.pending_balance + balance.locked_balance != NONE,
            account.c.code.in_(list(codes.values())),
        )
        .group_by(account.c.code, posted.c.reference_type, posted.c.reference_id)
        .having(func.sum(entry.c.amount) != NONE)
        .correlate(balance)
        .subquery("held")
    )
    reason = case(*((held.c.kind == _text(kind), _text(words)) for kind, words in REASONS.items()))
    place = func.row_number().over(order_by=[held.c.since, held.c.row_id, held.c.part])
    return select(
        *held.c, reason.label("reason"), _ending(held).label("until"), balance.currency.label("currency"),
        place.label("place"),
    ).select_from(held)  # fmt: skip


def _newest(what: ColumnElement[Any], entry: Any, posted: Any) -> ColumnElement[Any]:
    """That of the newest posting which put something in: what was taken back may be put in once more."""
    put_in = (entry.c.amount < NONE).desc()
    newest: ColumnElement[Any] = func.array_agg(
        aggregate_order_by(what, put_in, posted.c.position.desc()), type_=ARRAY(what.type)
    )[literal_column("1")]
    return newest


def _ending(held: Any) -> ColumnElement[Any]:
    """When it ends by itself: an escrow goes back to the seller then, unless the buyer has paid."""
    escrow, trade = CryptoEscrow.table().alias(), CryptoTrade.table().alias()
    found = (
        select(escrow.c.expires_at)
        .join_from(escrow, trade, trade.c.id == escrow.c.trade_id)
        .where(
            escrow.c.id == held.c.row_id,
            held.c.reference_type == _text("crypto_escrow"),
            escrow.c.status == _text(CryptoEscrowStatus.FUNDED),
            trade.c.paid_at.is_(None),
        )
        .correlate(held)
    )
    ending: ColumnElement[Any] = found.scalar_subquery()
    return ending


def _text(word: str) -> ColumnElement[str]:
    """A word of ours as it stands in SQL."""
    written = word.replace("'", "''")
    return literal_column(f"'{written}'", Text)
