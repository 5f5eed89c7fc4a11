"""How accounts are kept safe: sign-ins, second factors, devices, keys, tokens, recovery and the messages sent."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, Numeric, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
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
    InetAddress,
    Json,
    Moment,
    UpdatedAt,
    choice,
    personal,
    reference,
    secret_column,
    to_one,
)
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User, UserSession


class SecurityEventSeverity(Choice):
    """How soon an event wants to be looked at."""

    LOW = "low", "Ordinary, kept for the record."
    MEDIUM = "medium", "Unusual, but often harmless."
    HIGH = "high", "Probably an attack."
    CRITICAL = "critical", "The account may be in other hands."


class TwoFactorAuthMethod(Choice):
    """What a user shows besides the password."""

    TOTP = "totp", "Six digits from an authenticator app, new every 30 seconds."
    SMS = "sms", "A code sent by SMS."
    EMAIL = "email", "A code sent by email."


class UserDeviceDeviceType(Choice):
    """What kind of machine a device is."""

    MOBILE = "mobile", "A phone."
    DESKTOP = "desktop", "A desktop or laptop computer."
    TABLET = "tablet", "A tablet."


class EmailDeliveryStatus(Choice):
    """Where an email stands between its writing and the inbox."""

    PENDING = "pending", "Waiting to be handed to the provider."
    SENT = "sent", "Taken by the provider."
    DELIVERED = "delivered", "Taken by the recipient's mail server."
    FAILED = "failed", "Not sent; `error_message` says why."
    BOUNCED = "bounced", "Sent back by the recipient's mail server."


class SmsDeliveryStatus(Choice):
    """Where an SMS stands between its writing and the phone."""

    PENDING = "pending", "Waiting to be handed to the provider."
    SENT = "sent", "Taken by the provider."
    DELIVERED = "delivered", "Arrived, as the network says."
    FAILED = "failed", "Not sent or never arrived; `error_message` says why."


class OauthConnectionProvider(Choice):
    """Where an account is kept that a user signs in with."""

    GOOGLE = "google", "At Google."
    TELEGRAM = "telegram", "At Telegram."
    GITHUB = "github", "At GitHub."


class RefreshTokenRevokedReason(Choice):
    """Why a refresh token serves no more."""

    LOGOUT = "logout", "The user signed out."
    SECURITY = "security", "Taken back to protect the account."
    EXPIRED = "expired", "Not used in time."
    ROTATED = "rotated", "Used once, and replaced by the next of its family."
    REUSE_DETECTED = "reuse_detected", "A used token of its family was shown again, so the whole family was revoked."


class AccountRecoveryRecoveryType(Choice):
    """What a recovery gives back."""

    PASSWORD_RESET = "password_reset", "A new password may be set."
    ACCOUNT_UNLOCK = "account_unlock", "The lock after failed sign-ins is lifted."
    TWO_FACTOR_RESET = "two_factor_reset", "The lost second factor is taken off."


class AccountRecoveryMethod(Choice):
    """How the account's owner is told from others."""

    EMAIL = "email", "By a token sent to the email."
    SMS = "sms", "By a token sent to the phone."
    SECURITY_QUESTIONS = "security_questions", "By answers that only the owner should know."


class AccountRecoveryStatus(Choice):
    """Where a recovery stands."""

    PENDING = "pending", "The token may be used until it expires."
    USED = "used", "The token was used."
    EXPIRED = "expired", "The token was not used in time."
    CANCELLED = "cancelled", "Withdrawn before the token was used."


class SessionAuditAction(Choice):
    """What happened to a session."""

    SESSION_CREATED = "session_created", "The user signed in."
    SESSION_RENEWED = "session_renewed", "A refresh token was exchanged for the next."
    SESSION_TERMINATED = "session_terminated", "It was signed out, revoked, or came to its end."


class LoginAttempt(Base):
    """An attempt to sign in, also one that failed or named nobody."""

    __tablename__ = "login_attempts"
    __table_args__ = (Index(None, "user_id"), {"schema": "security"})
    __access__ = read(own("user_id"), staff)
    __unaudited__ = "Append-only: the attempt is its own record."

    id: Mapped[Id]
    identifier: Mapped[str] = mapped_column(
        info=personal(), doc="The phone or email that was given, whether or not it is anybody's."
    )
    user_id: Mapped[UUID | None] = reference("identity.users.id", doc="The user it belongs to.")
    ip_address: Mapped[InetAddress] = mapped_column(doc="The address the request came from.")
    user_agent: Mapped[str | None] = mapped_column(info=personal(), doc="The client program, as it names itself.")
    attempt_result: Mapped[str] = mapped_column(
        doc="`success`, `failed_password`, `failed_not_found`, `account_locked` or other."
    )
    failure_reason: Mapped[str | None] = mapped_column(doc="More on why it failed; null on success.")
    location: Mapped[Json | None] = mapped_column(
        info=personal(), doc="`country`, `city`, `lat` and `lon`, guessed from the IP address; null where unknown."
    )
    device_fingerprint: Mapped[str | None] = mapped_column(
        info=personal(), doc="What the device is recognised by; null where the client sent none."
    )
    created_at: Mapped[CreatedAt]

    user: Mapped[User | None] = to_one(user_id)


