"""Codes of an authenticator app: those of RFC 6238, however they are typed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lango.values import codes
from resolvers.security.second_factor import accepted

# RFC 6238, appendix B, with SHA-1: the last six of its eight digits.
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
VECTORS = {
    59: "287082",
    1111111109: "081804",
    1111111111: "050471",
    1234567890: "005924",
    2000000000: "279037",
    20000000000: "353130",
}


@pytest.mark.parametrize(("moment", "code"), VECTORS.items())
def test_the_codes_of_the_rfc_are_accepted(moment: int, code: str) -> None:
    assert accepted(SECRET, code, datetime.fromtimestamp(moment, UTC)) == moment // 30


@pytest.mark.parametrize("steps", [-2, 2])
def test_a_code_of_two_steps_away_is_not(steps: int) -> None:
    moment = datetime.fromtimestamp(1234567890, UTC) + timedelta(seconds=30 * steps)

    assert accepted(SECRET, VECTORS[1234567890], moment) is None


@pytest.mark.parametrize(
    "typed",
    [
        "287082",
        " 287 082 ",
        "287-082",
        "287–082",
        "２８７０８２",
        "٢٨٧٠٨٢",
        "۲۸۷۰۸۲",
        "२८७०८२",
        "287\u200b082",
        "287\u00a0082",
    ],
)
def test_digits_of_any_script_are_read_and_blanks_and_dashes_are_not(typed: str) -> None:
    assert codes.digits(typed) == "287082"
    assert accepted(SECRET, typed, datetime.fromtimestamp(59, UTC)) == 1


@pytest.mark.parametrize(
    "typed",
    ["", "●●●●●●", "28708", "2870822", "28708²²", "abcdef", "①②③④⑤⑥x", "𝟚8708", "Ⅷ87082", "\x00", "🔟" * 3, "½" * 6],
)
def test_whatever_else_is_typed_is_no_code(typed: str) -> None:
    assert accepted(SECRET, typed, datetime.fromtimestamp(59, UTC)) is None
