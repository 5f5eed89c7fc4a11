"""A class's name in snake case is what codes, fields and references are called: each word of it stays one."""

from __future__ import annotations

import pytest

from lango.errors import Refused
from lango.names import snake


class NotAMember(Refused):
    """Only an approved member may do this."""


@pytest.mark.parametrize(
    ("name", "written"),
    [("QrCode", "qr_code"), ("Pot", "pot"), ("NotAMember", "not_a_member"), ("Sha256Sum", "sha256_sum")],
)
def test_a_name_falls_into_its_words(name: str, written: str) -> None:
    assert snake(name) == written


def test_a_refusals_code_is_its_name() -> None:
    assert NotAMember.code() == "NOT_A_MEMBER"
