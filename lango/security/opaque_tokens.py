"""Tokens that say nothing: random, with a prefix that names their kind and a keyed checksum.

What was made up is refused by its checksum, without a query. Only hashes of them are stored.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode

from lango.security.encryption import Keyring

RANDOM_BYTES = 32
CHECKSUM_BYTES = 6
BODY = 43
CHECKSUM = 8
FORM = re.compile(rf"[A-Za-z0-9_-]{{{BODY + CHECKSUM}}}", re.ASCII)
LONGEST = 64
CHECKING, FOLLOWING = b"lango token checksums v1", b"lango following tokens v1"


def made(keyring: Keyring, prefix: str) -> str:
    """A new token of that kind, as in `lr_…`: 256 random bits."""
    return _with_checksum(keyring, prefix, _text(secrets.token_bytes(RANDOM_BYTES)))


def is_ours(keyring: Keyring, token: str, prefix: str) -> bool:
    """Whether a token of that kind was made here, by one of the keys that there are."""
    if not token.startswith(prefix) or not FORM.fullmatch(rest := token[len(prefix) :]):
        return False
    body, checksum = rest[:BODY], rest[BODY:]
    right = [hmac.compare_digest(checksum, each) for each in _checksums(keyring, prefix, body)]
    return any(right)


def following(keyring: Keyring, token: str, prefix: str) -> list[str]:
    """The token that comes after this one, by each of the keys, the current one's first: the same every time, though
    neither of them is stored."""
    bodies = [_text(each) for each in keyring.macs(token, FOLLOWING)]
    return [_with_checksum(keyring, prefix, body, number) for number, body in enumerate(bodies)]


def hash_of(token: str) -> str:
    """What is stored of a token of 128 random bits or more: none is guessed, so none needs salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def _with_checksum(keyring: Keyring, prefix: str, body: str, key: int = 0) -> str:
    """The token, with the checksum of that key in their order."""
    return f"{prefix}{body}{_checksums(keyring, prefix, body)[key]}"


def _checksums(keyring: Keyring, prefix: str, body: str) -> list[str]:
    return [_text(each[:CHECKSUM_BYTES]) for each in keyring.macs(prefix + body, CHECKING)]


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
