"""Sessions: a login on one device, with the tokens that come of it, until it ends."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID, uuid4

from sqlalchemy import Text, and_, bindparam, cast, func, literal_column, text
from sqlalchemy.dialects.postgresql import JSONB

from lango.actor import Actor
from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, Prepared
from lango.errors import Refused
from lango.rules.inputs import Once, Value
from lango.rules.transaction import RuleTransaction
from lango.security import issuing, opaque_tokens
from lango.security.issuing import AccessToken
from lango.values.user_agents import Program, program_of
from models.identity import User, UserSession, UserSessionEndReason
from models.security import (
    LoginAttempt,
    RefreshToken,
    RefreshTokenRevokedReason,
    SessionAudit,
    SessionAuditAction,
    TwoFactorAuth,
    TwoFactorAuthMethod,
    UserDevice,
    UserDeviceDeviceType,
)
from models.security import SecurityEventSeverity as Severity
from resolvers.identity import one_time_codes
from resolvers.kernel import clock, system_config
from resolvers.kernel.system_config import Configured
from resolvers.messages.messages import Message
from resolvers.security import events

PREFIX = "lr_"
SECOND_FACTORS = frozenset({"totp", "backup"})
SESSIONS_PER_USER = Configured("security.sessions_per_user", 20)
SESSION_DAYS = Configured("security.session_days", 90)
IDLE_DAYS = Configured("security.session_idle_days", 30)
CHALLENGE_MINUTES = Configured("security.challenge_minutes", 5)
RECENT_MINUTES = Configured("security.recent_minutes", 5)
NUMBERS = (SESSIONS_PER_USER, SESSION_DAYS, IDLE_DAYS, CHALLENGE_MINUTES)
LONGEST_FINGERPRINT = 200
# `login_attempts` and others keep an address of every try; this is what is written where none is known.
NO_ADDRESS = "::"


class ReauthenticationRequired(Refused):
    """Prove first that it is you: by `reauthenticate`."""


@dataclass(frozen=True, slots=True)
class Device:
    """What a client says of the device it runs on. `token` is what a trusted one was given."""

    fingerprint: str | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A session with its tokens; or the challenge that is to be completed first."""

    access_token: Annotated[
        str | None, Once("What to send as `Authorization: Bearer …`; null while a second factor is wanted.")
    ] = None
    access_token_expires_at: Annotated[
        datetime | None, Value("When the access token ends: renew it before; null without one.")
    ] = None
    refresh_token: Annotated[
        str | None, Once("What `refreshSession` takes, once: keep it as one keeps a password; null without a session.")
    ] = None
    session: UserSession | None = None
    challenge_id: Annotated[
        UUID | None, Value("What `verifyTwoFactor` takes, where a second factor is wanted; null where none is.")
    ] = None

    @property
    def result(self) -> str:
        """What `login_attempts` says of it."""
        return "success" if self.session is not None else "second_factor_wanted"


