"""Who trades, how they are paid, and what others see of that."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, Numeric, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import Face, own, read, staff
from models.base import Base
from models.columns import (
    DEPRECATED,
    Choice,
    CreatedAt,
    Day,
    DeletedAt,
    Id,
    Json,
    Moment,
    Texts,
    UpdatedAt,
    choice,
    deprecated,
    money,
    personal,
    reference,
    secret_column,
    to_one,
)
from models.locks import LockRank

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


class CryptoPaymentMethodVerificationStatus(Choice):
    """Whether a payment method has been checked."""

    PENDING = "pending", "Not checked yet."
    VERIFIED = "verified", "Staff have checked that it is the user's."
    REJECTED = "rejected", "Staff could not confirm that it is the user's."


class CryptoProfile(Base):
    """What a user is as a trader: identity check, limits, volumes and reputation."""

    __tablename__ = "crypto_profiles"
    __lock_rank__ = LockRank.TRADER
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
        CryptoProfileRiskTolerance, info=personal(), doc="How much loss the user is ready to risk; null where unknown."
    )
    investment_strategy: Mapped[str | None] = mapped_column(
        info=personal(), doc="How the user means to invest, in their own words; null where unknown."
    )
    notification_preferences: Mapped[Json | None] = mapped_column(
        info={DEPRECATED: deprecated("`NotificationPreferences` hold what the user wants.", since=date(2026, 11, 30))},
        doc="Notices about trades once wished for; nothing reads it.",
    )
    security_settings: Mapped[Json | None] = mapped_column(
        doc="What else the user set to keep trading safe, as structured data; null where nothing."
    )
    preferred_payment_methods: Mapped[Texts | None] = mapped_column(
        doc="How the user likes to pay or be paid, as in `bank_transfer`; null where unknown."
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
        doc="Until when the user may neither trade nor withdraw; null where no ban was set."
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
    volume_day: Mapped[Day | None] = mapped_column(
        doc="The day, in the user's time zone, of `current_daily_volume`, and in whose month `current_monthly_volume` "
        "is; null before the first trade."
    )

    user: Mapped[User | None] = to_one(user_id)


class CryptoPaymentMethod(Base):
    """A way in which a user can be paid outside the platform."""

    __tablename__ = "crypto_payment_methods"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "type"),
        Index(None, "is_primary"),
        Index(
            "uq_crypto_payment_methods_primary",
            "user_id",
            unique=True,
            postgresql_where=text("is_primary AND deleted_at IS NULL"),
        ),
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


class CounterpartyPaymentMethod(Base):
    """A payment method of someone with whom the caller has a trade in escrow; details only by `revealPaymentMethod`."""

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
