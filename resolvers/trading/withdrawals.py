"""Coins that leave for a user's own wallet: taken at once, and given back where the chain did not take them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated
from uuid import uuid4

import asyncpg
from sqlalchemy import bindparam

from lango.db.postgres import RawJson
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Locked, Named, OwnedBy, Referred, Text, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.ledger import LedgerKind, LedgerTransaction
from models.topics import Topic
from models.trading import (
    CryptoTransaction,
    CryptoTransactionStatus,
    CryptoTransactionTransactionType,
    CryptoWallet,
)
from resolvers.kernel import clock, own_matters
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.ledger import ledger
from resolvers.ledger.balances import InsufficientFunds, check_funds, check_room, lock_balance
from resolvers.trading.deposits import CHAIN
from resolvers.trading.refusals import LimitExceeded, NotYourWallet
from resolvers.trading.standing import BARRED, check_standing_of, standing_of
from resolvers.trading.withdrawal_limits import check_limits, limiting

HASH = re.compile(r"[!-~]{10,128}", re.ASCII)
HEXADECIMAL = re.compile(r"(0[xX])?[0-9a-fA-F]+", re.ASCII)
Kind = CryptoTransactionTransactionType
Status = CryptoTransactionStatus
Withdrawal = Annotated[CryptoTransaction, Locked("The pending withdrawal.")]
LONGEST_TEXT = 2_000


class WalletNotConnected(Refused):
    """This wallet is not connected any more."""


class WalletTooNew(Refused):
    """Coins cannot be sent to this wallet yet: it was just connected."""


class NoWithdrawal(Refused):
    """No coins were taken from a balance for this transaction."""


class HashNotValid(Refused):
    """A transaction's hash is 10 to 128 letters, digits and signs, without spaces."""


class HashTaken(Refused):
    """Another transaction has this hash."""


TAKEN = Lookup(
    [LedgerTransaction.id],
    lambda rows: rows.where(
        LedgerTransaction.kind == LedgerKind.CRYPTO_WITHDRAWAL, LedgerTransaction.reference_id == bindparam("id")
    ),
)


@rule(
    WalletNotConnected, WalletTooNew, *BARRED, AmountNotPositive, AmountOutOfRange,
    LimitExceeded, InsufficientFunds,
)  # fmt: skip
async def withdraw_crypto(
    tx: RuleTransaction,
    user: Annotated[User, Referred(CryptoWallet.user_id)],
    wallet: Annotated[
        CryptoWallet, Locked("Your wallet, to which the coins go."), OwnedBy(CryptoWallet.user_id, NotYourWallet)
    ],
    amount: Annotated[Decimal, Value("How many of the wallet's coins.")],
    destination_name: Annotated[str | None, Text("Your name for whoever is behind the address.", 200)] = None,
    note: Annotated[str | None, Text("A note of your own.", LONGEST_TEXT)] = None,
) -> Annotated[CryptoTransaction, Named("transaction")]:
    """Send coins from one's balance to one's own wallet, within one's limits for that coin of a day and a month.

    The coins are taken at once; the transaction is pending until the chain has confirmed it. A wallet that was just
    connected waits. Of whoever is banned or rejected the coins stay theirs, and wait until staff lift it.
    """
    check_amount(amount, CryptoTransaction.amount, field="amount")
    # Counted under the user's lock: many at once, through whichever wallets, stay within the limits.
    ((now,),), ages, profiles, *limits = await tx.fetch(clock.reading(), *standing_of(user.id), *limiting(wallet))
    check_standing_of([ages, profiles], user.id, now)
    if not wallet.is_connected or wallet.deleted_at is not None:
        raise WalletNotConnected(field="wallet_id")
    if wallet.payable_from is not None and wallet.payable_from > now:
        begins = wallet.payable_from
        message = f"Coins can be sent to this wallet from {begins:%Y-%m-%d at %H:%M} UTC on: it was just connected."
        raise WalletTooNew(message, field="wallet_id", payableFrom=begins.isoformat())
    check_limits(limits, wallet, amount)
    balance = await lock_balance(tx, wallet.currency, user.id)
    check_funds(balance, amount, field="amount")
    sent = CryptoTransaction(
        id=uuid4(), user_id=user.id, wallet_id=wallet.id, to_address=wallet.wallet_address, amount=amount,
        currency=wallet.currency, status=Status.PENDING, transaction_type=Kind.WITHDRAWAL, timestamp=now,
        destination_name=destination_name, destination_description=note,
    )  # fmt: skip
    tx.save(sent)
    available, chain = ledger.available(balance), ledger.provider(CHAIN, wallet.currency)
    ledger.transfer(tx, LedgerKind.CRYPTO_WITHDRAWAL, available, chain, amount, of=sent)
    publish(tx, Topic.CRYPTO_WITHDRAWAL_REQUESTED, sent.id, user_id=wallet.user_id)
    return sent


