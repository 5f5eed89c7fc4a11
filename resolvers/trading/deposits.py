"""Coins that came in on a chain, credited once."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam

from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.transaction import CallerTransaction
from models.ledger import LedgerKind, LedgerTransaction
from models.topics import Topic
from models.trading import CryptoTransaction, CryptoTransactionStatus, CryptoTransactionTransactionType
from resolvers.kernel import clock
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter, refuse_own_matter
from resolvers.ledger import ledger
from resolvers.ledger.balances import change, lock_balance
from resolvers.trading.seen import see

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


@rule(NotFound, OwnMatter, NoDeposit, InvalidState, AlreadyCredited, AmountNotPositive, AmountOutOfRange, staff=True)
async def record(caller: CallerTransaction, transaction_id: UUID) -> CryptoTransaction:
    """Credit a confirmed deposit to its user's balance; of many at once exactly one does.

    Whoever it belongs to, a banned or rejected one too: what has arrived is theirs.
    """
    seen = await see(caller, CryptoTransaction, transaction_id, field="transactionId")
    await refuse_own_matter(caller, seen.user_id, field="transactionId")
    tx = await caller.as_rules()
    deposit = await tx.lock(CryptoTransaction, transaction_id)
    if deposit.transaction_type != CryptoTransactionTransactionType.DEPOSIT:
        raise NoDeposit(field="transactionId")
    if deposit.status != CryptoTransactionStatus.CONFIRMED:
        raise InvalidState(f"The deposit is {deposit.status}.", field="transactionId", state=deposit.status)
    if await CREDITED.one(tx, id=deposit.id) is not None:
        raise AlreadyCredited(field="transactionId")
    check_amount(deposit.amount, CryptoTransaction.amount, field="transactionId")
    balance = await lock_balance(tx, deposit.currency, deposit.user_id)
    change(balance, await clock.now(tx), available=deposit.amount, field="transactionId")
    await tx.save(balance)
    available = ledger.user_account(deposit.user_id, "available", deposit.currency)
    arrived = ledger.Movement(ledger.provider(CHAIN, deposit.currency), available, deposit.amount)
    await ledger.post(tx, LedgerKind.CRYPTO_DEPOSIT, [arrived], of=("crypto_transaction", deposit.id))
    await publish(tx, Topic.CRYPTO_DEPOSIT_CREDITED, deposit.id, user_id=deposit.user_id)
    return deposit
