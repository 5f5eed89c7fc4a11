"""Signing in: by a code that was sent, or by a password."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from sqlalchemy import Text as SqlText
from sqlalchemy import bindparam, or_

from lango.db.prepared import Lookup
from lango.rules.inputs import Id, Text, Value
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from lango.security import issuing, opaque_tokens, passwords
from models.identity import OneTimeCode, OneTimeCodeChannel, OneTimeCodePurpose, User
from resolvers.identity import attempts, limits, one_time_codes, sessions
from resolvers.identity.attempts import AccountLocked, AccountSuspended, CredentialsInvalid
from resolvers.identity.limits import PhoneNotServed
from resolvers.identity.one_time_codes import LIFETIME, LONGEST_CODE, ChallengeExpired, CodeInvalid
from resolvers.identity.sessions import LONGEST_FINGERPRINT, Device, SignedIn
from resolvers.kernel import clock, contacts
from resolvers.kernel.contacts import LONGEST_EMAIL, EmailNotValid, PhoneNotValid
from resolvers.messages import messages
from resolvers.messages.messages import Address, Message
from resolvers.security import events

# Of the tokens by which trusted devices are known.
TRUST = "lt_"
SMS, EMAIL = OneTimeCodeChannel.SMS, OneTimeCodeChannel.EMAIL
MINUTES = int(LIFETIME.total_seconds() // 60)
# Characters: the bytes are counted where it is hashed.
LONGEST_PASSWORD = 1_024

Identifier = Annotated[str, Text("The phone or email of the account, as its owner writes it.", LONGEST_EMAIL)]
Fingerprint = Annotated[
    str | None,
    Text("What the client computes of the device, so that its user knows it again in `devices`.", LONGEST_FINGERPRINT),
]
DeviceToken = Annotated[str | None, Text("What `trustDevice` has given, on a device that is trusted.", 100, exact=True)]
Password = Annotated[str, Text("The password, every character of it.", LONGEST_PASSWORD, exact=True)]
Challenge = Annotated[UUID, Id(OneTimeCode, "The challenge for which the code was sent.")]
Code = Annotated[
    str,
    Text("The six digits that were sent, in any script: blanks and dashes do not matter.", LONGEST_CODE, exact=True),
]

BY_CONTACT = Lookup(
    [User],
    lambda rows: rows.where(
        or_(User.phone == bindparam("contact", type_=SqlText), User.email == bindparam("contact", type_=SqlText)),
        User.deleted_at.is_(None),
        User.is_active,
    ),
)


@dataclass(frozen=True, slots=True)
class CodeSent:
    """A code is on its way, if there is somebody to send it to."""

    challenge_id: Annotated[UUID, Value("What the code belongs to: bring both.")]
    expires_at: Annotated[datetime, Value("When the code can no longer be used.")]


@rule(
    PhoneNotValid, EmailNotValid, PhoneNotServed, anonymous=True, idempotent=False, once_an_operation=True
)  # fmt: skip
async def request_otp(
    tx: RuleTransaction,
    identifier: Identifier,
    channel: Annotated[
        OneTimeCodeChannel | None, Value("How to send it, where the account has both; else to the contact given.")
    ] = None,
) -> CodeSent:
    """Have a code sent to sign in with. The answer is the same whether or not there is such an account.

    Three may be sent within 15 minutes; a new one replaces the one before.
    """
    given = contact_of(identifier, field="identifier")
    await limits.take_send(tx, OneTimeCodePurpose.SIGN_IN, given, field="identifier")
    found, ((now,),) = await tx.fetch(BY_CONTACT.query(contact=given.to), clock.reading())
    user: User | None = found[0][0] if found else None
    to = given if channel in (None, given.channel) else _other(user, channel)
    if to is not None and to != given and not await limits.may_send(tx, OneTimeCodePurpose.SIGN_IN, to):
        to = None
    sent = None if user is None or to is None else (user.id, to)
    row, code = one_time_codes.issue(
        tx, OneTimeCodePurpose.SIGN_IN, to or given, user_id=user.id if user else None, opens=sent is not None
    )
    if sent is not None:
        messages.send(tx, Message.SIGN_IN_CODE, sent[1], user_id=sent[0], secrets={"code": code}, minutes=MINUTES)
    return CodeSent(row.id, now + LIFETIME)


@rule(
    ChallengeExpired, CodeInvalid, PhoneNotValid, EmailNotValid, anonymous=True, idempotent=False,
    once_an_operation=True,
)  # fmt: skip
async def sign_in_with_otp(
    tx: RuleTransaction,
    challenge_id: Challenge,
    code: Code,
    identifier: Annotated[
        str | None,
        Text("The phone or email that was given: where it is given again, it must be the same.", LONGEST_EMAIL),
    ] = None,
    device_fingerprint: Fingerprint = None,
) -> SignedIn:
    """Sign in by a code that was sent. Where the account has a second factor, what comes is a challenge for it."""
    await limits.take_code(tx)
    try:
        redeemed = await one_time_codes.redeem(tx, challenge_id, code, OneTimeCodePurpose.SIGN_IN)
    except CodeInvalid as refusal:
        challenge, *_ = refusal.kept
        attempt = attempts.attempt_of(
            tx, challenge.identifier, challenge.user_id, "failed_code", "Wrong code", fingerprint=device_fingerprint
        )
        raise refusal.keeping(challenge, attempt, counted_under=challenge) from None
    (users,) = await tx.fetch(attempts.locking(redeemed.user_id))
    user: User | None = users[0][0] if users else None
    contact = redeemed.identifier
    if user is None or not attempts.is_active(user) or contact not in (user.phone, user.email):
        raise ChallengeExpired(field="challenge_id")
    if identifier is not None and contact_of(identifier, field="identifier").to not in (user.phone, user.email):
        raise ChallengeExpired(field="identifier")
    # Whoever reads what is sent there has shown that it is theirs.
    if contact == user.phone:
        user.phone_verified_at = user.phone_verified_at or redeemed.used_at
    else:
        user.email_verified_at = user.email_verified_at or redeemed.used_at
    signed_in = await sessions.begin(tx, user, methods=["otp"], device=Device(device_fingerprint))
    tx.save(user, attempts.attempt_of(tx, contact, user.id, signed_in.result, fingerprint=device_fingerprint))
    return signed_in


@rule(
    CredentialsInvalid, AccountLocked, AccountSuspended, anonymous=True, idempotent=False, once_an_operation=True,
    hashes_passwords=True,
)  # fmt: skip
async def sign_in_with_password(
    tx: RuleTransaction,
    identifier: Identifier,
    password: Password,
    device_fingerprint: Fingerprint = None,
    device_token: DeviceToken = None,
) -> SignedIn:
    """Sign in by the password. Where the account has a second factor, what comes is a challenge for it.

    After `security.lockout_threshold` failures no password is right for `security.lockout_minutes`, each time twice as
    long; a trusted device that brings its token has failures of its own.
    """
    contact = _contact_or_nothing(identifier)
    token = device_token if device_token and opaque_tokens.is_ours(tx.services.keyring, device_token, TRUST) else None
    await limits.take_sign_in(tx, None if token else contact)
    issuing.demand_key(tx.services.settings)
    found = await attempts.look(tx, contact, token)
    right = await passwords.matches(password, found.password_hash)
    outdated = right and found.password_hash is not None and passwords.is_outdated(found.password_hash)
    renewed = await passwords.hashed(password) if outdated else None
    counted = await attempts.count(tx, contact, found)
    if counted.is_locked:
        raise attempts.locked(tx, contact, counted, device_fingerprint)
    user = counted.user
    # What was compared is what counts: a password that was changed meanwhile opens nothing any more.
    if user is None or not right or counted.password_hash != found.password_hash or user.deleted_at is not None:
        raise attempts.failed(tx, contact, counted, device_fingerprint)
    if not user.is_active:
        attempt = attempts.attempt_of(tx, contact, user.id, "account_suspended", fingerprint=device_fingerprint)
        raise AccountSuspended(field="identifier").keeping(attempt)
    holder = counted.device or user
    holder.login_attempts, holder.locked_until = 0, None
    if renewed is not None:
        user.password_hash = renewed
    tx.save(*dict.fromkeys((holder, user)))
    device = Device(counted.device.device_fingerprint if counted.device else device_fingerprint, token)
    signed_in = await sessions.begin(tx, user, methods=["pwd"], device=device)
    tx.save(attempts.attempt_of(tx, contact, user.id, signed_in.result, fingerprint=device_fingerprint))
    return signed_in


def contact_of(identifier: str, *, field: str) -> Address:
    """The phone or email that somebody wrote, as it is stored. Raises PhoneNotValid and EmailNotValid."""
    if "@" in identifier:
        return Address(EMAIL, contacts.email(identifier, field=field))
    return Address(SMS, contacts.phone(identifier, field=field))


def _contact_or_nothing(identifier: str) -> str:
    """As `contact_of`; what is neither is as good as a contact that is nobody's."""
    try:
        return contact_of(identifier, field="identifier").to
    except (PhoneNotValid, EmailNotValid):
        return identifier


def _other(user: User | None, channel: OneTimeCodeChannel) -> Address | None:
    """The account's contact for that channel, if it is verified: it is shown to nobody."""
    verified = [] if user is None else events.verified_contacts(user)
    return next((each for each in verified if each.channel is channel), None)
