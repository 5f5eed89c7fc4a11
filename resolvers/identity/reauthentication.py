"""Proving once more, within a session, that it is still its user: before what changes how one gets in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from sqlalchemy import bindparam

from lango.db import rows
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Id, Once, Text, Value
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from lango.security import issuing, passwords
from models.identity import OneTimeCode, OneTimeCodeChannel, OneTimeCodePurpose, User, UserSession
from resolvers.identity import attempts, limits, one_time_codes, second_step, sessions
from resolvers.identity.attempts import CredentialsInvalid
from resolvers.identity.limits import PhoneNotServed
from resolvers.identity.one_time_codes import LIFETIME, LONGEST_CODE, ChallengeExpired, CodeInvalid
from resolvers.identity.sign_in import LONGEST_PASSWORD, MINUTES, CodeSent
from resolvers.kernel import clock
from resolvers.messages import messages
from resolvers.messages.messages import Message
from resolvers.security import events
from resolvers.security.second_factor import TwoFactorInvalid, TwoFactorLocked, TwoFactorRequired, TwoFactorUnreadable


class ProofMissing(Refused):
    """Give the password, or a code."""


class NoContact(Refused):
    """There is no verified contact to which a code could be sent."""


class NoSession(Refused):
    """This token belongs to no session that is kept here: sign in instead."""


# Before anything is locked: what is stored of the password.
KNOWN = Lookup([User, User.password_hash], lambda rows: rows.where(User.id == bindparam("user_id")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reauthenticated:
    """The session as it is now, with a token that says so."""

    session: UserSession
    access_token: Annotated[
        str | None, Once("An access token of the recent proof; the refresh token stays as it is.")
    ] = None
    access_token_expires_at: Annotated[datetime | None, Value("When the access token ends.")] = None


@rule(NoContact, PhoneNotServed, idempotent=False, once_an_operation=True)
async def request_reauthentication_code(
    tx: RuleTransaction,
    channel: Annotated[
        OneTimeCodeChannel | None, Value("How to send it; without it by email where there is one.")
    ] = None,
) -> CodeSent:
    """Have a code sent to a verified contact of the caller, for `reauthenticate`."""
    async with tx.services.work(tx.actor) as looking:
        (((user, _),),) = await looking.fetch_last(KNOWN.query(user_id=tx.user_id))
    to = next((each for each in events.verified_contacts(user) if channel in (None, each.channel)), None)
    if to is None:
        raise NoContact(field=None if channel is None else "channel")
    purpose = OneTimeCodePurpose.REAUTHENTICATION
    await limits.take_send(tx, purpose, to, field=None if channel is None else "channel")
    now = await clock.now(tx)
    row, code = one_time_codes.issue(tx, purpose, to, user_id=tx.user_id, session_id=tx.actor.session_id)
    messages.send(tx, Message.REAUTHENTICATION_CODE, to, user_id=tx.user_id, secrets={"code": code}, minutes=MINUTES)
    return CodeSent(row.id, now + LIFETIME)


@rule(
    ProofMissing, NoSession, CredentialsInvalid, ChallengeExpired, CodeInvalid, TwoFactorRequired, TwoFactorInvalid,
    TwoFactorLocked, TwoFactorUnreadable, idempotent=False, once_an_operation=True, hashes_passwords=True,
)  # fmt: skip
async def reauthenticate(
    tx: RuleTransaction,
    password: Annotated[str | None, Text("The caller's password.", LONGEST_PASSWORD, exact=True)] = None,
    code: Annotated[
        str | None,
        Text("With a challenge the code that was sent, else one of the authenticator app.", LONGEST_CODE, exact=True),
    ] = None,
    challenge_id: Annotated[
        UUID | None, Id(OneTimeCode, "What `requestReauthenticationCode` has given, where its code is brought.")
    ] = None,
    backup_code: Annotated[str | None, Text("A backup code in place of the app's.", LONGEST_CODE)] = None,
) -> Reauthenticated:
    """Prove again that it is you: by the password or a code that was sent; with a second factor, by that.

    For `security.recent_minutes` after it the caller may do what wants a recent proof.
    """
    if password is None and code is None and backup_code is None:
        raise ProofMissing
    session_id = tx.actor.session_id
    if session_id is None:
        raise NoSession
    issuing.demand_key(tx.services.settings)
    await limits.take_reauthentication(tx)
    async with tx.services.work(tx.actor) as looking:
        (((_, stored),),) = await looking.fetch_last(KNOWN.query(user_id=tx.user_id))
    right = password is not None and await passwords.matches(password, stored)
    challenge = None if challenge_id is None else await _challenge(tx, challenge_id, code or "")
    users, factors, counted, found, ((now,),) = await tx.fetch(
        attempts.locking(tx.user_id),
        *second_step.looking(tx.user_id),
        rows.locking(UserSession, session_id),
        clock.reading(),
    )
    ((user, password_hash),) = users
    session: UserSession | None = found[0][0] if found else None
    if session is None or session.user_id != user.id:
        raise NoSession
    methods = list(session.methods or ())
    if password is not None:
        if not right or password_hash != stored:
            contact = user.phone or user.email or ""
            attempt = attempts.attempt_of(tx, contact, user.id, "failed_password", "Wrong password, in a session")
            raise CredentialsInvalid(field="password").keeping(attempt)
        methods.append("pwd")
    if challenge is not None:
        methods.append("otp")
        code = None
    step = second_step.step_in(factors, counted)
    if step is not None:
        methods.append(second_step.take_step(tx, user, step, code, backup_code))
        session.assurance_level = 2
    elif code is not None or backup_code is not None:
        # Without a second factor there is no such code.
        raise TwoFactorInvalid(field="backup_code" if code is None else "code")
    session.authenticated_at, session.methods = now, list(dict.fromkeys(methods))
    if challenge is not None:
        challenge.used_at = now
        tx.save(challenge)
    tx.save(session)
    access = sessions.access_token(tx, user, session)
    return Reauthenticated(session=session, access_token=access.text, access_token_expires_at=access.expires_at)


async def _challenge(tx: RuleTransaction, challenge_id: UUID, code: str) -> OneTimeCode:
    """The challenge whose code was brought, in the session in which it was requested."""
    row, _ = await one_time_codes.check(tx, challenge_id, code, OneTimeCodePurpose.REAUTHENTICATION)
    if row.user_id != tx.user_id or row.session_id != tx.actor.session_id:
        raise ChallengeExpired(field="challenge_id")
    return row
