"""Coins that leave for a user's own wallet: taken at once, and given back where the chain did not take them."""

from __future__ import annotations

import re
from decimal import Decimal
from uuid import UUID, uuid4

from sqlalchemy import bindparam
from sqlalchemy.exc import DBAPIError

from lango.db.postgres import RawJson
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.transaction import CallerTransaction
from models.identity import User
from models.ledger import LedgerKind, LedgerTransaction
from models.topics import Topic
from models.trading import (
    CryptoTransaction,
    CryptoTransactionStatus,
    CryptoTransactionTransactionType,
    CryptoWallet,
)
from resolvers.kernel import clock, guardianship
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter, refuse_own_matter
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.ledger import ledger
from resolvers.ledger.balances import InsufficientFunds, change, lock_balance
from resolvers.trading.deposits import CHAIN
from resolvers.trading.refusals import LimitExceeded, NotYourWallet
from resolvers.trading.seen import see
from resolvers.trading.standing import BARRED, check_standing_of
from resolvers.trading.withdrawal_limits import check_limits

HASH = re.compile(r"[!-~]{10,128}", re.ASCII)
HEXADECIMAL = re.compile(r"(0[xX])?[0-9a-fA-F]+", re.ASCII)
UNIQUE_VIOLATION = "23505"
Kind = CryptoTransactionTransactionType
Status = CryptoTransactionStatus


class WalletNotConnected(Refused):
    """This wallet is not connected any more."""


class WalletTooNew(Refused):
    """Coins cannot be sent to this wallet yet: it was just connected."""


class NoWithdrawal(Refused):
    """No coins were taken from a balance for this."""


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
    NotFound, NotYourWallet, WalletNotConnected, WalletTooNew, *BARRED, AmountNotPositive, AmountOutOfRange,
    LimitExceeded, InsufficientFunds,
)  # fmt: skip
async def withdraw(
    caller: CallerTransaction,
    wallet_id: UUID,
    amount: Decimal,
    destination_name: str | None = None,
    note: str | None = None,
) -> CryptoTransaction:
    """Send coins from one's balance to one's own wallet, within one's limits for that coin of a day and a month.

    The coins are taken at once; the transaction is pending until the chain has confirmed it. A wallet that was just
    connected waits. Of whoever is banned or rejected the coins stay theirs, and wait until staff lift it.
    """
    seen = await see(caller, CryptoWallet, wallet_id, field="walletId")
    if seen.user_id not in await guardianship.my_people(caller):
        raise NotYourWallet(field="walletId")
    check_amount(amount, CryptoTransaction.amount, field="amount")
    tx = await caller.as_rules()
    # The user first, as where wallets are changed. Counted under this lock: many at once, through whichever wallets,
    # stay within the limits.
    await tx.lock(User, seen.user_id)
    wallet = await tx.lock(CryptoWallet, wallet_id)
    now = await clock.now(tx)
    await check_standing_of(tx, wallet.user_id, now)
    if not wallet.is_connected or wallet.deleted_at is not None:
        raise WalletNotConnected(field="walletId")
    if wallet.payable_from is not None and wallet.payable_from > now:
        begins = wallet.payable_from
        message = f"Coins can be sent to this wallet from {begins:%Y-%m-%d at %H:%M} UTC on: it was just connected."
        raise WalletTooNew(message, field="walletId", payableFrom=begins.isoformat())
    await check_limits(tx, wallet, amount)
    balance = await lock_balance(tx, wallet.currency, wallet.user_id)
    change(balance, now, available=-amount, field="amount")
    sent = CryptoTransaction(
        id=uuid4(), user_id=wallet.user_id, wallet_id=wallet.id, to_address=wallet.wallet_address, amount=amount,
        currency=wallet.currency, status=Status.PENDING, transaction_type=Kind.WITHDRAWAL, timestamp=now,
        destination_name=destination_name, destination_description=note,
    )  # fmt: skip
    await tx.save(balance, sent)
    available = ledger.user_account(wallet.user_id, "available", wallet.currency)
    left = ledger.Movement(available, ledger.provider(CHAIN, wallet.currency), amount)
    await ledger.post(tx, LedgerKind.CRYPTO_WITHDRAWAL, [left], of=("crypto_transaction", sent.id))
    await publish(tx, Topic.CRYPTO_WITHDRAWAL_REQUESTED, sent.id, user_id=wallet.user_id)
    return sent


