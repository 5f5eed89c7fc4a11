"""Signing up: an account is there once its owner has shown that the contact is theirs, and not before.

So nobody can take a contact that is not theirs, and wait for its owner to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Annotated
from uuid import UUID, uuid4

from sqlalchemy import Interval, ScalarSelect, bindparam, func, literal_column, select

from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Text, Value
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from lango.security import issuing, passwords
from lango.security.passwords import PasswordTooLong
from models.identity import OneTimeCodePurpose, User, UserAuthProvider, UserRole
from models.security import EmailDelivery, PasswordHistoryEntry, SmsDelivery
from resolvers.identity import attempts, limits, one_time_codes, sessions
from resolvers.identity.attempts import NAMED
from resolvers.identity.limits import PhoneNotServed
from resolvers.identity.one_time_codes import LIFETIME, ChallengeExpired, CodeInvalid, details_of
from resolvers.identity.sessions import Device, SignedIn
from resolvers.identity.sign_in import (
    EMAIL,
    LONGEST_PASSWORD,
    MINUTES,
    SMS,
    Challenge,
    Code,
    CodeSent,
    Fingerprint,
    contact_of,
)
from resolvers.kernel import clock, contacts, system_config
from resolvers.kernel.contacts import LONGEST_EMAIL, EmailNotValid, PhoneNotValid
from resolvers.messages import messages
from resolvers.messages.messages import Address, Message
from resolvers.security import passwords as password_rules
from resolvers.security.passwords import MINIMUM, PasswordCommon, PasswordPersonal, PasswordTooShort

LONGEST_PHONE = 40
# The owner of a contact hears once in so long that somebody wanted to sign up with it.
ONE_NOTICE = timedelta(hours=1)


class ContactMissing(Refused):
    """Give a phone or an email: you will sign in with it."""


def _notices(delivery: type[SmsDelivery] | type[EmailDelivery]) -> ScalarSelect[int]:
    return (
        select(func.count())
        .select_from(delivery)
        .join(User, User.id == delivery.user_id)
        .where(
            NAMED,
            delivery.template == literal_column(f"'{Message.ACCOUNT_EXISTS.value}'"),
            delivery.created_at > func.clock_timestamp() - bindparam("pause", type_=Interval),
        )
        .scalar_subquery()
    )


# Whether the owner of the contact has just heard of it; and the time.
NOTICES = Lookup([_notices(SmsDelivery) + _notices(EmailDelivery), func.clock_timestamp()], lambda rows: rows)
TAKEN = Lookup([User], lambda rows: rows.where(NAMED))


@rule(
    ContactMissing, PhoneNotValid, EmailNotValid, PhoneNotServed, PasswordTooShort, PasswordTooLong, PasswordCommon,
    PasswordPersonal,
    anonymous=True, idempotent=False, once_an_operation=True, hashes_passwords=True,
)  # fmt: skip
async def sign_up(
    tx: RuleTransaction,
    phone: Annotated[str | None, Text("Your phone: codes are sent there by SMS.", LONGEST_PHONE)] = None,
    email: Annotated[str | None, Text("Your email: codes are sent there.", LONGEST_EMAIL)] = None,
    password: Annotated[
        str | None, Text("A password to sign in with; without one, codes are sent.", LONGEST_PASSWORD, exact=True)
    ] = None,
) -> CodeSent:
    """Open an account: a code is sent to the contact, and `confirmSignUp` takes it.

    The answer is the same where there is an account already, whose owner is then sent a message. Of two contacts the
    email gets the code, and the phone is added once it is verified too.
    """
    named = _contacts(phone, email)
    to = named[0]
    if password is not None:
        async with tx.services.work(tx.actor) as looking:
            (configured,) = await looking.fetch_last(system_config.reading(MINIMUM))
        (minimum,) = system_config.numbers_in(configured, MINIMUM)
        password_rules.check(password, minimum=minimum, known=[each.to for each in named], field="password")
    issuing.demand_key(tx.services.settings)
    await limits.take_send(tx, OneTimeCodePurpose.SIGN_UP, to, field="email" if to.channel is EMAIL else "phone")
    hashed = None if password is None else await passwords.hashed(password)
    found, ((noticed, now),) = await tx.fetch(
        TAKEN.query(contact=to.to), NOTICES.query(contact=to.to, pause=ONE_NOTICE)
    )
    waits = {"password": hashed, "others": [each.to for each in named[1:]]}
    row, code = one_time_codes.issue(tx, OneTimeCodePurpose.SIGN_UP, to, details=waits, opens=not found)
    if not found:
        messages.send(tx, Message.SIGN_UP_CODE, to, secrets={"code": code}, minutes=MINUTES)
    elif not noticed:
        ((owner,),) = found
        messages.send(tx, Message.ACCOUNT_EXISTS, to, user_id=owner.id)
    return CodeSent(row.id, now + LIFETIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedUp(SignedIn):
    """The first session of a new account."""

    contact_challenge_id: Annotated[
        UUID | None, Value("Where a second contact was given, what the code belongs to that was sent there; else null.")
    ] = None


@rule(ChallengeExpired, CodeInvalid, anonymous=True, idempotent=False, once_an_operation=True)
async def confirm_sign_up(
    tx: RuleTransaction, challenge_id: Challenge, code: Code, device_fingerprint: Fingerprint = None
) -> SignedUp:
    """Show by the code that was sent that the contact is yours: the account is there, and you are signed in."""
    await limits.take_code(tx)
    redeemed = await one_time_codes.redeem(tx, challenge_id, code, OneTimeCodePurpose.SIGN_UP)
    waited, contact = details_of(redeemed), redeemed.identifier
    found, ((now,),) = await tx.fetch(TAKEN.query(contact=contact), clock.reading())
    if found:
        # It was taken by another way meanwhile.
        raise ChallengeExpired(field="challenge_id")
    by_email = redeemed.channel is EMAIL
    user = User(
        id=uuid4(), phone=None if by_email else contact, email=contact if by_email else None,
        phone_verified_at=None if by_email else now, email_verified_at=now if by_email else None,
        auth_provider=UserAuthProvider.PHONE, roles=[UserRole.USER], is_active=True, password_hash=waited["password"],
        created_at=now,
    )  # fmt: skip
    tx.save(user)
    if waited["password"] is not None:
        tx.save(PasswordHistoryEntry(id=uuid4(), user_id=user.id, password_hash=waited["password"], created_at=now))
    tx.save(attempts.attempt_of(tx, contact, user.id, "success", fingerprint=device_fingerprint))
    signed_in = await sessions.begin(tx, user, methods=["otp"], device=Device(device_fingerprint), is_new=True)
    assert signed_in.session is not None
    second = await _verify_second(tx, user, waited["others"], signed_in.session.id)
    given = {each.name: getattr(signed_in, each.name) for each in fields(signed_in)}
    return SignedUp(**given, contact_challenge_id=second)


async def _verify_second(tx: RuleTransaction, user: User, others: Sequence[str], session_id: UUID) -> UUID | None:
    """Have a code sent to the second contact that was given at sign-up; it is added when the code is brought."""
    if not others:
        return None
    to = contact_of(others[0], field="challenge_id")
    if not await limits.may_send(tx, OneTimeCodePurpose.VERIFY_CONTACT, to):
        return None
    row, code = one_time_codes.issue(tx, OneTimeCodePurpose.VERIFY_CONTACT, to, user_id=user.id, session_id=session_id)
    messages.send(tx, Message.VERIFY_CONTACT_CODE, to, user_id=user.id, secrets={"code": code}, minutes=MINUTES)
    return row.id


def _contacts(phone: str | None, email: str | None) -> list[Address]:
    """The contacts that were given, the email first: it costs least. Raises ContactMissing."""
    found = []
    if email:
        found.append(Address(EMAIL, contacts.email(email, field="email")))
    if phone:
        found.append(Address(SMS, contacts.phone(phone, field="phone")))
    if not found:
        raise ContactMissing
    return found
