"""How a text travels as an SMS: in GSM-7 where its alphabet suffices, else in UCS-2, and in how many segments."""

from __future__ import annotations

import unicodedata

# GSM 03.38: the basic alphabet, and what takes two places because it is escaped.
BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("\f^{}\\[~]|€")
ALPHABET = BASIC | EXTENDED
# Characters in a single segment, and in each of several, whose headers take some of the place.
GSM, GSM_OF_MANY = 160, 153
UCS, UCS_OF_MANY = 70, 67
REPLACED = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "«": '"', "»": '"', "–": "-", "—": "-", "…": "...", "œ": "oe", "Œ": "OE"}
)


def is_gsm(text: str) -> bool:
    """Whether the whole text is in GSM-7. One letter outside makes every segment less than half as long."""
    return ALPHABET.issuperset(text)


def segments(text: str) -> int:
    """How many SMS the text takes, which is what is paid for."""
    if is_gsm(text):
        length, single, of_many = len(text) + sum(letter in EXTENDED for letter in text), GSM, GSM_OF_MANY
    else:
        length, single, of_many = len(text.encode("utf-16-le")) // 2, UCS, UCS_OF_MANY
    return 1 if length <= single else -(-length // of_many)


def as_gsm(text: str) -> str:
    """The text without the accents and typographic marks that GSM-7 lacks. Letters of other scripts stay."""
    return "".join(map(_nearest, unicodedata.normalize("NFC", text).translate(REPLACED)))


def _nearest(letter: str) -> str:
    if letter in ALPHABET:
        return letter
    if letter.isspace():
        return " "
    bare = unicodedata.normalize("NFKD", letter)[:1]
    return bare if bare in ALPHABET else letter
