"""Backup codes: they stand in for a lost second factor, each once."""

from __future__ import annotations

from collections.abc import Sequence

from lango.security.encryption import Keyring
from lango.values import codes
from models.security import TwoFactorAuth

COUNT = 10
# 50 random bits, whose hashes are keyed and whose tries are counted.
LENGTH = 10
# With so many left the user is reminded to make new ones.
FEW = 2


def new_codes() -> list[str]:
    """Ten of them, as they are shown: in two groups of five letters and digits."""
    made = [codes.new(LENGTH) for _ in range(COUNT)]
    return [f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}" for code in made]


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
