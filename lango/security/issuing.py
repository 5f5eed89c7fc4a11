"""Access tokens as they are issued: signed by the first key that can sign, for whoever has just proved who they are."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID, uuid4

import jwt
import structlog

from lango.actor import Role
from lango.errors import ServiceUnavailable
from lango.security.keys import BadKey, Key, Keys, NoSigningKey, signing_keys
from lango.settings import Settings

log = structlog.get_logger("lango.security.issuing")


class AccessToken(NamedTuple):
    """A signed token, and when it ends."""

    text: str
    expires_at: datetime


def mint(
    settings: Settings,
    user_id: UUID,
    roles: Collection[Role | str] = (),
    *,
    session_id: UUID | None = None,
    lifetime: float | None = None,
    keys: Keys | None = None,
    authenticated_at: datetime | None = None,
    methods: Sequence[str] = (),
    assurance_level: int = 1,
) -> str:
    """An access token for that user, without a sign-in. `lifetime` is in seconds; roles are claims, which the database
    must confirm. Without `authenticated_at` the user counts as having just signed in."""
    key = (signing_keys(settings) if keys is None else keys).to_sign()
    at = authenticated_at or datetime.now(UTC)
    return _signed(settings, key, user_id, roles, session_id or uuid4(), lifetime, at, methods, assurance_level).text


def issued(
    settings: Settings,
    user_id: UUID,
    roles: Collection[Role | str],
    *,
    session_id: UUID,
    authenticated_at: datetime,
    methods: Sequence[str],
    assurance_level: int,
) -> AccessToken:
    """An access token for that session. Raises ServiceUnavailable where tokens cannot be signed here."""
    key = _key(settings)
    return _signed(settings, key, user_id, roles, session_id, None, authenticated_at, methods, assurance_level)


def _signed(
    settings: Settings,
    key: Key,
    user_id: UUID,
    roles: Collection[Role | str],
    session_id: UUID,
    lifetime: float | None,
    authenticated_at: datetime,
    methods: Sequence[str],
    assurance_level: int,
) -> AccessToken:
    now = int(time.time())
    ends = now + int(settings.token_lifetime if lifetime is None else lifetime)
    payload = {
        "iss": settings.token_issuer,
        "aud": settings.token_audience,
        "sub": str(user_id),
        "sid": str(session_id),
        "roles": sorted(str(role) for role in roles),
        "iat": now,
        "exp": ends,
        "auth_time": int(authenticated_at.timestamp()),
        "amr": list(methods),
        "aal": assurance_level,
    }
    text = jwt.encode(payload, key.signing, algorithm=key.algorithm, headers={"kid": key.kid})
    return AccessToken(text, datetime.fromtimestamp(ends, UTC))


def demand_key(settings: Settings) -> None:
    """Raises ServiceUnavailable where tokens cannot be signed here: before a sign-in that would come to nothing."""
    _key(settings)


def _key(settings: Settings) -> Key:
    """The key that signs at the moment: which one that is may change while the gateway serves."""
    try:
        return signing_keys(settings).to_sign()
    except (NoSigningKey, BadKey) as error:
        log.error("no token can be signed", reason=str(error))
        raise ServiceUnavailable("Nobody can sign in here at the moment.") from error
