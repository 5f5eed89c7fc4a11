"""API keys: made, replaced and revoked by their owners, in person. A key is shown once (docs/adr/0040)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from sqlalchemy import bindparam, func, or_

from lango.db import rows
from lango.db.postgres import RawJson
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Locked, Once, OwnedBy, Text, Value
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from lango.security import api_keys
from lango.security.api_key_status import networks_of
from models.identity import User
from models.security import ApiKey, SecurityEventSeverity
from resolvers.identity.sessions import ReauthenticationRequired, demand_recent
from resolvers.kernel import clock
from resolvers.kernel.texts import TextMissing, TooMany, check_count, check_text
from resolvers.messages.message import Message
from resolvers.security import events

LONGEST_NAME = 100
MOST_KEYS, MOST_PERMISSIONS, MOST_ADDRESSES = 50, 200, 100
DEFAULT_RATE, MOST_RATE = 1_000, 1_000_000
LONGEST_OVERLAP = 30 * 86_400
CREATED, ROTATED, REVOKED = "api_key_created", "api_key_rotated", "api_key_revoked"

LIVE = Lookup(
    [ApiKey],
    lambda found: found.where(
        ApiKey.user_id == bindparam("user_id"),
        ApiKey.revoked_at.is_(None),
        ApiKey.deleted_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now()),
    ),
)


class NotYourKey(Refused):
    """This API key is not yours."""


class PermissionMissing(Refused):
    """Say what the key may be used for: at least one permission."""


class PermissionUnknown(Refused):
    """There is no such permission: they are `read:Pot`, `mutate:redeemQrCode`, `subscribe:potUpdated`, or `*` in the
    place of a name. What an API key may never do has none."""


class AddressNotValid(Refused):
    """This is no address and no network, such as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32."""


class RateNotValid(Refused):
    """A key makes between 1 and 1,000,000 requests an hour."""


class ExpiryNotValid(Refused):
    """A key ends in the future."""


class OverlapNotValid(Refused):
    """The old key serves between 0 seconds and 30 days beside the new one."""


class KeyNotLive(Refused):
    """This API key serves no more: create a new one."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made."""

    api_key: ApiKey
    key: Annotated[str, Once("The key itself, for `Authorization: Bearer …`. It is shown now, and never again.")]


@rule(
    ReauthenticationRequired,
    TextMissing,
    TooMany,
    PermissionMissing,
    PermissionUnknown,
    AddressNotValid,
    RateNotValid,
    ExpiryNotValid,
)
async def create_api_key(
    tx: RuleTransaction,
    name: Annotated[str, Text("What you call it.", LONGEST_NAME)],
    permissions: Annotated[
        list[str],
        Value(
            "What it may be used for: `read:Pot` for objects of that type, `mutate:redeemQrCode` for a mutation and "
            "the plain fields of what it gives, `subscribe:potUpdated`; `*` in the place of a name for all of them. "
            "Never more than you may do yourself at that moment."
        ),
    ],
    rate_limit: Annotated[int, Value("How many requests it may make in an hour.")] = DEFAULT_RATE,
    ip_whitelist: Annotated[
        list[str] | None, Value("The addresses and networks it may be used from; empty for any.")
    ] = None,
    expires_at: Annotated[datetime | None, Value("When it ends by itself; null for never.")] = None,
) -> NewKey:
    """Make a key with which a program of yours calls in your name, within the key's permissions, addresses and rate.
    A key makes no keys."""
    check_text(name, field="name")
    _check_permissions(tx, permissions)
    _check_addresses(ip_whitelist or [])
    if not 1 <= rate_limit <= MOST_RATE:
        raise RateNotValid(field="rate_limit", most=MOST_RATE)
    await demand_recent(tx)
    # By the user's row: keys that are being made cannot be locked yet.
    ((owner,),), live, ((now,),) = await tx.fetch(
        rows.locking(User, tx.user_id), LIVE.query(user_id=tx.user_id), clock.reading()
    )
    check_count(live, MOST_KEYS - 1, field="name")
    if expires_at is not None and expires_at <= now:
        raise ExpiryNotValid(field="expires_at")
    made = api_keys.made(tx.services.settings.api_key_environment)
    row = ApiKey(
        id=made.id, user_id=tx.user_id, name=name.strip(), key_hash=made.digest, key_prefix=made.shown,
        permissions=RawJson.of(sorted(set(permissions))), rate_limit=rate_limit,
        ip_whitelist=RawJson.of(ip_whitelist or []), enabled=True, expires_at=expires_at,
    )  # fmt: skip
    tx.save(row)
    _record(tx, row, CREATED)
    events.inform(tx, owner, Message.API_KEY_CREATED, name=row.name)
    return NewKey(row, made.text)


