"""Wallets, and what went through them on a chain."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, Numeric, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import own, read, staff
from models.base import Base
from models.columns import (
    NOW,
    BigInt,
    Choice,
    CreatedAt,
    DeletedAt,
    Id,
    Json,
    Moment,
    Texts,
    UpdatedAt,
    choice,
    money,
    personal,
    reference,
    secret_column,
    to_many,
    to_one,
)
from models.locks import LockRank
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User
    from models.trading.trades import CryptoTrade


class CryptoTransactionStatus(Choice):
    """Where a movement of coins stands."""

    PENDING = "pending", "Begun, and not yet certain."
    CONFIRMED = "confirmed", "Done, and not to be undone."
    FAILED = "failed", "It did not go through; no coins have moved."


class CryptoTransactionTransactionType(Choice):
    """Why coins moved."""

    DEPOSIT = "deposit", "They came in from an address outside."
    WITHDRAWAL = "withdrawal", "They left for an address outside."
    TRANSFER = "transfer", "They were sent from one wallet or user to another."
    TRADE = "trade", "They changed hands in a trade."
    ESCROW_FUND = "escrow_fund", "The seller's were locked for a trade."
    ESCROW_RELEASE = "escrow_release", "Those that were locked went to the buyer."
    ESCROW_REFUND = "escrow_refund", "Those that were locked went back to the seller."


class CryptoWallet(Base):
    """A wallet on a chain that a user has connected."""

    __tablename__ = "crypto_wallets"
    __lock_rank__ = LockRank.WALLET
    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "currency"),
        Index(None, "balance"),
        Index(
            "uq_crypto_wallets_primary",
            "user_id",
            unique=True,
            postgresql_where=text("is_primary AND deleted_at IS NULL"),
        ),
        {"schema": "trading"},
    )
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    wallet_address: Mapped[str] = mapped_column(info=personal(), doc="Its public address, to which coins can be sent.")
    wallet_provider: Mapped[str | None] = mapped_column(
        doc="Who keeps it, such as `metamask` or `ledger`; null where unknown."
    )
    chain_type: Mapped[str] = mapped_column(doc="The chain it is on, such as `bitcoin` or `ethereum`.")
    balance: Mapped[Decimal] = mapped_column(
        Numeric(20, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="What it holds as the chain says, in `currency`; coins kept on the platform are in `UserBalance`.",
    )
    currency: Mapped[str] = mapped_column(doc="Code of the coin its amounts are counted in, such as `BTC`.")
    is_primary: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether it is used where no other wallet is named."
    )
    is_connected: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether it is in use; false once it was disconnected."
    )
    last_synced_at: Mapped[Moment | None] = mapped_column(
        doc="When `balance` was last read from the chain; null before the first time."
    )
    encrypted_private_key: Mapped[str | None] = secret_column(
        Text(), doc="The key that spends its coins; null where the platform does not keep it.", encrypted=True
    )
    backup_phrase_encrypted: Mapped[str | None] = secret_column(
        Text(), doc="The words that restore its key; null where the platform does not keep them.", encrypted=True
    )
    last_backup: Mapped[Moment | None] = mapped_column(doc="When its key was last backed up; null where it never was.")
    supported_currencies: Mapped[Texts | None] = mapped_column(
        doc="Codes of all coins it can hold; null where only `currency` is known."
    )
    withdrawal_limit_daily: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8),
        info=money(of="currency"),
        doc="The most that its user may withdraw in a day of this coin, in `currency`, through all their wallets "
        "together; null where it adds no limit.",
    )
    withdrawal_limit_monthly: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8),
        info=money(of="currency"),
        doc="The most that its user may withdraw in a month of this coin, in `currency`, through all their wallets "
        "together; null where it adds no limit.",
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    deleted_at: Mapped[DeletedAt | None]
    payable_from: Mapped[Moment | None] = mapped_column(
        doc="From when coins can be sent to it: some hours after it was connected, the last time where it was several; "
        "null for at once."
    )

    user: Mapped[User | None] = to_one(user_id)
    transactions: Mapped[list[CryptoTransaction]] = to_many(
        "CryptoTransaction.wallet_id", doc="The coins that came to it or left it."
    )


class CryptoTransaction(Base):
    """A movement of coins, on a chain or between balances on the platform."""

    __tablename__ = "crypto_transactions"
    __lock_rank__ = LockRank.COIN_MOVEMENT
    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "wallet_id"),
        Index(None, "status"),
        Index(None, "timestamp"),
        Index(None, "currency"),
        Index(None, "trade_id"),
        {"schema": "trading"},
    )
    __access__ = read(own("user_id"), staff)
    __transitions__ = Transitions("status", pending={"confirmed", "failed"})

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    wallet_id: Mapped[UUID | None] = reference(
        "trading.crypto_wallets.id",
        doc="The user's wallet the coins came to or left; null for a movement on the platform alone.",
    )
    transaction_hash: Mapped[str | None] = mapped_column(
        unique=True, doc="Its hash on the chain; null until it is there, and for movements off the chain."
    )
    from_address: Mapped[str | None] = mapped_column(
        info=personal(), doc="The address the coins left; null off the chain or where unknown."
    )
    to_address: Mapped[str | None] = mapped_column(
        info=personal(), doc="The address the coins went to; null off the chain or where unknown."
    )
    amount: Mapped[Decimal] = mapped_column(
        Numeric(20, 8), info=money(of="currency"), doc="How many coins moved, in `currency`."
    )
    currency: Mapped[str] = mapped_column(doc="Code of the coin that moved, such as `BTC`.")
    transaction_fee: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8), info=money(of="currency"), doc="All fees together, in `currency`; null where none are known."
    )
    status: Mapped[CryptoTransactionStatus] = choice(
        CryptoTransactionStatus, default=CryptoTransactionStatus.PENDING, doc="Where it stands."
    )
    transaction_type: Mapped[CryptoTransactionTransactionType] = choice(
        CryptoTransactionTransactionType, doc="Why the coins moved."
    )
    timestamp: Mapped[Moment] = mapped_column(
        server_default=NOW, doc="When it was begun; for a deposit, when the chain took it."
    )
    confirmations: Mapped[int] = mapped_column(
        server_default=text("0"), doc="How many blocks of the chain have confirmed it; 0 off the chain."
    )
    block_number: Mapped[BigInt | None] = mapped_column(
        doc="The block that holds it; null until one does, and for movements off the chain."
    )
    gas_price: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8), doc="What was paid for a unit of gas, in gwei; null on chains without gas and off the chain."
    )
    gas_limit: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8),
        doc="The most computation it might take, in units of gas; null on chains without gas and off the chain.",
    )
    gas_used: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8),
        doc="How much computation it took, in units of gas; null before it is confirmed and without gas.",
    )
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="Further details, as structured data; null without any."
    )
    trade_id: Mapped[UUID | None] = reference(
        "trading.crypto_trades.id", doc="The trade it belongs to; null where it belongs to none."
    )
    network_fee: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8),
        info=money(of="currency"),
        doc="What the chain charged, in `currency`; null off the chain or where unknown.",
    )
    platform_fee: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8),
        info=money(of="currency"),
        doc="What the platform charged, in `currency`; null where it charged nothing.",
    )
    destination_name: Mapped[str | None] = mapped_column(
        info=personal(), doc="Who is behind `to_address`, as the user calls them; null without a name."
    )
    destination_description: Mapped[str | None] = mapped_column(
        info=personal(), doc="What the user noted on where the coins go; null without a note."
    )
    category: Mapped[str | None] = mapped_column(
        doc="What it counts as in the user's reports; null where it was not sorted."
    )
    exchange_rate: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8), doc="What one coin was worth at that moment, in US dollars; null where unknown."
    )
    fiat_value: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8),
        info=money("USD"),
        doc="What `amount` was worth at that moment, in US dollars; null where unknown.",
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    user: Mapped[User | None] = to_one(user_id)
    wallet: Mapped[CryptoWallet | None] = to_one(wallet_id)
    trade: Mapped[CryptoTrade | None] = to_one(trade_id)
