"""Peer-to-peer trades of coins: orders, escrows, disputes, wallets and prices."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, Numeric, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import Face, everyone, own, read, staff
from models.base import Base
from models.columns import (
    DEPRECATED,
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
    to_face,
    to_faces,
    to_many,
    to_one,
)
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User


class CryptoProfileKycStatus(Choice):
    """Whether a trader's identity has been checked."""

    PENDING = "pending", "Not checked yet."
    VERIFIED = "verified", "Staff have checked who the trader is."
    REJECTED = "rejected", "Staff could not confirm who the trader is."


class CryptoProfileRiskTolerance(Choice):
    """How much loss a trader is ready to risk."""

    LOW = "low", "As little as possible, for a smaller gain."
    MEDIUM = "medium", "Some, for a fair gain."
    HIGH = "high", "Much, for the chance of a large gain."


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


class CryptoPaymentMethodVerificationStatus(Choice):
    """Whether a payment method has been checked."""

    PENDING = "pending", "Not checked yet."
    VERIFIED = "verified", "Staff have checked that it is the user's."
    REJECTED = "rejected", "Staff could not confirm that it is the user's."


class CryptoProfile(Base):
    """What a user is as a trader: identity check, limits, volumes and reputation."""

    __tablename__ = "crypto_profiles"
    __table_args__ = (Index(None, "kyc_status"), Index(None, "trading_volume"), {"schema": "trading"})
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.", unique=True)
    wallet_address: Mapped[str | None] = mapped_column(
        info=personal(), doc="The address on a chain that the user goes by; null where none was given."
    )
    wallet_provider: Mapped[str | None] = mapped_column(
        doc="Who keeps that wallet, such as `metamask`; null where unknown."
    )
    kyc_status: Mapped[CryptoProfileKycStatus] = choice(
        CryptoProfileKycStatus,
        default=CryptoProfileKycStatus.PENDING,
        doc="Whether the user's identity has been checked.",
    )
    kyc_verified_at: Mapped[Moment | None] = mapped_column(doc="When the identity was confirmed; null where it is not.")
    trading_volume: Mapped[Decimal] = mapped_column(
        Numeric(20, 8),
        server_default=text("0"),
        info=money("USD"),
        doc="The value of all trades completed, in US dollars.",
    )
    total_trades: Mapped[int] = mapped_column(server_default=text("0"), doc="Trades completed.")
    average_rating: Mapped[Decimal | None] = mapped_column(
        Numeric(3, 2), doc="What counterparties gave, 1 to 5; null before the first."
    )
    is_verified_trader: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether staff have verified the trader."
    )
    preferred_currencies: Mapped[Texts | None] = mapped_column(
        doc="Codes of the coins the user likes to trade, such as `BTC`; null where none were named."
    )
    trading_pairs: Mapped[Texts | None] = mapped_column(
        doc="The pairs the user likes to trade, BASE/QUOTE, as in `BTC/USD`; null where none were named."
    )
    risk_tolerance: Mapped[CryptoProfileRiskTolerance | None] = choice(
        CryptoProfileRiskTolerance, info=personal(), doc="How much loss the user is ready to risk; null where not told."
    )
    investment_strategy: Mapped[str | None] = mapped_column(
        info=personal(), doc="How the user means to invest, in their own words; null where not told."
    )
    notification_preferences: Mapped[Json | None] = mapped_column(
        info={DEPRECATED: "`NotificationPreferences` hold what the user wants."},
        doc="Notices about trades once wished for; nothing reads it.",
    )
    security_settings: Mapped[Json | None] = mapped_column(
        doc="What else the user set to keep trading safe, as structured data; null where nothing."
    )
    preferred_payment_methods: Mapped[Texts | None] = mapped_column(
        doc="How the user likes to pay or be paid, as in `bank_transfer`; null where not told."
    )
    daily_limit: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8), info=money("USD"), doc="The most the user may trade in a day, in US dollars; null for no limit."
    )
    monthly_limit: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8),
        info=money("USD"),
        doc="The most the user may trade in a month, in US dollars; null for no limit.",
    )
    current_daily_volume: Mapped[Decimal] = mapped_column(
        Numeric(20, 8),
        server_default=text("0"),
        info=money("USD"),
        doc="What the user has traded today, in US dollars; counts against `daily_limit`.",
    )
    current_monthly_volume: Mapped[Decimal] = mapped_column(
        Numeric(20, 8),
        server_default=text("0"),
        info=money("USD"),
        doc="What the user has traded this month, in US dollars; counts against `monthly_limit`.",
    )
    successful_escrows: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="Escrows released without a dispute lost."
    )
    disputed_trades: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="Trades that came to a dispute, whoever opened it."
    )
    banned_until: Mapped[Moment | None] = mapped_column(
        doc="Until when the user may neither place nor take a trade; null where no ban was set."
    )
    two_factor_enabled: Mapped[bool] = mapped_column(
        server_default=text("false"),
        doc="Whether the user must give a second factor to release an escrow; `TwoFactorAuth` holds it.",
    )
    two_factor_secret: Mapped[str | None] = secret_column(
        Text(), doc="The secret of a second factor; nothing reads it, since `two_factor_auth` holds it.", encrypted=True
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    user: Mapped[User | None] = to_one(user_id)


class CryptoWallet(Base):
    """A wallet on a chain that a user has connected."""

    __tablename__ = "crypto_wallets"
    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "currency"),
        Index(None, "balance"),
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
        doc="The most that may be withdrawn to it in a day, in `currency`; null for no limit.",
    )
    withdrawal_limit_monthly: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8),
        info=money(of="currency"),
        doc="The most that may be withdrawn to it in a month, in `currency`; null for no limit.",
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    deleted_at: Mapped[DeletedAt | None]

    user: Mapped[User | None] = to_one(user_id)
    transactions: Mapped[list[CryptoTransaction]] = to_many(
        "CryptoTransaction.wallet_id", doc="The coins that came to it or left it."
    )


