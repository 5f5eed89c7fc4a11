"""The keys that sign and verify tokens: from the settings, generated for development, or published by an issuer."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode

from lango.settings import Settings

ALGORITHMS = {"oct": "HS256", "RSA": "RS256", "OKP": "EdDSA"}
SHORTEST_SECRET = 32
SHORTEST_RSA = 2048
DEV_KEY_FILE = "dev-signing-key.json"
DEV_KID = "dev-"


class BadKey(ValueError):
    """A key that cannot be used; the message says which and why, and never what is in it."""


class NoSigningKey(RuntimeError):
    """No key is configured to sign or verify tokens."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key with the one algorithm it is for: a token that names another is refused."""

    kid: str
    algorithm: str
    verifying: Any = field(repr=False)
    signing: Any = field(default=None, repr=False, compare=False)
    # In seconds since 1970; 0 where nobody needs to know.
    made_at: float = field(default=0.0, repr=False, compare=False)

    @property
    def is_dev(self) -> bool:
        """Whether it was generated for development, wherever it was copied to since."""
        return self.algorithm == "HS256" and self.kid.startswith(DEV_KID)


class Keys:
    """Keys by their `kid`."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys: dict[str, Key] = {}
        for key in keys:
            if key.kid in self._keys:
                raise BadKey(f"Two keys are called {key.kid!r}.")
            self._keys[key.kid] = key

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    def get(self, kid: str | None) -> Key | None:
        """The key of that name; a token without a name is fine where there is just one key."""
        if kid is None:
            return next(iter(self)) if len(self) == 1 else None
        return self._keys.get(kid)

    def to_sign(self) -> Key:
        """The key that signs: the first that can. Raises NoSigningKey when all are public."""
        for key in self._ordered_to_sign():
            return key
        raise NoSigningKey("None of the configured keys can sign: tokens can be verified here, but not minted.")

    def _ordered_to_sign(self) -> list[Key]:
        return [key for key in self if key.signing is not None]


def key_of_jwk(jwk: Any, *, public: bool = False) -> Key:
    """A key from its JSON form. `public` refuses shared secrets: a published one is no secret."""
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kty"), str):
        raise BadKey("A key must be a JSON object with `kty`.")
    kid = jwk.get("kid")
    if not isinstance(kid, str) or not kid:
        raise BadKey("A key needs a `kid`.")
    expected = ALGORITHMS.get(jwk["kty"])
    if expected is None or jwk.get("alg", expected) != expected:
        raise BadKey(f"Key {kid!r} must be for HS256 (oct), RS256 (RSA) or EdDSA (OKP, Ed25519).")
    if jwk.get("use", "sig") != "sig":
        raise BadKey(f"Key {kid!r} is not for signatures.")
    if public and jwk["kty"] == "oct":
        raise BadKey(f"Key {kid!r} is a shared secret, which may not be published.")
    try:
        loaded = jwt.PyJWK(jwk, algorithm=expected).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise BadKey(f"Key {kid!r} cannot be read.") from error
    return key_of(kid, loaded)


def key_of(kid: str, loaded: Any) -> Key:
    """A key from what the cryptography library read: a shared secret, an RSA or an Ed25519 key."""
    if isinstance(loaded, bytes):
        if len(loaded) < SHORTEST_SECRET:
            raise BadKey(f"Key {kid!r} must have at least {SHORTEST_SECRET} bytes.")
        return Key(kid, "HS256", loaded, loaded)
    if isinstance(loaded, RSAPrivateKey | RSAPublicKey):
        if loaded.key_size < SHORTEST_RSA:
            raise BadKey(f"Key {kid!r} must have at least {SHORTEST_RSA} bits.")
        if isinstance(loaded, RSAPrivateKey):
            return Key(kid, "RS256", loaded.public_key(), loaded)
        return Key(kid, "RS256", loaded)
    if isinstance(loaded, Ed25519PrivateKey):
        return Key(kid, "EdDSA", loaded.public_key(), loaded)
    if isinstance(loaded, Ed25519PublicKey):
        return Key(kid, "EdDSA", loaded)
    raise BadKey(f"Key {kid!r} must be RSA or Ed25519, or a shared secret.")


def key_of_pem(kid: str, text: bytes) -> Key:
    """A key from a PEM file, private or public."""
    try:
        loaded: Any = load_pem_private_key(text, None) if b"PRIVATE KEY" in text else load_pem_public_key(text)
    except (ValueError, TypeError) as error:
        raise BadKey(f"Key {kid!r} is not a PEM file without a password.") from error
    return key_of(kid, loaded)


def keys_of_json(text: str | bytes, *, public: bool = False) -> list[Key]:
    """The keys of one JWK, a list of them, or a JWK set."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadKey("The keys are not JSON.") from error
    if isinstance(value, dict) and "keys" in value:
        value = value["keys"]
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        raise BadKey("The keys must be a JWK, a list of them, or a JWK set.")
    return [key_of_jwk(jwk, public=public) for jwk in value]


