"""Setting up a second factor: an authenticator app, and the backup codes that stand in for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, urlencode
from uuid import uuid4

import pyotp
import segno
from sqlalchemy import bindparam, update

from lango.db import rows
from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, Prepared
from lango.errors import Refused
from lango.rules.inputs import Once, Text
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from lango.security.encryption import opened
from models.identity import User, UserSession
from models.security import SecurityEventSeverity as Severity
from models.security import TwoFactorAuth, TwoFactorAuthMethod
from resolvers.identity import limits
from resolvers.identity.one_time_codes import LONGEST_CODE
from resolvers.identity.sessions import ReauthenticationRequired, demand_recent
from resolvers.kernel import clock
from resolvers.messages.messages import Message
from resolvers.security import backup_codes, events
from resolvers.security.second_factor import TwoFactorInvalid, TwoFactorUnreadable, accepted

# 160 random bits, as RFC 4226 recommends, in base32.
SECRET_LETTERS = 32


class TwoFactorAlreadyEnabled(Refused):
    """A second factor is set up already: switch it off first."""


class TwoFactorNotEnabled(Refused):
    """There is no second factor."""


class TwoFactorNotBegun(Refused):
    """Begin by `enableTwoFactor`: there is no secret that this could be a code of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What an authenticator app is set up with; it is shown once."""

    otpauth_uri: Annotated[str | None, Once("What an authenticator app opens.")]
    qr_svg: Annotated[str | None, Once("The same as a QR code, an SVG to be shown and scanned.")]
    secret: Annotated[str | None, Once("The secret alone, in base32, for whoever has to type it.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupCodes:
    """A second factor with new backup codes; they are shown once."""

    two_factor_auth: TwoFactorAuth
    backup_codes: Annotated[
        list[str] | None, Once("Each stands in for the second factor once: keep them where the phone is not.")
    ]


# A user has one, switched on or not.
OWN = Lookup(
    [TwoFactorAuth, TwoFactorAuth.secret],
    lambda found: found.where(TwoFactorAuth.user_id == bindparam("user_id")).with_for_update(key_share=True),
)
SESSION = UserSession.table().c
LOWER = Prepared(
    update(UserSession.table())
    .where(SESSION.user_id == bindparam("user_id"), ~SESSION.is_revoked, SESSION.assurance_level > 1)
    .values(assurance_level=1)
)


@rule(ReauthenticationRequired, TwoFactorAlreadyEnabled, idempotent=False)
async def enable_two_factor(tx: RuleTransaction) -> Enrolment:
    """Begin to set up an authenticator app. Nothing is asked of it before `confirmTwoFactor` has shown a code; until
    then another call gives another secret."""
    await demand_recent(tx)
    user, factor, _ = await _locked(tx)
    if factor is not None and factor.enabled:
        raise TwoFactorAlreadyEnabled
    if factor is None:
        factor = TwoFactorAuth(id=uuid4(), user_id=user.id, method=TwoFactorAuthMethod.TOTP, enabled=False)
    secret = pyotp.random_base32(SECRET_LETTERS)
    factor.method = TwoFactorAuthMethod.TOTP
    factor.secret = tx.services.keyring.seal(secret, TwoFactorAuth.secret, factor.id)
    factor.last_counter = None
    tx.save(factor)
    uri = uri_of(secret, user.email or user.phone or "", tx.services.settings.two_factor_issuer)
    return Enrolment(otpauth_uri=uri, qr_svg=segno.make(uri, error="m").svg_inline(scale=4), secret=secret)


@rule(
    ReauthenticationRequired, TwoFactorAlreadyEnabled, TwoFactorNotBegun, TwoFactorInvalid, TwoFactorUnreadable,
    idempotent=False, once_an_operation=True,
)  # fmt: skip
async def confirm_two_factor(
    tx: RuleTransaction,
    code: Annotated[str, Text("Six digits from the authenticator app, in any script.", LONGEST_CODE, exact=True)],
) -> BackupCodes:
    """Switch the second factor on, by a code of the authenticator app. Gives ten backup codes, once.

    The session is from now on one of two proofs.
    """
    await limits.take_reauthentication(tx)
    session = await demand_recent(tx)
    user, factor, sealed = await _locked(tx)
    if factor is None or sealed is None:
        raise TwoFactorNotBegun(field="code")
    if factor.enabled:
        raise TwoFactorAlreadyEnabled(field="code")
    now = await clock.now(tx)
    secret = opened(tx.services.keyring, sealed, TwoFactorAuth.secret, factor.id)
    if secret is None:
        raise TwoFactorUnreadable(field="code")
    counter = accepted(secret, code, now)
    if counter is None:
        raise TwoFactorInvalid(field="code")
    factor.enabled, factor.enabled_at, factor.disabled_at = True, now, None
    factor.last_counter, factor.last_used_at = counter, now
    made = _new_codes(tx, factor)
    if session is not None:
        session.assurance_level, session.authenticated_at = 2, now
        session.methods = [*(session.methods or ()), "totp"]
        tx.save(session)
    events.record(tx, user.id, "two_factor_enabled", Severity.LOW)
    events.inform(tx, user, Message.SECOND_FACTOR_ENABLED)
    return BackupCodes(two_factor_auth=factor, backup_codes=made)


@rule(ReauthenticationRequired, TwoFactorNotEnabled)
async def disable_two_factor(tx: RuleTransaction) -> TwoFactorAuth:
    """Switch the second factor off, and forget its secret and backup codes: from now on one proof is enough, and no
    session counts as one of two."""
    await demand_recent(tx)
    user, factor, _ = await _locked(tx)
    if factor is None or not factor.enabled:
        raise TwoFactorNotEnabled
    await switch_off(tx, user, factor)
    return factor


async def switch_off(tx: RuleTransaction, user: User, factor: TwoFactorAuth) -> None:
    """Take the second factor off that user, both locked, and say so to them."""
    factor.enabled, factor.disabled_at = False, await clock.now(tx)
    factor.secret, factor.backup_codes, factor.last_counter = None, RawJson.of([]), None
    tx.save(factor)
    LOWER.send(tx, user_id=user.id)
    events.record(tx, user.id, "two_factor_disabled", Severity.MEDIUM)
    events.inform(tx, user, Message.SECOND_FACTOR_DISABLED)


@rule(ReauthenticationRequired, TwoFactorNotEnabled, idempotent=False)
async def regenerate_backup_codes(tx: RuleTransaction) -> BackupCodes:
    """Get ten new backup codes; those of before open nothing any more."""
    await demand_recent(tx)
    user, factor, _ = await _locked(tx)
    if factor is None or not factor.enabled:
        raise TwoFactorNotEnabled
    made = _new_codes(tx, factor)
    events.record(tx, user.id, "backup_codes_replaced", Severity.LOW)
    events.inform(tx, user, Message.BACKUP_CODES_REPLACED)
    return BackupCodes(two_factor_auth=factor, backup_codes=made)


def uri_of(secret: str, account: str, issuer: str) -> str:
    """What authenticator apps read: https://github.com/google/google-authenticator/wiki/Key-Uri-Format"""
    query = urlencode({"secret": secret, "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(issuer, safe='')}:{quote(account, safe='')}?{query}"


def _new_codes(tx: RuleTransaction, factor: TwoFactorAuth) -> list[str]:
    made = backup_codes.new_codes()
    factor.backup_codes = RawJson.of(backup_codes.hashes_of(tx.services.keyring, made))
    tx.save(factor)
    return made


async def _locked(tx: RuleTransaction) -> tuple[User, TwoFactorAuth | None, str | None]:
    """The caller, and their second factor with its secret, encrypted: both locked."""
    ((user,),), found = await tx.fetch(rows.locking(User, tx.user_id), OWN.query(user_id=tx.user_id))
    factor, sealed = found[0] if found else (None, None)
    return user, factor, sealed
