"""What is over: sessions that nobody has ended, and the codes, tokens and tries of long ago."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, bindparam, delete, func, or_, select

from lango.db.prepared import Lookup, Prepared
from lango.jobs.job import scheduled
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.base import Base
from models.identity import OneTimeCode, UserSession, UserSessionEndReason
from models.security import LoginAttempt, RefreshToken
from resolvers.identity import sessions
from resolvers.kernel import clock, due, system_config
from resolvers.kernel.system_config import Configured

AT_ONCE = 5_000
CODE_DAYS = Configured("security.code_retention_days", 7)
TOKEN_DAYS = Configured("security.token_retention_days", 90)
ATTEMPT_DAYS = Configured("security.attempt_retention_days", 365)

# The last token of a session that was not used in time: all before it have been exchanged.
_unused = select(RefreshToken.session_id).where(
    RefreshToken.revoked_at.is_(None), RefreshToken.expires_at <= func.now()
)
OVER = due.Due(
    UserSession.id,
    lambda rows: rows.where(
        ~UserSession.is_revoked, or_(UserSession.expires_at <= func.now(), UserSession.id.in_(_unused))
    ).order_by(UserSession.expires_at),
)
UNUSED = Lookup(
    [RefreshToken.id],
    lambda rows: rows.where(
        RefreshToken.session_id == bindparam("session_id"),
        RefreshToken.revoked_at.is_(None),
        RefreshToken.expires_at <= func.clock_timestamp(),
    ),
)


def _deleting(model: type[Base], since: ColumnElement[Any]) -> Prepared:
    """Deletes some rows that are older than so many days."""
    (key,) = model.__mapper__.primary_key
    table = model.table()
    old = select(key).where(since < func.now() - func.make_interval(0, 0, 0, bindparam("days", type_=Integer)))
    return Prepared(delete(table).where(key.in_(old.limit(AT_ONCE))).returning(key))


# By how many days each outlives what it was good for.
DELETED: Sequence[tuple[Configured[int], Prepared]] = (
    (CODE_DAYS, _deleting(OneTimeCode, OneTimeCode.table().c.expires_at)),
    (TOKEN_DAYS, _deleting(RefreshToken, RefreshToken.table().c.expires_at)),
    (ATTEMPT_DAYS, _deleting(LoginAttempt, LoginAttempt.table().c.created_at)),
)


@scheduled("sessions.end_idle_sessions", "*/10 * * * *", timeout=300)
async def end_idle_sessions(services: Services) -> None:
    """End the sessions that were not used for as long as one may rest, or have lasted as long as one may."""
    await due.each(services, end_idle_sessions, OVER, _end)


@scheduled("sign_in.delete_old_rows", "37 * * * *", timeout=300)
async def delete_old_rows(services: Services) -> None:
    """Delete codes, refresh tokens and tries to sign in that are kept no longer."""
    for kept, statement in DELETED:
        deleted = AT_ONCE
        while deleted == AT_ONCE:
            async with services.work() as tx:
                days = await system_config.number(tx, kept)
                deleted = len(await statement.run(tx, days=days))


async def _end(tx: RuleTransaction, session_id: UUID) -> None:
    session = await tx.lock(UserSession, session_id)
    unused, ((now,),) = await tx.fetch(UNUSED.query(session_id=session_id), clock.reading())
    if session.is_revoked:
        return
    if session.expires_at <= now:
        sessions.end(tx, session.user_id, session_id, UserSessionEndReason.EXPIRED)
    elif unused:
        sessions.end(tx, session.user_id, session_id, UserSessionEndReason.IDLE)
