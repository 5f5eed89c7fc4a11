"""Trusted devices: known by a token that only they have, never by what they look like."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from sqlalchemy import bindparam, update

from lango.db import rows
from lango.db.prepared import Lookup, Prepared
from lango.errors import Refused
from lango.rules.inputs import Id, Once, Seen
from lango.rules.rule import NotFound, rule
from lango.rules.transaction import RuleTransaction
from lango.security import opaque_tokens
from models.identity import User, UserSession, UserSessionEndReason
from models.security import SecurityEventSeverity as Severity
from models.security import UserDevice
from resolvers.identity import sessions
from resolvers.identity.sessions import ReauthenticationRequired, demand_recent
from resolvers.identity.sign_in import TRUST
from resolvers.kernel import clock, system_config
from resolvers.kernel.system_config import Configured
from resolvers.security import events

TRUST_DAYS = Configured("security.device_trust_days", 30)


class NotThisDevice(Refused):
    """Only the device that the session was begun on can be trusted by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedDevice:
    """A trusted device, and what it proves itself with."""

    device: UserDevice
    device_token: Annotated[
        str | None, Once("What the device keeps, and brings when its user signs in by password. It is shown once.")
    ]


LIVE_ON = Lookup(
    [UserSession.id],
    lambda found: found.where(UserSession.device_id == bindparam("device_id"), ~UserSession.is_revoked),
)
DEVICE = UserDevice.table().c
NO_TRUST = {
    "trusted": False,
    "trusted_until": None,
    "trust_token_hash": None,
    "login_attempts": 0,
    "locked_until": None,
}
DISTRUST = Prepared(
    update(UserDevice.table()).where(DEVICE.user_id == bindparam("user"), DEVICE.trusted).values(NO_TRUST)
)


def distrust_all(tx: RuleTransaction, user_id: UUID) -> None:
    """Let no device of that user, whose row is locked, be trusted any more."""
    DISTRUST.send(tx, user=user_id)


@rule(ReauthenticationRequired, NotThisDevice, idempotent=False)
async def trust_device(
    tx: RuleTransaction,
    device_id: Annotated[UUID | None, Id(UserDevice, "The device of this session; without it that one.")] = None,
) -> TrustedDevice:
    """Trust the device of this session for `security.device_trust_days`, or until the password is changed.

    What fails elsewhere locks nobody out of a trusted device: it has failures of its own.
    """
    session = await demand_recent(tx)
    own = None if session is None else session.device_id
    if own is None or device_id not in (None, own):
        raise NotThisDevice(field="device_id" if device_id else None)
    ((user,),), ((device,),), ((now,),), configured = await tx.fetch(
        rows.locking(User, tx.user_id),
        rows.locking(UserDevice, own),
        clock.reading(),
        system_config.reading(TRUST_DAYS),
    )
    (days,) = system_config.numbers_in(configured, TRUST_DAYS)
    token = opaque_tokens.made(tx.services.keyring, TRUST)
    device.trusted, device.trusted_at, device.trusted_until = True, now, now + timedelta(days=days)
    device.trust_token_hash = opaque_tokens.hash_of(token)
    device.login_attempts, device.locked_until = 0, None
    tx.save(device)
    events.record(tx, user.id, "device_trusted", Severity.LOW, deviceId=str(device.id))
    return TrustedDevice(device=device, device_token=token)


@rule(NotFound, ReauthenticationRequired)
async def revoke_device(
    tx: RuleTransaction, device: Annotated[UserDevice, Seen("The device that is lost, or not in use any more.")]
) -> UserDevice:
    """Trust one of your devices no more, and end its sessions."""
    if device.user_id != tx.user_id:
        # Staff and guardians see it.
        raise NotFound("There is no such device.", field="device_id")
    await demand_recent(tx, field="device_id")
    ((user,),), ((device,),), live = await tx.fetch(
        rows.locking(User, tx.user_id), rows.locking(UserDevice, device.id), LIVE_ON.query(device_id=device.id)
    )
    for name, value in NO_TRUST.items():
        setattr(device, name, value)
    tx.save(device)
    for (session_id,) in live:
        sessions.end(tx, user.id, session_id, UserSessionEndReason.REVOKED)
    events.record(tx, user.id, "device_revoked", Severity.LOW, deviceId=str(device.id))
    return device