def keys_of_path(path: Path) -> list[Key]:
    """The keys of a `.json` or `.pem` file, whose name is then the `kid`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadKey(f"LANGO_TOKEN_KEYS: {path} cannot be read: {error.strerror}.") from error
    return [key_of_pem(path.stem, content)] if path.suffix == ".pem" else keys_of_json(content)


def kept_once(path: Path, make: Callable[[], bytes]) -> Path:
    """A generated file, written when it is first asked for; only its owner can read it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(make())
        # A link fails where the name is taken: two workers that start at once end with one file, not one each.
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path


def dev_key(settings: Settings) -> Key:
    """The development key of this checkout, generated when first asked for; only its owner can read the file."""

    def make() -> bytes:
        secret = base64url_encode(secrets.token_bytes(SHORTEST_SECRET)).decode()
        return orjson.dumps({"kty": "oct", "kid": f"{DEV_KID}{secrets.token_hex(4)}", "alg": "HS256", "k": secret})

    return keys_of_path(kept_once(settings.data_dir / DEV_KEY_FILE, make))[0]


def public_jwk(key: Key) -> dict[str, Any] | None:
    """The public half as it is published; None for a shared secret, which has none."""
    if key.algorithm == "HS256":
        return None
    written = (RSAAlgorithm if key.algorithm == "RS256" else OKPAlgorithm).to_jwk(key.verifying, as_dict=True)
    return {**written, "kid": key.kid, "alg": key.algorithm, "use": "sig", "key_ops": ["verify"]}


@lru_cache(maxsize=16)
def keys_named(configured: str, delay: float) -> Keys:
    """The keys of JSON, of a file, or of a directory, whose newest signs when it is `delay` seconds old. They are read
    once, the same for all who ask: a directory is looked at again by itself."""
    if configured[0] in "[{":
        return Keys(keys_of_json(configured))
    from lango.security.key_folder import KeyFolder

    path = Path(configured)
    return KeyFolder(path, delay) if path.is_dir() else Keys(keys_of_path(path))


def signing_keys(settings: Settings) -> Keys:
    """The keys of the settings; in development, the generated one.

    Raises NoSigningKey when nothing is configured (an issuer's address is enough to verify), BadKey when what is
    configured cannot be used.
    """
    if settings.token_keys is not None and (configured := settings.token_keys.get_secret_value().strip()):
        found = keys_named(configured, settings.token_key_delay)
        if not len(found):
            raise BadKey("LANGO_TOKEN_KEYS names no key: give JSON, a .json or .pem file, or a directory of those.")
        return found
    if settings.token_jwks_url is not None:
        return Keys()
    if settings.allow_dev_key:
        return Keys([dev_key(settings)])
    raise NoSigningKey(
        "No key for access tokens is configured. Set LANGO_TOKEN_KEYS (JSON, a .json or .pem file, or a directory of "
        "those) or LANGO_TOKEN_JWKS_URL. To try things out on this machine, LANGO_ALLOW_DEV_KEY=1 generates one."
    )
