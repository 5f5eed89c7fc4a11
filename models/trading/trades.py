"""Orders and trades, and what everyone sees of an open one."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import Face, own, read, staff
from models.base import Base
from models.columns import (
    NOW,
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
    to_face,
    to_faces,
    to_many,
    to_one,
)
from models.locks import LockRank
from models.trading.escrows import CryptoDisputeStatus
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User
    from models.trading.escrows import CryptoDispute, CryptoEscrow
    from models.trading.traders import CounterpartyPaymentMethod, Trader
    from models.trading.wallets import CryptoTransaction


class CryptoTradeSide(Choice):
    """What the one who placed an order wants."""

    BUY = "buy", "To get the base coin and pay in the quote currency."
    SELL = "sell", "To give the base coin and be paid in the quote currency."


class CryptoTradeStatus(Choice):
    """Where a trade stands between the offer and its end."""

    OPEN = "open", "Offered, and free for anyone to take."
    MATCHED = "matched", "Taken, and waiting for the seller to fund the escrow."
    IN_ESCROW = "in_escrow", "The seller's coins are locked; the buyer pays, then the seller releases them."
    COMPLETED = "completed", "Over: the buyer has the coins, or what a dispute left of them."
    CANCELLED = "cancelled", "Called off; whatever was locked went back to the seller."
    EXPIRED = "expired", "Not taken in time."
    DISPUTED = "disputed", "Stopped by a dispute until staff decide."


class CryptoTradeOrderType(Choice):
    """How an order finds its other side."""

    MARKET = "market", "At once, at the market's price."
    LIMIT = "limit", "At its own price or a better one."
    P2P = "p2p", "By one person who takes it as offered and pays the seller directly."


class CryptoTrade(Base):
    """An order to buy or sell a coin, and the trade it becomes once somebody takes it."""

    __tablename__ = "crypto_trades"
    __lock_rank__ = LockRank.TRADE
    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "buyer_id"),
        Index(None, "pair"),
        Index(None, "side"),
        Index(None, "status"),
        Index(None, "timestamp"),
        Index(None, "transaction_id"),
        Index(None, "escrow_id"),
        Index(None, "dispute_id"),
        Index(None, "seller_id"),
        # What the worker looks for.
        Index("ix_crypto_trades_due", "expires_at", postgresql_where=text("status = 'open'")),
        {"schema": "trading"},
    )
    __access__ = read(own("user_id", "buyer_id", "seller_id"), staff)
    __transitions__ = Transitions(
        "status",
        open={"matched", "in_escrow", "cancelled", "expired"},
        matched={"in_escrow", "open", "cancelled", "expired"},
        in_escrow={"completed", "cancelled", "disputed", "open"},
        disputed={"completed", "cancelled"},
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    transaction_id: Mapped[UUID | None] = reference(
        "trading.crypto_transactions.id", doc="The movement that gave the buyer the coins; null before."
    )
    pair: Mapped[str] = mapped_column(doc="What is traded for what, BASE/QUOTE, as in `BTC/USD`.")
    side: Mapped[CryptoTradeSide] = choice(
        CryptoTradeSide, doc="Whether the one who placed it buys or sells the base coin."
    )
    price: Mapped[Decimal] = mapped_column(Numeric(20, 8), doc="The price of one base coin, in the quote currency.")
    amount: Mapped[Decimal] = mapped_column(Numeric(20, 8), doc="How much of the base coin.")
    total_value: Mapped[Decimal] = mapped_column(Numeric(20, 8), doc="Price times amount, in the quote currency.")
    fee: Mapped[Decimal] = mapped_column(
        Numeric(20, 8),
        server_default=text("0"),
        info=money(of="fee_currency"),
        doc="What the platform charges for it, in `fee_currency`; 0 before it is charged.",
    )
    fee_currency: Mapped[str | None] = mapped_column(
        doc="Code of the currency the fee is charged in; null before it is charged."
    )
    status: Mapped[CryptoTradeStatus] = choice(
        CryptoTradeStatus, default=CryptoTradeStatus.OPEN, doc="Where it stands."
    )
    order_type: Mapped[CryptoTradeOrderType] = choice(
        CryptoTradeOrderType, default=CryptoTradeOrderType.LIMIT, doc="How the order is matched."
    )
    timestamp: Mapped[Moment] = mapped_column(server_default=NOW, doc="When the order was placed.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="Further details, as structured data; null without any."
    )
    buyer_id: Mapped[UUID | None] = reference(
        "identity.users.id",
        doc="Who gets the coins: who placed a buy order, or took a sell order; null until it is taken.",
    )
    escrow_id: Mapped[UUID | None] = reference(
        "trading.crypto_escrows.id",
        doc="The escrow that holds the coins, the latest where there were several; null until it is taken.",
    )
    payment_method: Mapped[str | None] = mapped_column(
        doc="How the quote currency is to be paid, as in `bank_transfer`; null where left open."
    )
    payment_details: Mapped[Json | None] = mapped_column(
        info=personal(), doc="What the buyer needs to know to pay, as structured data; null where nothing was given."
    )
    expires_at: Mapped[Moment | None] = mapped_column(doc="When the offer lapses; null if it does not.")
    completed_at: Mapped[Moment | None] = mapped_column(doc="When it was completed; null before.")
    cancelled_at: Mapped[Moment | None] = mapped_column(doc="When it was called off; null unless it was.")
    dispute_id: Mapped[UUID | None] = reference(
        "trading.crypto_disputes.id", doc="The dispute over it, the latest where there were several; null without one."
    )
    dispute_reason: Mapped[str | None] = mapped_column(doc="What that dispute is about, in short; null without one.")
    dispute_status: Mapped[CryptoDisputeStatus | None] = choice(
        CryptoDisputeStatus, doc="Where that dispute stands; null without one."
    )
    seller_rating: Mapped[Decimal | None] = mapped_column(
        Numeric(3, 2), doc="What the buyer gave the seller, 1 to 5; null until then."
    )
    buyer_rating: Mapped[Decimal | None] = mapped_column(
        Numeric(3, 2), doc="What the seller gave the buyer, 1 to 5; null until then."
    )
    seller_feedback: Mapped[str | None] = mapped_column(
        info=personal(), doc="What the buyer wrote about the seller; null where nothing."
    )
    buyer_feedback: Mapped[str | None] = mapped_column(
        info=personal(), doc="What the seller wrote about the buyer; null where nothing."
    )
    chat_channel_id: Mapped[UUID | None] = mapped_column(
        doc="The key of the chat in which the two talk; null without one."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    seller_id: Mapped[UUID | None] = reference(
        "identity.users.id",
        doc="Who gives the coins: who placed a sell order, or took a buy order; null until it is taken.",
    )
    paid_at: Mapped[Moment | None] = mapped_column(doc="When the buyer marked it paid; null before.")

    user: Mapped[User | None] = to_one(user_id)
    seller_payment_methods: Mapped[list[CounterpartyPaymentMethod]] = to_faces(
        "CryptoTrade.seller_id",
        "CounterpartyPaymentMethod.user_id",
        doc="How the seller is paid, while the trade is in escrow.",
    )
    transaction: Mapped[CryptoTransaction | None] = to_one(transaction_id)
    buyer: Mapped[User | None] = to_one(buyer_id)
    escrow: Mapped[CryptoEscrow | None] = to_one(escrow_id)
    dispute: Mapped[CryptoDispute | None] = to_one(dispute_id)
    seller: Mapped[User | None] = to_one(seller_id)
    disputes: Mapped[list[CryptoDispute]] = to_many(
        "CryptoDispute.trade_id", doc="The disputes over it, settled ones too."
    )
    escrows: Mapped[list[CryptoEscrow]] = to_many(
        "CryptoEscrow.trade_id", doc="The escrows made for it, one for each time it was taken."
    )
    transactions: Mapped[list[CryptoTransaction]] = to_many(
        "CryptoTransaction.trade_id", doc="The movements of coins it led to; each side sees their own alone."
    )


class TradeOffer(Base):
    """An open trade, as everyone signed in may see it: without payment details."""

    __tablename__ = "trade_offers"
    __table_args__ = {"schema": "trading"}  # noqa: RUF012 - SQLAlchemy's own idiom
    __face__ = Face(
        """
        SELECT t.id, t.user_id, t.pair, t.side, t.price, t.amount, t.total_value, t.order_type,
               t.payment_method, t.expires_at, t.created_at
        FROM trading.crypto_trades t
        WHERE t.status = 'open' AND (SELECT lango.user_id()) IS NOT NULL
          AND (t.expires_at IS NULL OR t.expires_at > now())
        """,
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(doc="Who offers.")
    pair: Mapped[str] = mapped_column(doc="What is traded for what, BASE/QUOTE, as in `BTC/USD`.")
    side: Mapped[CryptoTradeSide] = choice(
        CryptoTradeSide, doc="Whether the one who offers buys or sells the base coin."
    )
    price: Mapped[Decimal] = mapped_column(Numeric(20, 8), doc="The price of one base coin, in the quote currency.")
    amount: Mapped[Decimal] = mapped_column(Numeric(20, 8), doc="How much of the base coin.")
    total_value: Mapped[Decimal] = mapped_column(Numeric(20, 8), doc="Price times amount, in the quote currency.")
    order_type: Mapped[CryptoTradeOrderType] = choice(CryptoTradeOrderType, doc="How the order is matched.")
    payment_method: Mapped[str | None] = mapped_column(doc="How the quote currency is to be paid.")
    expires_at: Mapped[Moment | None] = mapped_column(doc="When the offer lapses; null if it does not.")
    created_at: Mapped[Moment] = mapped_column(doc="When it was offered.")

    trader: Mapped[Trader | None] = to_face(
        "TradeOffer.user_id", "Trader.user_id", doc="Who offers, as others see them."
    )