@rule(ReauthenticationRequired, OverlapNotValid, KeyNotLive)
async def rotate_api_key(
    tx: RuleTransaction,
    api_key: Annotated[ApiKey, Locked("The key to be replaced."), OwnedBy(ApiKey.user_id, NotYourKey)],
    overlap_seconds: Annotated[int, Value("For how many seconds the old key serves beside the new one.")] = 0,
) -> NewKey:
    """Make a key that may do what another may, which serves on for a while and then ends."""
    if not 0 <= overlap_seconds <= LONGEST_OVERLAP:
        raise OverlapNotValid(field="overlap_seconds", most=LONGEST_OVERLAP)
    await demand_recent(tx)
    found, ((now,),) = await tx.fetch(rows.finding(User, api_key.user_id), clock.reading())
    _check_live(api_key, now)
    made = api_keys.made(tx.services.settings.api_key_environment)
    replacing = ApiKey(
        id=made.id, user_id=api_key.user_id, name=api_key.name, key_hash=made.digest, key_prefix=made.shown,
        permissions=api_key.permissions, rate_limit=api_key.rate_limit, ip_whitelist=api_key.ip_whitelist,
        enabled=True, expires_at=api_key.expires_at,
    )  # fmt: skip
    ends = now + timedelta(seconds=overlap_seconds)
    api_key.expires_at = ends if api_key.expires_at is None else min(ends, api_key.expires_at)
    tx.save(api_key, replacing)
    _record(tx, api_key, ROTATED)
    for (owner,) in found:
        events.inform(tx, owner, Message.API_KEY_CREATED, name=replacing.name)
    return NewKey(replacing, made.text)


@rule()
async def revoke_api_key(
    tx: RuleTransaction,
    api_key: Annotated[ApiKey, Locked("The key to be revoked."), OwnedBy(ApiKey.user_id, NotYourKey, or_staff=True)],
    reason: Annotated[str | None, Text("Why it is revoked.", 500)] = None,
) -> ApiKey:
    """Take a key back for good: it is refused within a second, everywhere. What was revoked stays so."""
    if api_key.revoked_at is None:
        api_key.revoked_at = await clock.now(tx)
        api_key.revoked_reason = reason
        tx.save(api_key)
        _record(tx, api_key, REVOKED)
    return api_key


def _check_permissions(tx: RuleTransaction, permissions: list[str]) -> None:
    if not permissions:
        raise PermissionMissing(field="permissions")
    check_count(permissions, MOST_PERMISSIONS, field="permissions")
    if unknown := tx.services.permissions.unknown(permissions):
        raise PermissionUnknown(field="permissions", unknown=[each[:LONGEST_NAME] for each in unknown])


def _check_addresses(listed: list[str]) -> None:
    check_count(listed, MOST_ADDRESSES, field="ip_whitelist")
    for index, each in enumerate(listed):
        try:
            networks_of([each])
        except ValueError:
            raise AddressNotValid(field=f"ip_whitelist.{index}", address=each[:LONGEST_NAME]) from None


def _check_live(api_key: ApiKey, now: datetime) -> None:
    ended = api_key.expires_at is not None and api_key.expires_at <= now
    if ended or api_key.revoked_at is not None or not api_key.enabled:
        raise KeyNotLive(field="api_key_id")


def _record(tx: RuleTransaction, api_key: ApiKey, what: str) -> None:
    events.record(
        tx, api_key.user_id, what, SecurityEventSeverity.LOW,
        apiKeyId=str(api_key.id), name=api_key.name, keyPrefix=api_key.key_prefix,
    )  # fmt: skip
