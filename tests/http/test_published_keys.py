"""Keys that an issuer publishes: read when needed, read again when unknown, kept through an outage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from lango.errors import ServiceUnavailable
from lango.security.authentication import Authenticator, InvalidToken
from lango.security.jwks import PublishedKeys, readable_keys
from lango.security.keys import BadKey, Keys
from lango.settings import Settings
from tests.http.conftest import ALICE

URL = "https://issuer.example/.well-known/jwks.json"


class Issuer:
    """An identity provider that can rotate its key and be down."""

    def __init__(self) -> None:
        self.private: dict[str, Ed25519PrivateKey] = {}
        self.reads = 0
        self.down = False
        self.pause = 0.0

    def rotate(self, kid: str) -> None:
        self.private = {kid: Ed25519PrivateKey.generate()}

    async def read(self, url: str) -> bytes:
        assert url == URL
        self.reads += 1
        await asyncio.sleep(self.pause)
        if self.down:
            raise OSError("no route to host")
        keys = [OKPAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid} for kid, key in self.private.items()]
        return orjson.dumps({"keys": [{"kty": "EC", "kid": "other kind"}, *keys]})

    def token(self, kid: str) -> str:
        payload = {"iss": "lango", "aud": "lango", "sub": str(ALICE), "exp": int(time.time()) + 60}
        return jwt.encode(payload, self.private[kid], "EdDSA", {"kid": kid})


@pytest.fixture
def issuer() -> Issuer:
    issuer = Issuer()
    issuer.rotate("one")
    return issuer


@pytest.fixture
def authenticator(issuer: Issuer, make_settings: Callable[..., Settings]) -> Authenticator:
    settings = make_settings(token_jwks_url=URL, token_jwks_floor=0.05, token_jwks_lifetime=3600)
    return Authenticator(
        settings, keys=Keys(), published=PublishedKeys.of_access_tokens(settings, URL, read=issuer.read)
    )


async def test_a_published_key_is_accepted_and_read_once(authenticator: Authenticator, issuer: Issuer) -> None:
    for _ in range(3):
        assert (await authenticator.verify(issuer.token("one"))).user_id == ALICE
    assert issuer.reads == 1


async def test_many_at_once_wait_for_one_reading(authenticator: Authenticator, issuer: Issuer) -> None:
    issuer.pause = 0.02

    found = await asyncio.gather(*(authenticator.verify(issuer.token("one")) for _ in range(20)))

    assert len(found) == 20
    assert issuer.reads == 1


async def test_an_unknown_key_is_looked_for_at_most_once_in_the_floor(
    authenticator: Authenticator, issuer: Issuer
) -> None:
    await authenticator.verify(issuer.token("one"))
    stranger = Issuer()
    stranger.rotate("stranger")

    for _ in range(20):
        with pytest.raises(Exception, match="unknown key"):
            await authenticator.verify(stranger.token("stranger"))
    assert issuer.reads == 1


async def test_a_rotated_key_is_found(authenticator: Authenticator, issuer: Issuer) -> None:
    await authenticator.verify(issuer.token("one"))
    issuer.rotate("two")
    await asyncio.sleep(0.06)

    assert (await authenticator.verify(issuer.token("two"))).user_id == ALICE
    assert issuer.reads == 2


async def test_an_outage_keeps_the_keys_of_before(authenticator: Authenticator, issuer: Issuer) -> None:
    await authenticator.verify(issuer.token("one"))
    issuer.down = True
    await asyncio.sleep(0.06)
    stranger = Issuer()
    stranger.rotate("stranger")

    with pytest.raises(Exception, match="unknown key"):
        await authenticator.verify(stranger.token("stranger"))
    assert (await authenticator.verify(issuer.token("one"))).user_id == ALICE
    assert issuer.reads == 2


async def test_before_the_first_reading_an_outage_is_503(authenticator: Authenticator, issuer: Issuer) -> None:
    issuer.down = True

    with pytest.raises(ServiceUnavailable):
        await authenticator.verify(issuer.token("one"))


async def test_a_set_past_its_lifetime_is_read_while_its_keys_serve(issuer: Issuer, make_settings: Any) -> None:
    settings = make_settings(token_jwks_url=URL, token_jwks_floor=0.01, token_jwks_lifetime=0.5)
    keys = PublishedKeys.of_access_tokens(settings, URL, read=issuer.read)
    await keys.get("one")
    await asyncio.sleep(0.6)
    issuer.pause = 0.1

    started = time.perf_counter()
    assert await keys.get("one") is not None
    assert time.perf_counter() - started < 0.05
    await asyncio.sleep(0.2)
    assert issuer.reads == 2
    await keys.close()


async def test_a_withdrawn_key_verifies_nothing_that_it_verified_before(
    authenticator: Authenticator, issuer: Issuer
) -> None:
    token = issuer.token("one")
    await authenticator.verify(token)
    issuer.rotate("two")
    await asyncio.sleep(0.06)

    await authenticator.verify(issuer.token("two"))

    for _ in range(2):
        with pytest.raises(InvalidToken, match="unknown key"):
            await authenticator.verify(token)


async def test_a_key_that_changed_under_its_name_verifies_nothing_of_before(
    authenticator: Authenticator, issuer: Issuer
) -> None:
    token = issuer.token("one")
    await authenticator.verify(token)
    issuer.private = {"one": Ed25519PrivateKey.generate(), "two": Ed25519PrivateKey.generate()}
    await asyncio.sleep(0.06)

    await authenticator.verify(issuer.token("two"))

    for _ in range(2):
        with pytest.raises(InvalidToken):
            await authenticator.verify(token)
    assert (await authenticator.verify(issuer.token("one"))).user_id == ALICE


async def test_a_set_read_again_with_the_same_keys_verifies_on(authenticator: Authenticator, issuer: Issuer) -> None:
    token = issuer.token("one")
    claims = await authenticator.verify(token)
    issuer.private["two"] = Ed25519PrivateKey.generate()
    await asyncio.sleep(0.06)
    await authenticator.verify(issuer.token("two"))

    assert issuer.reads == 2
    assert await authenticator.verify(token) is claims


async def test_tokens_that_are_known_have_the_set_read_again(issuer: Issuer, make_settings: Any) -> None:
    """Nobody brings a new token, and the key is withdrawn all the same."""
    settings = make_settings(token_jwks_url=URL, token_jwks_floor=0.01, token_jwks_lifetime=0.02)
    authenticator = Authenticator(
        settings, keys=Keys(), published=PublishedKeys.of_access_tokens(settings, URL, read=issuer.read)
    )
    token = issuer.token("one")
    await authenticator.verify(token)
    issuer.rotate("two")
    await asyncio.sleep(0.1)

    with pytest.raises(InvalidToken):
        await authenticator.verify(token)
    await authenticator.close()


async def test_an_issuer_may_withdraw_all_its_keys(authenticator: Authenticator, issuer: Issuer) -> None:
    token = issuer.token("one")
    await authenticator.verify(token)
    stranger = Issuer()
    stranger.rotate("stranger")
    issuer.private = {}
    await asyncio.sleep(0.06)

    for refused in (stranger.token("stranger"), token):
        with pytest.raises(InvalidToken, match="unknown key"):
            await authenticator.verify(refused)


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"keys": 1}', b'{"keys": {"kid": "a"}}'])
def test_what_is_no_set_withdraws_nothing(content: bytes) -> None:
    with pytest.raises(BadKey):
        readable_keys(content)


def test_a_published_secret_is_no_key() -> None:
    assert not len(readable_keys(orjson.dumps({"keys": [{"kty": "oct", "kid": "a", "k": "c" * 43}]})))


def test_the_address_must_be_https(make_settings: Any) -> None:
    with pytest.raises(BadKey, match=r"LANGO_TOKEN_JWKS_URL.*https"):
        Authenticator(make_settings(token_jwks_url="http://issuer.example/jwks"), keys=Keys())
