"""Wallet transactions: the movements of money that a user or a DAO looks for."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID, uuid4

from lango.rules.transaction import RuleTransaction
from models.treasury import UserBalance, WalletTransaction, WalletTransactionStatus, WalletTransactionType


def record(
    tx: RuleTransaction,
    kind: WalletTransactionType,
    amount: Decimal,
    currency: str,
    *,
    sender: UUID | None = None,
    recipient: UUID | None = None,
    dao: UUID | None = None,
    status: WalletTransactionStatus = WalletTransactionStatus.COMPLETED,
    description: str | None = None,
    touched: Iterable[UserBalance] = (),
) -> WalletTransaction:
    """Write a movement down. What it moves is posted to the ledger besides; `touched` are the locked balances that it
    changes, each of which remembers it as its last."""
    made = WalletTransaction(
        id=uuid4(), from_user_id=sender, to_user_id=recipient, dao_id=dao, amount=amount, currency=currency, type=kind,
        status=status, description=description,
    )  # fmt: skip
    balances = list(touched)
    for balance in balances:
        balance.last_transaction_id = made.id
    tx.save(made, *balances)
    return made
