"""The second factor: codes of an authenticator app (RFC 6238), each good for once."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pyotp
from sqlalchemy import Integer, bindparam, func, or_, select

from lango.actor import Actor
from lango.db.prepared import Lookup, Query
from lango.errors import Refused
from lango.rules.transaction import RuleTransaction
from lango.security.encryption import opened
from lango.values import codes
from models.security import SecurityEvent, SecurityEventSeverity, TwoFactorAuth, TwoFactorAuthMethod
from resolvers.kernel import system_config
from resolvers.kernel.system_config import Configured

STEP = 30
DIGITS = 6
FAILED = "two_factor_failed"
THRESHOLD = Configured("security.lockout_threshold", 5)
LOCKOUT_MINUTES = Configured("security.lockout_minutes", 15)


class TwoFactorRequired(Refused):
    """A code of the authenticator app is required."""


class TwoFactorInvalid(Refused):
    """This code is not valid, or was used before."""


class TwoFactorLocked(Refused):
    """Too many wrong codes: wait a little, then try again."""


class TwoFactorUnreadable(Refused):
    """The authenticator app can no longer be verified: set it up again."""


REFUSALS = (TwoFactorRequired, TwoFactorInvalid, TwoFactorLocked, TwoFactorUnreadable)

# Lock first: two that bring the same code must queue, not race.
FACTOR = Lookup(
    [TwoFactorAuth, TwoFactorAuth.secret],
    lambda rows: rows.where(
        TwoFactorAuth.user_id == bindparam("user_id"),
        TwoFactorAuth.method == TwoFactorAuthMethod.TOTP,
        TwoFactorAuth.enabled,
        TwoFactorAuth.secret.is_not(None),
    ).with_for_update(key_share=True),
)
FAILURES = (
    select(func.count())
    .where(
        SecurityEvent.user_id == bindparam("user_id"),
        SecurityEvent.event_type == FAILED,
        SecurityEvent.created_at > func.now() - func.make_interval(0, 0, 0, 0, 0, bindparam("minutes", type_=Integer)),
        or_(
            bindparam("last_used_at", type_=TwoFactorAuth.last_used_at.type).is_(None),
            SecurityEvent.created_at > bindparam("last_used_at", type_=TwoFactorAuth.last_used_at.type),
        ),
    )
    .scalar_subquery()
)
TRIED = Lookup([FAILURES, func.clock_timestamp()], lambda rows: rows)


@dataclass(frozen=True, slots=True)
class Factor:
    """A locked second factor, and how many wrong codes lock it out for how long."""

    row: TwoFactorAuth
    # The secret, encrypted.
    sealed: str
    threshold: int
    minutes: int


async def lock_factor(tx: RuleTransaction, user_id: UUID) -> Factor | None:
    """That user's second factor, in the rules' role, if they have one. Lock it before anything is written: wrong codes
    are counted under this lock, which has to outlast a refusal."""
    factors, numbers = await tx.fetch(FACTOR.query(user_id=user_id), system_config.reading(THRESHOLD, LOCKOUT_MINUTES))
    if not factors:
        return None
    ((row, sealed),) = factors
    return Factor(row, sealed, *system_config.numbers_in(numbers, THRESHOLD, LOCKOUT_MINUTES))


def counting_tries(factor: Factor | None) -> list[Query]:
    """The look-up of the wrong codes of a locked factor, to be sent together with others; `demand_code` reads it."""
    if factor is None:
        return []
    row = factor.row
    return [TRIED.query(user_id=row.user_id, minutes=factor.minutes, last_used_at=row.last_used_at)]


def demand_code(
    tx: RuleTransaction,
    factor: Factor | None,
    tried: Sequence[Sequence[tuple[Any, ...]]],
    code: str | None,
    *,
    field: str,
) -> None:
    """Refuses without a fresh code of that second factor, whose wrong ones `counting_tries` has found; one that is
    taken is used up.

    A wrong one leaves a security event; `security.lockout_threshold` of them in a row lock the factor for
    `security.lockout_minutes`.
    """
    if code is None:
        raise TwoFactorRequired(field=field)
    if factor is None:
        raise TwoFactorRequired("Set up an authenticator app first: this needs a code of it.", field=field)
    row, (((failures, now),),) = factor.row, tried
    if failures >= factor.threshold:
        raise TwoFactorLocked(field=field)
    secret = opened(tx.services.keyring, factor.sealed, TwoFactorAuth.secret, row.id)
    if secret is None:
        raise TwoFactorUnreadable(field=field)
    counter = accepted(secret, code, now)
    if counter is None or counter <= (row.last_counter or 0):
        raise TwoFactorInvalid(field=field).keeping(_failure(tx.actor, row.user_id), counted_under=row)
    row.last_counter, row.last_used_at = counter, now
    tx.save(row)


def accepted(secret: str, code: str, now: datetime) -> int | None:
    """The 30-second step whose code this is: the present one, or one on either side of it."""
    given = codes.digits(code)
    if len(given) != DIGITS:
        return None
    present = int(now.timestamp()) // STEP
    known = {step: pyotp.TOTP(secret).generate_otp(step) for step in (present, present - 1, present + 1)}
    return next((step for step, right in known.items() if hmac.compare_digest(right, given)), None)


def _failure(actor: Actor, user_id: UUID) -> SecurityEvent:
    return SecurityEvent(
        id=uuid4(), user_id=user_id, event_type=FAILED, severity=SecurityEventSeverity.MEDIUM,
        ip_address=str(actor.ip) if actor.ip else None, user_agent=actor.user_agent,
    )  # fmt: skip
