"""Encrypted columns: AES-256-GCM, bound to the row and column that a value stands in."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.orm import QueryableAttribute

from lango.errors import ServiceUnavailable
from lango.security.keys import BadKey, kept_once
from lango.settings import Settings

FORM = "v1"
# What keys of hashes are derived by: a key is used for one purpose.
HASHING = b"lango keyed hashes v1"
KEY_BYTES = 32
NONCE_BYTES = 12
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
DEV_KEY_FILE = "dev-encryption-key"

log = structlog.get_logger("lango.security.encryption")

Column = QueryableAttribute[Any]


class NoEncryptionKey(RuntimeError):
    """No key is configured to encrypt with."""


class Unreadable(ValueError):
    """An encrypted value that cannot be read: damaged, moved from another row, or of a key that is not configured."""

    def __init__(self, message: str, key_id: str | None) -> None:
        """`key_id` is that of the key it says it was encrypted with; None for what is of no form of ours."""
        super().__init__(message)
        self.key_id = key_id


class Keyring:
    """The keys of encrypted columns, by their ids: the first encrypts, all decrypt."""

    def __init__(self, keys: Iterable[tuple[str, bytes]]) -> None:
        """Raises BadKey, whose message says which and why, and never what is in it."""
        self._ciphers: dict[str, AESGCM] = {}
        self._hash_keys: list[bytes] = []
        for key_id, key in keys:
            if not KEY_ID.fullmatch(key_id):
                raise BadKey("The id of an encryption key has 1 to 32 letters, digits, - or _.")
            if key_id in self._ciphers:
                raise BadKey(f"Two encryption keys are called {key_id!r}.")
            if len(key) != KEY_BYTES:
                raise BadKey(f"Encryption key {key_id!r} has {len(key)} bytes, not {KEY_BYTES}.")
            self._ciphers[key_id] = AESGCM(key)
            self._hash_keys.append(hmac.digest(key, HASHING, "sha256"))
        if not self._ciphers:
            raise BadKey("LANGO_ENCRYPTION_KEYS names no key.")
        self.current = next(iter(self._ciphers))

    def __len__(self) -> int:
        return len(self._ciphers)

    def seal(self, plain: str, column: Column, row_id: UUID) -> str:
        """The text as it is stored in that column of that row."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._ciphers[self.current].encrypt(nonce, plain.encode(), _place(self.current, column, row_id))
        return ":".join((FORM, self.current, base64.urlsafe_b64encode(nonce + sealed).decode()))

    def digests(self, plain: str, column: Column) -> list[str]:
        """Keyed hashes of a text for that column, which it is found by and not read from: the current key's is first.

        What is found by the others was stored before the key was changed; with its key it is lost.
        """
        payload = f"{_name(column)}:{plain}".encode()
        return [hmac.digest(key, payload, "sha256").hex() for key in self._hash_keys]

    def macs(self, plain: str, purpose: bytes) -> list[bytes]:
        """What only a holder of the keys can compute of a text, 32 bytes for each: the current key's is first."""
        return [hmac.digest(hmac.digest(key, purpose, "sha256"), plain.encode(), "sha256") for key in self._hash_keys]

    def open(self, sealed: str, column: Column, row_id: UUID) -> str:
        """The text that `seal` was given. Raises Unreadable, which repeats nothing of the value."""
        form, _, rest = sealed.partition(":")
        key_id, _, text = rest.partition(":")
        if form != FORM or not KEY_ID.fullmatch(key_id):
            raise Unreadable(f"A value of {_name(column)} was not encrypted here.", None)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise Unreadable(f"A value of {_name(column)} was encrypted with a key that is not configured.", key_id)
        try:
            held = _bytes_of(text)
            return cipher.decrypt(held[:NONCE_BYTES], held[NONCE_BYTES:], _place(key_id, column, row_id)).decode()
        except (InvalidTag, ValueError):
            message = f"A value of {_name(column)} is damaged, or stands where it was not written."
            raise Unreadable(message, key_id) from None


def usable_keyring(settings: Settings) -> Keyring:
    """The configured keys. Raises ServiceUnavailable where there are none that can be used."""
    try:
        return keyring_of(settings)
    except (NoEncryptionKey, BadKey) as error:
        # No refusal, which a retry with the same idempotency key would get again after somebody has set a key.
        log.error("nothing can be encrypted", reason=str(error))
        raise ServiceUnavailable("What is kept encrypted can be neither stored nor shown at the moment.") from error


def opened(keys: Keyring, sealed: str, column: Column, row_id: UUID) -> str | None:
    """The text of an encrypted value; None, and a line in the log, where it cannot be read."""
    try:
        return keys.open(sealed, column, row_id)
    except Unreadable as error:
        log.error("an encrypted value cannot be read", reason=str(error), key_id=error.key_id, row_id=str(row_id))
        return None


def keyring_of(settings: Settings) -> Keyring:
    """The configured keys; in development, a generated one. Raises NoEncryptionKey, and BadKey."""
    configured = settings.encryption_keys.get_secret_value().strip() if settings.encryption_keys else ""
    if configured:
        return _keyring(configured)
    if settings.allow_dev_key:
        return _keyring(_dev_key(settings.data_dir))
    raise NoEncryptionKey(
        "No key for encrypted columns is configured. Set LANGO_ENCRYPTION_KEYS to id:base64 of 32 random bytes. To try "
        "things out on this machine, LANGO_ALLOW_DEV_KEY=1 generates one."
    )


@lru_cache(maxsize=8)
def _keyring(configured: str) -> Keyring:
    return Keyring((key_id, _key(key_id, text)) for key_id, text in _pairs(configured))


def _pairs(configured: str) -> list[tuple[str, str]]:
    if not configured.startswith("{"):
        pairs = (part.strip().partition(":") for part in configured.split(",") if part.strip())
        return [(key_id.strip(), text.strip()) for key_id, _, text in pairs]
    try:
        found = orjson.loads(configured)
    except orjson.JSONDecodeError:
        raise BadKey("LANGO_ENCRYPTION_KEYS is no JSON object.") from None
    if not all(isinstance(text, str) for text in found.values()):
        raise BadKey("LANGO_ENCRYPTION_KEYS as JSON is an object of ids and base64 texts.")
    return list(found.items())


def _key(key_id: str, text: str) -> bytes:
    try:
        return _bytes_of(text)
    except ValueError:
        raise BadKey(f"Encryption key {key_id[:32]!r} is not base64.") from None


def _bytes_of(text: str) -> bytes:
    """Base64 of either alphabet, padded or not. Raises ValueError."""
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _dev_key(data_dir: Path) -> str:
    def make() -> bytes:
        secret = base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()
        return f"dev-{secrets.token_hex(4)}:{secret}".encode()

    return kept_once(data_dir / DEV_KEY_FILE, make).read_text()


def _place(key_id: str, column: Column, row_id: UUID) -> bytes:
    """What a value is bound to: in another row or column, or under another key's name, it does not decrypt."""
    return f"{FORM}:{key_id}:{_name(column)}:{row_id}".encode()


def _name(column: Column) -> str:
    (held,) = column.property.columns
    return f"{held.table.fullname}.{held.name}"
