"""Signing in with an account elsewhere: at Google and Telegram by OpenID Connect, at GitHub by a code.

An account elsewhere is known by its provider and its key there, never by an email: whoever once had an email may have
lost it. It is connected by somebody who is signed in here, or opens a new account; it is never attached to one that is
there already because both have the same email (docs/adr/0037).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import structlog
from sqlalchemy import BigInteger, bindparam, func, select
from sqlalchemy import Text as SqlText

from lango.db import rows
from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, Prepared
from lango.errors import BadUserInput, Refused
from lango.providers.addresses import LOOPBACK
from lango.providers.github import GITHUB
from lango.providers.google import GOOGLE
from lango.providers.provider import Provider
from lango.providers.sign_in import Account, Challenge, SignIn, SignInRefused, SignInUnavailable
from lango.providers.telegram import TELEGRAM
from lango.rules.inputs import Id, Once, Seen, Text, Value
from lango.rules.rule import NotFound, rule
from lango.rules.transaction import RuleTransaction
from lango.security import issuing, opaque_tokens
from models.identity import OneTimeCode, OneTimeCodePurpose, User, UserAuthProvider, UserRole
from models.security import OauthAccount, OauthAccountProvider
from models.security import SecurityEventSeverity as Severity
from resolvers.identity import attempts, limits, one_time_codes, sessions
from resolvers.identity.attempts import AccountSuspended
from resolvers.identity.one_time_codes import ChallengeExpired, details_of
from resolvers.identity.sessions import Device, ReauthenticationRequired, SignedIn, demand_recent
from resolvers.identity.sign_in import Fingerprint
from resolvers.identity.sign_up import TAKEN
from resolvers.kernel import clock, contacts
from resolvers.kernel.contacts import EmailNotValid
from resolvers.messages.messages import Message
from resolvers.security import events

log = structlog.get_logger("lango.oauth")

LIFETIME = timedelta(minutes=10)
LONGEST_PROOF, LONGEST_URL = 8_192, 500
BINDING = b"lango oauth challenges v1"
PURPOSE = OneTimeCodePurpose.OAUTH
PROVIDERS: Mapping[OauthAccountProvider, Provider[SignIn]] = {
    OauthAccountProvider.GOOGLE: GOOGLE,
    OauthAccountProvider.TELEGRAM: TELEGRAM,
    OauthAccountProvider.GITHUB: GITHUB,
}


class ProviderNotAvailable(Refused):
    """Nobody can sign in by this provider at the moment: try another way, or again later."""


class ProviderNotConvinced(Refused):
    """The provider does not confirm that this is your account there: begin again."""


class RedirectNotValid(Refused):
    """The address to come back to must be https, or on this machine, and have no fragment."""


class ProofMissing(Refused):
    """Bring what the provider has given: an id token, or a code with its state."""


class NotConnected(Refused):
    """This account elsewhere is not connected: sign in another way, then connect it."""


class NotAvailable(Refused):
    """This account elsewhere cannot be connected."""


class ContactNotVerified(Refused):
    """Verify your phone or email first: until then nobody knows that the account is yours."""


class LastWayIn(Refused):
    """Without it you could not sign in any more: verify a contact, set a password, or connect another account first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OauthStarted:
    """A sign-in that waits for the provider's word."""

    challenge_id: Annotated[UUID, Value("What the provider's word belongs to: bring both.")]
    expires_at: Annotated[datetime, Value("Until when.")]
    nonce: Annotated[str, Value("What an id token must have in `nonce`, where the provider's own button gives one.")]
    state: Annotated[str | None, Once("What comes back with the code: bring it, and compare it before.")]
    authorization_url: Annotated[
        str | None, Once("Where the browser goes, to come back with a code; null without `redirectUri`.")
    ]


@dataclass(frozen=True, slots=True)
class _Proved:
    """What was read of a challenge, and who the provider says it is."""

    provider: OauthAccountProvider
    account: Account


ChallengeId = Annotated[UUID, Id(OneTimeCode, "What `startOauth` has given.")]
IdToken = Annotated[str | None, Text("An id token of Google or Telegram.", LONGEST_PROOF, exact=True)]
AuthorizationCode = Annotated[str | None, Text("The code with which the browser came back.", LONGEST_PROOF, exact=True)]
State = Annotated[str | None, Text("The state that came back with the code.", 100, exact=True)]

