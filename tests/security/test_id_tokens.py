"""Id tokens of a provider: signed by its keys, for us, for this challenge, and not for ever."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from lango.errors import ServiceUnavailable
from lango.security.jwks import PublishedKeys
from lango.security.openid import BadIdToken, Issuer

NONCE, OURS = "the-nonce", "ours.apps.example"
RSA_KEY, OTHER_KEY = generate_private_key(65537, 2048), generate_private_key(65537, 2048)
EDWARDS_KEY = Ed25519PrivateKey.generate()


class Google:
    """An issuer whose keys can be changed, and which can be down."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [
            {"kty": "EC", "crv": "secp256k1", "alg": "ES256K", "kid": "unsupported", "x": "AA", "y": "AA"},
            {"kty": "unheard of"},
            RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True) | {"kid": "one", "alg": "RS256", "use": "sig"},
            OKPAlgorithm.to_jwk(EDWARDS_KEY.public_key(), as_dict=True) | {"kid": "edwards"},
        ]
        self.reads, self.down = 0, False

    async def read(self, _: str) -> bytes:
        self.reads += 1
        await asyncio.sleep(0.01)
        if self.down:
            raise OSError("no route to host")
        return orjson.dumps({"keys": self.keys})

    def issuer(self, floor: float = 60) -> Issuer:
        published = PublishedKeys("https://google.example/certs", lifetime=3600, floor=floor, read=self.read)
        return Issuer(["https://accounts.google.com", "accounts.google.com"], [OURS, "ours.android"], published)


def token(key: Any = RSA_KEY, algorithm: str = "RS256", kid: str | None = "one", **claims: Any) -> str:
    """Moments are seconds from now."""
    now = int(time.time())
    said: dict[str, Any] = {
        "iss": "https://accounts.google.com",
        "aud": OURS,
        "sub": "1001",
        "nonce": NONCE,
        "iat": 0,
        "exp": 60,
    }
    said = {name: value for name, value in (said | claims).items() if value is not None}
    said |= {name: now + said[name] for name in ("iat", "exp", "nbf") if isinstance(said.get(name), int)}
    return jwt.encode(said, key, algorithm, {"kid": kid} if kid else {})


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"iss": "accounts.google.com"},
        {"iss": "https://accounts.google.com/"},
        {"aud": [OURS]},
        {"aud": [OURS, "another"], "azp": OURS},
        {"azp": "ours.android"},
        {"iat": 30},
        {"exp": -30},
    ],
    ids=str,
)
async def test_a_token_for_us_and_this_challenge_is_believed(claims: dict[str, Any]) -> None:
    assert (await Google().issuer().claims(token(**claims), NONCE))["sub"] == "1001"


async def test_a_key_of_another_kind_is_believed_and_one_that_nobody_can_use_spoils_nothing() -> None:
    assert (await Google().issuer().claims(token(EDWARDS_KEY, "EdDSA", "edwards"), NONCE))["sub"] == "1001"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://accounts.google.com.evil.example"}, "issuer"),
        ({"iss": "http://accounts.google.com"}, "issuer"),
        ({"iss": None}, "iss"),
        ({"aud": "another"}, "audience"),
        ({"aud": [{}, "another"]}, "audience"),
        ({"aud": [OURS, "another"]}, "party"),
        ({"aud": [OURS, "another"], "azp": "another"}, "party"),
        ({"azp": "another"}, "party"),
        ({"azp": {}}, "party"),
        ({"nonce": "another"}, "nonce"),
        ({"nonce": ""}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": [NONCE]}, "nonce"),
        ({"exp": None}, "exp"),
        ({"exp": -90}, "expired"),
        ({"exp": "never"}, "exp"),
        ({"iat": 90}, "iat"),
        ({"iat": None}, "iat"),
        ({"nbf": 90}, "nbf"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "subject"),
        ({"sub": "x" * 256}, "subject"),
    ],
    ids=str,
)
async def test_any_other_token_is_not(claims: dict[str, Any], why: str) -> None:
    with pytest.raises(BadIdToken, match=f"(?i){why}"):
        await Google().issuer().claims(token(**claims), NONCE)


def by_public_key() -> str:
    """A token signed by HMAC with the public key, which everybody has."""
    pem = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = [orjson.dumps({"alg": "HS256", "kid": "one"}), orjson.dumps({"sub": "1001"})]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signed, pem)
    return (signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


@pytest.mark.parametrize(
    "forged",
    [
        token(OTHER_KEY),
        token(RSA_KEY, kid="unknown"),
        token(RSA_KEY, kid=None),
        token(EDWARDS_KEY, "EdDSA", "one"),
        jwt.encode({"sub": "1001"}, None, "none", {"kid": "one"}),
        by_public_key(),
        "",
        "a.b.c",
        "x" * 9_000,
        token()[:-2],
    ],
    # The tokens are others in each process.
    ids=[
        "another key", "an unknown name", "no name", "another kind of key", "no signature", "HMAC by the public key",
        "nothing", "no token", "too long", "cut off",
    ],
)  # fmt: skip
async def test_what_the_issuer_has_not_signed_says_nothing(forged: str) -> None:
    with pytest.raises(BadIdToken):
        await Google().issuer().claims(forged, NONCE)


async def test_unknown_keys_have_the_set_read_once_a_minute_and_by_one_at_a_time() -> None:
    google = Google()
    issuer = google.issuer()

    found = await asyncio.gather(*(issuer.claims(token(), NONCE) for _ in range(20)))
    strange = await asyncio.gather(
        *(issuer.claims(token(kid=f"made up {n}"), NONCE) for n in range(20)), return_exceptions=True
    )

    assert len(found) == 20
    assert {type(each) for each in strange} == {BadIdToken}
    assert google.reads == 1


async def test_an_outage_keeps_the_last_good_set_and_a_withdrawn_key_is_no_longer_believed() -> None:
    google = Google()
    issuer = google.issuer(floor=0.01)
    await issuer.claims(token(), NONCE)
    google.down = True
    await asyncio.sleep(0.02)
    with pytest.raises(BadIdToken):
        await issuer.claims(token(kid="made up"), NONCE)
    assert (await issuer.claims(token(), NONCE))["sub"] == "1001"

    google.down, google.keys = False, google.keys[3:]
    await asyncio.sleep(0.02)
    with pytest.raises(BadIdToken):
        await issuer.claims(token(kid="made up"), NONCE)
    with pytest.raises(BadIdToken, match="unknown key"):
        await issuer.claims(token(), NONCE)


async def test_before_the_first_reading_nobody_is_refused_for_an_outage() -> None:
    google = Google()
    google.down = True

    with pytest.raises(ServiceUnavailable):
        await google.issuer().claims(token(), NONCE)


async def test_a_moments_outage_does_not_last_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lango.security.jwks.AFTER_FAILURE", 0.02)
    google = Google()
    google.down = True
    issuer = google.issuer()
    for _ in range(3):
        with pytest.raises(ServiceUnavailable):
            await issuer.claims(token(), NONCE)
    assert google.reads == 1

    google.down = False
    await asyncio.sleep(0.03)

    assert (await issuer.claims(token(), NONCE))["sub"] == "1001"