@rule(NotFound, OwnMatter, NoWithdrawal, InvalidState, HashNotValid, HashTaken, staff=True)
async def confirm(caller: CallerTransaction, transaction_id: UUID, transaction_hash: str) -> CryptoTransaction:
    """Note that the chain has taken a withdrawal: its coins have left for good."""
    told = _hash_of(transaction_hash)
    sent = await _lock_pending(caller, transaction_id)
    tx = await caller.as_rules()
    sent.status, sent.transaction_hash = Status.CONFIRMED, told
    try:
        await tx.save(sent)
    except DBAPIError as error:
        # The constraint decides: of two who bring the same hash at once, the second waits for the first.
        if getattr(error.orig, "sqlstate", None) != UNIQUE_VIOLATION:
            raise
        raise HashTaken(field="transactionHash") from error
    await publish(tx, Topic.CRYPTO_WITHDRAWAL_CONFIRMED, sent.id, user_id=sent.user_id)
    return sent


@rule(NotFound, OwnMatter, NoWithdrawal, InvalidState, TextMissing, AmountOutOfRange, staff=True)
async def fail(caller: CallerTransaction, transaction_id: UUID, reason: str) -> CryptoTransaction:
    """Note that the chain did not take a withdrawal: its coins go back, and count against no limit of the wallet."""
    check_text(reason, field="reason")
    failed = await _lock_pending(caller, transaction_id)
    tx = await caller.as_rules()
    balance = await lock_balance(tx, failed.currency, failed.user_id)
    change(balance, await clock.now(tx), available=failed.amount, field="transactionId")
    failed.status, failed.metadata_ = Status.FAILED, RawJson.of({"failure_reason": reason.strip()})
    await tx.save(balance, failed)
    available = ledger.user_account(failed.user_id, "available", failed.currency)
    returned = ledger.Movement(ledger.provider(CHAIN, failed.currency), available, failed.amount)
    await ledger.post(tx, LedgerKind.CRYPTO_WITHDRAWAL_REVERSAL, [returned], of=("crypto_transaction", failed.id))
    await publish(tx, Topic.CRYPTO_WITHDRAWAL_FAILED, failed.id, user_id=failed.user_id)
    return failed


async def _lock_pending(caller: CallerTransaction, transaction_id: UUID) -> CryptoTransaction:
    """A withdrawal whose end is not known yet, locked, in the rules' role: somebody else's, for which coins were
    taken."""
    seen = await see(caller, CryptoTransaction, transaction_id, field="transactionId")
    await refuse_own_matter(caller, seen.user_id, field="transactionId")
    tx = await caller.as_rules()
    sent = await tx.lock(CryptoTransaction, transaction_id)
    # What was never taken must not be given back: the ledger knows, whatever the row says.
    if sent.transaction_type != Kind.WITHDRAWAL or await TAKEN.one(tx, id=sent.id) is None:
        raise NoWithdrawal(field="transactionId")
    if sent.status != Status.PENDING:
        raise InvalidState(f"The withdrawal is {sent.status} already.", field="transactionId", state=sent.status)
    return sent


def _hash_of(told: str) -> str:
    """The hash as it is stored: in small letters where it is hexadecimal, for then case means nothing."""
    text = told.strip()
    if not HASH.fullmatch(text):
        raise HashNotValid(field="transactionHash")
    return text.lower() if HEXADECIMAL.fullmatch(text) else text
