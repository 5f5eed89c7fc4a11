"""Codes are read out, written down and typed."""

from __future__ import annotations

import pytest

from lango.values import codes

CODE = "7K3Q0M1XVB2R9TZ4HWE8"


def test_a_code_has_100_random_bits_in_letters_that_are_not_mistaken() -> None:
    made = {codes.new() for _ in range(1000)}

    assert len(made) == 1000
    assert {len(code) for code in made} == {20}
    assert set("".join(made)) == set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    assert 32**20 >= 2**100
    assert (len(codes.new(codes.LONG)), 32**codes.LONG >= 2**128) == (26, True)


@pytest.mark.parametrize(
    "typed",
    [
        "7k3q0m1xvb2r9tz4hwe8",
        "7K3Q-0M1X-VB2R-9TZ4-HWE8",
        "  7K3Q 0M1X VB2R 9TZ4 HWE8\n",
        "7K3QOM1XVB2R9TZ4HWE8",
        "7k3qomlxvb2r9tz4hwe8",
        "7K3QoMIXVB2R9TZ4HWE8",
        "7K3Q\u00a00M1X\u2013VB2R\u00ad9TZ4\u200bHWE8",
        "７Ｋ３Ｑ０Ｍ１ＸＶＢ２Ｒ９ＴＺ４ＨＷＥ８",
    ],
)
def test_however_it_is_typed_it_is_read(typed: str) -> None:
    assert CODE in codes.readings(typed)


@pytest.mark.parametrize("old", ["P-X|R+FT*w%&zab@1234", "Zm9v-YmFyYmF6_cXV4MQ", "deadbeef-O0Il"])
def test_a_code_of_another_alphabet_is_first_taken_as_it_stands(old: str) -> None:
    assert codes.readings(f" {old} ")[0] == old


@pytest.mark.parametrize("typed", ["", "   ", "-", "U7K3", "P-X|R", "é"])
def test_what_is_no_code_of_ours_has_one_reading(typed: str) -> None:
    assert codes.readings(typed) == [typed.strip()]