class CryptoTransaction(Base):
    """A movement of coins, on a chain or between balances on the platform."""

    __tablename__ = "crypto_transactions"
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


class CryptoTrade(Base):
    """An order to buy or sell a coin, and the trade it becomes once somebody takes it."""

    __tablename__ = "crypto_trades"
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
        info=personal(), doc="What the buyer needs to know to pay, as structured data; null where nothing was told."
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


class CryptoEscrow(Base):
    """A seller's coins, locked for one trade until they are released, refunded or divided."""

    __tablename__ = "crypto_escrows"
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
        Index(None, "status"),
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

    trade: Mapped[CryptoTrade | None] = to_one(trade_id)
    seller: Mapped[User | None] = to_one(seller_id)
    buyer: Mapped[User | None] = to_one(buyer_id)
    disputes: Mapped[list[CryptoDispute]] = to_many(
        "CryptoDispute.escrow_id", doc="The disputes over it, settled ones too."
    )


class CryptoDispute(Base):
    """A quarrel between buyer and seller over a trade in escrow, which staff decide."""

    __tablename__ = "crypto_disputes"
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
    __transitions__ = Transitions("status", pending={"resolved", "closed"}, resolved={"closed"})

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


class CryptoPaymentMethod(Base):
    """A way in which a user can be paid outside the platform."""

    __tablename__ = "crypto_payment_methods"
    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "type"),
        Index(None, "is_primary"),
        {"schema": "trading"},
    )
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    type: Mapped[str] = mapped_column(doc="What kind it is: `bank_transfer`, `paypal`, `credit_card` or another.")
    provider: Mapped[str] = mapped_column(doc="Who provides it, as the bank's name.")
    account_details_encrypted: Mapped[str] = secret_column(
        Text(), doc="The account's number and holder, shown only by `revealPaymentMethod`.", encrypted=True
    )
    is_verified: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether staff have checked that it is the user's."
    )
    verification_status: Mapped[CryptoPaymentMethodVerificationStatus | None] = choice(
        CryptoPaymentMethodVerificationStatus, doc="Where that check stands; null where none was asked for."
    )
    verified_at: Mapped[Moment | None] = mapped_column(doc="When it was confirmed; null where it is not.")
    is_primary: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether it is used where no other method is named."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    deleted_at: Mapped[DeletedAt | None]

    user: Mapped[User | None] = to_one(user_id)