@rule(OwnMatter, NoWithdrawal, InvalidState, HashNotValid, HashTaken, staff=True)
async def confirm_crypto_withdrawal(
    tx: RuleTransaction,
    transaction: Withdrawal,
    transaction_hash: Annotated[str, Text("Its hash on the chain, which no other transaction has.", 200)],
) -> CryptoTransaction:
    """Note that the chain has taken a withdrawal: its coins have left for good."""
    stored_hash = _hash_of(transaction_hash)
    await _check_pending(tx, transaction)
    transaction.status, transaction.transaction_hash = Status.CONFIRMED, stored_hash
    tx.save(transaction)
    try:
        # The constraint decides: of two who bring the same hash at once, the second waits for the first.
        await tx.flush()
    except asyncpg.UniqueViolationError as error:
        raise HashTaken(field="transaction_hash") from error
    publish(tx, Topic.CRYPTO_WITHDRAWAL_CONFIRMED, transaction.id, user_id=transaction.user_id)
    return transaction


@rule(OwnMatter, NoWithdrawal, InvalidState, TextMissing, AmountOutOfRange, staff=True)
async def fail_crypto_withdrawal(
    tx: RuleTransaction,
    transaction: Withdrawal,
    reason: Annotated[str, Text("Why it did not go through, for the user to read.", LONGEST_TEXT)],
) -> CryptoTransaction:
    """Note that the chain did not take a withdrawal: its coins go back, and count against no limit of the wallet."""
    check_text(reason, field="reason")
    await _check_pending(tx, transaction)
    coin, amount = transaction.currency, transaction.amount
    balance = await lock_balance(tx, coin, transaction.user_id)
    check_room(balance, amount, field="transaction_id")
    transaction.status, transaction.metadata_ = Status.FAILED, RawJson.of({"failure_reason": reason.strip()})
    tx.save(transaction)
    chain, available = ledger.provider(CHAIN, coin), ledger.available(balance)
    ledger.transfer(tx, LedgerKind.CRYPTO_WITHDRAWAL_REVERSAL, chain, available, amount, of=transaction)
    publish(tx, Topic.CRYPTO_WITHDRAWAL_FAILED, transaction.id, user_id=transaction.user_id)
    return transaction


async def _check_pending(tx: RuleTransaction, transaction: CryptoTransaction) -> None:
    """Refuses all but somebody else's withdrawal for which coins were taken, and whose end is not known yet."""
    wards, taken = await tx.fetch(own_matters.relating(tx), TAKEN.query(id=transaction.id))
    own_matters.refuse_related(tx, wards, transaction.user_id, field="transaction_id")
    # What was never taken must not be given back: the ledger knows, whatever the row says.
    if transaction.transaction_type != Kind.WITHDRAWAL or not taken:
        raise NoWithdrawal(field="transaction_id")
    if transaction.status != Status.PENDING:
        state = transaction.status
        raise InvalidState(f"The withdrawal is {state} already.", field="transaction_id", state=state)


def _hash_of(given: str) -> str:
    """The hash as it is stored: in small letters where it is hexadecimal, for then case means nothing."""
    text = given.strip()
    if not HASH.fullmatch(text):
        raise HashNotValid(field="transaction_hash")
    return text.lower() if HEXADECIMAL.fullmatch(text) else text
