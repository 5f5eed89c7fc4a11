"""Changing a password, and setting one anew by a link.

A new password ends what the old one had opened. Passwords are hashed and compared before the transaction begins; what
was read for that is looked at again under the user's lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import Text as SqlText
from sqlalchemy import bindparam, func, update

from lango.db.prepared import Lookup, Prepared
from lango.errors import Refused
from lango.rules.inputs import Text, Value
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from lango.security import issuing, opaque_tokens, passwords
from lango.security.rate_limits import RateLimit, take
from models.identity import OneTimeCode, OneTimeCodeChannel, OneTimeCodePurpose, User, UserSessionEndReason
from models.security import (
    AccountRecovery,
    AccountRecoveryMethod,
    AccountRecoveryRecoveryType,
    AccountRecoveryStatus,
    PasswordHistoryEntry,
)
from models.security import SecurityEventSeverity as Severity
from resolvers.identity import attempts, limits, sessions
from resolvers.identity.limits import PhoneNotServed
from resolvers.identity.sessions import Device, ReauthenticationRequired, SignedIn, demand_recent
from resolvers.identity.sign_in import BY_CONTACT, LONGEST_PASSWORD, Fingerprint, Identifier, contact_of
from resolvers.kernel import clock, system_config
from resolvers.kernel.contacts import EmailNotValid, PhoneNotValid
from resolvers.kernel.system_config import Configured
from resolvers.messages import messages
from resolvers.messages.messages import Message
from resolvers.security import devices, events
from resolvers.security import passwords as password_rules
from resolvers.security.passwords import EARLIER, KNOWN, MINIMUM, MINIMUM_WITH_SECOND_FACTOR

RESET = "lp_"
RESET_MINUTES = Configured("security.password_reset_minutes", 10)
CHANGES_BY_USER = RateLimit("password_changes_user", 10, 15 * 60)
RESET_PURPOSE = "password_reset"

NewPassword = Annotated[
    str, Text("The new password, every character of it: a few words make a good one.", LONGEST_PASSWORD, exact=True)
]


class PasswordWrong(Refused):
    """This is not your password."""


class PasswordMissing(Refused):
    """Bring your present password as well."""


class ResetLinkInvalid(Refused):
    """This link is not valid any more: request another."""


@dataclass(frozen=True, slots=True)
class PasswordChanged:
    """The password is another one."""

    changed_at: Annotated[datetime, Value("When it was changed; all other sessions ended then.")]


@dataclass(frozen=True, slots=True)
class ResetRequested:
    """A link is on its way, if there is somebody to send it to."""

    minutes: Annotated[int, Value("For how many minutes the link is good.")]


@dataclass(frozen=True, slots=True)
class _Known:
    """What a new password is judged by, as it was before it was hashed."""

    password_hash: str | None
    has_factor: bool
    earlier: list[str]
    minimum: int
    personal: list[Any]


RECOVERY = AccountRecovery.table().c
PENDING = RECOVERY.status == AccountRecoveryStatus.PENDING
CANCEL = Prepared(
    update(AccountRecovery.table())
    .where(RECOVERY.user_id == bindparam("user"), PENDING)
    .values(status=AccountRecoveryStatus.CANCELLED, cancelled_at=func.clock_timestamp())
)
CODE = OneTimeCode.table().c
VOID = Prepared(
    update(OneTimeCode.table())
    .where(CODE.user_id == bindparam("user"), CODE.used_at.is_(None), CODE.purpose != OneTimeCodePurpose.UNDO_CONTACT)
    .values(used_at=func.clock_timestamp())
)
# Lock first: two that bring the same link must queue, not race.
PRESENTED = Lookup(
    [AccountRecovery],
    lambda found: found.where(AccountRecovery.token == bindparam("token", type_=SqlText)).with_for_update(
        key_share=True
    ),
)
SEEN = Lookup(
    [AccountRecovery, func.clock_timestamp()],
    lambda found: found.where(AccountRecovery.token == bindparam("token", type_=SqlText)),
)


def cancel_links(tx: RuleTransaction, user_id: UUID) -> None:
    """Take back the links that would set that user's password anew. Call it before the user is locked: challenges are
    locked before."""
    CANCEL.send(tx, user=user_id)


def void_codes(tx: RuleTransaction, user_id: UUID) -> None:
    """Let no code or link be good any more that was sent to that user, but what takes a change of contact back. Call it
    before the user is locked."""
    cancel_links(tx, user_id)
    VOID.send(tx, user=user_id)


@rule(
    PasswordWrong, PasswordMissing, ReauthenticationRequired, *password_rules.REFUSALS,
    idempotent=False, once_an_operation=True, hashes_passwords=True,
)  # fmt: skip
async def change_password(
    tx: RuleTransaction,
    new: NewPassword,
    current: Annotated[
        str | None, Text("The present password; none where the account has none.", LONGEST_PASSWORD, exact=True)
    ] = None,
) -> PasswordChanged:
    """Choose another password. All other sessions end, and no device is trusted any more.

    Whoever has none yet, or has a second factor, must have proved lately that it is them.
    """
    await take(tx.services.pipeline, (CHANGES_BY_USER, str(tx.user_id)))
    async with tx.services.work(tx.actor) as looking:
        known = await _known(looking, tx.user_id)
        if known.password_hash is None or known.has_factor:
            await demand_recent(looking)
    if known.password_hash is not None:
        if current is None:
            raise PasswordMissing(field="current")
        if not await passwords.matches(current, known.password_hash):
            failed = events.event_of(tx, tx.user_id, "password_change_failed", Severity.MEDIUM)
            raise PasswordWrong(field="current").keeping(failed)
    hashed = await _hashed(known, new, field="new")
    void_codes(tx, tx.user_id)
    ((user, stored),), ((now,),) = await tx.fetch(attempts.locking(tx.user_id), clock.reading())
    if stored != known.password_hash:
        # Another call was faster: what was compared is the password no more.
        raise PasswordWrong(field="current")
    _set(tx, user, hashed)
    await sessions.end_all(tx, user.id, UserSessionEndReason.CREDENTIALS_CHANGED, but=tx.actor.session_id)
    events.record(tx, user.id, "password_changed", Severity.MEDIUM)
    return PasswordChanged(now)


@rule(PhoneNotValid, EmailNotValid, PhoneNotServed, anonymous=True, idempotent=False, once_an_operation=True)
async def request_password_reset(tx: RuleTransaction, identifier: Identifier) -> ResetRequested:
    """Have a link sent by which a new password may be set. The answer is the same whether or not there is such an
    account; a link takes the place of the one before."""
    to = contact_of(identifier, field="identifier")
    await limits.take_send(tx, RESET_PURPOSE, to, field="identifier")
    found, configured = await tx.fetch(BY_CONTACT.query(contact=to.to), system_config.reading(RESET_MINUTES))
    (minutes,) = system_config.numbers_in(configured, RESET_MINUTES)
    user: User | None = found[0][0] if found else None
    # Nobody's links are none; they are looked for all the same, and the try is written down as any.
    nobody = uuid4()
    cancel_links(tx, user.id if user else nobody)
    tx.save(attempts.attempt_of(tx, to.to, user.id if user else None, "password_reset_requested"))
    now = await clock.now(tx)
    if user is not None:
        token = opaque_tokens.made(tx.services.keyring, RESET)
        by_sms = to.channel is OneTimeCodeChannel.SMS
        tx.save(
            AccountRecovery(
                id=uuid4(), user_id=user.id, recovery_type=AccountRecoveryRecoveryType.PASSWORD_RESET,
                token=opaque_tokens.hash_of(token), ip_address=sessions.address_of(tx.actor),
                method=AccountRecoveryMethod.SMS if by_sms else AccountRecoveryMethod.EMAIL,
                user_agent=tx.actor.user_agent, expires_at=now + timedelta(minutes=minutes),
            )
        )  # fmt: skip
        messages.send(tx, Message.PASSWORD_RESET, to, user_id=user.id, secrets={"token": token}, minutes=minutes)
    return ResetRequested(minutes)


@rule(
    ResetLinkInvalid, *password_rules.REFUSALS,
    anonymous=True, idempotent=False, once_an_operation=True, hashes_passwords=True,
)  # fmt: skip
async def reset_password(
    tx: RuleTransaction,
    token: Annotated[str, Text("What the link had.", opaque_tokens.LONGEST, exact=True)],
    new: NewPassword,
    device_fingerprint: Fingerprint = None,
) -> SignedIn:
    """Set a new password by a link. All sessions end, a lock after failures is lifted, and the user is signed in.

    Where the account has a second factor, what comes is a challenge for it.
    """
    await limits.take_code(tx)
    issuing.demand_key(tx.services.settings)
    if not opaque_tokens.is_ours(tx.services.keyring, token, RESET):
        raise ResetLinkInvalid(field="token")
    digest = opaque_tokens.hash_of(token)
    async with tx.services.work(tx.actor) as looking:
        (seen,) = await looking.fetch(SEEN.query(token=digest))
        if not seen or not _serves(*seen[0]):
            raise ResetLinkInvalid(field="token")
        user_id = seen[0][0].user_id
        known = await _known(looking, user_id)
    hashed = await _hashed(known, new, field="new")
    found, ((now,),) = await tx.fetch(PRESENTED.query(token=digest), clock.reading())
    if not found or not _serves(found[0][0], now):
        raise ResetLinkInvalid(field="token")
    ((recovery,),) = found
    recovery.status, recovery.used_at = AccountRecoveryStatus.USED, now
    tx.save(recovery)
    void_codes(tx, user_id)
    ((user, _),) = (await tx.fetch(attempts.locking(user_id)))[0]
    if not attempts.is_active(user):
        raise ResetLinkInvalid(field="token")
    # Whoever has the link reads what is sent there.
    if recovery.method == AccountRecoveryMethod.SMS:
        user.phone_verified_at = user.phone_verified_at or now
    else:
        user.email_verified_at = user.email_verified_at or now
    user.login_attempts, user.locked_until = 0, None
    _set(tx, user, hashed)
    await sessions.end_all(tx, user.id, UserSessionEndReason.CREDENTIALS_CHANGED)
    events.record(tx, user.id, "password_reset", Severity.HIGH)
    return await sessions.begin(tx, user, methods=["otp"], device=Device(device_fingerprint))


def _serves(recovery: AccountRecovery, now: Any) -> bool:
    return (
        recovery.status == AccountRecoveryStatus.PENDING
        and recovery.recovery_type == AccountRecoveryRecoveryType.PASSWORD_RESET
        and recovery.expires_at > now
    )


async def _known(tx: RuleTransaction, user_id: UUID) -> _Known:
    """What a new password of that user is judged by."""
    ((user, password_hash, name, birthday, factor_id),), earlier, configured = await tx.fetch(
        KNOWN.query(user_id=user_id),
        EARLIER.query(user_id=user_id),
        system_config.reading(MINIMUM, MINIMUM_WITH_SECOND_FACTOR),
    )
    alone, with_factor = system_config.numbers_in(configured, MINIMUM, MINIMUM_WITH_SECOND_FACTOR)
    hashes = [each for (each,) in earlier]
    if password_hash is not None and password_hash not in hashes:
        hashes.append(password_hash)
    return _Known(
        password_hash=password_hash,
        has_factor=factor_id is not None,
        earlier=hashes,
        minimum=alone if factor_id is None else with_factor,
        personal=[name, birthday, user.phone, user.email],
    )


async def _hashed(known: _Known, new: str, *, field: str) -> str:
    """What is stored of a password that may be chosen. Raises what `resolvers.security.passwords` refuses."""
    password_rules.check(new, minimum=known.minimum, known=known.personal, field=field)
    await password_rules.refuse_used(new, known.earlier, field=field)
    return await passwords.hashed(new)


def _set(tx: RuleTransaction, user: User, hashed: str) -> None:
    """Let that user, who is locked, have that password, and say so to them."""
    user.password_hash = hashed
    tx.save(user, PasswordHistoryEntry(id=uuid4(), user_id=user.id, password_hash=hashed))
    devices.distrust_all(tx, user.id)
    events.inform(tx, user, Message.PASSWORD_CHANGED)
