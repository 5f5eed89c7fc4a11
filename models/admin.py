"""Feature flags, configuration, the audit log, the health of services, and sessions of administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import managers_of_card_account, own, read, staff, super_admin
from models.base import Base
from models.columns import (
    NOW,
    UNCOMPRESSED,
    WITHHELD,
    Choice,
    CreatedAt,
    Id,
    InetAddress,
    Json,
    Moment,
    Texts,
    UpdatedAt,
    choice,
    personal,
    reference,
    secret_column,
    to_one,
)
from models.locks import LockRank

if TYPE_CHECKING:
    from models.cards import CardAccount
    from models.identity import User


class FeatureFlagFlagType(Choice):
    """What kind of value a flag gives."""

    BOOLEAN = "boolean", "On or off."
    STRING = "string", "A text."
    NUMBER = "number", "A number, whole or with decimals."
    JSON = "json", "Structured data."


class FeatureFlagEnvironment(Choice):
    """The kind of installation a flag is for."""

    DEVELOPMENT = "development", "Where it is worked on."
    STAGING = "staging", "Where a release is tried before people get it."
    PRODUCTION = "production", "Where people use it."


class SystemConfigDataType(Choice):
    """What kind of value a configuration holds."""

    STRING = "string", "A text."
    NUMBER = "number", "A number, whole or with decimals."
    BOOLEAN = "boolean", "True or false."
    OBJECT = "object", "A JSON object."
    ARRAY = "array", "A JSON array."


class AuditLogActorType(Choice):
    """Who made a change."""

    USER = "user", "A person."
    SYSTEM = "system", "The system itself, with nobody signed in."
    API = "api", "A program with an API key."


class SystemHealthCheckStatus(Choice):
    """How a service does."""

    HEALTHY = "healthy", "It works as it should."
    DEGRADED = "degraded", "It works, but slowly or in part."
    UNHEALTHY = "unhealthy", "It does not work."


class AdminSessionAdminLevel(Choice):
    """How far an administrator's session reaches."""

    REGULAR = "regular", "What staff may do."
    SUPER = "super", "What staff may do, and sensitive configuration and other administrators' sessions."
    PARTNER = "partner", "The affairs of a partner."
    SPONSOR = "sponsor", "The affairs of a sponsor."


class AdminSessionTerminationReason(Choice):
    """Why an administrator's session ended early."""

    LOGOUT = "logout", "The administrator signed out."
    TIMEOUT = "timeout", "It was left unused too long."
    REVOKED = "revoked", "Staff ended it."


class FeatureFlag(Base):
    """A switch that gives some callers a feature and others not."""

    __tablename__ = "feature_flags"
    __table_args__ = (
        CheckConstraint("rollout_percentage BETWEEN 0 AND 100", name="rollout_is_a_percentage"),
        Index(None, "created_by_user_id"),
        Index(None, "last_modified_by_user_id"),
        {"schema": "admin"},
    )
    __access__ = read(staff)

    id: Mapped[Id]
    flag_key: Mapped[str] = mapped_column(String(100), unique=True, doc="The key by which programs read it.")
    name: Mapped[str] = mapped_column(String(255), doc="What staff call it.")
    description: Mapped[str | None] = mapped_column(doc="What it switches; null without a text.")
    is_enabled: Mapped[bool] = mapped_column(server_default=text("false"), doc="Whether it is on for anyone at all.")
    flag_type: Mapped[FeatureFlagFlagType | None] = choice(
        FeatureFlagFlagType, 20, default=FeatureFlagFlagType.BOOLEAN, doc="What kind of value it gives."
    )
    flag_value: Mapped[Json | None] = mapped_column(
        doc="What those get for whom it is on; null where on is all there is to say."
    )
    rollout_percentage: Mapped[int | None] = mapped_column(
        server_default=text("0"),
        doc="How many of those it is meant for get it, in percent, 0-100; a caller always gets the same.",
    )
    target_user_groups: Mapped[Texts | None] = mapped_column(
        doc="The groups of users it is meant for, such as `beta_users`; null for all."
    )
    target_regions: Mapped[Texts | None] = mapped_column(
        doc="The regions it is meant for, such as `Dakar` or `Thiès`; null for all."
    )
    environment: Mapped[FeatureFlagEnvironment | None] = choice(
        FeatureFlagEnvironment, 20, default=FeatureFlagEnvironment.PRODUCTION, doc="The kind of installation it is for."
    )
    created_by_user_id: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who made it; null where the system did."
    )
    last_modified_by_user_id: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who last changed it; null where nobody has."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    created_by_user: Mapped[User | None] = to_one(created_by_user_id)
    last_modified_by_user: Mapped[User | None] = to_one(last_modified_by_user_id)


class SystemConfig(Base):
    """A value that staff may change while the system runs."""

    __tablename__ = "system_config"
    __table_args__ = (Index(None, "last_modified_by_user_id"), {"schema": "admin"})
    __access__ = read(staff, staff_where="NOT is_sensitive OR (SELECT lango.has_role('super_admin'))")
    __plural__ = "system_configs"

    id: Mapped[Id]
    config_key: Mapped[str] = mapped_column(
        String(100), unique=True, doc="What programs read it by, such as `referrals.daily_limit`."
    )
    config_value: Mapped[Json] = mapped_column(
        info={WITHHELD: True}, doc="The value as JSON, encrypted where it is sensitive."
    )
    description: Mapped[str | None] = mapped_column(doc="What it decides; null without a text.")
    data_type: Mapped[SystemConfigDataType] = choice(SystemConfigDataType, 20, doc="What kind of value it is.")
    is_sensitive: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether it is a secret, such as a password: then only a super admin sees it."
    )
    validation_rules: Mapped[Json | None] = mapped_column(
        doc="The JSON Schema that a new value must match; null where any value will do."
    )
    environment: Mapped[str | None] = mapped_column(
        String(20), server_default=text("'production'"), doc="The kind of installation it is for, such as `production`."
    )
    last_modified_by_user_id: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who last changed it; null where nobody has."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    last_modified_by_user: Mapped[User | None] = to_one(last_modified_by_user_id)