SUBJECT = bindparam("subject", type_=SqlText)
PROVIDER = bindparam("provider", type_=OauthAccount.table().c.provider.type)
CONNECTION = Lookup(
    [OauthAccount],
    lambda found: found.where(OauthAccount.provider == PROVIDER, OauthAccount.provider_user_id == SUBJECT),
)
# Two that bring the same account for the first time must queue: there is no row yet that could be locked.
ONE_AT_A_TIME = Prepared(
    select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("key", type_=SqlText), 0, type_=BigInteger)))
)
CONNECTED = Lookup(
    [OauthAccount],
    lambda found: (
        found.where(OauthAccount.user_id == bindparam("user"), OauthAccount.disconnected_at.is_(None))
        .order_by(OauthAccount.id)
        .with_for_update(key_share=True)
    ),
)


@rule(ProviderNotAvailable, RedirectNotValid, anonymous=True, idempotent=False, once_an_operation=True)
async def start_oauth(
    tx: RuleTransaction,
    provider: Annotated[OauthAccountProvider, Value("Where the account is.")],
    redirect_uri: Annotated[
        str | None,
        Text("Where the browser comes back to with a code, as the provider knows it.", LONGEST_URL, exact=True),
    ] = None,
) -> OauthStarted:
    """Begin to sign in with an account elsewhere, or to connect it. `signInWithOauth` and `connectOauth` take what
    comes of it, within ten minutes, once."""
    await limits.take_sign_in(tx, None)
    client = tx.services.client(PROVIDERS[provider])
    if not client.is_on:
        raise ProviderNotAvailable(field="provider")
    if redirect_uri is not None and not _is_redirect(redirect_uri):
        raise RedirectNotValid(field="redirect_uri")
    now = await clock.now(tx)
    state = secrets.token_urlsafe(32)
    row = OneTimeCode(
        id=uuid4(), user_id=tx.actor.user_id, identifier=provider.value, purpose=PURPOSE, channel=None,
        code_hash=opaque_tokens.hash_of(state), expires_at=now + LIFETIME,
        details=RawJson.of({"redirect": redirect_uri, "session": _session(tx)}),
    )  # fmt: skip
    tx.save(row)
    challenge = _challenge(tx, row.id, redirect_uri)
    url = None if redirect_uri is None else client.authorization_url(challenge, state)
    return OauthStarted(
        challenge_id=row.id, expires_at=row.expires_at, nonce=challenge.nonce, state=state, authorization_url=url
    )


@rule(
    ChallengeExpired, ProofMissing, ProviderNotAvailable, ProviderNotConvinced, NotConnected, AccountSuspended,
    anonymous=True, idempotent=False, once_an_operation=True,
)  # fmt: skip
async def sign_in_with_oauth(
    tx: RuleTransaction,
    challenge_id: ChallengeId,
    id_token: IdToken = None,
    code: AuthorizationCode = None,
    state: State = None,
    device_fingerprint: Fingerprint = None,
) -> SignedIn:
    """Sign in with a connected account elsewhere. Where the account here has a second factor, what comes is a challenge
    for it.

    One that is not connected opens a new account, where the provider has verified an email that is nobody's here.
    """
    await limits.take_sign_in(tx, None)
    issuing.demand_key(tx.services.settings)
    proved = await _proved(tx, challenge_id, id_token, code, state)
    found, now = await _presented(tx, challenge_id, proved)
    is_new = found is None or found.disconnected_at is not None
    if found is None or is_new:
        user = await _new_user(tx, proved, now)
        connection = _connect(found, user.id, proved, now)
    else:
        user, connection = await _connected(tx, found)
        connection.last_synced_at = now
    contact = user.email or user.phone or ""
    tx.save(connection, attempts.attempt_of(tx, contact, user.id, "success", fingerprint=device_fingerprint))
    return await sessions.begin(tx, user, methods=["oidc"], device=Device(device_fingerprint), is_new=is_new)


