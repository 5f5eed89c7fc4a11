"""Sessions of administrators: opened on purpose, with a level and an end, and watched."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam, func

from lango.actor import Role
from lango.db import rows
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.jobs.job import scheduled
from lango.rules.inputs import Locked, Once, Text, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.admin import AdminSession, AdminSessionAdminLevel, AdminSessionTerminationReason
from models.identity import User
from models.security import SecurityEventSeverity as Severity
from resolvers.identity.sessions import ReauthenticationRequired, address_of, demand_recent
from resolvers.kernel import clock, due, system_config
from resolvers.kernel.system_config import Configured
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.security import events

MINUTES = Configured("admin.session_minutes", 60)
SHORTEST_MINUTES, LONGEST_MINUTES = 5, 12 * 60
LONGEST_REASON = 2_000
TOKEN_BYTES = 32
Level = AdminSessionAdminLevel


class LevelNotYours(Refused):
    """Only a super administrator may open a session of this level."""


class SecondFactorNeeded(Refused):
    """A session of an administrator needs a sign-in with a second factor."""


class DurationNotValid(Refused):
    """A session of an administrator lasts from 5 minutes to 12 hours."""


class NotYourSession(Refused):
    """Only its administrator, or a super administrator, may end this session."""


OPEN = Lookup(
    [AdminSession],
    lambda found: found.where(
        AdminSession.user_id == bindparam("user_id"), AdminSession.terminated_at.is_(None),
        AdminSession.expires_at > func.clock_timestamp(),
    ),
)  # fmt: skip
LAPSED = due.Due(
    AdminSession.id,
    lambda found: found.where(AdminSession.terminated_at.is_(None), AdminSession.expires_at <= func.now()).order_by(
        AdminSession.expires_at, AdminSession.id
    ),
)


@dataclass(frozen=True, slots=True)
class StartedAdminSession:
    """A session of an administrator, with the token that it is recognised by."""

    token: Annotated[str, Once("What the session is recognised by: it is kept nowhere.")]
    admin_session: AdminSession


@rule(
    LevelNotYours, SecondFactorNeeded, DurationNotValid, ReauthenticationRequired, TextMissing, idempotent=False,
    staff=True,
)  # fmt: skip
async def start_admin_session(
    tx: RuleTransaction,
    level: Annotated[Level, Value("How far it reaches.")],
    reason: Annotated[str, Text("What it is for, for the record.", LONGEST_REASON)],
    minutes: Annotated[int | None, Value("How long it lasts, in minutes; an hour when it is left out.")] = None,
    permissions: Annotated[
        list[str] | None, Value("What in particular it is for, as names; all that its level allows when left out.")
    ] = None,
) -> StartedAdminSession:
    """Open a session of an administrator, on purpose and for a while. An earlier one of theirs ends.

    Staff who have signed in with a second factor and proved within minutes that it is them; a `SUPER` one is for super
    administrators.
    """
    check_text(reason, field="reason")
    if level == Level.SUPER and Role.SUPER_ADMIN not in tx.actor.roles:
        raise LevelNotYours(field="level")
    if minutes is not None and not SHORTEST_MINUTES <= minutes <= LONGEST_MINUTES:
        raise DurationNotValid(field="minutes")
    session = await demand_recent(tx)
    if (tx.actor.assurance_level if session is None else session.assurance_level) < 2:
        raise SecondFactorNeeded
    _, open_ones, ((now,),), configured = await tx.fetch(
        rows.locking(User, tx.user_id), OPEN.query(user_id=tx.user_id), clock.reading(), system_config.reading(MINUTES)
    )
    for (before,) in open_ones:
        _end(tx, before, AdminSessionTerminationReason.LOGOUT, now)
    (usual,) = system_config.numbers_in(configured, MINUTES)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    started = AdminSession(
        id=uuid4(), user_id=tx.user_id, session_token_hash=hashlib.sha256(token.encode()).hexdigest(),
        ip_address=address_of(tx.actor), user_agent=tx.actor.user_agent, admin_level=level,
        permissions_granted=permissions, last_activity_at=now, expires_at=now + timedelta(minutes=minutes or usual),
    )  # fmt: skip
    tx.save(started)
    events.record(
        tx, tx.user_id, "admin_session_started", Severity.MEDIUM, session=str(started.id), level=level.value,
        reason=reason,
    )  # fmt: skip
    return StartedAdminSession(token, started)


@rule(NotYourSession, InvalidState, staff=True)
async def terminate_admin_session(
    tx: RuleTransaction, admin_session: Annotated[AdminSession, Locked("The session that is to end.")]
) -> AdminSession:
    """End a session of an administrator before its time. Its administrator, or a super administrator."""
    own = admin_session.user_id == tx.user_id
    if not own and Role.SUPER_ADMIN not in tx.actor.roles:
        raise NotYourSession(field="admin_session_id")
    now = await clock.now(tx)
    if admin_session.terminated_at is not None or admin_session.expires_at <= now:
        raise InvalidState("This session has ended.", field="admin_session_id")
    reason = AdminSessionTerminationReason.LOGOUT if own else AdminSessionTerminationReason.REVOKED
    _end(tx, admin_session, reason, now)
    events.record(
        tx, admin_session.user_id, "admin_session_ended", Severity.LOW, session=str(admin_session.id),
        by=str(tx.user_id),
    )  # fmt: skip
    return admin_session


@scheduled("admin.end_lapsed_sessions", "*/5 * * * *")
async def end_lapsed_sessions(services: Services) -> None:
    """Write down the end of administrators' sessions whose time has run out."""
    await due.each(services, end_lapsed_sessions, LAPSED, _lapse)


async def _lapse(tx: RuleTransaction, session_id: UUID) -> None:
    ((session,),), ((now,),) = await tx.fetch(rows.locking(AdminSession, session_id), clock.reading())
    if session.terminated_at is None and session.expires_at <= now:
        _end(tx, session, AdminSessionTerminationReason.TIMEOUT, session.expires_at)


def _end(tx: RuleTransaction, session: Any, reason: AdminSessionTerminationReason, at: datetime) -> None:
    session.terminated_at, session.termination_reason = at, reason
    tx.save(session)
