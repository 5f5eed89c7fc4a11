"""Codes that people read out, write down and type: letters and digits that are not mistaken for each other.

The alphabet is Crockford's base32, without I, L, O and U. Whoever types a code may use small letters, set blanks and
hyphens anywhere, and write O for 0 and I or L for 1.
"""

from __future__ import annotations

import secrets
import unicodedata

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LETTERS = frozenset(ALPHABET)
# 100 random bits: enough for what is also guarded by a limit on tries, and short enough to be read out.
LENGTH = 20
# 130 random bits, for what is worth money or is a right by itself.
LONG = 26
# Blanks, dashes, and what shows nothing: a soft hyphen comes along when a code is copied.
BETWEEN = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Pd"})
MISTAKEN = str.maketrans("OIL", "011")


def new(length: int = LENGTH) -> str:
    """A code that nobody guesses, of 5 random bits a letter."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def readings(typed: str) -> list[str]:
    """What a typed code may be: first as it stands, for codes of before have other alphabets, then as it was made."""
    if LETTERS.issuperset(typed):
        # It was scanned, or typed as it is.
        return [typed]
    written = typed.strip()
    meant = _as_made(written)
    return [written] if meant in ("", written) else [written, meant]


def digits(typed: str) -> str:
    """The digits of a typed code, whatever script they are in, without blanks and dashes; empty where anything else is
    among them."""
    written = unicodedata.normalize("NFKC", typed)
    meant = [unicodedata.decimal(each, None) for each in written if unicodedata.category(each) not in BETWEEN]
    return "" if None in meant else "".join(map(str, meant))


def _as_made(typed: str) -> str:
    """The letters of a code as `new` writes them; empty where others are among them."""
    letters = (letter for letter in unicodedata.normalize("NFKC", typed) if unicodedata.category(letter) not in BETWEEN)
    meant = "".join(letters).upper().translate(MISTAKEN)
    return meant if LETTERS.issuperset(meant) else ""