# The second factor that is asked of whoever signs in.
ENABLED = and_(
    TwoFactorAuth.user_id == User.id,
    TwoFactorAuth.enabled,
    TwoFactorAuth.method == TwoFactorAuthMethod.TOTP,
    TwoFactorAuth.secret.is_not(None),
)
# The password's hash is part of what a waiting sign-in is bound to.
FACTOR = Lookup(
    [User.password_hash, TwoFactorAuth.id],
    lambda rows: rows.select_from(User).outerjoin(TwoFactorAuth, ENABLED).where(User.id == bindparam("user_id")),
)
DEVICE = Lookup(
    [UserDevice],
    lambda rows: rows.where(
        UserDevice.user_id == bindparam("user_id"),
        UserDevice.device_fingerprint == bindparam("fingerprint", type_=Text),
    ).with_for_update(key_share=True),
)
# How often the user has signed in where the country was known, and how often in this one.
COUNTRY = cast(LoginAttempt.location, JSONB)["country"].astext
COUNTRIES = Lookup(
    [func.count(), func.count().filter(bindparam("country", type_=Text) == COUNTRY)],
    lambda rows: rows.where(
        LoginAttempt.user_id == bindparam("user_id"),
        LoginAttempt.attempt_result == literal_column("'success'"),
        COUNTRY.is_not(None),
    ),
)
# The live ones, of which the first has rested longest.
LIVE = Lookup(
    [UserSession.id],
    lambda rows: rows.where(
        UserSession.user_id == bindparam("user_id"),
        ~UserSession.is_revoked,
        UserSession.expires_at > func.clock_timestamp(),
    ).order_by(func.coalesce(UserSession.last_used_at, UserSession.created_at), UserSession.id),
)
# The caller's own session, and whether a second factor is asked of them.
OWN = Lookup(
    [UserSession, TwoFactorAuth.id, func.clock_timestamp()],
    lambda rows: (
        rows.select_from(User)
        .outerjoin(UserSession, and_(UserSession.id == bindparam("session_id"), UserSession.user_id == User.id))
        .outerjoin(TwoFactorAuth, ENABLED)
        .where(User.id == bindparam("user_id"))
    ),
)
# The sessions are locked in the order of their ids, and audited as they end.
END = Prepared(
    text("""
    WITH ending AS (
        SELECT id FROM identity.user_sessions
        WHERE user_id = CAST(:user_id AS uuid) AND NOT is_revoked AND id IS DISTINCT FROM CAST(:but AS uuid)
            AND CASE WHEN CAST(:only AS uuid[]) IS NULL THEN expires_at > clock_timestamp()
                ELSE id = ANY (CAST(:only AS uuid[])) END
        ORDER BY id FOR NO KEY UPDATE
    ), ended AS (
        UPDATE identity.user_sessions s
        SET is_revoked = true, ended_at = clock_timestamp(), end_reason = CAST(:reason AS varchar)
        FROM ending e WHERE s.id = e.id AND NOT s.is_revoked
        RETURNING s.id, s.user_id, s.device_id
    )
    INSERT INTO security.session_audits (id, session_id, user_id, action, ip_address, user_agent, device_id, metadata)
    SELECT gen_random_uuid(), id, user_id, CAST(:action AS varchar), CAST(:ip AS inet), CAST(:agent AS text), device_id,
        jsonb_build_object('reason', CAST(:reason AS text))
    FROM ended
    """)
)
# A statement of its own: what a refresh has just written is seen once the lock of its session was had.
END_TOKENS = Prepared(
    text("""
    UPDATE security.refresh_tokens t SET revoked_at = clock_timestamp(), revoked_reason = CAST(:reason AS varchar)
    FROM identity.user_sessions s
    WHERE s.user_id = CAST(:user_id AS uuid) AND s.is_revoked AND t.session_id = s.id AND t.revoked_at IS NULL
    """)
)
TOKENS_REVOKED = {
    UserSessionEndReason.SIGNED_OUT: RefreshTokenRevokedReason.LOGOUT,
    UserSessionEndReason.IDLE: RefreshTokenRevokedReason.EXPIRED,
    UserSessionEndReason.EXPIRED: RefreshTokenRevokedReason.EXPIRED,
    UserSessionEndReason.TOKEN_REUSED: RefreshTokenRevokedReason.REUSE_DETECTED,
}


