"""Coins that came in on a chain, credited once."""

from __future__ import annotations

from typing import Annotated

from sqlalchemy import bindparam

from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Locked
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from models.ledger import LedgerKind, LedgerTransaction
from models.topics import Topic
from models.trading import CryptoTransaction, CryptoTransactionStatus, CryptoTransactionTransactionType
from resolvers.kernel import own_matters
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter
from resolvers.ledger import ledger
from resolvers.ledger.balances import check_room, lock_balance

CHAIN = "chain"


class NoDeposit(Refused):
    """These coins did not come in from outside."""


class AlreadyCredited(Refused):
    """This deposit has been credited already."""


CREDITED = Lookup(
    [LedgerTransaction.id],
    lambda rows: rows.where(
        LedgerTransaction.kind == LedgerKind.CRYPTO_DEPOSIT, LedgerTransaction.reference_id == bindparam("id")
    ),
)


@rule(OwnMatter, NoDeposit, InvalidState, AlreadyCredited, AmountNotPositive, AmountOutOfRange, staff=True)
async def record_crypto_deposit(
    tx: RuleTransaction, transaction: Annotated[CryptoTransaction, Locked("The confirmed deposit.")]
) -> CryptoTransaction:
    """Credit a confirmed deposit to its user's balance; of many at once exactly one does.

    Whoever it belongs to, a banned or rejected one too: what has arrived is theirs.
    """
    wards, credited = await tx.fetch(own_matters.relating(tx), CREDITED.query(id=transaction.id))
    own_matters.refuse_related(tx, wards, transaction.user_id, field="transaction_id")
    if transaction.transaction_type != CryptoTransactionTransactionType.DEPOSIT:
        raise NoDeposit(field="transaction_id")
    if transaction.status != CryptoTransactionStatus.CONFIRMED:
        raise InvalidState(f"The deposit is {transaction.status}.", field="transaction_id", state=transaction.status)
    if credited:
        raise AlreadyCredited(field="transaction_id")
    check_amount(transaction.amount, CryptoTransaction.amount, field="transaction_id")
    balance = await lock_balance(tx, transaction.currency, transaction.user_id)
    check_room(balance, transaction.amount, field="transaction_id")
    chain, available = ledger.provider(CHAIN, transaction.currency), ledger.available(balance)
    ledger.transfer(tx, LedgerKind.CRYPTO_DEPOSIT, chain, available, transaction.amount, of=transaction)
    publish(tx, Topic.CRYPTO_DEPOSIT_CREDITED, transaction.id, user_id=transaction.user_id)
    return transaction
