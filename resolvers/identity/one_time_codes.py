"""One-time codes: six digits sent to a phone or an email, each good for one purpose, once, for a few minutes."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Interval, Text, bindparam, cast, func, insert, select, update
from sqlalchemy.orm.attributes import set_committed_value

from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, Prepared, Query
from lango.errors import Refused
from lango.rules.transaction import RuleTransaction
from lango.security.encryption import Keyring
from lango.values import codes
from models.identity import OneTimeCode, OneTimeCodePurpose
from resolvers.kernel import clock
from resolvers.messages.messages import Address

DIGITS = 6
TRIES = 5
LIFETIME = timedelta(minutes=5)
LONGEST_CODE = 64


class ChallengeExpired(Refused):
    """This can no longer be completed: begin again."""


class CodeInvalid(Refused):
    """This code is not right."""


CODE = OneTimeCode.table().c
IDENTIFIER, PURPOSE = bindparam("identifier", type_=Text), bindparam("purpose", type_=CODE.purpose.type)
# Two that are sent at once would else not see each other, and both be good.
ONE_AT_A_TIME = Prepared(
    select(
        func.pg_advisory_xact_lock(
            func.hashtextextended(IDENTIFIER, func.hashtext(cast(PURPOSE, Text)), type_=BigInteger)
        )
    )
)
REPLACE = Prepared(
    update(OneTimeCode.table())
    .where(CODE.identifier == IDENTIFIER, CODE.purpose == PURPOSE, CODE.used_at.is_(None))
    .values(used_at=func.clock_timestamp())
)
WRITE = Prepared(
    insert(OneTimeCode.table())
    .inline()
    .values(expires_at=func.clock_timestamp() + bindparam("lifetime", type_=Interval)),
    ["id", "user_id", "identifier", "purpose", "code_hash", "channel", "session_id", "details"],
)
# Lock first: two that bring the same code must queue, not race.
PRESENTED = Lookup(
    [OneTimeCode, OneTimeCode.code_hash, OneTimeCode.details],
    lambda rows: rows.where(OneTimeCode.id == bindparam("id")).with_for_update(key_share=True),
)


def issue(
    tx: RuleTransaction,
    purpose: OneTimeCodePurpose,
    to: Address,
    *,
    user_id: UUID | None = None,
    session_id: UUID | None = None,
    details: Mapping[str, Any] | None = None,
    opens: bool = True,
    lifetime: timedelta = LIFETIME,
) -> tuple[OneTimeCode, str]:
    """A new code, which replaces the one that was sent there before for that purpose; the caller sends it.

    One that does not `open` anything is kept as any other, and no code is right for it: so what is stored, or how long
    that takes, says nothing of whether a contact is somebody's. Call it without a lock on the user: a challenge is
    locked before.
    """
    ONE_AT_A_TIME.send(tx, identifier=to.to, purpose=purpose)
    REPLACE.send(tx, identifier=to.to, purpose=purpose)
    code = new_code()
    row = OneTimeCode(
        id=uuid4(), user_id=user_id, identifier=to.to, purpose=purpose, channel=to.channel, session_id=session_id,
        details=RawJson.of(dict(details or {})),
    )  # fmt: skip
    _write(tx, row, code if opens else secrets.token_hex(16), lifetime)
    return row, code


def begin_challenge(
    tx: RuleTransaction, user_id: UUID, identifier: str, details: Mapping[str, Any], lifetime: timedelta
) -> OneTimeCode:
    """A sign-in that waits for its second factor: nothing is sent, and no code of ours is right for it."""
    row = OneTimeCode(
        id=uuid4(), user_id=user_id, identifier=identifier, purpose=OneTimeCodePurpose.TWO_FACTOR_CHALLENGE,
        channel=None, session_id=None, details=RawJson.of(dict(details)),
    )  # fmt: skip
    _write(tx, row, secrets.token_hex(16), lifetime)
    return row


async def redeem(
    tx: RuleTransaction, challenge_id: UUID, code: str, *purposes: OneTimeCodePurpose, field: str = "code"
) -> OneTimeCode:
    """The code of that challenge, used up, with its details. Redeem it before anything else is locked or written.

    Raises ChallengeExpired for what is unknown, used, replaced, too old, tried too often or for another purpose, which
    nobody can tell apart; and CodeInvalid, which is counted under the lock of the challenge.
    """
    row, now = await check(tx, challenge_id, code, *purposes, field=field)
    row.used_at = now
    tx.save(row)
    return row


async def check(
    tx: RuleTransaction, challenge_id: UUID, code: str, *purposes: OneTimeCodePurpose, field: str = "code"
) -> tuple[OneTimeCode, datetime]:
    """As `redeem`, where more is locked before anything is written: the caller says that it was `used_at` that time."""
    found, ((now,),) = await tx.fetch(*presenting(challenge_id))
    row = demand_open(found, now, *purposes)
    ((_, code_hash, _),) = found
    if not _is_right(tx.services.keyring, row, code_hash, code):
        row.tries += 1
        raise CodeInvalid(field=field).keeping(row, counted_under=row)
    return row, now


def presenting(challenge_id: UUID) -> tuple[Query, Query]:
    """The look-ups of a challenge, which lock it, and of the time after that; `demand_open` reads the former."""
    return PRESENTED.query(id=challenge_id), clock.reading()


def demand_open(
    found: Sequence[tuple[OneTimeCode, str, RawJson | None]], now: datetime, *purposes: OneTimeCodePurpose
) -> OneTimeCode:
    """The challenge, with its details, if it can still be completed. Raises ChallengeExpired."""
    if not found:
        raise ChallengeExpired(field="challenge_id")
    ((row, _, details),) = found
    if row.purpose not in purposes or row.used_at is not None or row.expires_at <= now or row.tries >= TRIES:
        raise ChallengeExpired(field="challenge_id")
    set_committed_value(row, "details", details)
    return row


def details_of(code: OneTimeCode) -> dict[str, Any]:
    """What has waited for the code."""
    parsed = code.details.parsed() if code.details else None
    return parsed if isinstance(parsed, dict) else {}


def new_code() -> str:
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"


def _write(tx: RuleTransaction, row: OneTimeCode, code: str, lifetime: timedelta) -> None:
    WRITE.send(
        tx, id=row.id, user_id=row.user_id, identifier=row.identifier, purpose=row.purpose, channel=row.channel,
        session_id=row.session_id, details=row.details, lifetime=lifetime,
        code_hash=_hashes(tx.services.keyring, row.id, code)[0],
    )  # fmt: skip


def _hashes(keyring: Keyring, key: UUID, code: str) -> list[str]:
    """Keyed, because a million codes are soon tried; of this challenge alone, so that equal codes look different."""
    return keyring.digests(f"{key}:{code}", OneTimeCode.code_hash)


def _is_right(keyring: Keyring, row: OneTimeCode, code_hash: str, typed: str) -> bool:
    found = [hmac.compare_digest(code_hash, each) for each in _hashes(keyring, row.id, codes.digits(typed))]
    return any(found)
