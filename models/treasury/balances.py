"""What users hold, each movement of it, and the fees that were taken."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import admins_of_dao, members_of_dao, own, read, staff
from models.base import Base
from models.columns import NOW, Choice, CreatedAt, Id, Json, Moment, UpdatedAt, choice, money, reference, to_one
from models.locks import LockRank
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User
    from models.treasury.daos import Dao


class TransactionFeeFeeType(Choice):
    """What kind of fee it is."""

    PLATFORM_FEE = "platform_fee", "For the platform's own service."
    GAS_FEE = "gas_fee", "For computation on the chain."
    NETWORK_FEE = "network_fee", "For carrying the payment, as a payment network or a chain charges it."
    SERVICE_FEE = "service_fee", "For an extra service on top of the payment."
    PERFORMANCE_FEE = "performance_fee", "A part of the gain that was made."


class TransactionFeeCollectedBy(Choice):
    """Who charged a fee."""

    PLATFORM = "platform", "Kept by the platform as its income."
    DAO = "dao", "The DAO the transaction was made in."
    PROTOCOL = "protocol", "The protocol on the chain, outside the platform."


class WalletTransactionType(Choice):
    """Why money moved."""

    DEPOSIT = "deposit", "It came in from outside, as by M-Pesa."
    WITHDRAWAL = "withdrawal", "It left for the outside, as to a phone."
    TRANSFER = "transfer", "One user sent it to another."
    CONTRIBUTION = "contribution", "A user gave it to a DAO."
    SWAP = "swap", "It was exchanged for another currency."
    FEE = "fee", "It was charged as a fee."
    PAYOUT = "payout", "It was paid out to a user, as by a DAO or for a referral."


class WalletTransactionStatus(Choice):
    """Where a movement of money stands."""

    PENDING = "pending", "Begun, and not yet confirmed."
    COMPLETED = "completed", "Done; the balances have changed."
    FAILED = "failed", "It did not go through."
    REVERSED = "reversed", "Done, and undone afterwards."


class UserBalance(Base):
    """What a user holds in one currency, by itself or within a DAO."""

    __tablename__ = "user_balances"
    __lock_rank__ = LockRank.BALANCE
    __table_args__ = (
        UniqueConstraint("user_id", "dao_id", "currency", postgresql_nulls_not_distinct=True),
        CheckConstraint("available_balance >= 0", name="available_is_not_negative"),
        CheckConstraint("pending_balance >= 0", name="pending_is_not_negative"),
        CheckConstraint("locked_balance >= 0", name="locked_is_not_negative"),
        CheckConstraint("total_balance = available_balance + pending_balance + locked_balance", name="total_adds_up"),
        Index(None, "dao_id"),
        {"schema": "treasury"},
    )
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    dao_id: Mapped[UUID | None] = reference(
        "treasury.daos.id", doc="The DAO within which it is held; null for a personal balance."
    )
    currency: Mapped[str] = mapped_column(
        doc="What it is counted in: `KES`, `cUSD`, `CELO`, `MTAA`, or a coin that is traded."
    )
    available_balance: Mapped[Decimal] = mapped_column(
        Numeric(28, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="What may be spent now, in `currency`; never below zero.",
    )
    pending_balance: Mapped[Decimal] = mapped_column(
        Numeric(28, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="What is on its way and not yet confirmed, in `currency`.",
    )
    locked_balance: Mapped[Decimal] = mapped_column(
        Numeric(28, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="What is set aside and cannot be spent, as in an escrow or locked savings, in `currency`.",
    )
    total_balance: Mapped[Decimal] = mapped_column(
        Numeric(28, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="Available, pending and locked together, in `currency`.",
    )
    last_transaction_id: Mapped[UUID | None] = mapped_column(
        doc="The wallet transaction that changed it last; null before the first."
    )
    last_updated: Mapped[Moment] = mapped_column(server_default=NOW, doc="When an amount in it last changed.")
    created_at: Mapped[CreatedAt]

    user: Mapped[User | None] = to_one(user_id)
    dao: Mapped[Dao | None] = to_one(dao_id)


class WalletTransaction(Base):
    """A movement of money to, from or between users and DAOs."""

    __tablename__ = "wallet_transactions"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_is_positive"),
        Index(None, "from_user_id"),
        Index(None, "to_user_id"),
        Index(None, "dao_id"),
        {"schema": "treasury"},
    )
    __access__ = read(own("from_user_id", "to_user_id"), members_of_dao("dao_id"), staff)
    __transitions__ = Transitions("status", pending={"completed", "failed"}, completed={"reversed"})

    id: Mapped[Id]
    from_user_id: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who paid; null where it came from outside or from a DAO."
    )
    to_user_id: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who was paid; null where it left the platform or went to a DAO."
    )
    dao_id: Mapped[UUID | None] = reference(
        "treasury.daos.id", doc="The DAO that paid or was paid; null where none was."
    )
    amount: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), info=money(of="currency"), doc="How much moved, in `currency`; always above zero."
    )
    currency: Mapped[str] = mapped_column(
        doc="What it is counted in: `KES`, `cUSD`, `CELO`, `MTAA`, or a coin that is traded."
    )
    type: Mapped[WalletTransactionType] = choice(WalletTransactionType, doc="Why it moved.")
    status: Mapped[WalletTransactionStatus] = choice(
        WalletTransactionStatus, default=WalletTransactionStatus.COMPLETED, doc="Where it stands."
    )
    description: Mapped[str | None] = mapped_column(doc="What it was for; null without a text.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="Further details, as structured data; null without any."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    from_user: Mapped[User | None] = to_one(from_user_id)
    to_user: Mapped[User | None] = to_one(to_user_id)
    dao: Mapped[Dao | None] = to_one(dao_id)


class TransactionFee(Base):
    """A fee that was charged on a transaction, and who got which part of it."""

    __tablename__ = "transaction_fees"
    __table_args__ = (
        CheckConstraint("fee_amount > 0", name="fee_is_positive"),
        CheckConstraint("fee_amount = platform_revenue + dao_revenue + protocol_revenue", name="split_adds_up"),
        Index(None, "paid_by"),
        Index(None, "dao_id"),
        Index(None, "transaction_id"),
        # What was charged in a period.
        Index(None, "created_at"),
        {"schema": "treasury"},
    )
    __access__ = read(own("paid_by"), admins_of_dao("dao_id"), staff)

    id: Mapped[Id]
    transaction_id: Mapped[UUID | None] = mapped_column(
        doc="The wallet transaction, swap or escrow it was charged on; null where it stands alone."
    )
    transaction_type: Mapped[str] = mapped_column(
        doc="What `transaction_id` leads to: `wallet`, `vault`, `escrow`, `payment` or another kind."
    )
    fee_type: Mapped[TransactionFeeFeeType] = choice(TransactionFeeFeeType, doc="What kind of fee it is.")
    fee_category: Mapped[str] = mapped_column(
        doc="What was done for it, such as `mpesa_deposit`, `crypto_withdrawal` or `currency_swap`."
    )
    base_amount: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), info=money(of="currency"), doc="The amount it was reckoned from, in `currency`."
    )
    fee_amount: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), info=money(of="currency"), doc="What was charged, in `currency`."
    )
    fee_percentage: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 4), doc="The rate as a fraction of `base_amount`: 0.0250 is 2.5 percent; null for a fixed fee."
    )
    currency: Mapped[str] = mapped_column(doc="What every amount in it is counted in.")
    paid_by: Mapped[UUID | None] = reference("identity.users.id", doc="The user who paid it; null where no user did.")
    dao_id: Mapped[UUID | None] = reference(
        "treasury.daos.id", doc="The DAO in which it was charged; null outside of any."
    )
    collected_by: Mapped[TransactionFeeCollectedBy | None] = choice(
        TransactionFeeCollectedBy, default=TransactionFeeCollectedBy.PLATFORM, doc="Who charged it."
    )
    platform_revenue: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="The platform's part of it, in `currency`.",
    )
    dao_revenue: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), server_default=text("0"), info=money(of="currency"), doc="The DAO's part of it, in `currency`."
    )
    protocol_revenue: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="The part of a protocol on the chain, in `currency`.",
    )
    description: Mapped[str | None] = mapped_column(doc="What the payer reads that it is for; null without a text.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="Further details, as structured data; null without any."
    )
    created_at: Mapped[CreatedAt]
    reversed_at: Mapped[Moment | None] = mapped_column(
        doc="When it was given back, as the payment it was charged on was; null unless it was."
    )

    paid_by_user: Mapped[User | None] = to_one(paid_by)
    dao: Mapped[Dao | None] = to_one(dao_id)
