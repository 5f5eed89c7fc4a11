"""The devices, tokens and keys by which somebody stays signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import own, read, staff
from models.base import Base
from models.columns import (
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
    unaudited,
)
from models.locks import LockRank

if TYPE_CHECKING:
    from models.identity import User, UserSession


class UserDeviceDeviceType(Choice):
    """What kind of machine a device is."""

    MOBILE = "mobile", "A phone."
    DESKTOP = "desktop", "A desktop or laptop computer."
    TABLET = "tablet", "Larger than a phone, and without a keyboard of its own."


class RefreshTokenRevokedReason(Choice):
    """Why a refresh token serves no more."""

    LOGOUT = "logout", "The user signed out."
    SECURITY = "security", "Taken back to protect the account."
    EXPIRED = "expired", "Not used in time."
    ROTATED = "rotated", "Used once, and replaced by the next of its family."
    REUSE_DETECTED = "reuse_detected", "A used token of its family was shown again, so the whole family was revoked."


class SessionAuditAction(Choice):
    """What happened to a session."""

    SESSION_CREATED = "session_created", "The user signed in."
    SESSION_RENEWED = "session_renewed", "A refresh token was exchanged for the next."
    SESSION_TERMINATED = "session_terminated", "It was signed out, revoked, or came to its end."


class UserDevice(Base):
    """A device on which a user has signed in."""

    __tablename__ = "user_devices"
    __lock_rank__ = LockRank.DETAIL
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
    trusted_until: Mapped[Moment | None] = mapped_column(
        doc="Until when it is trusted, unless the password is changed before; null where it never was."
    )
    trust_token_hash: Mapped[str | None] = secret_column(
        Text(), doc="Hash of the token by which a trusted device is known; null where it is not trusted.", unique=True
    )
    login_attempts: Mapped[int] = mapped_column(
        server_default=text("0"),
        doc="How many sign-ins have failed on it while it was trusted, since the last that succeeded: they do not "
        "count for the account.",
    )
    locked_until: Mapped[Moment | None] = mapped_column(
        doc="Until when sign-in is refused on it after too many failures; null or past while it is not."
    )

    user: Mapped[User | None] = to_one(user_id)


class RefreshToken(Base):
    """A token that renews a session once, and is then replaced by the next of its family."""

    __tablename__ = "refresh_tokens"
    __lock_rank__ = LockRank.SUBDETAIL
    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "device_id"),
        Index(None, "session_id"),
        Index(None, "family_id"),
        Index(None, "expires_at"),
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


class ApiKey(Base):
    """A key with which a user's program calls in their name, within the key's limits."""

    __tablename__ = "api_keys"
    __lock_rank__ = LockRank.DETAIL
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
    key_prefix: Mapped[str] = mapped_column(doc="What the key begins with, to tell it from others.")
    permissions: Mapped[Json | None] = mapped_column(
        server_default=text("'[]'"),
        doc="What it may be used for, a list: `read:Pot`, `mutate:redeemQrCode`, `subscribe:potUpdated`, or `*` in the "
        "place of a name.",
    )
    rate_limit: Mapped[int | None] = mapped_column(
        server_default=text("1000"), doc="How many requests it may make in an hour; null without a limit."
    )
    ip_whitelist: Mapped[Json | None] = mapped_column(
        server_default=text("'[]'"),
        info=personal(),
        doc="The addresses it may be used from, a list; empty where any will do.",
    )
    enabled: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether it is accepted now; false puts it to rest without revoking it."
    )
    last_used_at: Mapped[Moment | None] = mapped_column(
        info=unaudited(), doc="When it was last used, to the minute; null before the first time."
    )
    last_used_ip: Mapped[InetAddress | None] = mapped_column(
        info=unaudited(), doc="The address it was last used from; null before the first time."
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
