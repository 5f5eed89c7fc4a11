"""Access tokens: verified, and what they say."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import jwt

from lango.actor import Role
from lango.errors import Unauthenticated
from lango.libraries import asyncpg as driver
from lango.lru import Lru
from lango.security.issuing import mint as mint
from lango.security.jwks import PublishedKeys
from lango.security.keys import Key, Keys, signing_keys
from lango.settings import Settings

LONGEST_TOKEN = 8_192
REMEMBERED_TOKENS = 1_024
ROLE_NAMES = frozenset(role.value for role in Role)
UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class InvalidToken(Unauthenticated):
    """The access token is not valid: sign in again."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. `roles` are claims only: the database has the last word."""

    user_id: UUID
    session_id: UUID | None
    roles: frozenset[Role]
    expires_at: float
    # The name by which the token asks for its key, and the key that verified it.
    kid: str | None
    key: Key = field(repr=False)
    # When the user last proved who they are, where it says so; and how surely: 2 with a second factor.
    authenticated_at: datetime | None = None
    assurance_level: int = 1


def read_claims(payload: dict[str, object], kid: str | None, key: Key) -> Claims:
    """The claims of a payload that this key verified. Raises InvalidToken where one has the wrong form."""
    roles = payload.get("roles") or []
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise InvalidToken("The token's `roles` must be a list of names.")
    known = frozenset(Role(role) for role in roles if role in ROLE_NAMES)
    session_id = payload.get("sid")
    expires_at = payload["exp"]
    if not isinstance(expires_at, int | float):
        raise InvalidToken("The token's `exp` must be a number.")
    return Claims(
        user_id=read_uuid(payload.get("sub"), "sub"),
        session_id=None if session_id is None else read_uuid(session_id, "sid"),
        roles=known,
        expires_at=float(expires_at),
        kid=kid,
        key=key,
        authenticated_at=_read_moment(payload.get("auth_time")),
        assurance_level=2 if payload.get("aal") in (2, "aal2") else 1,
    )


def _read_moment(value: object) -> datetime | None:
    """A claim in seconds since 1970; None where it is none, for only rules that want a recent proof look at it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def read_uuid(value: object, claim: str) -> UUID:
    if not isinstance(value, str) or not UUID_TEXT.fullmatch(value):
        raise InvalidToken(f"The token's `{claim}` must be a UUID.")
    # Each request writes and compares it, which the driver's kind does fastest.
    return driver.UUID(value)


class Authenticator:
    """Tokens verified by the configured keys, or by those that an issuer publishes.

    Verified tokens are remembered by their digest, for a signature costs more than the request around it: until they
    expire, and while the key that verified them is still the one of its name.
    """

    def __init__(self, settings: Settings, *, keys: Keys | None = None, published: PublishedKeys | None = None) -> None:
        self.settings = settings
        self.keys = signing_keys(settings) if keys is None else keys
        self.published = published
        if published is None and settings.token_jwks_url is not None:
            self.published = PublishedKeys.of_access_tokens(settings, settings.token_jwks_url)
        self._remembered: Lru[bytes, Claims] = Lru(REMEMBERED_TOKENS)

    async def verify(self, token: str) -> Claims:
        """What the token says. Raises InvalidToken when it is malformed, expired, or signed by nobody we know."""
        if len(token) > LONGEST_TOKEN:
            raise InvalidToken("The access token is too long.")
        digest = hashlib.sha256(token.encode()).digest()
        claims = self._remembered.get(digest)
        if claims is None or not await self.trusts(claims):
            self._remembered.drop(digest)
            claims = await self._verify_signature(token)
            self._remembered.put(digest, claims)
        if claims.expires_at + self.settings.token_leeway <= time.time():
            self._remembered.drop(digest)
            raise InvalidToken("The access token has expired.")
        return claims

    async def trusts(self, claims: Claims) -> bool:
        """Whether the key that verified the token has been neither withdrawn nor replaced since."""
        return await self._key(claims.kid) == claims.key

    async def close(self) -> None:
        if self.published is not None:
            await self.published.close()

    async def _key(self, kid: str | None) -> Key | None:
        key = self.keys.get(kid)
        if key is None and self.published is not None:
            key = await self.published.get(kid)
        return key

    async def _verify_signature(self, token: str) -> Claims:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = await self._key(kid)
            if key is None:
                raise InvalidToken("The access token is signed by an unknown key.")
            payload = jwt.decode(
                token,
                key.verifying,
                algorithms=[key.algorithm],
                issuer=self.settings.token_issuer,
                audience=self.settings.token_audience,
                leeway=self.settings.token_leeway,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
            return read_claims(payload, kid, key)
        except jwt.ExpiredSignatureError:
            raise InvalidToken("The access token has expired.") from None
        # PyJWT lets the errors of what it calls through: an `exp` of 1e400, a header nested too deep.
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, AttributeError, RecursionError):
            raise InvalidToken from None


def bearer_token(authorization: Sequence[str]) -> str:
    """The token of an `Authorization: Bearer …` header. Raises InvalidToken for two headers or another scheme."""
    scheme, _, token = authorization[0].partition(" ")
    if len(authorization) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise InvalidToken("The Authorization header must be `Bearer` and an access token.")
    return token.strip()
