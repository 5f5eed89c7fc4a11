"""Every try to sign in: written down, counted, and after too many answered no more.

A lock must not say whether an account exists. So one that does not is locked by its failures too, after as many and as
long; and while it lasts a right password is answered as a wrong one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Interval, Text, and_, bindparam, func, or_, select

from lango.db.prepared import Lookup, Prepared, Query
from lango.errors import Refused
from lango.rules.transaction import RuleTransaction
from lango.security import opaque_tokens
from models.identity import User
from models.security import LoginAttempt, UserDevice
from models.security import SecurityEventSeverity as Severity
from resolvers.identity.sessions import address_of
from resolvers.kernel import system_config
from resolvers.messages.messages import Message
from resolvers.security import events
from resolvers.security.second_factor import LOCKOUT_MINUTES, THRESHOLD

# A lock doubles from one to the next, up to this: nobody keeps an account locked for longer by one round of failures.
LONGEST_LOCK = timedelta(days=1)
# For so long failures of a contact without an account count.
REMEMBERED = timedelta(days=7)
NOT_FOUND = "failed_not_found"


class CredentialsInvalid(Refused):
    """The contact or the password is not right."""


class AccountLocked(Refused):
    """Too many failures: wait a little, then try again."""


class AccountSuspended(Refused):
    """This account has been suspended: write to us."""


@dataclass(frozen=True, slots=True)
class Found:
    """Whom a contact names, before anything is locked: nobody, or an account with its password's hash, and whether the
    device is trusted by it."""

    user_id: UUID | None
    password_hash: str | None
    device_id: UUID | None


@dataclass(frozen=True, slots=True)
class Counted:
    """What of earlier failures holds now, under the locks."""

    user: User | None
    password_hash: str | None
    # Where the device is trusted, its failures are its own.
    device: UserDevice | None
    failures: int
    locked_until: datetime | None
    threshold: int
    minutes: int
    now: datetime

    @property
    def is_locked(self) -> bool:
        return self.locked_until is not None and self.locked_until > self.now


CONTACT = bindparam("contact", type_=Text)
NAMED = and_(or_(User.phone == CONTACT, User.email == CONTACT), User.deleted_at.is_(None))
TRUSTED = and_(
    UserDevice.user_id == User.id,
    UserDevice.trust_token_hash == bindparam("trust_token_hash", type_=Text),
    UserDevice.trusted,
    UserDevice.trusted_until > func.clock_timestamp(),
)
NAMING = Lookup(
    [User.id, User.password_hash, UserDevice.id],
    lambda rows: rows.select_from(User).outerjoin(UserDevice, TRUSTED).where(NAMED),
)
USER = Lookup(
    [User, User.password_hash],
    lambda rows: rows.where(User.id == bindparam("user_id")).with_for_update(key_share=True),
)
DEVICE = Lookup(
    [UserDevice], lambda rows: rows.where(UserDevice.id == bindparam("device_id")).with_for_update(key_share=True)
)
# Whoever is nobody has no row that could be locked: tries of a contact queue by this, so that all are counted.
ONE_AT_A_TIME = Prepared(select(func.pg_advisory_xact_lock(func.hashtextextended(CONTACT, 0, type_=BigInteger))))
UNKNOWN = Lookup(
    [func.count(), func.max(LoginAttempt.created_at), func.clock_timestamp()],
    lambda rows: rows.where(
        LoginAttempt.identifier == CONTACT,
        LoginAttempt.attempt_result == NOT_FOUND,
        LoginAttempt.created_at > func.clock_timestamp() - bindparam("remembered", type_=Interval),
    ),
)


async def look(tx: RuleTransaction, contact: str, device_token: str | None) -> Found:
    """Whom a contact names, in a transaction of its own: none is open while a password is hashed."""
    token_hash = None if device_token is None else opaque_tokens.hash_of(device_token)
    async with tx.services.work(tx.actor) as looking:
        (rows,) = await looking.fetch_last(NAMING.query(contact=contact, trust_token_hash=token_hash))
    return Found(*rows[0]) if rows else Found(None, None, None)


async def count(tx: RuleTransaction, contact: str, found: Found) -> Counted:
    """What holds of earlier failures, under the locks of the contact, the user and the trusted device."""
    _, users, devices, ((unknown, last, now),), configured = await tx.fetch(
        ONE_AT_A_TIME.query(contact=contact),
        locking(found.user_id),
        DEVICE.query(device_id=found.device_id),
        UNKNOWN.query(contact=contact, remembered=REMEMBERED),
        system_config.reading(THRESHOLD, LOCKOUT_MINUTES),
    )
    threshold, minutes = system_config.numbers_in(configured, THRESHOLD, LOCKOUT_MINUTES)
    user, password_hash = users[0] if users else (None, None)
    device = devices[0][0] if devices else None
    holder = device or user
    if holder is not None:
        failures, until = holder.login_attempts, holder.locked_until
    else:
        failures, until = unknown, locked_until(unknown, last, threshold, minutes)
    return Counted(user, password_hash, device, failures, until, threshold, minutes, now)


def locking(user_id: UUID | None) -> Query:
    """The look-up that locks a user and gives the password's hash, to be sent together with others."""
    return USER.query(user_id=user_id)


