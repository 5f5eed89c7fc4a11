"""Refreshing: a refresh token is exchanged, once, for the next of its family and a new access token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4

from sqlalchemy import Text as SqlText
from sqlalchemy import bindparam, func, select

from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Text
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from lango.security import issuing, opaque_tokens
from models.identity import User, UserSession, UserSessionEndReason
from models.security import RefreshToken, RefreshTokenRevokedReason, SessionAuditAction
from models.security import SecurityEventSeverity as Severity
from resolvers.identity import attempts, limits, sessions
from resolvers.identity.sessions import IDLE_DAYS, PREFIX, SignedIn
from resolvers.kernel import system_config
from resolvers.kernel.system_config import Configured
from resolvers.messages.messages import Message
from resolvers.security import events

LEEWAY = Configured("security.refresh_leeway_seconds", 10)


class RefreshTokenInvalid(Refused):
    """This is no refresh token of ours, or no more: sign in again."""


class RefreshTokenReused(Refused):
    """This refresh token was replaced by another. To be safe, its session was ended: sign in again."""


class SessionExpired(Refused):
    """The session has ended, for it was not used for long or has lasted as long as one may: sign in again."""


class SessionEnded(Refused):
    """The session was ended: sign in again."""


HASH = bindparam("token_hash", type_=SqlText)
# Lock first: tabs that refresh at once must queue, and all but the first find what the first has made.
SESSION = Lookup(
    [UserSession],
    lambda rows: (
        rows.join(RefreshToken, RefreshToken.session_id == UserSession.id)
        .where(RefreshToken.token_hash == HASH)
        .with_for_update(key_share=True, of=UserSession)
    ),
)
USER = Lookup(
    [User, func.clock_timestamp()],
    lambda rows: rows.join(RefreshToken, RefreshToken.user_id == User.id).where(RefreshToken.token_hash == HASH),
)
# What was brought, and what it was exchanged for.
PRESENTED = Lookup([RefreshToken], lambda rows: rows.where(RefreshToken.token_hash == HASH))
NEXT = Lookup(
    [RefreshToken, RefreshToken.token_hash],
    lambda rows: rows.where(
        RefreshToken.id == select(RefreshToken.replaced_by).where(RefreshToken.token_hash == HASH).scalar_subquery()
    ),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a refresh token leads to, under the lock of its session."""

    session: UserSession
    user: User
    token: RefreshToken
    # The next of its family and its hash, where it was exchanged already.
    next: tuple[RefreshToken, str] | None
    now: datetime
    leeway: timedelta
    idle: timedelta


@rule(
    RefreshTokenInvalid, RefreshTokenReused, SessionExpired, SessionEnded, anonymous=True, idempotent=False,
)  # fmt: skip
async def refresh_session(
    tx: RuleTransaction,
    refresh_token: Annotated[
        str | None,
        Text("The last one that was given for the session; where it is kept in a cookie, that one.", 100, exact=True),
    ] = None,
) -> SignedIn:
    """Exchange a refresh token for the next, and for a new access token.

    Within `security.refresh_leeway_seconds` the same token gives the same next one, for tabs that refresh at once and
    for answers that were lost. An older one may have been stolen: it ends the session.
    """
    await limits.take_refresh(tx)
    if refresh_token is None:
        raise RefreshTokenInvalid
    if not opaque_tokens.is_ours(tx.services.keyring, refresh_token, PREFIX):
        raise RefreshTokenInvalid(field="refresh_token")
    issuing.demand_key(tx.services.settings)
    found = await _find(tx, refresh_token)
    session, user, token, now = found.session, found.user, found.token, found.now
    if not attempts.is_active(user):
        raise SessionEnded(field="refresh_token")
    if session.is_revoked:
        expired = session.end_reason in (UserSessionEndReason.IDLE, UserSessionEndReason.EXPIRED)
        raise (SessionExpired if expired else SessionEnded)(field="refresh_token")
    if session.expires_at <= now:
        raise _ending(SessionExpired, found, UserSessionEndReason.EXPIRED)
    following = opaque_tokens.following(tx.services.keyring, refresh_token, PREFIX)
    if token.revoked_at is None:
        if token.expires_at <= now:
            raise _ending(SessionExpired, found, UserSessionEndReason.IDLE)
        _exchange(tx, found, following[0])
        return sessions.signed_in(tx, user, session, following[0])
    if found.next is not None and now - token.revoked_at <= found.leeway and found.next[0].revoked_at is None:
        same = next((each for each in following if opaque_tokens.hash_of(each) == found.next[1]), None)
        if same is not None:
            return sessions.signed_in(tx, user, session, same)
    raise _ending(RefreshTokenReused, found, UserSessionEndReason.TOKEN_REUSED)


async def _find(tx: RuleTransaction, refresh_token: str) -> Found:
    given: dict[str, Any] = {"token_hash": opaque_tokens.hash_of(refresh_token)}
    found, presented, nexts, users, configured = await tx.fetch(
        SESSION.query(**given),
        PRESENTED.query(**given),
        NEXT.query(**given),
        USER.query(**given),
        system_config.reading(LEEWAY, IDLE_DAYS),
    )
    if not found or not presented or not users:
        raise RefreshTokenInvalid(field="refresh_token")
    ((user, now),) = users
    seconds, days = system_config.numbers_in(configured, LEEWAY, IDLE_DAYS)
    after = nexts[0] if nexts else None
    return Found(
        found[0][0], user, presented[0][0], after, now, timedelta(seconds=seconds), timedelta(days=days)
    )  # fmt: skip


def _exchange(tx: RuleTransaction, found: Found, following: str) -> None:
    session, token, now, actor = found.session, found.token, found.now, tx.actor
    next_ = RefreshToken(
        id=uuid4(), user_id=token.user_id, token_hash=opaque_tokens.hash_of(following), device_id=token.device_id,
        ip_address=sessions.address_of(actor), user_agent=actor.user_agent,
        expires_at=min(now + found.idle, session.expires_at), created_at=now, family_id=token.family_id,
        session_id=session.id,
    )  # fmt: skip
    token.revoked_at, token.revoked_reason, token.replaced_by = now, RefreshTokenRevokedReason.ROTATED, next_.id
    session.last_used_at = now
    tx.save(next_, token, session, sessions.audit(actor, session, SessionAuditAction.SESSION_RENEWED))


def _ending(refusal: type[Refused], found: Found, reason: UserSessionEndReason) -> Refused:
    """The refusal, with which the session ends."""
    user, session = found.user, found.session

    def end(tx: RuleTransaction) -> None:
        sessions.end(tx, user.id, session.id, reason)
        if reason is UserSessionEndReason.TOKEN_REUSED:
            events.record(tx, user.id, "refresh_token_reused", Severity.CRITICAL, sessionId=str(session.id))
            events.inform(tx, user, Message.SESSION_REUSED)

    return refusal(field="refresh_token").keeping(counted_under=session, also=end)
