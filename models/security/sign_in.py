"""How people prove who they are, and every attempt of it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.access import own, read, staff
from models.base import Base
from models.columns import (
    NOW,
    BigInt,
    Choice,
    CreatedAt,
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
from models.locks import LockRank
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User


class TwoFactorAuthMethod(Choice):
    """What a user shows besides the password."""

    TOTP = "totp", "Six digits from an authenticator app, new every 30 seconds."
    SMS = "sms", "A code sent by SMS."
    EMAIL = "email", "A code sent by email."


class OauthAccountProvider(Choice):
    """Where an account is kept that a user signs in with."""

    GOOGLE = "google", "At Google."
    TELEGRAM = "telegram", "At Telegram."
    GITHUB = "github", "At GitHub."


class AccountRecoveryRecoveryType(Choice):
    """What a recovery gives back."""

    PASSWORD_RESET = "password_reset", "A new password may be set."
    ACCOUNT_UNLOCK = "account_unlock", "The lock after failed sign-ins is lifted."
    TWO_FACTOR_RESET = "two_factor_reset", "The lost second factor is taken off."


class AccountRecoveryMethod(Choice):
    """How the account's owner is identified."""

    EMAIL = "email", "By a token sent to the email."
    SMS = "sms", "By a token sent to the phone."
    SECURITY_QUESTIONS = "security_questions", "By answers that only the owner should know."


class AccountRecoveryStatus(Choice):
    """Where a recovery stands."""

    PENDING = "pending", "The token may be used until it expires."
    USED = "used", "The token was used."
    EXPIRED = "expired", "The token was not used in time."
    CANCELLED = "cancelled", "Withdrawn before the token was used."


class LoginAttempt(Base):
    """An attempt to sign in, also one that failed or named nobody."""

    __tablename__ = "login_attempts"
    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "created_at"),
        Index(None, "identifier", "created_at"),
        {"schema": "security"},
    )
    __access__ = read(own("user_id"), staff)
    __unaudited__ = "The attempt is its own record."

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


class PasswordHistoryEntry(Base):
    """A password that a user chose; none of the last 10 may be chosen again."""

    __tablename__ = "password_history"
    __table_args__ = (Index(None, "user_id"), {"schema": "security"})
    __access__ = read(staff)
    __unaudited__ = "Old hashes only, which nobody sees."

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    password_hash: Mapped[str] = secret_column(Text(), doc="argon2id hash of that password.")
    created_at: Mapped[CreatedAt]

    user: Mapped[User | None] = to_one(user_id)


class TwoFactorAuth(Base):
    """A user's second factor, asked for at sign-in while it is enabled."""

    __tablename__ = "two_factor_auth"
    __lock_rank__ = LockRank.SECOND_FACTOR
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


class OauthAccount(Base):
    """An account elsewhere that a user may sign in with."""

    __tablename__ = "oauth_connections"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (
        UniqueConstraint("provider", "provider_user_id"),
        Index(None, "user_id"),
        {"schema": "security"},
    )
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    provider: Mapped[OauthAccountProvider] = choice(OauthAccountProvider, doc="Where that account is kept.")
    provider_user_id: Mapped[str] = mapped_column(info=personal(), doc="The account's key at the provider.")
    provider_email: Mapped[str | None] = mapped_column(
        info=personal(), doc="The email the provider knows; null where it gives none."
    )
    provider_username: Mapped[str | None] = mapped_column(
        info=personal(), doc="The name the account goes by there; null where the provider gives none."
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
        doc="What the user allowed, in the provider's words; null where it says nothing."
    )
    profile_data: Mapped[Json | None] = mapped_column(
        info=personal(), doc="What else the provider said about the user; null where it said nothing."
    )
    last_synced_at: Mapped[Moment | None] = mapped_column(
        doc="When the provider was last asked about the user; null before the first time."
    )
    connected_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When the user connected it.")
    disconnected_at: Mapped[Moment | None] = mapped_column(doc="When the user disconnected it; null while it serves.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    user: Mapped[User | None] = to_one(user_id)


class AccountRecovery(Base):
    """A way back into an account, asked for by somebody who may be its owner."""

    __tablename__ = "account_recovery"
    __lock_rank__ = LockRank.CHALLENGE
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