def is_active(user: User) -> bool:
    """Whether the account may be signed in to."""
    return user.is_active and user.deleted_at is None


def locked_until(failures: int, last: datetime | None, threshold: int, minutes: int) -> datetime | None:
    """Until when so many failures lock, of which the last was then; None where they do not."""
    if last is None or failures == 0 or failures % threshold:
        return None
    doublings = min(failures // threshold - 1, 20)
    lasts: timedelta = min(timedelta(minutes=minutes) * 2**doublings, LONGEST_LOCK)
    return last + lasts


def locked(tx: RuleTransaction, contact: str, counted: Counted, fingerprint: str | None) -> Refused:
    """The refusal while it is locked, which is the same for right and wrong passwords; it counts for nothing."""
    assert counted.locked_until is not None
    attempt = attempt_of(tx, contact, _id(counted), "account_locked", "Locked", fingerprint=fingerprint)
    seconds = max(1, int((counted.locked_until - counted.now).total_seconds()))
    return AccountLocked(retryAfter=seconds).keeping(attempt)


def failed(tx: RuleTransaction, contact: str, counted: Counted, fingerprint: str | None) -> Refused:
    """The refusal of a wrong password, or of a contact that is nobody's, which is counted; what locks the account is
    said to its owner."""
    user, holder = counted.user, counted.device or counted.user
    why = "Unknown contact" if user is None else "Wrong password"
    result = NOT_FOUND if user is None else "failed_password"
    kept: list[Any] = [attempt_of(tx, contact, _id(counted), result, why, fingerprint=fingerprint)]
    if holder is None or user is None:
        return CredentialsInvalid(field="identifier").keeping(*kept)
    holder.login_attempts = counted.failures + 1
    until = locked_until(holder.login_attempts, counted.now, counted.threshold, counted.minutes)
    kept.insert(0, holder)
    if until is None:
        return CredentialsInvalid(field="identifier").keeping(*kept, counted_under=holder)
    holder.locked_until = until
    minutes = int((until - counted.now).total_seconds() // 60)
    kept.append(events.event_of(tx, user.id, "account_locked", Severity.MEDIUM, minutes=minutes))
    return CredentialsInvalid(field="identifier").keeping(
        *kept, counted_under=holder, also=lambda tx: events.inform(tx, user, Message.ACCOUNT_LOCKED, minutes=minutes)
    )


def attempt_of(
    tx: RuleTransaction,
    contact: str,
    user_id: UUID | None,
    result: str,
    reason: str | None = None,
    *,
    fingerprint: str | None = None,
) -> LoginAttempt:
    """The row that every try leaves."""
    actor = tx.actor
    return LoginAttempt(
        id=uuid4(), identifier=contact, user_id=user_id, ip_address=address_of(actor), user_agent=actor.user_agent,
        attempt_result=result, failure_reason=reason, device_fingerprint=fingerprint,
        **events.location_of(actor),
    )  # fmt: skip


def _id(counted: Counted) -> UUID | None:
    return None if counted.user is None else counted.user.id
