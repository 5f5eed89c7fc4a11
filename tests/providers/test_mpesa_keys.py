"""What Daraja knows us by: the password of a push, the initiator's encrypted password, and access tokens."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from lango.providers import BadProvider
from lango.providers.mpesa.credentials import password, security_credential
from lango.providers.mpesa.errors import MpesaUnavailable
from lango.providers.mpesa.tokens import Token, Tokens
from tests.providers.mpesa import PASSKEY


def test_the_password_is_the_one_that_daraja_shows() -> None:
    expected = (
        "MTc0Mzc5YmZiMjc5ZjlhYTliZGJjZjE1OGU5N2RkNzFhNDY3Y2QyZTBjODkzMDU5YjEwZjc4ZTZiNzJhZGExZWQyYzkxOTIwMTYwMjE2MTY1"
        "NjI3"
    )

    assert password("174379", PASSKEY, "20160216165627") == expected
    assert password("174379", f" {PASSKEY}\n", "20160216165627") == expected


async def test_a_token_is_replaced_a_minute_before_its_end() -> None:
    now, fetched = 1000.0, 0

    async def fetch() -> Token:
        nonlocal fetched
        fetched += 1
        return Token(f"token-{fetched}", 3599)

    tokens = Tokens(fetch, lambda: now)
    assert await tokens.get() == "token-1"
    now += 3538
    assert await tokens.get() == "token-1"
    now += 1
    assert await tokens.get() == "token-2"
    tokens.drop("token-1")
    assert await tokens.get() == "token-2"


async def test_who_gives_up_does_not_take_the_token_from_the_others() -> None:
    go = asyncio.Event()

    async def fetch() -> Token:
        await go.wait()
        return Token("token", 3599)

    tokens = Tokens(fetch)
    first, second = asyncio.create_task(tokens.get()), asyncio.create_task(tokens.get())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    go.set()

    assert await second == "token"


async def test_a_token_that_cannot_be_had_is_tried_again() -> None:
    async def fetch() -> Token:
        raise MpesaUnavailable("no")

    tokens = Tokens(fetch)
    for _ in range(2):
        answers = await asyncio.gather(tokens.get(), tokens.get(), return_exceptions=True)
        assert [type(answer) for answer in answers] == [MpesaUnavailable] * 2


@pytest.mark.parametrize("given", ["no such file", "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_is_said_at_the_start(given: str) -> None:
    with pytest.raises(BadProvider, match="LANGO_MPESA_CERTIFICATE"):
        security_credential("Pass123!", given)


def test_a_certificate_may_be_a_file(tmp_path: Path, safaricom: tuple[RSAPrivateKey, str]) -> None:
    certificate = x509.load_pem_x509_certificate(safaricom[1].encode())
    for name, form in (("pem.cer", Encoding.PEM), ("der.cer", Encoding.DER)):
        file = tmp_path / name
        file.write_bytes(certificate.public_bytes(form))

        credential = security_credential("Pass123!", str(file))

        assert safaricom[0].decrypt(base64.b64decode(credential), PKCS1v15()) == b"Pass123!"
