"""Tokens: which are valid, and which are refused."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lango.actor import Role
from lango.security.account_status import Standing, Subject, standing_of
from lango.security.authentication import mint
from lango.security.keys import BadKey, NoSigningKey, dev_key, signing_keys
from lango.settings import Settings
from tests.http.conftest import ALICE, Api, codes

SECRET = base64.urlsafe_b64encode(b"s" * 32).decode().rstrip("=")
OCT = {"kty": "oct", "kid": "shared", "alg": "HS256", "k": SECRET}


def private_pem(key: RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="session")
def rsa() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def ed25519() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def key_dir(tmp_path: Path, rsa: RSAPrivateKey, ed25519: Ed25519PrivateKey) -> Path:
    """A shared secret, an RSA and an Ed25519 key, as an operator would lay them down."""
    directory = tmp_path / "keys"
    directory.mkdir()
    (directory / "a-shared.json").write_bytes(orjson.dumps(OCT))
    (directory / "rsa-1.pem").write_bytes(private_pem(rsa))
    (directory / "ed-1.pem").write_bytes(private_pem(ed25519))
    return directory


@pytest.fixture
def keyed(serve: Any, key_dir: Path) -> Api:
    api: Api = serve(token_keys=str(key_dir))
    return api


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    chosen = {"iss": "lango", "aud": "lango", "sub": str(ALICE), "iat": now, "exp": now + 60, **changed}
    return {name: value for name, value in chosen.items() if value is not ...}


def signed(key: Any = b"s" * 32, algorithm: str = "HS256", kid: Any = "shared", **changed: Any) -> str:
    return jwt.encode(claims(**changed), key, algorithm, {"kid": kid} if kid else {})


async def whoami(api: Api, token: str) -> str | None:
    answer = await api.post("{ whoami }", token=token)
    assert answer.status_code == 200, answer.text
    name: str | None = answer.json()["data"]["whoami"]
    return name


async def assert_refused(api: Api, headers: dict[str, Any]) -> None:
    for accept in ("application/json", "application/graphql-response+json"):
        answer = await api.post("{ hello }", headers=headers, accept=accept)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
        assert codes(answer) == ["UNAUTHENTICATED"]
        assert "data" not in answer.json()


async def test_without_a_token_the_caller_is_nobody(api: Api) -> None:
    assert (await api.post("{ whoami }")).json()["data"] == {"whoami": None}


async def test_a_minted_token_is_its_user(api: Api) -> None:
    session = uuid4()

    assert await whoami(api, api.token(session_id=session)) == f"{ALICE}  {session}"


async def test_a_minted_token_has_the_expected_claims(api: Api) -> None:
    token = api.token(roles=["admin"])
    payload = jwt.decode(token, options={"verify_signature": False})

    assert jwt.get_unverified_header(token)["kid"].startswith("dev-")
    assert payload["exp"] - payload["iat"] == 600
    assert payload | {"iss": "lango", "aud": "lango", "sub": str(ALICE), "roles": ["admin"]} == payload
    assert UUID(payload["sid"])


async def test_each_algorithm_is_verified_by_its_key(keyed: Api, rsa: Any, ed25519: Any) -> None:
    for token in (signed(), signed(rsa, "RS256", "rsa-1"), signed(ed25519, "EdDSA", "ed-1")):
        assert str(await whoami(keyed, token)).startswith(str(ALICE))


async def test_a_public_key_verifies_and_cannot_mint(serve: Any, tmp_path: Path, rsa: Any, make_settings: Any) -> None:
    path = tmp_path / "issuer.pem"
    path.write_bytes(public_pem(rsa))

    assert await whoami(serve(token_keys=str(path)), signed(rsa, "RS256", "issuer"))
    with pytest.raises(NoSigningKey):
        mint(make_settings(token_keys=str(path)), ALICE)


async def test_a_token_without_kid_is_accepted_where_there_is_one_key(serve: Any, keyed: Api) -> None:
    token = signed(kid=None)

    assert await whoami(serve(token_keys=orjson.dumps(OCT).decode()), token)
    await assert_refused(keyed, {"authorization": f"Bearer {token}"})


def unsigned(algorithm: str) -> str:
    head = base64.urlsafe_b64encode(orjson.dumps({"alg": algorithm, "kid": "shared"})).decode().rstrip("=")
    body = base64.urlsafe_b64encode(orjson.dumps(claims())).decode().rstrip("=")
    return f"{head}.{body}."


def with_text(written: bytes) -> str:
    """A token that is signed, of claims that no library would write."""
    head = base64.urlsafe_b64encode(orjson.dumps({"alg": "HS256", "kid": "shared"})).rstrip(b"=")
    said = orjson.dumps(claims())[:-1] + b"," + written + b"}"
    body = base64.urlsafe_b64encode(said).rstrip(b"=")
    signature = jwt.get_algorithm_by_name("HS256").sign(head + b"." + body, b"s" * 32)
    return b".".join((head, body, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()


BAD_TOKENS: dict[str, Callable[[], str]] = {
    "nonsense": lambda: "nonsense",
    "three dots": lambda: "a.b.c",
    "not ASCII": lambda: "é.é.é",
    "no signature": lambda: unsigned("none"),
    "no signature, None": lambda: unsigned("None"),
    "an empty signature": lambda: unsigned("HS256"),
    "another secret": lambda: signed(b"x" * 32),
    "an unknown key": lambda: signed(kid="elsewhere"),
    "a kid that is a path": lambda: signed(kid="../../etc/passwd"),
    "HS512 with an HS256 key": lambda: signed(b"s" * 64, "HS512"),
    "expired": lambda: signed(exp=int(time.time()) - 60),
    "without exp": lambda: signed(exp=...),
    "exp as text": lambda: signed(exp=str(int(time.time()) + 60)),
    "exp true": lambda: signed(exp=True),
    "exp infinite": lambda: signed(exp=float("inf")),
    "not yet": lambda: signed(nbf=int(time.time()) + 600),
    "issued in the future": lambda: signed(iat=int(time.time()) + 600),
    "another issuer": lambda: signed(iss="evil"),
    "without issuer": lambda: signed(iss=...),
    "another audience": lambda: signed(aud="other"),
    "without audience": lambda: signed(aud=...),
    "without sub": lambda: signed(sub=...),
    "sub a number": lambda: signed(sub="7"),
    "sub not a UUID": lambda: signed(sub="x' OR 1=1 --"),
    "sub in braces": lambda: signed(sub=f"{{{ALICE}}}"),
    "sid not a UUID": lambda: signed(sid="x"),
    "roles a string": lambda: signed(roles="admin"),
    "roles of numbers": lambda: signed(roles=[1]),
    "too long": lambda: signed(pad="x" * 10_000),
    "an API key": lambda: "lk_live_0123456789",
    "for others": lambda: signed(aud=["other", "another"]),
    "audiences of no text": lambda: signed(aud=[1, {}]),
    "an audience that only begins alike": lambda: signed(aud="lango2"),
    "issuers": lambda: with_text(b'"iss": ["lango"]'),
    "issued a little beyond the leeway": lambda: signed(iat=int(time.time()) + 15),
    "exp of 1e400": lambda: with_text(b'"exp": 1e400'),
    "a critical header that nobody knows": lambda: jwt.encode(
        claims(), b"s" * 32, "HS256", {"kid": "shared", "crit": ["exp"]}
    ),
}


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
async def test_a_token_that_is_not_valid_is_401(keyed: Api, make: Callable[[], str]) -> None:
    await assert_refused(keyed, {"authorization": f"Bearer {make()}".encode()})


async def test_a_public_key_is_no_shared_secret(keyed: Api, rsa: Any) -> None:
    """The classic confusion: HS256 signed with the text of the RSA key that everyone may read."""
    head = base64.urlsafe_b64encode(orjson.dumps({"alg": "HS256", "kid": "rsa-1"})).rstrip(b"=")
    body = base64.urlsafe_b64encode(orjson.dumps(claims())).rstrip(b"=")
    signature = jwt.get_algorithm_by_name("HS256").sign(head + b"." + body, public_pem(rsa))
    token = b".".join((head, body, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()

    await assert_refused(keyed, {"authorization": f"Bearer {token}"})


@pytest.mark.parametrize("named", ["shared", "rsa-1", "ed-1"])
async def test_the_key_of_a_name_decides_the_algorithm(keyed: Api, rsa: Any, ed25519: Any, named: str) -> None:
    """A token names one key, and is signed by another of ours."""
    for kid, key, algorithm in (("shared", b"s" * 32, "HS256"), ("rsa-1", rsa, "RS256"), ("ed-1", ed25519, "EdDSA")):
        if kid != named:
            await assert_refused(keyed, {"authorization": f"Bearer {signed(key, algorithm, named)}"})


async def test_a_key_that_a_token_brings_along_is_not_looked_at(keyed: Api) -> None:
    own = Ed25519PrivateKey.generate()
    jwk = jwt.algorithms.OKPAlgorithm.to_jwk(own.public_key(), as_dict=True)
    for header in ({"jwk": jwk}, {"jku": "https://evil.example/jwks.json"}, {"x5u": "https://evil.example/x"}):
        token = jwt.encode(claims(), own, "EdDSA", {"kid": "ed-1", **header})
        await assert_refused(keyed, {"authorization": f"Bearer {token}"})


async def test_a_token_for_several_audiences_is_ours_too(keyed: Api) -> None:
    assert await whoami(keyed, signed(aud=["other", "lango"]))


async def test_a_clock_that_is_a_little_ahead_signs_valid_tokens(keyed: Api) -> None:
    now = int(time.time())
    assert await whoami(keyed, signed(iat=now + 5, nbf=now + 5))


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Token x", "x"])
async def test_another_scheme_is_401(keyed: Api, header: str) -> None:
    await assert_refused(keyed, {"authorization": header})


async def test_the_leeway_is_small(serve: Any) -> None:
    api = serve(token_keys=orjson.dumps(OCT).decode(), token_leeway=10)

    assert await whoami(api, signed(exp=int(time.time()) - 5))
    await assert_refused(api, {"authorization": f"Bearer {signed(exp=int(time.time()) - 15)}"})


async def test_a_remembered_token_expires_as_well(keyed: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    token = signed()
    assert await whoami(keyed, token)

    now = time.time()
    monkeypatch.setattr("lango.security.authentication.time.time", lambda: now + 120)

    await assert_refused(keyed, {"authorization": f"Bearer {token}"})


async def test_a_staff_role_counts_when_the_database_has_it(api: Api, standing: Any) -> None:
    queried = []

    async def confirm(_pipeline: Any, subject: Subject, claimed: Any, _request_id: str) -> Any:
        queried.append((subject[0], claimed))
        return Standing.ACTIVE, frozenset({Role.ADMIN})

    standing(confirm)

    for _ in range(2):
        name = await whoami(api, api.token(roles=["admin", "super_admin", "owner of the world"]))
        assert str(name).split(" ")[1] == "admin"

    assert queried == [(ALICE, frozenset({Role.ADMIN, Role.SUPER_ADMIN}))] * 2


async def test_a_member_is_looked_at_once_a_second(api: Api, standing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    async def look(_pipeline: Any, subject: Subject, claimed: Any, _request_id: str) -> Any:
        looks.append((subject, claimed))
        await asyncio.sleep(0.02)
        return Standing.ACTIVE, frozenset()

    standing(look)
    session = uuid4()
    token = api.token(roles=["user", "partner"], session_id=session)

    await asyncio.gather(*(whoami(api, token) for _ in range(10)))
    assert looks == [((ALICE, session), ())]

    monkeypatch.setattr("lango.security.account_status.REMEMBERED", 0)
    assert await whoami(api, token)
    assert len(looks) == 2


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (Standing.UNKNOWN, "There is no account for this access token: sign in again."),
        (Standing.INACTIVE, "This account is not active: it has been suspended or closed."),
        (Standing.ENDED, "The session has ended: sign in again."),
    ],
)
@pytest.mark.parametrize("roles", [[], ["admin"]])
async def test_a_suspended_or_deleted_user_is_401(
    api: Api, standing: Any, seen: Any, found: Standing, message: str, roles: list[str]
) -> None:
    async def look(*_: Any) -> Any:
        return found, frozenset()

    standing(look)
    token = api.token(roles=roles)

    await assert_refused(api, {"authorization": f"Bearer {token}"})
    answer = await api.post('mutation { redeem(code: "x") }', token=token)
    assert answer.json()["errors"][0]["message"] == message
    assert seen.contexts == []


@pytest.mark.parametrize("roles", [[], ["admin"]])
async def test_a_caller_who_cannot_be_looked_at_is_503(api: Api, standing: Any, roles: list[str]) -> None:
    standing(standing_of)

    answer = await api.post("{ whoami }", token=api.token(roles=roles))

    assert answer.status_code == 503
    assert codes(answer) == ["SERVICE_UNAVAILABLE"]


@pytest.mark.parametrize("roles", [[], ["admin"]])
async def test_a_database_that_never_answers_holds_up_no_caller_for_ever(
    serve: Any, standing: Any, roles: list[str]
) -> None:
    async def look(*_: Any) -> Any:
        await asyncio.sleep(60)

    standing(look)
    api = serve(execution_timeout=0.1)
    token = api.token(roles=roles)

    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(api.post("{ whoami }", token=token) for _ in range(3)))

    assert [(answer.status_code, codes(answer)) for answer in answers] == [(503, ["SERVICE_UNAVAILABLE"])] * 3


def test_a_missing_key_is_an_error_that_names_the_setting(make_settings: Any) -> None:
    with pytest.raises(NoSigningKey, match="LANGO_TOKEN_KEYS"):
        signing_keys(make_settings(allow_dev_key=False))


def test_the_development_key_is_made_once_and_for_its_owner_only(make_settings: Any, tmp_path: Path) -> None:
    settings: Settings = make_settings()

    assert dev_key(settings) == dev_key(settings)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "keys",
    [
        "{",
        "[]",
        '{"kty": "oct"}',
        '{"kty": "oct", "kid": "short", "k": "c2hvcnQ"}',
        '{"kty": "oct", "kid": "a", "alg": "HS512", "k": "' + SECRET + '"}',
        '{"kty": "EC", "kid": "a", "crv": "P-256", "x": "", "y": ""}',
        '{"kty": "oct", "kid": "a", "use": "enc", "k": "' + SECRET + '"}',
        "/nowhere/at/all.pem",
        orjson.dumps([OCT, OCT]).decode(),
    ],
)
def test_a_key_that_cannot_be_used_is_refused_at_the_start(make_settings: Any, keys: str) -> None:
    with pytest.raises(BadKey) as refused:
        signing_keys(make_settings(token_keys=keys))
    assert SECRET not in str(refused.value)


async def test_the_database_is_queried_only_for_a_valid_token(api: Api) -> None:
    forged = jwt.encode(claims(roles=["admin"]), b"x" * 32, "HS256", {"kid": "dev"})

    assert (await api.post("{ hello }", token=forged)).status_code == 401
