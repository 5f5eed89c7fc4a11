"""Texts that people write: what cannot be seen, or reverses what can, does not come in."""

from __future__ import annotations

import re
import unicodedata

# Joiners of letters and emoji, marks of direction that reverse nothing, and the letters of flags.
KEPT_FORMATS = frozenset("\u061c\u200c\u200d\u200e\u200f") | {chr(code) for code in range(0xE0020, 0xE0080)}
# They have the width of a letter and no ink.
FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
# Marks that change nothing where they are seen.
EMPTY_MARKS = frozenset("\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f")
LINES = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")


def cleaned(text: str, *, lines: bool) -> str:
    """The text as it is kept: composed (NFC), trimmed, and empty where nothing of it would be seen.

    Control characters, directional overrides and characters without ink are taken out; `lines` keeps line breaks and
    tabs, which are spaces otherwise.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    text = LINES.sub("\n", unicodedata.normalize("NFC", text))
    text = "".join(_kept(letter, lines) for letter in text).strip()
    return text if any(map(_is_seen, text)) else ""


def _kept(letter: str, lines: bool) -> str:
    if letter in "\n\t":
        return letter if lines else " "
    if letter in FILLERS:
        return " "
    kind = unicodedata.category(letter)
    if letter in EMPTY_MARKS or kind == "Cc" or (kind == "Cf" and letter not in KEPT_FORMATS):
        return ""
    return letter


def _is_seen(letter: str) -> bool:
    return not letter.isspace() and letter not in KEPT_FORMATS and not unicodedata.category(letter).startswith("M")
