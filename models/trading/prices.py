"""What coins cost."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import Index, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from models.access import everyone, read, staff
from models.base import Base
from models.columns import NOW, CreatedAt, Id, Moment, money
from models.locks import LockRank

if TYPE_CHECKING:
    pass


class CryptoPrice(Base):
    """What a coin costs on the market, and how it moves."""

    __tablename__ = "crypto_prices"
    __lock_rank__ = LockRank.PRICE
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
