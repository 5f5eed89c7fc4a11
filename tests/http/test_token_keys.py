"""The gateway's own keys: published, rotated and withdrawn while it serves."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest

from lango.cli.keys import write_key
from lango.security.key_folder import KeyFolder
from lango.security.keys import BadKey, signing_keys
from lango.settings import Settings
from tests.http.conftest import ALICE, Api
from tests.http.test_tokens import OCT, assert_refused, claims, ed25519, key_dir, rsa, signed, whoami  # noqa: F401

DAY = 24 * 60 * 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One key, made yesterday."""
    folder = tmp_path / "own"
    made_ago(write_key(folder), DAY)
    return folder


def made_ago(path: Path, seconds: float) -> Path:
    """As if the key had been made then."""
    at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - seconds))
    return path.rename(path.with_name(f"{at}-{path.stem[-6:]}.pem"))


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the clock by which the directory is looked at: `now(1)` is a second later."""
    passed = 0.0
    real = time.monotonic

    def move(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr("lango.security.key_folder.time.monotonic", lambda: real() + passed)
    return move


async def test_public_keys_are_published_and_no_secret(serve: Any, key_dir: Path) -> None:  # noqa: F811
    api: Api = serve(token_keys=str(key_dir))

    answer = await api.http.get("/.well-known/jwks.json")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=300"
    keys = {key["kid"]: key for key in answer.json()["keys"]}
    assert keys.keys() == {"rsa-1", "ed-1"}
    assert {(key["alg"], key["use"]) for key in keys.values()} == {("RS256", "sig"), ("EdDSA", "sig")}
    assert not {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & {name for key in keys.values() for name in key}
    assert OCT["k"] not in answer.text


async def test_others_verify_a_token_by_what_is_published(serve: Any, folder: Path) -> None:
    api: Api = serve(token_keys=str(folder))
    token = api.token()

    published = (await api.http.get("/.well-known/jwks.json")).json()
    key = jwt.PyJWKSet.from_dict(published)[kid_of(token)]

    assert jwt.decode(token, key, algorithms=["EdDSA"], audience="lango")["sub"] == str(ALICE)


async def test_with_a_shared_secret_nothing_is_published(serve: Any) -> None:
    answer = await serve(token_keys=orjson.dumps(OCT).decode()).http.get("/.well-known/jwks.json")

    assert answer.json() == {"keys": []}


async def test_a_new_key_verifies_at_once_and_signs_when_it_is_old_enough(
    serve: Any, folder: Path, now: Callable[[float], None]
) -> None:
    api: Api = serve(token_keys=str(folder), token_key_delay=600)
    (old,) = (path.stem for path in folder.iterdir())
    before = api.token()
    new = write_key(folder)
    theirs = jwt.encode(claims(), new.read_bytes(), "EdDSA", {"kid": new.stem})

    # Another process has signed by it already.
    now(0.2)
    assert await whoami(api, theirs)
    assert kid_of(api.token()) == old

    new = made_ago(new, 601)
    now(1)
    after = api.token()
    assert kid_of(after) == new.stem
    assert await whoami(api, after)
    assert await whoami(api, before)
    published = (await api.http.get("/.well-known/jwks.json")).json()["keys"]
    assert {key["kid"] for key in published} == {old, new.stem}


async def test_a_withdrawn_keys_tokens_are_refused_within_a_second(
    serve: Any, folder: Path, now: Callable[[float], None]
) -> None:
    api: Api = serve(token_keys=str(folder))
    token = api.token()
    assert await whoami(api, token)
    (old,) = folder.iterdir()
    made_ago(write_key(folder), 700)

    old.unlink()
    now(1)

    await assert_refused(api, {"authorization": f"Bearer {token}"})
    assert await whoami(api, api.token())
    assert old.stem not in (await api.http.get("/.well-known/jwks.json")).text


async def test_a_key_that_is_replaced_under_its_name_verifies_nothing_of_before(
    serve: Any, folder: Path, now: Callable[[float], None]
) -> None:
    api: Api = serve(token_keys=str(folder))
    token = api.token()
    assert await whoami(api, token)
    (path,) = folder.iterdir()

    write_key(folder).rename(path)
    now(1)

    await assert_refused(api, {"authorization": f"Bearer {token}"})
    assert await whoami(api, api.token())


async def test_the_last_key_withdrawn_leaves_nobody_in(serve: Any, folder: Path, now: Callable[[float], None]) -> None:
    api: Api = serve(token_keys=str(folder))
    token = api.token()
    (path,) = folder.iterdir()

    path.unlink()
    now(1)

    await assert_refused(api, {"authorization": f"Bearer {token}"})


async def test_a_broken_file_beside_takes_nothing_away_and_keeps_nothing_withdrawn(
    serve: Any, folder: Path, now: Callable[[float], None]
) -> None:
    other = made_ago(write_key(folder), 2 * DAY)
    api: Api = serve(token_keys=str(folder))
    token = api.token()
    withdrawn = jwt.encode(claims(), other.read_bytes(), "EdDSA", {"kid": other.stem})
    assert await whoami(api, withdrawn)

    (folder / "broken.pem").write_text("half of a")
    other.unlink()
    now(1)

    assert await whoami(api, token)
    await assert_refused(api, {"authorization": f"Bearer {withdrawn}"})


async def test_a_directory_that_is_away_for_a_moment_keeps_its_keys(
    serve: Any, folder: Path, now: Callable[[float], None]
) -> None:
    api: Api = serve(token_keys=str(folder))
    token = api.token()
    folder.rename(folder.with_name("elsewhere"))
    now(1)

    assert await whoami(api, token)


def test_the_directory_is_looked_at_no_more_than_once_a_second(
    folder: Path, monkeypatch: pytest.MonkeyPatch, now: Callable[[float], None]
) -> None:
    keys = KeyFolder(folder, 0)
    (kid,) = (key.kid for key in keys)
    looks = []
    scandir = os.scandir
    monkeypatch.setattr("lango.security.key_folder.os.scandir", lambda path: looks.append(path) or scandir(path))

    for _ in range(100):
        keys.get(kid)
    assert len(looks) == 0
    now(1)
    for _ in range(100):
        keys.get(kid)
    assert len(looks) == 1
    # Names that are made up have it looked at more often, but not each of them.
    now(0.5)
    for number in range(100):
        keys.get(f"made up {number}")
    assert len(looks) == 2


def test_the_age_is_the_names_and_else_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    named, plain = made_ago(write_key(folder), 2 * DAY), write_key(folder)
    plain = plain.rename(folder / "plain.pem")
    os.utime(plain, (time.time() - DAY, time.time() - DAY))
    # A copy is younger than what it is a copy of.
    os.utime(named)

    assert KeyFolder(folder, 600).to_sign().kid == "plain"
    os.utime(plain)
    assert KeyFolder(folder, 600).to_sign().kid == named.stem


def test_while_no_key_is_old_enough_the_oldest_signs(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    older, newer = made_ago(write_key(folder), 120), made_ago(write_key(folder), 60)

    assert KeyFolder(folder, 600).to_sign().kid == older.stem
    assert KeyFolder(folder, 30).to_sign().kid == newer.stem


def test_a_directory_is_read_once_for_all_who_sign_by_it(folder: Path, make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(token_keys=str(folder))

    assert signing_keys(settings) is signing_keys(make_settings(token_keys=str(folder)))


def test_an_empty_directory_is_refused_at_the_start(tmp_path: Path, make_settings: Callable[..., Settings]) -> None:
    (tmp_path / "none").mkdir()

    with pytest.raises(BadKey, match="names no key"):
        signing_keys(make_settings(token_keys=str(tmp_path / "none")))
