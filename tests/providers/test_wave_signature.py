"""Who has a secret is believed, for five minutes; nobody else is, whatever they write."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lango.providers.wave.signature import WINDOW, sign, verify

NOW = 1_772_000_000
SECRET = "wave_sn_WHS_first"
BODY = b'{"id":"EV_1"}'
RIGHT = sign([SECRET], BODY, NOW)
HEX = RIGHT.partition("v1=")[2]

texts = st.text(st.characters(codec="utf-8"), min_size=1)
moments = st.integers(0, 4_000_000_000)


def test_it_is_what_wave_documents() -> None:
    expected = hmac.digest(SECRET.encode(), str(NOW).encode() + BODY, "sha256").hex()

    assert f"t={NOW},v1={expected}" == RIGHT
    assert verify([SECRET], RIGHT, BODY, NOW)


@given(secret=texts, body=st.binary(), now=moments)
def test_what_is_signed_verifies(secret: str, body: bytes, now: int) -> None:
    assert verify([secret], sign([secret], body, now), body, now)


@given(body=st.binary(min_size=1), where=st.integers(0), change=st.integers(1, 255))
def test_a_changed_byte_does_not(body: bytes, where: int, change: int) -> None:
    header = sign([SECRET], body, NOW)
    changed = bytearray(body)
    changed[where % len(body)] ^= change

    assert not verify([SECRET], header, bytes(changed), NOW)


@given(where=st.integers(0, len(RIGHT) - 1), character=st.characters(codec="utf-8"))
def test_a_changed_header_does_not(where: int, character: str) -> None:
    changed = RIGHT[:where] + character + RIGHT[where + 1 :]

    assert verify([SECRET], changed, BODY, NOW) == (changed == RIGHT)


@given(secret=texts, other=texts)
def test_another_secret_does_not(secret: str, other: str) -> None:
    # HMAC fills a short key up with zero bytes: those at its end change nothing.
    same = secret.rstrip("\0") == other.rstrip("\0")

    assert same or not verify([other], sign([secret], BODY, NOW), BODY, NOW)


@given(apart=st.integers(-1_000, 1_000))
def test_it_holds_for_five_minutes_both_ways(apart: int) -> None:
    assert verify([SECRET], RIGHT, BODY, NOW + apart) == (abs(apart) <= WINDOW)


def test_while_secrets_change_either_is_taken() -> None:
    both = sign(["new", SECRET], BODY, NOW)

    assert verify(["new"], both, BODY, NOW)
    assert verify([SECRET], both, BODY, NOW)
    assert verify(["new", SECRET], RIGHT, BODY, NOW)
    assert not verify(["newer"], both, BODY, NOW)


def test_without_a_secret_every_signature_is_refused() -> None:
    assert not verify([], RIGHT, BODY, NOW)
    assert not verify([], sign([""], BODY, NOW), BODY, NOW)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t",
        "=",
        ",",
        f"t={NOW}",
        f"v1={HEX}",
        f"v1={HEX},t={NOW}",
        f"t={NOW},t={NOW},v1={HEX}",
        f"t=-{NOW},v1={HEX}",
        f"t=+{NOW},v1={HEX}",
        f"t={NOW}.0,v1={HEX}",
        f"t={NOW}e0,v1={HEX}",
        f"t= {NOW},v1={HEX}",
        "t=١٧٧٢٠٠٠٠٠٠,v1=" + HEX,
        f"t={'9' * 5_000},v1={HEX}",
        f"t={NOW},v1={HEX.upper()}",
        f"t={NOW},v1={HEX}0",
        f"t={NOW},v1={HEX[:-1]}",
        f"t={NOW},v1={HEX[:-1]}é",
        f"t={NOW},v0={HEX}",
        f"t={NOW},v1={HEX},",
        f"t={NOW},v1={HEX}\n",
        f"t={NOW},v1={HEX}" + ",v1=" + "0" * 64 + ",v1=" * 3,
        f"t={NOW}" + f",v1={HEX}" * 9,
        f"t={NOW}" + f",v1={HEX}" * 100_000,
        "\x00",
    ],
)
def test_a_hostile_header_is_refused(header: str) -> None:
    assert verify([SECRET], header, BODY, NOW) is False


@given(header=st.text())
def test_no_header_breaks_it(header: str) -> None:
    assert verify([SECRET], header, BODY, NOW) is False