class CryptoPrice(Base):
    """What a coin costs on the market, and how it moves."""

    __tablename__ = "crypto_prices"
    __table_args__ = (Index(None, "last_updated"), {"schema": "trading"})
    __access__ = read(everyone(), staff)
    __unaudited__ = "Market data, refreshed every few seconds."

    id: Mapped[Id]
    symbol: Mapped[str] = mapped_column(unique=True, doc="The coin's code, such as `BTC`.")
    name: Mapped[str] = mapped_column(doc="What the coin is called, as in `Bitcoin`.")
    price_usd: Mapped[Decimal] = mapped_column(
        Numeric(20, 8), info=money("USD"), doc="What one coin costs, in US dollars."
    )
    price_change_24h: Mapped[Decimal | None] = mapped_column(
        Numeric(8, 2), doc="How far the price moved in the last 24 hours, in percent; null where unknown."
    )
    volume_24h: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8),
        info=money("USD"),
        doc="What was traded of it in the last 24 hours, in US dollars; null where unknown.",
    )
    market_cap: Mapped[Decimal | None] = mapped_column(
        Numeric(24, 2),
        info=money("USD"),
        doc="All coins in circulation at the present price, in US dollars; null where unknown.",
    )
    market_cap_rank: Mapped[int | None] = mapped_column(
        doc="Its place among all coins by `market_cap`, from 1; null where unknown."
    )
    high_24h: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8),
        info=money("USD"),
        doc="The highest price of the last 24 hours, in US dollars; null where unknown.",
    )
    low_24h: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8),
        info=money("USD"),
        doc="The lowest price of the last 24 hours, in US dollars; null where unknown.",
    )
    circulating_supply: Mapped[Decimal | None] = mapped_column(
        Numeric(24, 8), doc="How many coins are in the market's hands; null where unknown."
    )
    total_supply: Mapped[Decimal | None] = mapped_column(
        Numeric(24, 8), doc="How many coins exist, also those not in circulation; null where unknown."
    )
    max_supply: Mapped[Decimal | None] = mapped_column(
        Numeric(24, 8), doc="How many coins there can ever be; null where unknown or without a limit."
    )
    last_updated: Mapped[Moment] = mapped_column(server_default=NOW, doc="When the market's data was last taken over.")
    price_btc: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8), info=money("BTC"), doc="What one coin costs, in bitcoin; null where unknown."
    )
    price_eth: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8), info=money("ETH"), doc="What one coin costs, in ether; null where unknown."
    )
    price_change_1h: Mapped[Decimal | None] = mapped_column(
        Numeric(8, 2), doc="How far the price moved in the last hour, in percent; null where unknown."
    )
    price_change_7d: Mapped[Decimal | None] = mapped_column(
        Numeric(8, 2), doc="How far the price moved in the last 7 days, in percent; null where unknown."
    )
    price_change_30d: Mapped[Decimal | None] = mapped_column(
        Numeric(8, 2), doc="How far the price moved in the last 30 days, in percent; null where unknown."
    )
    dominance_percentage: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 2), doc="Its part of the market value of all coins, in percent; null where unknown."
    )
    sentiment_score: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 2), doc="The market's mood about it, 0 (all fear) to 100 (all greed); null where unknown."
    )
    rsi_14: Mapped[Decimal | None] = mapped_column(
        Numeric(8, 2),
        doc="Relative strength index over 14 periods, 0-100: above 70 overbought, below 30 oversold; null if unknown.",
    )
    macd: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8),
        doc="How far the short moving average lies above the long one, in US dollars; null where unknown.",
    )
    macd_signal: Mapped[Decimal | None] = mapped_column(
        Numeric(20, 8),
        doc="The moving average of `macd`, in US dollars; crossing it signals a turn; null where unknown.",
    )
    created_at: Mapped[CreatedAt]


class Trader(Base):
    """What others who trade see of a trader."""

    __tablename__ = "traders"
    __table_args__ = {"schema": "trading"}  # noqa: RUF012 - SQLAlchemy's own idiom
    __face__ = Face(
        """
        SELECT p.user_id, p.average_rating, p.total_trades, p.successful_escrows, p.is_verified_trader
        FROM trading.crypto_profiles p JOIN identity.users u ON u.id = p.user_id
        WHERE (SELECT lango.user_id()) IS NOT NULL AND u.deleted_at IS NULL
        """,
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True, doc="The trader.")
    average_rating: Mapped[Decimal | None] = mapped_column(
        Numeric(3, 2), doc="What counterparties gave, 1 to 5; null before the first."
    )
    total_trades: Mapped[int] = mapped_column(doc="Trades completed.")
    successful_escrows: Mapped[int | None] = mapped_column(doc="Escrows released without a dispute lost.")
    is_verified_trader: Mapped[bool] = mapped_column(doc="Whether staff have verified the trader.")


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


class CounterpartyPaymentMethod(Base):
    """A payment method of somebody with whom the caller has a trade in escrow; the details only by `revealPaymentMethod`."""

    __tablename__ = "counterparty_payment_methods"
    __table_args__ = {"schema": "trading"}  # noqa: RUF012 - SQLAlchemy's own idiom
    __face__ = Face(
        """
        SELECT m.id, m.user_id, m.type, m.provider
        FROM trading.crypto_payment_methods m
        WHERE m.deleted_at IS NULL AND m.user_id = ANY ((SELECT lango.my_counterparties())::uuid[])
        """,
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(doc="Whose it is.")
    type: Mapped[str] = mapped_column(doc="What kind it is, such as `bank_transfer`.")
    provider: Mapped[str] = mapped_column(doc="Who provides it.")