async def begin(
    tx: RuleTransaction, user: User, *, methods: Sequence[str], device: Device | None = None, is_new: bool = False
) -> SignedIn:
    """Sign that user in, whose row is locked: by a new session always, whatever the caller has brought.

    `methods` are the proofs that were given (`pwd`, `otp`, `oidc`, `totp`, `backup`). Where a second factor is set up
    and not among them, what comes is a challenge, which opens nothing but `verifyTwoFactor`. Where the user has too
    many sessions, the one ends that has rested longest. `is_new`: the account is, so that nobody is warned of its
    first device.
    """
    program = program_of(tx.actor.user_agent)
    fingerprint = _fingerprint(device, program)
    configured, ((located, same_country),), ((password_hash, factor_id),), devices, live, ((now,),) = await tx.fetch(
        system_config.reading(*NUMBERS),
        COUNTRIES.query(user_id=user.id, country=tx.actor.country),
        FACTOR.query(user_id=user.id),
        DEVICE.query(user_id=user.id, fingerprint=fingerprint),
        LIVE.query(user_id=user.id),
        clock.reading(),
    )
    most, days, idle_days, minutes = system_config.numbers_in(configured, *NUMBERS)
    proved_twice = bool(SECOND_FACTORS & set(methods))
    if factor_id is not None and not proved_twice:
        waits = {
            "methods": list(methods), "fingerprint": fingerprint, "stamp": stamp_of(user, password_hash),
        }  # fmt: skip
        lifetime = timedelta(minutes=minutes)
        challenge = one_time_codes.begin_challenge(tx, user.id, _contact(user), waits, lifetime)
        return SignedIn(challenge_id=challenge.id)
    if surplus := [key for (key,) in live[: max(0, len(live) + 1 - most)]]:
        _end(tx, user.id, UserSessionEndReason.TOO_MANY, only=surplus)
        events.record(tx, user.id, "too_many_sessions", Severity.LOW, ended=[str(key) for key in surplus])
    known = devices[0][0] if devices else UserDevice(id=uuid4(), user_id=user.id, device_fingerprint=fingerprint)
    _note_use(tx, known, program, now)
    is_elsewhere = tx.actor.country is not None and located > 0 and not same_country
    if not devices and not is_new:
        events.record(tx, user.id, "new_device", Severity.MEDIUM, device=program.name, deviceId=str(known.id))
    if is_elsewhere:
        events.record(tx, user.id, "new_country", Severity.MEDIUM, country=tx.actor.country)
    if (not devices or is_elsewhere) and not is_new:
        events.inform(tx, user, Message.NEW_SIGN_IN, device=program.name or "?")
    user.last_login_at = now
    tx.save(user)
    ends = now + timedelta(days=days)
    token = opaque_tokens.made(tx.services.keyring, PREFIX)
    session = UserSession(
        id=uuid4(), user_id=user.id, token_hash=opaque_tokens.hash_of(token), ip_address=_ip(tx.actor),
        device_info=RawJson.of(_device_info(program)), created_at=now, expires_at=ends, device_id=known.id,
        assurance_level=2 if proved_twice else 1, methods=list(methods), authenticated_at=now,
    )  # fmt: skip
    refresh = RefreshToken(
        id=uuid4(), user_id=user.id, token_hash=session.token_hash, device_id=known.id, ip_address=address_of(tx.actor),
        user_agent=tx.actor.user_agent, expires_at=min(now + timedelta(days=idle_days), ends), created_at=now,
        family_id=uuid4(), session_id=session.id,
    )  # fmt: skip
    tx.save(session, refresh, audit(tx.actor, session, SessionAuditAction.SESSION_CREATED))
    return signed_in(tx, user, session, token)


def signed_in(tx: RuleTransaction, user: User, session: UserSession, refresh_token: str) -> SignedIn:
    """The payload of a session that lives, whose row is shown to whoever has just got it."""
    access = access_token(tx, user, session)
    tx.open_to_caller(session.id)
    return SignedIn(
        access_token=access.text, access_token_expires_at=access.expires_at, refresh_token=refresh_token,
        session=session,
    )  # fmt: skip


def access_token(tx: RuleTransaction, user: User, session: UserSession) -> AccessToken:
    """A token of that session as it is now. Raises ServiceUnavailable where none can be signed here."""
    return issuing.issued(
        tx.services.settings,
        user.id,
        user.roles or (),
        session_id=session.id,
        authenticated_at=session.authenticated_at or session.created_at,
        methods=session.methods or (),
        assurance_level=session.assurance_level,
    )


async def end_all(tx: RuleTransaction, user_id: UUID, reason: UserSessionEndReason, *, but: UUID | None = None) -> None:
    """End that user's sessions, whose row is locked, and their refresh tokens; `but` one, where it is to go on."""
    _end(tx, user_id, reason, but=but)


