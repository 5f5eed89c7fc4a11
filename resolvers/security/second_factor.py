"""The second factor: codes of an authenticator app (RFC 6238), each good for once."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
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
from models.security import SecurityEvent, SecurityEventSeverity, TwoFactorAuth, TwoFactorAuthMethod
from resolvers.kernel import system_config
from resolvers.kernel.system_config import Configured

STEP = 30
CODE = re.compile(r"\d{6}", re.ASCII)
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


def locking_factor(user_id: UUID, code: str | None) -> list[Query]:
    """The look-ups by which that user's code is checked, to be sent together with others, in the rules' role:
    `demand_code` reads them. Without a code nothing is locked."""
    return [] if code is None else [FACTOR.query(user_id=user_id), system_config.reading(THRESHOLD, LOCKOUT_MINUTES)]


async def demand_code(
    tx: RuleTransaction, found: Sequence[Sequence[tuple[Any, ...]]], code: str | None, *, field: str
) -> None:
    """Refuses without a fresh code of the second factor that `locking_factor` has found; one that is taken is used up.

    A wrong one leaves a security event; `security.lockout_threshold` of them in a row lock the factor for
    `security.lockout_minutes`.
    """
    if code is None:
        raise TwoFactorRequired(field=field)
    factors, numbers = found
    if not factors:
        raise TwoFactorRequired("Set up an authenticator app first: this needs a code of it.", field=field)
    ((factor, sealed),) = factors
    threshold, minutes = system_config.numbers_in(numbers, THRESHOLD, LOCKOUT_MINUTES)
    ((failures, now),) = await TRIED.all(tx, user_id=factor.user_id, minutes=minutes, last_used_at=factor.last_used_at)
    if failures >= threshold:
        raise TwoFactorLocked(field=field)
    secret = opened(tx.services.keyring, sealed, TwoFactorAuth.secret, factor.id)
    if secret is None:
        raise TwoFactorUnreadable(field=field)
    counter = accepted(secret, code, now)
    if counter is None or counter <= (factor.last_counter or 0):
        raise TwoFactorInvalid(field=field).keeping(_failure(tx.actor, factor.user_id))
    factor.last_counter, factor.last_used_at = counter, now
    tx.save(factor)


def accepted(secret: str, code: str, now: datetime) -> int | None:
    """The 30-second step whose code this is: the present one, or one on either side of it."""
    given = code.replace(" ", "")
    if not CODE.fullmatch(given):
        return None
    present = int(now.timestamp()) // STEP
    known = {step: pyotp.TOTP(secret).generate_otp(step) for step in (present, present - 1, present + 1)}
    return next((step for step, right in known.items() if hmac.compare_digest(right, given)), None)


def _failure(actor: Actor, user_id: UUID) -> SecurityEvent:
    return SecurityEvent(
        id=uuid4(), user_id=user_id, event_type=FAILED, severity=SecurityEventSeverity.MEDIUM,
        ip_address=str(actor.ip) if actor.ip else None, user_agent=actor.user_agent,
    )  # fmt: skip