class SecurityEvent(Base):
    """Something that bears on an account's safety, and what staff made of it."""

    __tablename__ = "security_events"
    __table_args__ = (Index(None, "user_id"), Index(None, "resolved_by"), {"schema": "security"})
    __access__ = read(own("user_id"), staff)
    __unaudited__ = "An event log of its own, with who resolved what."

    id: Mapped[Id]
    user_id: Mapped[UUID | None] = reference("identity.users.id", doc="The user it belongs to.")
    event_type: Mapped[str] = mapped_column(
        doc="What happened, as in `login_failed`, `password_changed` or `suspicious_activity`."
    )
    severity: Mapped[SecurityEventSeverity] = choice(SecurityEventSeverity, doc="How soon it wants to be looked at.")
    ip_address: Mapped[InetAddress | None] = mapped_column(doc="The address the request came from.")
    user_agent: Mapped[str | None] = mapped_column(info=personal(), doc="The client program, as it names itself.")
    location: Mapped[Json | None] = mapped_column(
        info=personal(), doc="`country`, `city`, `lat` and `lon`, guessed from the IP address; null where unknown."
    )
    details: Mapped[Json | None] = mapped_column(
        info=personal(), doc="More of what happened, its keys depending on `event_type`; null where there is no more."
    )
    resolved: Mapped[bool] = mapped_column(server_default=text("false"), doc="Whether staff have dealt with it.")
    resolved_by: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who on the staff dealt with it; null before."
    )
    resolved_at: Mapped[Moment | None] = mapped_column(doc="When it was dealt with; null before.")
    notes: Mapped[str | None] = mapped_column(doc="What staff noted in dealing with it; null without a note.")
    created_at: Mapped[CreatedAt]

    user: Mapped[User | None] = to_one(user_id)
    resolved_by_user: Mapped[User | None] = to_one(resolved_by)


class PasswordHistoryEntry(Base):
    """A password that a user chose; none of the last 10 may be chosen again."""

    __tablename__ = "password_history"
    __table_args__ = (Index(None, "user_id"), {"schema": "security"})
    __access__ = read(staff)
    __unaudited__ = "Append-only hashes."

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    password_hash: Mapped[str] = secret_column(Text(), doc="argon2id hash of that password.")
    created_at: Mapped[CreatedAt]

    user: Mapped[User | None] = to_one(user_id)


class TwoFactorAuth(Base):
    """A user's second factor, asked for at sign-in while it is enabled."""

    __tablename__ = "two_factor_auth"
    __table_args__ = ({"schema": "security"},)
    __access__ = read(own("user_id"), staff)
    __plural__ = "two_factor_auths"

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.", unique=True)
    method: Mapped[TwoFactorAuthMethod] = choice(TwoFactorAuthMethod, doc="What is shown.")
    enabled: Mapped[bool] = mapped_column(server_default=text("false"), doc="Whether sign-in asks for it.")
    secret: Mapped[str | None] = secret_column(
        Text(),
        doc="What the authenticator app computes its codes from, encrypted; null where `method` is not `totp`.",
        encrypted=True,
    )
    backup_codes: Mapped[Json | None] = secret_column(
        JSONB(), doc="Hashes of the codes that stand in for the second factor, each once; null until they are given."
    )
    phone_number: Mapped[str | None] = mapped_column(
        info=personal(), doc="Where codes go by SMS; null where `method` is not `sms`."
    )
    email: Mapped[str | None] = mapped_column(
        info=personal(), doc="Where codes go by email; null where `method` is not `email`."
    )
    last_used_at: Mapped[Moment | None] = mapped_column(doc="When it was last shown; null before the first time.")
    enabled_at: Mapped[Moment | None] = mapped_column(doc="When it was last switched on; null before.")
    disabled_at: Mapped[Moment | None] = mapped_column(doc="When it was last switched off; null if never.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    last_counter: Mapped[BigInt | None] = mapped_column(
        doc="The last 30-second step whose code was accepted, so that a code works once; null before."
    )

    user: Mapped[User | None] = to_one(user_id)


