"""The demo's people to sign in as: only in `lango dev`, and only for this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest

from lango.http.demo import PATH, DemoCaller, offer, read, written
from tests.http.conftest import ALICE, Api

CALLER = DemoCaller("member", "a member", ALICE, ("user",))
TOKEN = f"{PATH}/member/token"


def offering(api: Api) -> Api:
    """The gateway as `lango.asgi_dev` makes it of one."""
    offer(api.app, api.settings, [CALLER])
    return api


@pytest.fixture
def demo(serve: Any) -> Api:
    return offering(serve(allowed_hosts="*"))


async def test_a_token_is_made_when_somebody_is_chosen(demo: Api) -> None:
    listed = await demo.http.get(PATH, headers={"host": "localhost:8000"})
    assert listed.json() == [{"name": "member", "title": "a member"}]

    given = await demo.http.post(TOKEN, headers={"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000"})

    assert given.headers["cache-control"] == "no-store"
    claims = jwt.decode(given.json()["token"], options={"verify_signature": False})
    assert (claims["sub"], claims["roles"], claims["exp"] - claims["iat"]) == (str(ALICE), ["user"], 86_400)


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "lango.test"},
        {"host": "192.168.1.7"},
        {"host": "localhost", "origin": "https://elsewhere.example"},
        {"host": "localhost", "sec-fetch-site": "cross-site"},
        {"host": "localhost", "sec-fetch-site": "same-site"},
        {"host": "localhost", "x-forwarded-for": "203.0.113.9"},
        {"host": "localhost", "forwarded": "for=203.0.113.9"},
    ],
    ids=lambda headers: " ".join(headers.values()),
)
async def test_nobody_else_gets_one(demo: Api, headers: dict[str, str]) -> None:
    for answer in (await demo.http.get(PATH, headers=headers), await demo.http.post(TOKEN, headers=headers)):
        assert answer.status_code == 404
        assert "token" not in answer.text
        assert "member" not in answer.text


async def test_a_caller_from_another_machine_gets_none(serve: Any) -> None:
    demo = offering(serve(allowed_hosts="*", peer="192.0.2.7"))

    assert (await demo.http.get(PATH, headers={"host": "localhost"})).status_code == 404
    assert (await demo.http.post(TOKEN, headers={"host": "localhost"})).status_code == 404


async def test_who_is_unknown_has_none_and_a_link_makes_none(demo: Api) -> None:
    assert (await demo.http.post(f"{PATH}/nobody/token", headers={"host": "localhost"})).status_code == 404
    assert (await demo.http.get(TOKEN, headers={"host": "localhost"})).status_code == 405


async def test_the_gateway_that_serves_offers_nobody(serve: Any, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGO_DEMO_CALLERS", written([CALLER]))
    api = serve(allowed_hosts="*")

    assert (await api.http.get(PATH, headers={"host": "localhost"})).status_code == 404
    assert (await api.http.post(TOKEN, headers={"host": "localhost"})).status_code == 404
    assert 'data-demo-callers=""' in (await api.get(headers={"accept": "text/html"})).text


async def test_the_page_of_the_demo_knows_where_they_are(demo: Api, built: Path) -> None:
    assert f'data-demo-callers="{PATH}"' in (await demo.get(headers={"accept": "text/html"})).text


def test_who_is_written_down_for_the_processes_is_read_back() -> None:
    callers = [CALLER, DemoCaller("admin", "staff", uuid4(), ())]
    assert read(written(callers)) == callers
