"""What developers may call and have called: plans, subscriptions, tokens of other services and referrals."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import everyone, own, read, staff
from models.base import Base
from models.columns import (
    Choice,
    CreatedAt,
    Id,
    Json,
    Moment,
    UpdatedAt,
    choice,
    reference,
    secret_column,
    to_one,
    unaudited,
)
from models.locks import LockRank
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User
    from models.security import ApiKey


class UserTokenProvider(Choice):
    """A service whose tokens can be stored."""

    GITHUB = "github", "GitHub, for repositories."
    OPENAI = "openai", "OpenAI, for its models."
    ANTHROPIC = "anthropic", "Anthropic, for its models."
    GEMINI = "gemini", "Google, for its Gemini models."


class UserReferralStatus(Choice):
    """Where a developer's referral stands."""

    PENDING = "pending", "The code was given, and no credits yet."
    COMPLETED = "completed", "Both developers have their credits."


class SubscriptionLimit(Base):
    """A plan, and what it allows."""

    __tablename__ = "subscription_limits"
    __table_args__ = ({"schema": "usage"},)
    __access__ = read(everyone(), staff)

    plan: Mapped[str] = mapped_column(String(50), primary_key=True, doc="The plan's name, as in `free`.")
    monthly_api_calls: Mapped[int] = mapped_column(doc="API calls in a month, without bonus credits; -1 for no limit.")
    requests_per_minute: Mapped[int] = mapped_column(doc="Requests in any one minute.")
    features: Mapped[Json] = mapped_column(
        server_default=text("'{}'"), doc="What else the plan holds, by name; empty where nothing."
    )
    is_active: Mapped[bool] = mapped_column(server_default=text("true"), doc="Whether the plan can be chosen.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class UserSubscription(Base):
    """A developer's plan, what was used of it this month, and the credits on top."""

    __tablename__ = "user_subscriptions"
    __table_args__ = (
        CheckConstraint("bonus_credits >= 0", name="credits_are_not_negative"),
        CheckConstraint("total_referrals >= 0", name="referrals_are_not_negative"),
        CheckConstraint("bonus_calls_this_month >= 0", name="bonus_calls_are_not_negative"),
        CheckConstraint("resets_on_day BETWEEN 1 AND 31", name="resets_on_a_day"),
        Index(None, "plan"),
        Index(None, "usage_resets_at"),
        {"schema": "usage"},
    )
    __access__ = read(own("user_id"), staff)
    __lock_rank__ = LockRank.DETAIL

    user_id: Mapped[UUID] = reference(
        "identity.users.id", doc="The user it belongs to.", on_delete="CASCADE", primary_key=True
    )
    plan: Mapped[str] = reference(
        "usage.subscription_limits.plan",
        kind=String(50),
        doc="The plan that sets the limits.",
        server_default=text("'free'"),
    )
    referral_code: Mapped[str] = mapped_column(
        String(20), unique=True, doc="What other developers give to say who referred them."
    )
    total_referrals: Mapped[int] = mapped_column(server_default=text("0"), doc="How many developers came by the code.")
    bonus_credits: Mapped[int] = mapped_column(
        server_default=text("0"),
        info=unaudited(),
        doc="API calls beyond the plan's, earned by referrals or given by staff; spent when the plan's are.",
    )
    calls_this_month: Mapped[int] = mapped_column(
        server_default=text("0"), info=unaudited(), doc="API calls counted against the plan since the last reset."
    )
    usage_resets_at: Mapped[Moment] = mapped_column(doc="When `calls_this_month` begins at 0 again.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    resets_on_day: Mapped[int | None] = mapped_column(
        doc="The day of the month of every reset, 31 for the last one of shorter months too; null before the first."
    )
    usage_began_at: Mapped[Moment | None] = mapped_column(
        doc="Since when `callsThisMonth` has been counted: the last reset; null before the first."
    )
    bonus_calls_this_month: Mapped[int] = mapped_column(
        server_default=text("0"), info=unaudited(), doc="API calls paid by bonus credits since the last reset."
    )
    bonus_credits_granted: Mapped[int] = mapped_column(
        server_default=text("0"), doc="Bonus credits of all times, those that are spent as well."
    )

    user: Mapped[User | None] = to_one(user_id)
    limits: Mapped[SubscriptionLimit | None] = to_one(plan)


class UserToken(Base):
    """A developer's token for another service; one for each service."""

    __tablename__ = "user_tokens"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (UniqueConstraint("user_id", "provider"), {"schema": "usage"})
    __access__ = read(own("user_id"))

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.", on_delete="CASCADE")
    provider: Mapped[UserTokenProvider] = choice(UserTokenProvider, 50, doc="The service it opens.")
    token_encrypted: Mapped[str] = secret_column(
        Text(), doc="The token, encrypted; nobody is shown it.", encrypted=True
    )
    last_four: Mapped[str | None] = mapped_column(
        String(4), doc="The token's last four characters, to tell it by; null where they are not kept."
    )
    is_valid: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether the service still takes it, as far as is known."
    )
    last_used_at: Mapped[Moment | None] = mapped_column(doc="When it was last used; null before the first time.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    user: Mapped[User | None] = to_one(user_id)


class ApiUsage(Base):
    """A request made with an API key, and what it took."""

    __tablename__ = "api_usage"
    __table_args__ = (
        Index(None, "user_id", "created_at"),
        Index(None, "api_key_id"),
        {"schema": "usage", "postgresql_partition_by": "RANGE (created_at)"},
    )
    __access__ = read(own("user_id"), staff)
    __unaudited__ = "Telemetry, appended with every request."
    __partitioned_by__ = "created_at"
    __plural__ = "api_usage_records"

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    operation: Mapped[str] = mapped_column(String(255), doc="The name of the GraphQL operation, or the endpoint.")
    provider: Mapped[str | None] = mapped_column(
        String(50), doc="The outside service that was called for it; null without one."
    )
    status_code: Mapped[int | None] = mapped_column(doc="HTTP status of the answer; null where there was none.")
    response_time_ms: Mapped[int | None] = mapped_column(
        doc="How long the answer took, in milliseconds; null where there was none."
    )
    request_bytes: Mapped[int | None] = mapped_column(doc="The request's length in bytes; null where it is not known.")
    response_bytes: Mapped[int | None] = mapped_column(doc="The answer's length in bytes; null where it is not known.")
    cost: Mapped[int] = mapped_column(server_default=text("1"), doc="How many API calls it counts as.")
    created_at: Mapped[CreatedAt] = mapped_column(primary_key=True)
    api_key_id: Mapped[UUID | None] = reference(
        "security.api_keys.id", doc="The key it was made with; null where that is not known."
    )

    user: Mapped[User | None] = to_one(user_id)
    api_key: Mapped[ApiKey | None] = to_one(api_key_id)


class UserReferral(Base):
    """A developer who came by another's code, and the credits both get for it."""

    __tablename__ = "user_referrals"
    __table_args__ = (
        CheckConstraint("referrer_user_id <> referred_user_id", name="nobody_refers_themselves"),
        Index(None, "referrer_user_id"),
        {"schema": "usage"},
    )
    __access__ = read(own("referrer_user_id", "referred_user_id"), staff)
    __transitions__ = Transitions("status", pending={"completed"})

    id: Mapped[Id]
    referrer_user_id: Mapped[UUID] = reference("identity.users.id", doc="Whose code it was.")
    referred_user_id: Mapped[UUID] = reference("identity.users.id", doc="Who came by it; nobody twice.", unique=True)
    referral_code: Mapped[str] = mapped_column(String(20), doc="The code that was given.")
    status: Mapped[UserReferralStatus] = choice(
        UserReferralStatus, 20, default=UserReferralStatus.PENDING, doc="Where it stands."
    )
    bonus_credits_awarded: Mapped[int] = mapped_column(
        server_default=text("0"), doc="API calls that each of the two got; 0 until it is completed."
    )
    completed_at: Mapped[Moment | None] = mapped_column(doc="When both got their credits; null before.")
    created_at: Mapped[CreatedAt]

    referrer_user: Mapped[User | None] = to_one(referrer_user_id)
    referred_user: Mapped[User | None] = to_one(referred_user_id)