class UserDevice(Base):
    """A device on which a user has signed in."""

    __tablename__ = "user_devices"
    __table_args__ = (UniqueConstraint("user_id", "device_fingerprint"), {"schema": "security"})
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    device_name: Mapped[str | None] = mapped_column(
        info=personal(), doc="What to call it, as in `Chrome on Windows` or `iPhone 13`; null where it is not known."
    )
    device_fingerprint: Mapped[str] = mapped_column(
        info=personal(), doc="What the device is recognised by, as its client computes it."
    )
    device_type: Mapped[UserDeviceDeviceType | None] = choice(
        UserDeviceDeviceType, doc="What kind of machine it is; null where it is not known."
    )
    browser: Mapped[str | None] = mapped_column(doc="The browser's name; null where it is not known.")
    os: Mapped[str | None] = mapped_column(doc="The operating system's name; null where it is not known.")
    trusted: Mapped[bool] = mapped_column(server_default=text("false"), doc="Whether the user has vouched for it.")
    last_ip_address: Mapped[InetAddress | None] = mapped_column(doc="The address it last called from; null before.")
    last_location: Mapped[Json | None] = mapped_column(
        info=personal(),
        doc="Where that was: `country`, `city`, `lat` and `lon`, guessed from the IP address; null where unknown.",
    )
    last_used_at: Mapped[Moment | None] = mapped_column(doc="When it was last signed in on; null before.")
    trusted_at: Mapped[Moment | None] = mapped_column(doc="When the user vouched for it; null if never.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    user: Mapped[User | None] = to_one(user_id)


class EmailDelivery(Base):
    """An email that was to be sent, and how far it came."""

    __tablename__ = "email_delivery_log"
    __table_args__ = (Index(None, "user_id"), {"schema": "security"})
    __access__ = read(own("user_id"), staff)
    __transitions__ = Transitions(
        "status", pending={"sent", "failed"}, sent={"delivered", "failed", "bounced"}, delivered={"bounced"}
    )
    __unaudited__ = "A delivery log of its own."

    id: Mapped[Id]
    user_id: Mapped[UUID | None] = reference("identity.users.id", doc="The user it belongs to.")
    to_email: Mapped[str] = mapped_column(info=personal(), doc="The address it goes to.")
    subject: Mapped[str] = mapped_column(info=personal(), doc="The subject line.")
    template: Mapped[str | None] = mapped_column(
        doc="What it was written from, as in `otp`, `password_reset` or `welcome`; null for a text of its own."
    )
    status: Mapped[EmailDeliveryStatus] = choice(EmailDeliveryStatus, doc="Where it stands.")
    provider: Mapped[str | None] = mapped_column(
        doc="Who carries it, as in `sendgrid` or `ses`; null until it is handed over."
    )
    provider_message_id: Mapped[str | None] = mapped_column(doc="The provider's key for it; null until it is taken.")
    error_message: Mapped[str | None] = mapped_column(doc="Why it failed; null where it did not.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="What else is known of the delivery, as JSON; null without more."
    )
    sent_at: Mapped[Moment | None] = mapped_column(doc="When the provider took it; null before.")
    delivered_at: Mapped[Moment | None] = mapped_column(doc="When it arrived; null before, or where that is not told.")
    opened_at: Mapped[Moment | None] = mapped_column(
        doc="When it was first opened; null before, or where that is not told."
    )
    clicked_at: Mapped[Moment | None] = mapped_column(
        doc="When a link in it was first followed; null before, or where that is not told."
    )
    created_at: Mapped[CreatedAt]

    user: Mapped[User | None] = to_one(user_id)


class SmsDelivery(Base):
    """An SMS that was to be sent, and how far it came."""

    __tablename__ = "sms_delivery_log"
    __table_args__ = (Index(None, "user_id"), {"schema": "security"})
    __access__ = read(own("user_id"), staff)
    __transitions__ = Transitions("status", pending={"sent", "failed"}, sent={"delivered", "failed"})
    __unaudited__ = "A delivery log of its own."

    id: Mapped[Id]
    user_id: Mapped[UUID | None] = reference("identity.users.id", doc="The user it belongs to.")
    to_phone: Mapped[str] = mapped_column(info=personal(), doc="The number it goes to.")
    message: Mapped[str] = mapped_column(info=personal(), doc="The text, without the code where it carries one.")
    template: Mapped[str | None] = mapped_column(
        doc="What it was written from, as in `otp`, `notification` or `alert`; null for a text of its own."
    )
    status: Mapped[SmsDeliveryStatus] = choice(SmsDeliveryStatus, doc="Where it stands.")
    provider: Mapped[str | None] = mapped_column(
        doc="Who carries it, as in `africas_talking` or `twilio`; null until it is handed over."
    )
    provider_message_id: Mapped[str | None] = mapped_column(doc="The provider's key for it; null until it is taken.")
    cost: Mapped[Decimal | None] = mapped_column(
        Numeric(10, 4), doc="What the provider charged, in its local currency; null until that is told."
    )
    error_message: Mapped[str | None] = mapped_column(doc="Why it failed; null where it did not.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="What else is known of the delivery, as JSON; null without more."
    )
    sent_at: Mapped[Moment | None] = mapped_column(doc="When the provider took it; null before.")
    delivered_at: Mapped[Moment | None] = mapped_column(doc="When it arrived; null before, or where that is not told.")
    created_at: Mapped[CreatedAt]

    user: Mapped[User | None] = to_one(user_id)


class OauthConnection(Base):
    """An account elsewhere that a user may sign in with."""

    __tablename__ = "oauth_connections"
    __table_args__ = (
        UniqueConstraint("provider", "provider_user_id"),
        Index(None, "user_id"),
        {"schema": "security"},
    )
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    provider: Mapped[OauthConnectionProvider] = choice(OauthConnectionProvider, doc="Where that account is kept.")
    provider_user_id: Mapped[str] = mapped_column(info=personal(), doc="The account's key at the provider.")
    provider_email: Mapped[str | None] = mapped_column(
        info=personal(), doc="The email the provider knows; null where it tells none."
    )
    provider_username: Mapped[str | None] = mapped_column(
        info=personal(), doc="The name the account goes by there; null where the provider tells none."
    )
    access_token: Mapped[str | None] = secret_column(
        Text(),
        doc="Opens the provider's interface in the user's name, encrypted; null where none is kept.",
        encrypted=True,
    )
    refresh_token: Mapped[str | None] = secret_column(
        Text(), doc="Renews the access token, encrypted; null where none is kept.", encrypted=True
    )
    token_expires_at: Mapped[Moment | None] = mapped_column(
        doc="When the access token ends; null where that is not known."
    )
    scope: Mapped[str | None] = mapped_column(
        doc="What the user allowed, in the provider's words; null where it tells nothing."
    )
    profile_data: Mapped[Json | None] = mapped_column(
        info=personal(), doc="What else the provider told about the user; null where it told nothing."
    )
    last_synced_at: Mapped[Moment | None] = mapped_column(
        doc="When the provider was last asked about the user; null before the first time."
    )
    connected_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When the user connected it.")
    disconnected_at: Mapped[Moment | None] = mapped_column(doc="When the user disconnected it; null while it serves.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    user: Mapped[User | None] = to_one(user_id)


class ApiKey(Base):
    """A key with which a user's program calls in their name, within the key's limits."""

    __tablename__ = "api_keys"
    __table_args__ = (
        Index("uq_api_keys_key_hash", "key_hash", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index(None, "user_id"),
        {"schema": "security"},
    )
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    name: Mapped[str] = mapped_column(doc="What its owner calls it.")
    key_hash: Mapped[str] = secret_column(Text(), doc="Hash of the key: the key is shown once, and not kept.")
    key_prefix: Mapped[str] = mapped_column(doc="The first 8 characters of the key, to tell it from others.")
    permissions: Mapped[Json | None] = mapped_column(
        server_default=text("'[]'"), doc="What it may be used for, a list of names."
    )
    rate_limit: Mapped[int | None] = mapped_column(
        server_default=text("1000"), doc="How many requests it may make in an hour."
    )
    ip_whitelist: Mapped[Json | None] = mapped_column(
        server_default=text("'[]'"),
        info=personal(),
        doc="The addresses it may be used from, a list; empty where any will do.",
    )
    enabled: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether it is accepted now; false puts it to rest without revoking it."
    )
    last_used_at: Mapped[Moment | None] = mapped_column(doc="When it was last used; null before the first time.")
    last_used_ip: Mapped[InetAddress | None] = mapped_column(
        doc="The address it was last used from; null before the first time."
    )
    expires_at: Mapped[Moment | None] = mapped_column(doc="When it ends by itself; null if never.")
    revoked_at: Mapped[Moment | None] = mapped_column(doc="When it was taken back for good; null while it serves.")
    revoked_reason: Mapped[str | None] = mapped_column(
        doc="Why it was taken back; null while it serves, or where no reason was given."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    deleted_at: Mapped[DeletedAt | None]

    user: Mapped[User | None] = to_one(user_id)


class RefreshToken(Base):
    """A token that renews a session once, and is then replaced by the next of its family."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "device_id"),
        Index(None, "session_id"),
        {"schema": "security"},
    )
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    token_hash: Mapped[str] = secret_column(Text(), doc="Hash of the token: the token itself is not kept.", unique=True)
    device_id: Mapped[UUID | None] = reference(
        "security.user_devices.id", doc="The device it was given to; null where it is not known."
    )
    ip_address: Mapped[InetAddress] = mapped_column(doc="The address the request came from.")
    user_agent: Mapped[str | None] = mapped_column(info=personal(), doc="The client program, as it names itself.")
    expires_at: Mapped[Moment] = mapped_column(doc="When it can no longer be used.")
    revoked_at: Mapped[Moment | None] = mapped_column(doc="When it ceased to serve; null before.")
    revoked_reason: Mapped[RefreshTokenRevokedReason | None] = choice(
        RefreshTokenRevokedReason, doc="Why it serves no more; null while it does."
    )
    replaced_by: Mapped[UUID | None] = mapped_column(doc="The token it was exchanged for; null unless it was rotated.")
    created_at: Mapped[CreatedAt]
    family_id: Mapped[UUID] = mapped_column(
        doc="Shared by all tokens of one sign-in: reuse of an old one revokes them all."
    )
    session_id: Mapped[UUID | None] = reference(
        "identity.user_sessions.id", doc="The login it renews; null where that is not known."
    )

    user: Mapped[User | None] = to_one(user_id)
    device: Mapped[UserDevice | None] = to_one(device_id)
    session: Mapped[UserSession | None] = to_one(session_id)


class AccountRecovery(Base):
    """A way back into an account, asked for by somebody who may be its owner."""

    __tablename__ = "account_recovery"
    __table_args__ = (Index(None, "user_id"), {"schema": "security"})
    __access__ = read(staff)
    __transitions__ = Transitions("status", pending={"used", "expired", "cancelled"})
    __plural__ = "account_recoveries"

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    recovery_type: Mapped[AccountRecoveryRecoveryType] = choice(AccountRecoveryRecoveryType, doc="What it gives back.")
    token: Mapped[str] = secret_column(Text(), doc="Hash of the token: the token itself is not kept.", unique=True)
    method: Mapped[AccountRecoveryMethod] = choice(AccountRecoveryMethod, doc="How the owner is told from others.")
    ip_address: Mapped[InetAddress] = mapped_column(doc="The address the request came from.")
    user_agent: Mapped[str | None] = mapped_column(info=personal(), doc="The client program, as it names itself.")
    status: Mapped[AccountRecoveryStatus] = choice(
        AccountRecoveryStatus, default=AccountRecoveryStatus.PENDING, doc="Where it stands."
    )
    expires_at: Mapped[Moment] = mapped_column(doc="When the token can no longer be used.")
    used_at: Mapped[Moment | None] = mapped_column(doc="When the token was used; null before.")
    cancelled_at: Mapped[Moment | None] = mapped_column(doc="When it was withdrawn; null unless it was.")
    created_at: Mapped[CreatedAt]

    user: Mapped[User | None] = to_one(user_id)


class SessionAudit(Base):
    """The beginning, a renewal or the end of a session."""

    __tablename__ = "session_audits"
    __table_args__ = (
        Index(None, "session_id"),
        Index(None, "user_id"),
        Index(None, "device_id"),
        {"schema": "security"},
    )
    __access__ = read(own("user_id"), staff)
    __unaudited__ = "It is the audit log of sessions."
    __append_only__ = True

    id: Mapped[Id]
    session_id: Mapped[UUID | None] = reference(
        "identity.user_sessions.id", doc="The session it happened to; null where that is not known."
    )
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    action: Mapped[SessionAuditAction] = choice(SessionAuditAction, doc="What happened.")
    ip_address: Mapped[InetAddress | None] = mapped_column(doc="The address the request came from.")
    user_agent: Mapped[str | None] = mapped_column(info=personal(), doc="The client program, as it names itself.")
    location: Mapped[Json | None] = mapped_column(
        info=personal(), doc="`country`, `city`, `lat` and `lon`, guessed from the IP address; null where unknown."
    )
    device_id: Mapped[UUID | None] = reference(
        "security.user_devices.id", doc="The device it happened on; null where it is not known."
    )
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="What else is known of it, as JSON; null without more."
    )
    created_at: Mapped[CreatedAt]

    session: Mapped[UserSession | None] = to_one(session_id)
    user: Mapped[User | None] = to_one(user_id)
    device: Mapped[UserDevice | None] = to_one(device_id)