class AuditLog(Base):
    """A change to the data, or staff looking at a person's, and who did it; never changed or deleted."""

    __tablename__ = "audit_logs"
    __table_args__ = (
        Index(None, "actor_user_id", postgresql_where=text("actor_user_id IS NOT NULL")),
        Index(None, "action"),
        Index(None, "timestamp"),
        Index(None, "account_id"),
        {"schema": "admin", "postgresql_partition_by": "RANGE (created_at)"},
    )
    __access__ = read(managers_of_card_account("account_id"), staff)
    __unaudited__ = "It is the audit log."
    __append_only__ = True
    __partitioned_by__ = "created_at"

    id: Mapped[Id]
    actor_user_id: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who did it; null where nobody was signed in."
    )
    actor_type: Mapped[AuditLogActorType] = choice(AuditLogActorType, 20, doc="What kind of actor it was.")
    actor_ip: Mapped[InetAddress | None] = mapped_column(
        doc="The address the request came from; null outside of a request."
    )
    action: Mapped[str] = mapped_column(String(100), doc="What was done, such as `pot_updated` or `user_suspended`.")
    resource_type: Mapped[str] = mapped_column(
        String(50), doc="What it was done to, such as `user`, `pot` or `donation`."
    )
    resource_id: Mapped[UUID | None] = mapped_column(
        doc="The key of what it was done to; null where that is no UUID, and then `metadata` has it under `pk`."
    )
    old_values: Mapped[Json | None] = mapped_column(
        doc="What it was before, without secrets, and personal data by name only; null for something new."
    )
    new_values: Mapped[Json | None] = mapped_column(
        doc="What it became, without secrets, and personal data by name only; null for something deleted."
    )
    reason: Mapped[str | None] = mapped_column(doc="Why it was done; null where no reason was given.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", info={UNCOMPRESSED: True}, doc="What else is known of it; null where nothing is."
    )
    timestamp: Mapped[Moment] = mapped_column(server_default=NOW, doc="When it was done.")
    request_id: Mapped[str | None] = mapped_column(
        String(100), doc="The id of the request that did it, as errors show it; null outside of a request."
    )
    user_agent: Mapped[str | None] = mapped_column(info=personal(), doc="The client program, as it names itself.")
    created_at: Mapped[CreatedAt] = mapped_column(primary_key=True)
    account_id: Mapped[UUID | None] = reference(
        "cards.accounts.id", doc="The card account it has to do with; null where it has to do with none."
    )

    actor_user: Mapped[User | None] = to_one(actor_user_id)
    account: Mapped[CardAccount | None] = to_one(account_id)


class SystemHealthCheck(Base):
    """What one look at a service found."""

    __tablename__ = "system_health_checks"
    __table_args__ = ({"schema": "admin"},)
    __access__ = read(staff)
    __unaudited__ = "Telemetry, appended by the worker."

    id: Mapped[Id]
    service_name: Mapped[str] = mapped_column(String(100), doc="The service, such as the database or a provider.")
    check_name: Mapped[str] = mapped_column(String(100), doc="What was looked at.")
    status: Mapped[SystemHealthCheckStatus] = choice(SystemHealthCheckStatus, 20, doc="How the service does.")
    response_time_ms: Mapped[int | None] = mapped_column(
        doc="How long the service took to answer, in milliseconds; null where it did not."
    )
    check_data: Mapped[Json | None] = mapped_column(
        doc="What else was found, as the service has it; null where nothing was."
    )
    error_message: Mapped[str | None] = mapped_column(doc="What went wrong; null where nothing did.")
    checked_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When it was looked at.")
    created_at: Mapped[CreatedAt]


class AdminSession(Base):
    """A time in which an administrator works, opened on purpose and watched."""

    __tablename__ = "admin_sessions"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (Index(None, "user_id"), {"schema": "admin"})
    __access__ = read(own("user_id"), super_admin)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    session_token_hash: Mapped[str] = secret_column(String(255), doc="Hash of the token the session is recognised by.")
    ip_address: Mapped[InetAddress] = mapped_column(doc="The address the request came from.")
    user_agent: Mapped[str | None] = mapped_column(info=personal(), doc="The client program, as it names itself.")
    admin_level: Mapped[AdminSessionAdminLevel] = choice(AdminSessionAdminLevel, 20, doc="How far it reaches.")
    permissions_granted: Mapped[Texts | None] = mapped_column(
        doc="What in particular it is allowed; null for all that its level is."
    )
    created_at: Mapped[CreatedAt]
    last_activity_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When it was last used.")
    expires_at: Mapped[Moment] = mapped_column(doc="When it ends by itself.")
    terminated_at: Mapped[Moment | None] = mapped_column(doc="When it was ended early; null where it was not.")
    termination_reason: Mapped[AdminSessionTerminationReason | None] = choice(
        AdminSessionTerminationReason, 50, doc="Why it was ended early; null where it was not."
    )
    is_suspicious: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether something about it looks wrong."
    )
    security_flags: Mapped[Json | None] = mapped_column(doc="What looks wrong about it; null where nothing does.")

    user: Mapped[User | None] = to_one(user_id)
