"""The form of API keys: `lk_<environment>_<id>_<secret><checksum>`, as they are made, recognised and hashed."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from uuid import UUID, uuid4

PREFIX = "lk_"
DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
# Digits of base 62: of a UUID, of 190 random bits, and of a CRC-32.
ID_DIGITS, SECRET_DIGITS, CHECKSUM_DIGITS = 22, 32, 6
# How much of the id is shown, to tell keys from one another.
SHOWN_DIGITS = 8
FORM = re.compile(
    rf"lk_([a-z0-9]{{1,16}})_([0-9A-Za-z]{{{ID_DIGITS}}})_"
    rf"([0-9A-Za-z]{{{SECRET_DIGITS}}})([0-9A-Za-z]{{{CHECKSUM_DIGITS}}})"
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as its owner has it: shown once, when it is made, and kept as a hash."""

    id: UUID
    text: str = field(repr=False)

    @property
    def digest(self) -> str:
        """What is stored of it. No slow hash: nobody tries out 190 random bits."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def shown(self) -> str:
        """What it begins with."""
        return self.text[: self.text.index("_", len(PREFIX)) + 1 + SHOWN_DIGITS]


def made(environment: str) -> ApiKey:
    """A new key."""
    id_ = uuid4()
    secret = "".join(secrets.choice(DIGITS) for _ in range(SECRET_DIGITS))
    text = f"{PREFIX}{environment}_{base62(id_.int, ID_DIGITS)}_{secret}"
    return ApiKey(id_, text + checksum(text))


def recognised(text: str, environment: str) -> ApiKey | None:
    """The key of that text; None for what was not made here: by its form, its environment or its checksum.

    The checksum is no secret. It spares typing errors and random texts a look-up, and lets scanners for leaked secrets
    know a key for sure; whoever computes it is counted by their address.
    """
    form = FORM.fullmatch(text)
    if form is None or form[1] != environment:
        return None
    if not hmac.compare_digest(checksum(text[:-CHECKSUM_DIGITS]), form[4]):
        return None
    number = 0
    for digit in form[2]:
        number = number * len(DIGITS) + DIGITS.index(digit)
    return ApiKey(UUID(int=number), text) if number < 1 << 128 else None


def checksum(text: str) -> str:
    return base62(zlib.crc32(text.encode()), CHECKSUM_DIGITS)


def base62(number: int, length: int) -> str:
    """The number in digits of base 62, filled up to that length."""
    digits = ""
    while number or len(digits) < length:
        number, rest = divmod(number, len(DIGITS))
        digits = DIGITS[rest] + digits
    return digits
