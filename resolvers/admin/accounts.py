"""Accounts in the hands of staff: suspended, given back, unlocked; and security events that somebody has looked at."""

from __future__ import annotations

from typing import Annotated

from sqlalchemy import bindparam, func

from lango.actor import STAFF_ROLES, Role
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Locked, Text
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from models.identity import User, UserSessionEndReason
from models.profiles import Profile
from models.security import SecurityEvent
from models.security import SecurityEventSeverity as Severity
from resolvers.identity import sessions
from resolvers.kernel import clock, guardianship, own_matters
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.security import events

LONGEST_REASON = 2_000
Reason = Annotated[str, Text("Why, for the record.", LONGEST_REASON)]


class SuccessorNeeded(Refused):
    """This user acts for a minor: somebody else must be the guardian first."""


class StaffAccount(Refused):
    """An account of the staff is suspended and given back by a super administrator."""


WARDS = Lookup(
    [func.count()],
    lambda found: found.select_from(Profile).where(
        Profile.guardian_user_id == bindparam("user_id"), Profile.guardian_accepted_at.is_not(None),
        guardianship.MINOR,
    ),
)  # fmt: skip


@rule(OwnMatter, StaffAccount, SuccessorNeeded, InvalidState, TextMissing, staff=True)
async def suspend_user(
    tx: RuleTransaction, user: Annotated[User, Locked("Whose account is to be suspended.")], reason: Reason
) -> User:
    """Suspend an account: its tokens, sessions and keys are refused within a second. Staff, others than themselves.

    Who is the guardian of a minor is suspended when somebody else is (`replaceGuardian`).
    """
    check_text(reason, field="reason")
    (wards, ((minors,),)) = await tx.fetch(own_matters.relating(tx), WARDS.query(user_id=user.id))
    own_matters.refuse_related(tx, wards, user.id, field="user_id")
    _check_staff(tx, user)
    _check_open(user, active=True)
    if minors:
        raise SuccessorNeeded(field="user_id", minors=minors)
    user.is_active = False
    tx.save(user)
    await sessions.end_all(tx, user.id, UserSessionEndReason.ACCOUNT_CLOSED)
    events.record(tx, user.id, "account_suspended", Severity.MEDIUM, reason=reason, by=str(tx.user_id))
    return user


@rule(OwnMatter, StaffAccount, InvalidState, TextMissing, staff=True)
async def reactivate_user(
    tx: RuleTransaction, user: Annotated[User, Locked("Whose account is suspended.")], reason: Reason
) -> User:
    """Give a suspended account back: its owner signs in again. Staff, others than themselves."""
    check_text(reason, field="reason")
    own_matters.refuse_related(tx, (await tx.fetch(own_matters.relating(tx)))[0], user.id, field="user_id")
    _check_staff(tx, user)
    _check_open(user, active=False)
    user.is_active = True
    tx.save(user)
    events.record(tx, user.id, "account_reactivated", Severity.LOW, reason=reason, by=str(tx.user_id))
    return user


@rule(OwnMatter, InvalidState, TextMissing, staff=True)
async def unlock_user(
    tx: RuleTransaction, user: Annotated[User, Locked("Whose sign-in is locked.")], reason: Reason
) -> User:
    """Lift the lock that failed sign-ins have put on an account. Staff, others than themselves."""
    check_text(reason, field="reason")
    wards, ((now,),) = await tx.fetch(own_matters.relating(tx), clock.reading())
    own_matters.refuse_related(tx, wards, user.id, field="user_id")
    if user.locked_until is None or user.locked_until <= now:
        raise InvalidState("This account is not locked.", field="user_id")
    user.locked_until, user.login_attempts = None, 0
    tx.save(user)
    events.record(tx, user.id, "account_unlocked", Severity.LOW, reason=reason, by=str(tx.user_id))
    return user


@rule(OwnMatter, InvalidState, TextMissing, staff=True)
async def resolve_security_event(
    tx: RuleTransaction,
    event: Annotated[SecurityEvent, Locked("The event that was looked at.")],
    notes: Annotated[str, Text("What came of it.", LONGEST_REASON)],
) -> SecurityEvent:
    """Say what came of a security event, once. Staff, of others than themselves."""
    check_text(notes, field="notes")
    wards, ((now,),) = await tx.fetch(own_matters.relating(tx), clock.reading())
    own_matters.refuse_related(tx, wards, event.user_id, field="event_id")
    if event.resolved:
        raise InvalidState("This event is resolved already.", field="event_id")
    event.resolved, event.resolved_by, event.resolved_at, event.notes = True, tx.user_id, now, notes
    tx.save(event)
    return event


def _check_staff(tx: RuleTransaction, user: User) -> None:
    """Raises StaffAccount where one of the staff would take another's account, unless a super administrator does."""
    if set(user.roles or ()) & STAFF_ROLES and Role.SUPER_ADMIN not in tx.actor.roles:
        raise StaffAccount(field="user_id")


def _check_open(user: User, *, active: bool) -> None:
    if user.deleted_at is not None:
        raise InvalidState("This account is closed.", field="user_id")
    if user.is_active is not active:
        raise InvalidState(f"This account is {'not ' if not active else 'already '}suspended.", field="user_id")
