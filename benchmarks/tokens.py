"""One signing key for a run, and the callers' tokens: every peer verifies the same ones."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cache
from uuid import UUID

import orjson
from jwt.utils import base64url_encode
from pydantic import SecretStr

from lango.actor import Actor, Role
from lango.security.authentication import mint
from lango.security.keys import Keys, signing_keys
from lango.settings import Settings

HOURS_12 = 12 * 60 * 60.0
ROLES: dict[str, tuple[Role, ...]] = {
    "admin": (Role.USER, Role.ADMIN),
    "super_admin": (Role.USER, Role.ADMIN, Role.SUPER_ADMIN),
    "cashier": (Role.USER, Role.PARTNER),
}


@cache
def signing(written: str) -> tuple[Settings, Keys]:
    """The settings that have this key, and the key, which is read once."""
    settings = Settings(token_keys=SecretStr(written))
    return settings, signing_keys(settings)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The key as a JWK, and who may ask, by demo name."""

    jwk: dict[str, str]
    callers: dict[str, UUID]

    @classmethod
    def fresh(cls, callers: dict[str, UUID]) -> Tokens:
        secret = base64url_encode(secrets.token_bytes(32)).decode()
        return cls({"kty": "oct", "kid": "benchmark", "alg": "HS256", "k": secret}, callers)

    @property
    def written(self) -> str:
        return orjson.dumps(self.jwk).decode()

    @property
    def environment(self) -> dict[str, str]:
        """For lango and what uses its settings."""
        return {"LANGO_TOKEN_KEYS": self.written}

    @property
    def plain_environment(self) -> dict[str, str]:
        """For the peers that run in Node."""
        settings, _ = signing(self.written)
        return {
            "BENCH_TOKEN_KEY": self.jwk["k"],
            "BENCH_TOKEN_ISSUER": settings.token_issuer,
            "BENCH_TOKEN_AUDIENCE": settings.token_audience,
        }

    def of(self, caller: str | UUID) -> str | None:
        """The access token of a demo caller, or of a user by their id; nobody has none."""
        if caller == "anonymous":
            return None
        settings, keys = signing(self.written)
        user_id = caller if isinstance(caller, UUID) else self.callers[caller]
        return mint(settings, user_id, ROLES.get(str(caller), (Role.USER,)), lifetime=HOURS_12, keys=keys)

    def actor(self, caller: str) -> Actor:
        """The caller as the gateway sees them."""
        return Actor(self.callers[caller], frozenset(ROLES.get(caller, (Role.USER,))))
