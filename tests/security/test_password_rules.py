"""What a password must be: long enough, and nothing that others would try first."""

from __future__ import annotations

from datetime import date

import pytest

from lango.errors import Refused
from lango.security.passwords import LONGEST, PasswordTooLong, hashed
from resolvers.security.passwords import (
    PasswordCommon,
    PasswordPersonal,
    PasswordReused,
    PasswordTooShort,
    _common,
    check,
    refuse_used,
)

KNOWN = ["Aïssatou", "Diop-Ndiaye", "+221771234567", "aissatou.diop@example.sn", date(1994, 3, 7)]


def refused(password: str, minimum: int = 15) -> type[Refused] | None:
    try:
        check(password, minimum=minimum, known=KNOWN, field="password")
    except Refused as refusal:
        return type(refusal)
    return None


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "trois mangues vertes",
        " des blancs autour  ",
        "ბრმა მდინარე ქვა ცა",
        "le vent de Ndar souffle",
        "aissatou mange du riz vert",
        "🐘🦒🐊🦁🐆🦏🦛🐫🐪🦍🐒🦧🐅🦓🦬",
        "kx7 Qz!9 vRt2 mW",
        "a" + "é" * 1 + "bcz" * 1 + "9fj3kd82jx0qp",
    ],
)
def test_a_long_one_of_its_own_is_taken(password: str) -> None:
    assert refused(password) is None


@pytest.mark.parametrize("password", ["", "trop court", "14 caractères!", "🐘" * 14, "ﬁ" * 6 + "xy"])
def test_it_is_counted_in_code_points_as_it_is_hashed(password: str) -> None:
    assert refused(password) is PasswordTooShort


def test_with_a_second_factor_twelve_will_do() -> None:
    assert refused("vert pomme x9") is PasswordTooShort
    assert refused("vert pomme x9", minimum=12) is None


@pytest.mark.parametrize("password", ["é" * 600, "x" * (LONGEST + 1), "ﷺ" * 200, "x" * 10_000_000], ids=len)
def test_it_has_at_most_a_thousand_and_twenty_four_bytes(password: str) -> None:
    assert refused(password) is PasswordTooLong


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "password123456789",
        "Password 123456789",
        "ＰＡＳＳＷＯＲＤ１２３４５６７８９",
        "P.a.s.s.w.o.r.d-1234567890",
        "qwertyuiopasdfghjkl",
        "123456789012345",
        "987654321098765",
        "abcdefghijklmnop",
        "aaaaaaaaaaaaaaa",
        "!!!!!!!!!!!!!!!!",
        "abcabcabcabcabc",
        "iloveyouiloveyou",
        "1qaz2wsx3edc4rfv",
    ],
)
def test_a_common_one_is_refused(password: str) -> None:
    assert refused(password) is PasswordCommon


@pytest.mark.parametrize(
    "password",
    [
        "AissatouDiop1994",
        "Aïssatou Ndiaye !!",
        "aissatou.diop@example.sn",
        "+221 77 123 45 67",
        "00221771234567 aissatou",
        "77 123 45 67 diop",
        "07.03.1994 diop ndiaye",
        "lango-lango-lango",
        "Lango-123456789!",
        "ndiaye19940307ndiaye",
        "DIOPNDIAYEpassword",
    ],
)
def test_one_made_of_what_others_know_is_refused(password: str) -> None:
    assert refused(password) is PasswordPersonal


def test_the_list_is_long() -> None:
    assert len(_common()) >= 3_000


async def test_none_of_before_is_taken_however_it_is_written() -> None:
    before = [await hashed("trois mangues très vertes"), await hashed("autre chose que rien")]

    await refuse_used("quatre mangues vertes", before, field="new")
    with pytest.raises(PasswordReused):
        await refuse_used("trois mangues tre\u0300s vertes", before, field="new")
