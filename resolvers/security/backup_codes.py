"""Backup codes: they stand in for a lost second factor, each once."""

from __future__ import annotations

from collections.abc import Sequence

from lango.security.encryption import Keyring
from lango.values import codes
from models.security import TwoFactorAuth

COUNT = 10
# 120 random bits: at 112 a fast hash will do (ASVS 6.5.2), and a slow one would be computed under the account's lock.
LENGTH, GROUP = 24, 4
# With so many left the user is reminded to make new ones.
FEW = 2


def new_codes() -> list[str]:
    """Ten of them, as they are shown, in six groups."""
    made = [codes.new(LENGTH) for _ in range(COUNT)]
    return ["-".join(code[place : place + GROUP] for place in range(0, LENGTH, GROUP)) for code in made]


def hashes_of(keyring: Keyring, made: Sequence[str]) -> list[str]:
    """What is stored of them in `backup_codes`."""
    return [_hashes(keyring, code)[0] for code in made]


def left_after(keyring: Keyring, stored: Sequence[str], typed: str) -> list[str] | None:
    """The stored hashes without that of the typed code; None where it is none of them.

    Dashes, blanks and letter case do not matter.
    """
    found = set(_hashes(keyring, typed)) & set(stored)
    return [each for each in stored if each not in found] if found else None


def _hashes(keyring: Keyring, code: str) -> list[str]:
    return keyring.digests(codes.readings(code)[-1].replace("-", ""), TwoFactorAuth.backup_codes)
