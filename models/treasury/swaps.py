"""Exchange between currencies: rates, quotes, swaps, and what the chains ask for gas."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import everyone, own, read, staff
from models.base import Base
from models.columns import NOW, Choice, CreatedAt, Id, Json, Moment, choice, money, reference, to_one
from models.locks import LockRank
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User
    from models.treasury.daos import Dao


class CurrencySwapProvider(Choice):
    """Who exchanged the money."""

    UBESWAP = "ubeswap", "The exchange Ubeswap, on Celo."
    MENTO = "mento", "The protocol Mento, which issues Celo's stable coins."
    MANUAL = "manual", "The platform itself, at its stored rate."


class CurrencySwapStatus(Choice):
    """Where a swap stands."""

    PENDING = "pending", "Begun, and not yet exchanged."
    COMPLETED = "completed", "Exchanged; both balances have changed."
    FAILED = "failed", "It did not go through; no balance has changed."
    EXPIRED = "expired", "Not exchanged in time; no balance has changed."


class GasPriceNetwork(Choice):
    """The chain a gas price was seen on."""

    CELO = "celo", "Celo's main network, where coins have value."
    ALFAJORES = "alfajores", "Celo's test network, where they have none."


class GasPriceNetworkCongestion(Choice):
    """How busy a chain was."""

    LOW = "low", "Transactions are confirmed at once."
    MEDIUM = "medium", "Cheap transactions wait."
    HIGH = "high", "Most transactions wait unless they pay more."


class ExchangeRate(Base):
    """The rate at which the platform swaps one currency for another, from a moment on."""

    __tablename__ = "exchange_rates"
    __table_args__ = (
        UniqueConstraint("from_currency", "to_currency", "valid_from"),
        CheckConstraint("rate > 0", name="rate_is_positive"),
        CheckConstraint("from_currency <> to_currency", name="currencies_differ"),
        CheckConstraint("spread >= 0 AND spread < 1", name="spread_is_a_part"),
        {"schema": "treasury"},
    )
    __access__ = read(everyone(), staff)

    id: Mapped[Id]
    from_currency: Mapped[str] = mapped_column(doc="What is given: `KES`, `cUSD`, `CELO` or `MTAA`.")
    to_currency: Mapped[str] = mapped_column(doc="What is received: `KES`, `cUSD`, `CELO` or `MTAA`.")
    rate: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), doc="How many units of `to_currency` one unit of `from_currency` buys."
    )
    spread: Mapped[Decimal] = mapped_column(
        Numeric(5, 4),
        server_default=text("0"),
        doc="What the platform keeps of the rate, as a fraction: 0.0100 is 1 percent.",
    )
    valid_from: Mapped[Moment] = mapped_column(
        server_default=NOW, doc="From when it holds, until a later rate of the same pair does."
    )
    source: Mapped[str] = mapped_column(doc="Where the rate was taken from.")


class SwapQuote(Base):
    """A swap as it was offered to a user; taken in time, it is made at exactly this rate."""

    __tablename__ = "swap_quotes"
    __lock_rank__ = LockRank.PAYMENT
    __table_args__ = (
        CheckConstraint("from_amount > 0", name="amount_is_positive"),
        CheckConstraint("from_currency <> to_currency", name="currencies_differ"),
        Index(None, "user_id"),
        Index(None, "rate_id"),
        {"schema": "treasury"},
    )
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    from_currency: Mapped[str] = mapped_column(doc="What would be given: `KES`, `cUSD`, `CELO` or `MTAA`.")
    to_currency: Mapped[str] = mapped_column(doc="What would be received: `KES`, `cUSD`, `CELO` or `MTAA`.")
    from_amount: Mapped[Decimal] = mapped_column(
        Numeric(28, 8), info=money(of="from_currency"), doc="How much would be given, in `from_currency`."
    )
    to_amount: Mapped[Decimal] = mapped_column(
        Numeric(28, 8), info=money(of="to_currency"), doc="How much would be received, in `to_currency`."
    )
    rate: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), doc="How many units of `to_currency` one unit of `from_currency` buys."
    )
    fee: Mapped[Decimal] = mapped_column(
        Numeric(28, 8),
        server_default=text("0"),
        info=money(of="from_currency"),
        doc="What the platform would charge, in `from_currency`.",
    )
    expires_at: Mapped[Moment] = mapped_column(doc="Until when it may be taken.")
    used_at: Mapped[Moment | None] = mapped_column(doc="When it was taken; null before.")
    created_at: Mapped[CreatedAt]
    rate_id: Mapped[UUID | None] = reference(
        "treasury.exchange_rates.id",
        doc="The stored rate that it was made from; null for quotes of before it was kept.",
    )
    fee_rate: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 4),
        doc="The fee as a fraction of `from_amount`, before it is rounded up; null for quotes of before it was kept.",
    )

    user: Mapped[User | None] = to_one(user_id)
    exchange_rate: Mapped[ExchangeRate | None] = to_one(rate_id)


class CurrencySwap(Base):
    """An exchange of one currency for another."""

    __tablename__ = "currency_swaps"
    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "dao_id"),
        # A quote is taken once.
        UniqueConstraint("quote_id"),
        {"schema": "treasury"},
    )
    __access__ = read(own("user_id"), staff)
    __transitions__ = Transitions("status", pending={"completed", "failed", "expired"})

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    dao_id: Mapped[UUID | None] = reference(
        "treasury.daos.id", doc="The DAO for which it was made; null for a personal swap."
    )
    from_currency: Mapped[str] = mapped_column(doc="What is given: `KES`, `cUSD`, `CELO` or `MTAA`.")
    to_currency: Mapped[str] = mapped_column(doc="What is received: `KES`, `cUSD`, `CELO` or `MTAA`.")
    from_amount: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), info=money(of="from_currency"), doc="How much is given, in `from_currency`."
    )
    to_amount: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), info=money(of="to_currency"), doc="How much is received, in `to_currency`."
    )
    exchange_rate: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), doc="How many units of `to_currency` one unit of `from_currency` bought."
    )
    market_rate: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="The rate on the open market at that time, to compare with; null where unknown."
    )
    spread: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 4),
        doc="How far the rate lay from the market's, as a fraction: 0.0100 is 1 percent; null where unknown.",
    )
    slippage: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 4), doc="How far the rate moved between quote and swap, as a fraction; null where unknown."
    )
    price_impact: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 4), doc="How far the swap itself moved the pool's price, as a fraction; null without a pool."
    )
    platform_fee: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="from_currency"),
        doc="What the platform charged, in `from_currency`.",
    )
    network_fee: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="from_currency"),
        doc="What the chain charged, in `from_currency`.",
    )
    liquidity_provider_fee: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="from_currency"),
        doc="What those who fund the pool charged, in `from_currency`.",
    )
    total_fee: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="from_currency"),
        doc="All fees together, in `from_currency`.",
    )
    provider: Mapped[CurrencySwapProvider] = choice(CurrencySwapProvider, doc="Who exchanged the money.")
    protocol: Mapped[str | None] = mapped_column(
        doc="How it was exchanged on the chain: `uniswap_v2`, `uniswap_v3`, `mento`; null off the chain."
    )
    route: Mapped[Json | None] = mapped_column(
        doc="The pools it went through, each with `token`, `pool`, `amountIn` and `amountOut`; null without any."
    )
    transaction_hash: Mapped[str | None] = mapped_column(
        doc="Its hash on the chain; null until it is there, and for swaps off the chain."
    )
    block_number: Mapped[int | None] = mapped_column(
        doc="The block that holds it; null until one does, and for swaps off the chain."
    )
    gas_used: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="How much computation it took, in units of gas; null off the chain."
    )
    status: Mapped[CurrencySwapStatus | None] = choice(
        CurrencySwapStatus, default=CurrencySwapStatus.PENDING, doc="Where it stands."
    )
    failure_reason: Mapped[str | None] = mapped_column(doc="Why it failed; null unless it did.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="Further details, as structured data; null without any."
    )
    created_at: Mapped[CreatedAt]
    completed_at: Mapped[Moment | None] = mapped_column(doc="When it was exchanged; null before.")
    quote_id: Mapped[UUID | None] = reference(
        "treasury.swap_quotes.id", doc="The quote that was taken; null for swaps of before it was kept."
    )

    user: Mapped[User | None] = to_one(user_id)
    dao: Mapped[Dao | None] = to_one(dao_id)
    quote: Mapped[SwapQuote | None] = to_one(quote_id)


class GasPrice(Base):
    """What computation on a chain cost at one moment, in gwei for each unit of gas."""

    __tablename__ = "gas_price_history"
    __table_args__ = (
        UniqueConstraint("network", "block_number"),
        Index(None, "network", "timestamp"),
        {"schema": "treasury"},
    )
    __access__ = read(everyone(), staff)
    __unaudited__ = "Market data, appended."

    id: Mapped[Id]
    network: Mapped[GasPriceNetwork | None] = choice(
        GasPriceNetwork, default=GasPriceNetwork.CELO, doc="The chain it was seen on."
    )
    gas_price: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), doc="What was paid at that moment, in gwei for each unit of gas."
    )
    base_fee: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="What the chain itself took, in gwei; null where unknown."
    )
    priority_fee: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="What was paid on top to go first, in gwei; null where unknown."
    )
    max_fee: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="The most a transaction should offer, in gwei; null where unknown."
    )
    avg_gas_price_1h: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="The mean of the last hour, in gwei; null where unknown."
    )
    avg_gas_price_24h: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="The mean of the last 24 hours, in gwei; null where unknown."
    )
    min_gas_price_24h: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="The lowest of the last 24 hours, in gwei; null where unknown."
    )
    max_gas_price_24h: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="The highest of the last 24 hours, in gwei; null where unknown."
    )
    network_congestion: Mapped[GasPriceNetworkCongestion | None] = choice(
        GasPriceNetworkCongestion, doc="How busy the chain was; null where unknown."
    )
    block_number: Mapped[int | None] = mapped_column(doc="The newest block at that moment; null where unknown.")
    block_time: Mapped[int | None] = mapped_column(
        doc="How long the chain took for a block, in seconds; null where unknown."
    )
    transaction_count: Mapped[int | None] = mapped_column(
        doc="How many transactions that block held; null where unknown."
    )
    recommended_gas_price: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="What a transaction should offer to be confirmed soon, in gwei; null where unknown."
    )
    estimated_confirmation_time: Mapped[int | None] = mapped_column(
        doc="How long it then waits to be confirmed, in seconds; null where unknown."
    )
    timestamp: Mapped[Moment] = mapped_column(server_default=NOW, doc="The moment it was seen.")