def end(tx: RuleTransaction, user_id: UUID, session_id: UUID, reason: UserSessionEndReason) -> None:
    """End one session of that user, and its refresh tokens."""
    _end(tx, user_id, reason, only=[session_id])


async def demand_recent(tx: RuleTransaction, *, field: str | None = None) -> UserSession | None:
    """Refuses unless the caller has proved within `security.recent_minutes` that it is them, by the second factor too
    where they have one. Gives their session.

    The session's row says so, not the token, which may be older than what has happened since. A token of a session
    that is not kept here (another issuer's, or one of the command line) says it itself, and gives None.
    """
    found, configured = await tx.fetch(
        OWN.query(user_id=tx.user_id, session_id=tx.actor.session_id), system_config.reading(RECENT_MINUTES)
    )
    (minutes,) = system_config.numbers_in(configured, RECENT_MINUTES)
    session, factor_id, now = found[0] if found else (None, None, None)
    at = tx.actor.authenticated_at if session is None else session.authenticated_at
    level = tx.actor.assurance_level if session is None else session.assurance_level
    if at is None or now is None or now - at > timedelta(minutes=minutes):
        raise ReauthenticationRequired(field=field)
    if factor_id is not None and level < 2:
        raise ReauthenticationRequired(field=field, secondFactor=True)
    return session


def stamp_of(user: User, password_hash: str | None) -> str:
    """What a waiting sign-in is bound to: it ends when the password or a contact is changed meanwhile."""
    state = "\0".join((password_hash or "", user.phone or "", user.email or ""))
    return hashlib.sha256(state.encode()).hexdigest()


def address_of(actor: Actor) -> str:
    return NO_ADDRESS if actor.ip is None else str(actor.ip)


def audit(actor: Actor, session: UserSession, action: SessionAuditAction) -> SessionAudit:
    return SessionAudit(
        id=uuid4(), session_id=session.id, user_id=session.user_id, action=action, ip_address=_ip(actor),
        user_agent=actor.user_agent, device_id=session.device_id, **events.location_of(actor),
    )  # fmt: skip


def _end(
    tx: RuleTransaction,
    user_id: UUID,
    reason: UserSessionEndReason,
    *,
    but: UUID | None = None,
    only: Sequence[UUID] | None = None,
) -> None:
    END.send(
        tx, user_id=user_id, but=but, only=only, reason=reason.value, ip=_ip(tx.actor), agent=tx.actor.user_agent,
        action=SessionAuditAction.SESSION_TERMINATED.value,
    )  # fmt: skip
    END_TOKENS.send(tx, user_id=user_id, reason=TOKENS_REVOKED.get(reason, RefreshTokenRevokedReason.SECURITY).value)


def _note_use(tx: RuleTransaction, device: UserDevice, program: Program, now: datetime) -> None:
    device.device_name, device.browser, device.os = program.name, program.browser, program.system
    device.device_type = None if program.kind is None else UserDeviceDeviceType(program.kind)
    device.last_ip_address, device.last_used_at, device.updated_at = _ip(tx.actor), now, now
    if located := events.location_of(tx.actor):
        device.last_location = located["location"]
    tx.save(device)


def _fingerprint(device: Device | None, program: Program) -> str:
    """What the client computes, or what is known of it without: not enough to be trusted, enough to be listed."""
    if device is not None and device.fingerprint:
        return device.fingerprint
    return f"agent:{program.name or 'unknown'}"


def _device_info(program: Program) -> dict[str, str]:
    found = {"name": program.name, "browser": program.browser, "os": program.system, "type": program.kind}
    return {key: value for key, value in found.items() if value is not None}


def _contact(user: User) -> str:
    contact = user.phone or user.email
    assert contact is not None, "the database wants one of them"
    return contact


def _ip(actor: Actor) -> str | None:
    return None if actor.ip is None else str(actor.ip)
