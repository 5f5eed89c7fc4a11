"""The second step of a sign-in: a code of the authenticator app, or a backup code, counted by the account.

Wrong codes count wherever they are tried, and no right password takes them back: whoever has the password could else
try codes for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import bindparam, func, select

from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, Query
from lango.errors import Refused
from lango.rules.inputs import Id, Text
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from lango.security.encryption import opened
from models.identity import OneTimeCode, OneTimeCodePurpose, User
from models.security import SecurityEvent, TwoFactorAuth, TwoFactorAuthMethod
from models.security import SecurityEventSeverity as Severity
from resolvers.identity import attempts, limits, one_time_codes, sessions
from resolvers.identity.one_time_codes import LONGEST_CODE, ChallengeExpired, details_of
from resolvers.identity.sessions import Device, SignedIn
from resolvers.messages.messages import Message
from resolvers.security import backup_codes, events, second_factor
from resolvers.security.second_factor import TwoFactorInvalid, TwoFactorLocked, TwoFactorRequired, TwoFactorUnreadable

# So many wrong codes in an hour lock the second step of an account, until they are an hour old.
MOST_AN_HOUR = 20
MINUTES = 60

# Lock first: two that bring the same code must queue, not race.
FACTOR = Lookup(
    [TwoFactorAuth, TwoFactorAuth.secret, TwoFactorAuth.backup_codes],
    lambda rows: rows.where(
        TwoFactorAuth.user_id == bindparam("user_id"),
        TwoFactorAuth.method == TwoFactorAuthMethod.TOTP,
        TwoFactorAuth.enabled,
        TwoFactorAuth.secret.is_not(None),
    ).with_for_update(key_share=True),
)
FAILURES = Lookup(
    [
        select(func.count())
        .where(
            SecurityEvent.user_id == bindparam("user_id"),
            SecurityEvent.event_type == second_factor.FAILED,
            SecurityEvent.created_at > func.now() - func.make_interval(0, 0, 0, 0, 0, MINUTES),
        )
        .scalar_subquery(),
        func.clock_timestamp(),
    ],
    lambda rows: rows,
)


@dataclass(frozen=True, slots=True)
class Step:
    """A locked second factor, and the wrong codes of the last hour."""

    row: TwoFactorAuth
    # The secret, encrypted.
    sealed: str
    backup_hashes: list[str]
    failures: int
    now: datetime


def looking(user_id: UUID) -> tuple[Query, Query]:
    """The look-ups of a user's second factor, which lock it, and of the wrong codes after that; `step_in` reads them.

    After those that lock the user, and before anything is written.
    """
    return FACTOR.query(user_id=user_id), FAILURES.query(user_id=user_id)


def step_in(factors: Sequence[tuple[Any, ...]], counted: Sequence[tuple[Any, ...]]) -> Step | None:
    """None where no second factor is enabled."""
    if not factors:
        return None
    ((row, sealed, hashes),) = factors
    ((failures, now),) = counted
    kept = hashes.parsed() if hashes else []
    return Step(row, sealed, kept if isinstance(kept, list) else [], failures, now)


def take_step(
    tx: RuleTransaction,
    user: User,
    step: Step,
    code: str | None,
    backup_code: str | None,
    *,
    challenge: OneTimeCode | None = None,
) -> str:
    """Use up the code that was brought, and say which kind of proof it is: `totp` or `backup`.

    Raises TwoFactorRequired, TwoFactorLocked, TwoFactorUnreadable; and TwoFactorInvalid, which is counted for the
    account, and for the challenge.
    """
    if code is None and backup_code is None:
        raise TwoFactorRequired
    field = "backup_code" if code is None else "code"
    if step.failures >= MOST_AN_HOUR:
        raise TwoFactorLocked(field=field)
    if code is not None:
        if not _is_code(tx, step, code, field):
            raise _wrong(tx, user, step, challenge, field)
        kind = "totp"
    else:
        assert backup_code is not None
        left = backup_codes.left_after(tx.services.keyring, step.backup_hashes, backup_code)
        if left is None:
            raise _wrong(tx, user, step, challenge, field)
        step.row.backup_codes = RawJson.of(left)
        events.record(tx, user.id, "backup_code_used", Severity.MEDIUM, left=len(left))
        events.inform(tx, user, Message.BACKUP_CODE_USED, left=len(left))
        if len(left) <= backup_codes.FEW:
            events.inform(tx, user, Message.BACKUP_CODES_LOW, left=len(left))
        kind = "backup"
    step.row.last_used_at = step.now
    tx.save(step.row)
    return kind


def _is_code(tx: RuleTransaction, step: Step, code: str, field: str) -> bool:
    secret = opened(tx.services.keyring, step.sealed, TwoFactorAuth.secret, step.row.id)
    if secret is None:
        raise TwoFactorUnreadable(field=field)
    counter = second_factor.accepted(secret, code, step.now)
    if counter is None or counter <= (step.row.last_counter or 0):
        return False
    step.row.last_counter = counter
    return True


def _wrong(tx: RuleTransaction, user: User, step: Step, challenge: OneTimeCode | None, field: str) -> Refused:
    """The refusal, with what is counted: the last that is counted locks the second step, which its owner hears of."""
    kept: list[Any] = [events.event_of(tx, user.id, second_factor.FAILED, Severity.MEDIUM)]
    if challenge is not None:
        challenge.tries += 1
        kept.insert(0, challenge)
    locks = step.failures + 1 == MOST_AN_HOUR
    if locks:
        kept.append(events.event_of(tx, user.id, "two_factor_locked", Severity.HIGH, minutes=MINUTES))

    def inform(tx: RuleTransaction) -> None:
        if locks:
            events.inform(tx, user, Message.SECOND_FACTOR_LOCKED, minutes=MINUTES)

    return TwoFactorInvalid(field=field).keeping(*kept, counted_under=step.row, also=inform)


@rule(
    ChallengeExpired, TwoFactorRequired, TwoFactorInvalid, TwoFactorLocked, TwoFactorUnreadable,
    anonymous=True, idempotent=False, once_an_operation=True,
)  # fmt: skip
async def verify_two_factor(
    tx: RuleTransaction,
    challenge_id: Annotated[UUID, Id(OneTimeCode, "The challenge that the sign-in has given.")],
    code: Annotated[
        str | None, Text("Six digits from the authenticator app, in any script.", LONGEST_CODE, exact=True)
    ] = None,
    backup_code: Annotated[
        str | None, Text("A backup code in its place: dashes and letter case do not matter.", LONGEST_CODE)
    ] = None,
) -> SignedIn:
    """Complete a sign-in by its second factor. Five wrong codes end the challenge; twenty in an hour lock this step.

    The session begins now, and the challenge was good for nothing else.
    """
    await limits.take_code(tx)
    found, ((now,),) = await tx.fetch(*one_time_codes.presenting(challenge_id))
    challenge = one_time_codes.demand_open(found, now, OneTimeCodePurpose.TWO_FACTOR_CHALLENGE)
    assert challenge.user_id is not None
    users, factors, counted = await tx.fetch(attempts.locking(challenge.user_id), *looking(challenge.user_id))
    waited = details_of(challenge)
    user, password_hash = users[0] if users else (None, None)
    if user is None or not attempts.is_active(user) or waited["stamp"] != sessions.stamp_of(user, password_hash):
        raise ChallengeExpired(field="challenge_id")
    step = step_in(factors, counted)
    if step is None:
        # It was switched off meanwhile: what was asked for cannot be shown any more.
        raise ChallengeExpired(field="challenge_id")
    kind = take_step(tx, user, step, code, backup_code, challenge=challenge)
    challenge.used_at = now
    tx.save(challenge)
    fingerprint = waited["fingerprint"]
    signed_in = await sessions.begin(tx, user, methods=[*waited["methods"], kind], device=Device(fingerprint))
    tx.save(attempts.attempt_of(tx, challenge.identifier, user.id, signed_in.result, fingerprint=fingerprint))
    return signed_in
