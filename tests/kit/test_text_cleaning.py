"""Texts that people write: what cannot be seen does not come in, and what looks like nothing is nothing."""

from __future__ import annotations

import pytest

from lango.values.text_cleaning import cleaned

NOTHING = ["", "  ", "\u200b", "\u2800", "\u3164", "\u00ad", "\ufeff", "\u200d\u200d", "\u202e\u202c", "\ufe0f", "\u0301",
           "\x00\x01\x7f", "\u2066\u2069", "\u180e", "\u034f", "\u2060", "\u115f\u1160", "\uffa0", "\u00a0", "\u2028", "\u061c"]  # fmt: skip


@pytest.mark.parametrize("text", NOTHING, ids=[ascii(text) for text in NOTHING])
def test_what_shows_nothing_is_empty(text: str) -> None:
    assert cleaned(text, lines=False) == cleaned(text, lines=True) == ""


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Awa\u202e Diop", "Awa Diop"), ("\u2066Awa\u2069", "Awa"), ("A\u200bw\u00ada\ufeff", "Awa"),
        ("A\x07w\x1b[31ma", "Aw[31ma"), ("e\u0301te\u0301", "\u00e9t\u00e9"), ("Awa\u2800Diop", "Awa Diop"),
        ("  Awa  ", "Awa"), ("10\u00a0000 F", "10\u00a0000 F"),
    ],
    ids=ascii,
)  # fmt: skip
def test_what_hides_or_reverses_is_taken_out(text: str, kept: str) -> None:
    assert cleaned(text, lines=False) == kept


@pytest.mark.parametrize(
    "text", ["👩\u200d👩\u200d👧", "❤\ufe0f", "می\u200cخواهم", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "שלום\u200f!", "Ñdë"],
    ids=ascii,
)  # fmt: skip
def test_what_belongs_to_a_word_or_a_picture_stays(text: str) -> None:
    assert cleaned(text, lines=False) == text


def test_lines_are_kept_where_there_may_be_several() -> None:
    assert cleaned("one\r\ntwo\u2028three\tfour\n", lines=True) == "one\ntwo\nthree\tfour"
    assert cleaned("one\r\ntwo\tthree", lines=False) == "one two three"