@rule(
    ReauthenticationRequired, ChallengeExpired, ProofMissing, ProviderNotAvailable, ProviderNotConvinced, NotAvailable,
    ContactNotVerified, idempotent=False, once_an_operation=True,
)  # fmt: skip
async def connect_oauth(
    tx: RuleTransaction,
    challenge_id: ChallengeId,
    id_token: IdToken = None,
    code: AuthorizationCode = None,
    state: State = None,
) -> OauthAccount:
    """Connect an account elsewhere, to sign in with. The challenge must have been begun in this session."""
    await limits.take_sign_in(tx, None)
    async with tx.services.work(tx.actor) as looking:
        await demand_recent(looking)
    proved = await _proved(tx, challenge_id, id_token, code, state)
    found, now = await _presented(tx, challenge_id, proved)
    ((user, _),) = (await tx.fetch(attempts.locking(tx.user_id)))[0]
    if not events.verified_contacts(user):
        # Somebody may have opened it with a contact that is another's, and wait for its owner.
        raise ContactNotVerified(field="challenge_id")
    if found is not None and found.disconnected_at is None:
        if found.user_id != user.id:
            raise NotAvailable(field="challenge_id")
        return found
    connection = _connect(found, user.id, proved, now)
    tx.save(connection)
    events.record(tx, user.id, "oauth_connected", Severity.MEDIUM, provider=proved.provider.value)
    events.inform(tx, user, Message.OAUTH_CONNECTED, provider=proved.provider.value)
    return connection


@rule(NotFound, ReauthenticationRequired, LastWayIn)
async def disconnect_oauth(
    tx: RuleTransaction, oauth_account: Annotated[OauthAccount, Seen("The connected account elsewhere.")]
) -> OauthAccount:
    """Sign in with an account elsewhere no more. Never the last way in."""
    if oauth_account.user_id != tx.user_id:
        # Staff and guardians see it.
        raise NotFound("There is no such oauth account.", field="oauth_account_id")
    await demand_recent(tx, field="oauth_account_id")
    # Under the user's lock: of two that are disconnected at once, one may be the last way in.
    ((user, password_hash),), connected, ((now,),) = await tx.fetch(
        attempts.locking(tx.user_id), CONNECTED.query(user=tx.user_id), clock.reading()
    )
    connection: OauthAccount | None = next((each for (each,) in connected if each.id == oauth_account.id), None)
    if connection is None:
        return oauth_account
    others = [each for (each,) in connected if each.id != connection.id and _is_on(tx, each.provider)]
    if not others and password_hash is None and not events.verified_contacts(user):
        raise LastWayIn(field="oauth_account_id")
    connection.disconnected_at = now
    connection.access_token, connection.refresh_token = None, None
    tx.save(connection)
    events.record(tx, user.id, "oauth_disconnected", Severity.MEDIUM, provider=connection.provider.value)
    events.inform(tx, user, Message.OAUTH_DISCONNECTED, provider=connection.provider.value)
    return connection


async def _proved(
    tx: RuleTransaction, challenge_id: UUID, id_token: str | None, code: str | None, state: str | None
) -> _Proved:
    """Who the provider says it is, for a challenge that is still open: it is called while no transaction is."""
    if (id_token is None) == (code is None):
        raise ProofMissing(field="id_token" if id_token is not None else None)
    if code is not None and tx.validates_only:
        raise BadUserInput("A code is good once, and is not tried: leave `validateOnly` out, or bring an id token.")
    async with tx.services.work(tx.actor) as looking:
        found, ((now,),) = await looking.fetch(*one_time_codes.presenting(challenge_id))
        row = one_time_codes.demand_open(found, now, PURPOSE)
        waits = details_of(row)
    # What was begun in one session is completed in it, and by nobody else.
    if row.user_id != tx.actor.user_id or waits["session"] != _session(tx):
        raise ChallengeExpired(field="challenge_id")
    if code is not None:
        ((_, state_hash, _),) = found
        if state is None:
            raise ProofMissing(field="state")
        if not hmac.compare_digest(state_hash, opaque_tokens.hash_of(state)):
            raise ChallengeExpired(field="state")
    provider = OauthAccountProvider(row.identifier)
    try:
        account = await tx.services.client(PROVIDERS[provider]).account(
            _challenge(tx, row.id, waits["redirect"]), id_token=id_token, code=code
        )
    except SignInUnavailable as error:
        log.warning("provider of accounts not reached", provider=provider.value, reason=str(error))
        raise ProviderNotAvailable(field="challenge_id") from error
    except SignInRefused as error:
        log.warning("provider of accounts not convinced", provider=provider.value, reason=str(error))
        raise ProviderNotConvinced(field="challenge_id") from error
    return _Proved(provider, account)


