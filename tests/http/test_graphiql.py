"""GraphiQL's page: served by the gateway itself, under a policy that lets nothing else in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lango import graphiql
from tests.http.conftest import Api

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    dist = tmp_path / "dist"
    dist.mkdir()
    for name in ("main.js", "main.css"):
        (dist / name).write_text("/* */")
    monkeypatch.setattr(graphiql, "DIST", dist)
    return dist


async def test_a_browser_gets_the_page(built: Path, api: Api) -> None:
    answer = await api.get(headers=BROWSER)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert 'src="/graphql/assets/main.js"' in answer.text
    assert 'data-endpoint="/graphql"' in answer.text


async def test_the_policy_allows_no_inline_script_and_no_other_host(built: Path, api: Api) -> None:
    answer = await api.get(headers=BROWSER)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "http" not in answer.headers["content-security-policy"]
    assert "<script>" not in answer.text
    assert "//" not in answer.text.replace("<!doctype html>", "")


async def test_its_files_are_served(built: Path, api: Api) -> None:
    answer = await api.get("/graphql/assets/main.js")

    assert answer.status_code == 200
    assert "javascript" in answer.headers["content-type"]
    assert (await api.get("/graphql/assets/../../settings.py")).status_code == 404
    assert (await api.get("/graphql/assets/%2e%2e/__init__.py")).status_code == 404


async def test_without_its_files_the_page_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Any
) -> None:
    monkeypatch.setattr(graphiql, "DIST", tmp_path / "nothing")
    api = serve()

    answer = await api.get(headers=BROWSER)

    assert answer.status_code == 200
    assert "python -m lango.graphiql.build" in answer.text
    assert (await api.get("/graphql/assets/main.js")).status_code == 404
    assert (await api.post("{ hello }")).status_code == 200


async def test_it_can_be_switched_off(serve: Any) -> None:
    api = serve(graphiql=False)

    assert (await api.get(headers={"accept": "text/html"})).status_code == 406
    assert (await api.get("/graphql/assets/main.js")).status_code == 404


async def test_programs_get_json_at_the_same_address(api: Api) -> None:
    assert (await api.get(query="{ hello }")).json()["data"] == {"hello": "hello world"}
