"""What is held for a trade, and what the parties disagree on."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import own, read, staff
from models.base import Base
from models.columns import (
    Choice,
    CreatedAt,
    Id,
    Json,
    Moment,
    UpdatedAt,
    choice,
    money,
    personal,
    reference,
    to_many,
    to_one,
)
from models.locks import LockRank
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User
    from models.trading.trades import CryptoTrade


class CryptoDisputeStatus(Choice):
    """Where a dispute stands."""

    PENDING = "pending", "Open, and waiting for staff."
    RESOLVED = "resolved", "Staff have decided who gets the coins."
    CLOSED = "closed", "Put away; nothing more will be done about it."


class CryptoEscrowStatus(Choice):
    """Where an escrow stands between its making and the hands the coins end in."""

    PENDING = "pending", "Waiting for the seller to fund it."
    FUNDED = "funded", "The seller's coins are locked in it."
    RELEASED = "released", "The coins went to the buyer, less the platform's fee."
    REFUNDED = "refunded", "The coins went back to the seller."
    DISPUTED = "disputed", "The coins stay locked until staff decide."
    EXPIRED = "expired", "Never funded; no coins were locked."
    SPLIT = "split", "Staff divided the coins between buyer and seller."


class CryptoEscrow(Base):
    """A seller's coins, locked for one trade until they are released, refunded or divided."""

    __tablename__ = "crypto_escrows"
    __lock_rank__ = LockRank.ESCROW
    __table_args__ = (
        Index(
            "uq_crypto_escrows_trade_id",
            "trade_id",
            unique=True,
            postgresql_where=text("status IN ('pending','funded','disputed')"),
        ),
        Index(None, "trade_id"),
        Index(None, "seller_id"),
        Index(None, "buyer_id"),
        Index(None, "cancelled_by"),
        Index(None, "status"),
        # What the worker looks for.
        Index("ix_crypto_escrows_due", "expires_at", postgresql_where=text("status IN ('pending','funded')")),
        {"schema": "trading"},
    )
    __access__ = read(own("buyer_id", "seller_id"), staff)
    __transitions__ = Transitions(
        "status",
        pending={"funded", "expired"},
        funded={"released", "refunded", "disputed"},
        disputed={"released", "refunded", "split"},
    )

    id: Mapped[Id]
    trade_id: Mapped[UUID] = reference(
        "trading.crypto_trades.id", doc="The trade it secures; a trade has one that is not over at most."
    )
    seller_id: Mapped[UUID] = reference("identity.users.id", doc="Whose coins are locked.")
    buyer_id: Mapped[UUID] = reference("identity.users.id", doc="Who gets the coins when they are released.")
    amount: Mapped[Decimal] = mapped_column(
        Numeric(20, 8), info=money(of="currency"), doc="How many coins are to be locked, in `currency`."
    )
    currency: Mapped[str] = mapped_column(doc="Code of the coin: the base of the trade's pair.")
    status: Mapped[CryptoEscrowStatus] = choice(
        CryptoEscrowStatus, default=CryptoEscrowStatus.PENDING, doc="Where it stands."
    )
    created_at: Mapped[CreatedAt]
    funded_at: Mapped[Moment | None] = mapped_column(doc="When the seller's coins were locked; null before.")
    released_at: Mapped[Moment | None] = mapped_column(doc="When the coins went to the buyer; null unless they did.")
    refunded_at: Mapped[Moment | None] = mapped_column(
        doc="When the coins went back to the seller; null unless they did."
    )
    disputed_at: Mapped[Moment | None] = mapped_column(doc="When a dispute stopped it; null unless one did.")
    expires_at: Mapped[Moment | None] = mapped_column(
        doc="Until when it must be funded or, once funded, marked paid; null for no limit."
    )
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="Further details, as structured data; null without any."
    )
    buyer_amount: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8),
        info=money(of="currency"),
        doc="What the buyer got, in `currency`, less the platform's fee; null while nothing is decided.",
    )
    seller_amount: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8),
        info=money(of="currency"),
        doc="What went back to the seller, in `currency`; null while nothing is decided.",
    )
    cancelled_at: Mapped[Moment | None] = mapped_column(
        doc="When the trade was called off, or its taker backed out, before it was funded; null unless so."
    )
    cancelled_by: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who did: the one who placed the trade, or the one who took it; null unless so."
    )

    trade: Mapped[CryptoTrade | None] = to_one(trade_id)
    seller: Mapped[User | None] = to_one(seller_id)
    buyer: Mapped[User | None] = to_one(buyer_id)
    cancelled_by_user: Mapped[User | None] = to_one(cancelled_by)
    disputes: Mapped[list[CryptoDispute]] = to_many(
        "CryptoDispute.escrow_id", doc="The disputes over it, settled ones too."
    )


class CryptoDispute(Base):
    """A quarrel between buyer and seller over a trade in escrow, which staff decide."""

    __tablename__ = "crypto_disputes"
    __lock_rank__ = LockRank.DISPUTE
    __table_args__ = (
        Index(None, "trade_id"),
        Index(None, "raised_by"),
        Index(None, "against_user_id"),
        Index(None, "status"),
        Index(None, "escrow_id"),
        Index(None, "resolved_by"),
        {"schema": "trading"},
    )
    __access__ = read(own("raised_by", "against_user_id"), staff)
    __transitions__ = Transitions("status", pending={"resolved"}, resolved={"closed"})

    id: Mapped[Id]
    trade_id: Mapped[UUID] = reference("trading.crypto_trades.id", doc="The trade it is over.")
    escrow_id: Mapped[UUID | None] = reference(
        "trading.crypto_escrows.id", doc="The escrow it stops; null where there is none."
    )
    raised_by: Mapped[UUID] = reference("identity.users.id", doc="Who opened it: the buyer or the seller.")
    against_user_id: Mapped[UUID] = reference("identity.users.id", doc="The other party of the trade.")
    reason: Mapped[str] = mapped_column(doc="What it is about, in short.")
    description: Mapped[str | None] = mapped_column(
        info=personal(), doc="What happened, in the words of who opened it; null without a text."
    )
    evidence: Mapped[Json | None] = mapped_column(
        info=personal(),
        doc="What is to prove it, such as links to receipts or pictures, as structured data; null without any.",
    )
    status: Mapped[CryptoDisputeStatus] = choice(
        CryptoDisputeStatus, default=CryptoDisputeStatus.PENDING, doc="Where it stands."
    )
    resolution: Mapped[str | None] = mapped_column(doc="What staff decided; null before.")
    resolved_by: Mapped[UUID | None] = reference("identity.users.id", doc="Who decided it; null before.")
    resolved_at: Mapped[Moment | None] = mapped_column(doc="When it was decided; null before.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    trade: Mapped[CryptoTrade | None] = to_one(trade_id)
    escrow: Mapped[CryptoEscrow | None] = to_one(escrow_id)
    raised_by_user: Mapped[User | None] = to_one(raised_by)
    against_user: Mapped[User | None] = to_one(against_user_id)
    resolved_by_user: Mapped[User | None] = to_one(resolved_by)
