"""Adding, verifying and changing a phone or an email; and taking a change back, from the contact that was replaced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from uuid import uuid4

from sqlalchemy import Text as SqlText
from sqlalchemy import bindparam, func, literal_column, select, update

from lango.db import rows
from lango.db.prepared import Lookup, Prepared
from lango.errors import Refused
from lango.rules.inputs import Text, Value
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from lango.security import opaque_tokens
from models.identity import OneTimeCode, OneTimeCodeChannel, OneTimeCodePurpose, User, UserSessionEndReason
from models.security import SecurityEventSeverity as Severity
from resolvers.identity import attempts, limits, one_time_codes, sessions
from resolvers.identity.limits import PhoneNotServed
from resolvers.identity.one_time_codes import LIFETIME, ChallengeExpired, CodeInvalid
from resolvers.identity.sessions import ReauthenticationRequired, demand_recent
from resolvers.identity.sign_in import EMAIL, MINUTES, SMS, Challenge, Code, CodeSent
from resolvers.identity.sign_up import LONGEST_PHONE, NOTICES, ONE_NOTICE, TAKEN, ContactMissing
from resolvers.kernel import clock, contacts
from resolvers.kernel.contacts import LONGEST_EMAIL, EmailNotValid, PhoneNotValid
from resolvers.messages import messages
from resolvers.messages.messages import Address, Message
from resolvers.security import devices, events, password_changes, takeovers
from resolvers.security.password_changes import cancel_links

UNDO = "lu_"
UNDO_LASTS = timedelta(hours=72)
VERIFY = OneTimeCodePurpose.VERIFY_CONTACT


class ContactAlreadyVerified(Refused):
    """This contact is verified already."""


class ContactNotAvailable(Refused):
    """This contact belongs to another account now."""


class UndoLinkInvalid(Refused):
    """This link is not valid any more: write to us."""


# The codes of the contact that is replaced: of the phone or the email as it stands before.
CODE, USER = OneTimeCode.table().c, User.table().c
OLD = {
    SMS: select(USER.phone).where(USER.id == bindparam("user")).scalar_subquery(),
    EMAIL: select(USER.email).where(USER.id == bindparam("user")).scalar_subquery(),
}
VOID = {
    channel: Prepared(
        update(OneTimeCode.table())
        .where(
            CODE.user_id == bindparam("user"),
            CODE.identifier == old,
            CODE.purpose != OneTimeCodePurpose.UNDO_CONTACT,
            CODE.used_at.is_(None),
        )
        .values(used_at=func.clock_timestamp())
    )
    for channel, old in OLD.items()
}
# A contact that was not the account's before takes nothing back: whoever brought it could have brought another.
VOID_LINKS = Prepared(
    update(OneTimeCode.table())
    .where(
        CODE.user_id == bindparam("user"),
        CODE.purpose == OneTimeCodePurpose.UNDO_CONTACT,
        CODE.channel == bindparam("channel", type_=CODE.channel.type),
        CODE.used_at.is_(None),
    )
    .values(used_at=func.clock_timestamp())
)
# Lock first: two that bring the same link must queue, not race.
PRESENTED = Lookup(
    [OneTimeCode, OneTimeCode.code_hash, OneTimeCode.details],
    lambda found: found.where(
        OneTimeCode.purpose == literal_column("'undo_contact'"),
        OneTimeCode.code_hash == bindparam("code_hash", type_=SqlText),
    ).with_for_update(key_share=True),
)


@dataclass(frozen=True, slots=True)
class ContactRestored:
    """The contact is the old one again, and nobody is signed in any more."""

    restored_at: Annotated[datetime, Value("When it was restored.")]


@rule(
    ReauthenticationRequired, ContactMissing, PhoneNotValid, EmailNotValid, PhoneNotServed, ContactAlreadyVerified,
    idempotent=False, once_an_operation=True,
)  # fmt: skip
async def request_contact_change(
    tx: RuleTransaction,
    phone: Annotated[str | None, Text("The phone to have; this or `email`.", LONGEST_PHONE)] = None,
    email: Annotated[str | None, Text("The email to have; this or `phone`.", LONGEST_EMAIL)] = None,
) -> CodeSent:
    """Add a phone or an email, or have another in its place: a code is sent there, and `confirmContactChange` takes it.

    The answer is the same where the contact is another account's, whose owner is then sent a message.
    """
    if (phone is None) == (email is None):
        raise ContactMissing("Give either a phone or an email.")
    field = "email" if phone is None else "phone"
    to = (
        Address(SMS, contacts.phone(phone, field=field))
        if phone
        else Address(EMAIL, contacts.email(email or "", field=field))
    )
    await limits.take_send(tx, VERIFY, to, field=field)
    session = await demand_recent(tx, field=field)
    found, ((noticed, now),) = await tx.fetch(
        TAKEN.query(contact=to.to), NOTICES.query(contact=to.to, pause=ONE_NOTICE)
    )
    owner: User | None = found[0][0] if found else None
    if owner is not None and owner.id == tx.user_id and _verified_at(owner, to.channel) is not None:
        raise ContactAlreadyVerified(field=field)
    taken = owner is not None and owner.id != tx.user_id
    row, code = one_time_codes.issue(
        tx, VERIFY, to, user_id=tx.user_id, session_id=session.id if session else None, opens=not taken
    )
    if not taken:
        messages.send(tx, Message.VERIFY_CONTACT_CODE, to, user_id=tx.user_id, secrets={"code": code}, minutes=MINUTES)
    elif owner is not None and not noticed:
        messages.send(tx, Message.ACCOUNT_EXISTS, to, user_id=owner.id)
    return CodeSent(row.id, now + LIFETIME)


@rule(
    ReauthenticationRequired, ContactMissing, ContactAlreadyVerified, PhoneNotServed,
    idempotent=False, once_an_operation=True,
)  # fmt: skip
async def verify_contact(
    tx: RuleTransaction,
    channel: Annotated[OneTimeCodeChannel, Value("Which of your contacts: that of SMS, or of email.")],
) -> CodeSent:
    """Have a code sent to a phone or an email of yours that is not verified yet; `confirmContactChange` takes it."""
    async with tx.services.work(tx.actor) as looking:
        ((user,),) = (await looking.fetch_last(rows.finding(User, tx.user_id)))[0]
    contact = user.phone if channel is SMS else user.email
    if contact is None:
        raise ContactMissing("You have no such contact: add one.", field="channel")
    if _verified_at(user, channel) is not None:
        raise ContactAlreadyVerified(field="channel")
    to = Address(channel, contact)
    await limits.take_send(tx, VERIFY, to, field="channel")
    session = await demand_recent(tx, field="channel")
    row, code = one_time_codes.issue(tx, VERIFY, to, user_id=user.id, session_id=session.id if session else None)
    ((now,),) = (await tx.fetch(clock.reading()))[0]
    messages.send(tx, Message.VERIFY_CONTACT_CODE, to, user_id=user.id, secrets={"code": code}, minutes=MINUTES)
    return CodeSent(row.id, now + LIFETIME)


@rule(ChallengeExpired, CodeInvalid, ContactNotAvailable, idempotent=False, once_an_operation=True)
async def confirm_contact_change(tx: RuleTransaction, challenge_id: Challenge, code: Code) -> User:
    """Have the contact that the code was sent to, verified. Whoever reads the one before is sent a link, good for 72
    hours, that takes it back."""
    await limits.take_code(tx)
    code_row = await one_time_codes.redeem(tx, challenge_id, code, VERIFY)
    channel, contact, now = code_row.channel, code_row.identifier, code_row.used_at
    assert channel is not None
    assert now is not None
    if code_row.user_id != tx.user_id or code_row.session_id not in (None, tx.actor.session_id):
        # Of another's session: the code was guessed, or read, by somebody who had not requested it.
        raise ChallengeExpired(field="challenge_id")
    VOID[channel].send(tx, user=tx.user_id)
    cancel_links(tx, tx.user_id)
    ((found, _),), taken = await tx.fetch(attempts.locking(tx.user_id), TAKEN.query(contact=contact))
    user: User = found
    if any(other.id != user.id for (other,) in taken):
        raise ContactNotAvailable(field="challenge_id")
    old = _contact(user, channel)
    others = [each for each in events.verified_contacts(user) if each.channel is not channel]
    _have(user, channel, contact, now)
    tx.save(user)
    if old is None or old == contact:
        kind = "contact_added" if old is None else "contact_verified"
        events.record(tx, user.id, kind, Severity.LOW, channel=channel.value)
    else:
        _send_undo(tx, user, Address(channel, old), contact, now)
        events.record(tx, user.id, "contact_changed", Severity.MEDIUM, channel=channel.value)
    for to in others:
        messages.send(tx, Message.CONTACT_ADDED, to, user_id=user.id, contact=contact)
    return user


@rule(UndoLinkInvalid, ContactNotAvailable, anonymous=True, idempotent=False, once_an_operation=True)
async def undo_contact_change(
    tx: RuleTransaction, token: Annotated[str, Text("What the link had.", opaque_tokens.LONGEST, exact=True)]
) -> ContactRestored:
    """Take a change of contact back, by the link that was sent to the old one. All sessions end, and with them the
    password, codes, links and trusted devices; so do API keys, connected accounts and a second factor that were set up
    since the change. Sign in by a code, and set a new password."""
    await limits.take_code(tx)
    if not opaque_tokens.is_ours(tx.services.keyring, token, UNDO):
        raise UndoLinkInvalid(field="token")
    found, ((now,),) = await tx.fetch(PRESENTED.query(code_hash=opaque_tokens.hash_of(token)), clock.reading())
    try:
        link = one_time_codes.demand_open(found, now, OneTimeCodePurpose.UNDO_CONTACT)
    except ChallengeExpired:
        raise UndoLinkInvalid(field="token") from None
    assert link.user_id is not None
    assert link.channel is not None
    VOID_LINKS.send(tx, user=link.user_id, channel=link.channel)
    password_changes.void_codes(tx, link.user_id)
    ((user, _),), taken = await tx.fetch(attempts.locking(link.user_id), TAKEN.query(contact=link.identifier))
    if user.deleted_at is not None:
        raise UndoLinkInvalid(field="token")
    if any(other.id != user.id for (other,) in taken):
        raise ContactNotAvailable(field="token")
    # Whoever has the link reads what is sent there.
    _have(user, link.channel, link.identifier, now)
    # Whoever made the change had a recent proof of who they were, and so may know it.
    user.password_hash = None
    tx.save(user)
    devices.distrust_all(tx, user.id)
    takeovers.end_since(tx, user.id, link.created_at)
    await sessions.end_all(tx, user.id, UserSessionEndReason.CREDENTIALS_CHANGED)
    events.record(tx, user.id, "contact_change_undone", Severity.CRITICAL, channel=link.channel.value)
    events.inform(tx, user, Message.CONTACT_RESTORED, contact=link.identifier)
    return ContactRestored(now)


def _send_undo(tx: RuleTransaction, user: User, to: Address, new: str, now: datetime) -> None:
    """Write to the contact that was replaced, with a link that restores it."""
    token = opaque_tokens.made(tx.services.keyring, UNDO)
    tx.save(
        OneTimeCode(
            id=uuid4(), user_id=user.id, identifier=to.to, purpose=OneTimeCodePurpose.UNDO_CONTACT, channel=to.channel,
            code_hash=opaque_tokens.hash_of(token), expires_at=now + UNDO_LASTS,
        )
    )  # fmt: skip
    hours = int(UNDO_LASTS.total_seconds() // 3600)
    messages.send(tx, Message.CONTACT_CHANGED, to, user_id=user.id, secrets={"token": token}, hours=hours, contact=new)


def _contact(user: User, channel: OneTimeCodeChannel) -> str | None:
    return user.phone if channel is SMS else user.email


def _verified_at(user: User, channel: OneTimeCodeChannel) -> datetime | None:
    return user.phone_verified_at if channel is SMS else user.email_verified_at


def _have(user: User, channel: OneTimeCodeChannel, contact: str, now: datetime) -> None:
    if channel is SMS:
        user.phone, user.phone_verified_at = contact, now
    else:
        user.email, user.email_verified_at = contact, now