async def _presented(tx: RuleTransaction, challenge_id: UUID, proved: _Proved) -> tuple[OauthAccount | None, datetime]:
    """The challenge is used up, under its lock; gives the connection of the account, whoever's it is."""
    found, ((now,),), _, connections = await tx.fetch(
        *one_time_codes.presenting(challenge_id),
        ONE_AT_A_TIME.query(key=f"{proved.provider.value}:{proved.account.subject}"),
        CONNECTION.query(provider=proved.provider, subject=proved.account.subject),
    )
    row = one_time_codes.demand_open(found, now, PURPOSE)
    row.used_at = now
    tx.save(row)
    return connections[0][0] if connections else None, now


async def _connected(tx: RuleTransaction, seen: OauthAccount) -> tuple[User, OauthAccount]:
    """Whom that account signs in, and its connection: both locked."""
    ((user, _),), ((connection,),) = await tx.fetch(attempts.locking(seen.user_id), rows.locking(OauthAccount, seen.id))
    if connection.disconnected_at is not None or connection.user_id != user.id:
        raise NotConnected(field="challenge_id")
    if not attempts.is_active(user):
        raise AccountSuspended
    return user, connection


async def _new_user(tx: RuleTransaction, proved: _Proved, now: datetime) -> User:
    """Whoever the provider has verified an email of that is nobody's here."""
    email = proved.account.email
    if proved.provider is not OauthAccountProvider.GOOGLE or email is None:
        raise NotConnected(field="challenge_id")
    try:
        address = contacts.email(email, field="challenge_id")
    except EmailNotValid:
        raise NotConnected(field="challenge_id") from None
    (taken,) = await tx.fetch(TAKEN.query(contact=address))
    if taken:
        raise NotConnected(field="challenge_id")
    user = User(
        id=uuid4(), email=address, email_verified_at=now, auth_provider=UserAuthProvider.GOOGLE, created_at=now,
        roles=[UserRole.USER], is_active=True,
    )  # fmt: skip
    tx.save(user)
    return user


def _connect(found: OauthAccount | None, user_id: UUID, proved: _Proved, now: datetime) -> OauthAccount:
    """The connection of that account, a new one or that of before, whoever's it was."""
    connection = found or OauthAccount(id=uuid4(), provider=proved.provider, provider_user_id=proved.account.subject)
    connection.user_id = user_id
    connection.provider_email, connection.provider_username = proved.account.email, proved.account.username
    connection.connected_at, connection.disconnected_at, connection.last_synced_at = now, None, now
    return connection


def _challenge(tx: RuleTransaction, challenge_id: UUID, redirect_uri: str | None) -> Challenge:
    """What the sign-in is bound to: derived of the challenge, so that none of it is stored."""
    nonce, verifier = (
        tx.services.keyring.macs(f"{use}:{challenge_id}", BINDING)[0].hex() for use in ("nonce", "verifier")
    )
    return Challenge(nonce, verifier, redirect_uri)


def _session(tx: RuleTransaction) -> str | None:
    return None if tx.actor.session_id is None else str(tx.actor.session_id)


def _is_on(tx: RuleTransaction, provider: OauthAccountProvider) -> bool:
    """Whether anybody can sign in by that provider now."""
    return tx.services.client(PROVIDERS[provider]).is_on


def _is_redirect(uri: str) -> bool:
    try:
        address = urlsplit(uri)
        host = address.hostname
    except ValueError:
        return False
    secure = address.scheme == "https" or (address.scheme == "http" and host in LOOPBACK)
    return secure and bool(host) and "#" not in uri and uri.isprintable() and uri.isascii()
