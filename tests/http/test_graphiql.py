"""GraphiQL's page: served by the gateway itself, under a policy that lets nothing else in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lango.http import graphiql
from tests.http.conftest import MAIN, Api

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}


async def test_a_browser_gets_the_page(built: Path, api: Api) -> None:
    answer = await api.get(headers=BROWSER)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f'src="/graphql/assets/{MAIN}"' in answer.text
    assert answer.headers["cache-control"] == "no-store"
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


async def test_its_files_are_kept_by_their_digest(built: Path, api: Api) -> None:
    answer = await api.get(f"/graphql/assets/{MAIN}", headers={"accept-encoding": "identity"})

    assert answer.status_code == 200
    assert answer.text == (built / MAIN).read_text()
    assert "javascript" in answer.headers["content-type"]
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "content-encoding" not in answer.headers
    assert (await api.get("/graphql/assets/../../settings.py")).status_code == 404
    assert (await api.get("/graphql/assets/%2e%2e/__init__.py")).status_code == 404


@pytest.mark.parametrize("name", ["main.js", "names.json", ".built-from", f"{MAIN}.gz", f"{MAIN}.br", ""])
async def test_nothing_else_of_the_folder_is_served(built: Path, api: Api, name: str) -> None:
    assert (await api.get(f"/graphql/assets/{name}")).status_code == 404


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("*", "br"),
        ("zstd", None),
        ("gzip;q=0", None),
    ],
)
async def test_its_files_are_compressed_as_the_client_takes_them(
    built: Path, api: Api, accepted: str, coding: str | None
) -> None:
    path = f"/graphql/assets/{MAIN}"

    async with api.http.stream("GET", path, headers={"accept-encoding": accepted}) as answer:
        sent = b"".join([part async for part in answer.aiter_raw()])

    assert answer.headers.get("content-encoding") == coding
    assert "javascript" in answer.headers["content-type"]
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert sent == (built / (MAIN + {"br": ".br", "gzip": ".gz", None: ""}[coding])).read_bytes()
    assert int(answer.headers["content-length"]) == len(sent)
    tag = {"accept-encoding": accepted, "if-none-match": answer.headers["etag"]}
    assert (await api.get(path, headers=tag)).status_code == 304


async def test_the_first_query_is_that_of_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert readme.partition("```graphql\n")[2].partition("```")[0] == graphiql.FIRST_QUERY


async def test_without_its_files_the_page_explains_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Any
) -> None:
    monkeypatch.setattr(graphiql, "DIST", tmp_path / "nothing")
    api = serve()

    answer = await api.get(headers=BROWSER)

    assert answer.status_code == 200
    assert "python -m lango.http.graphiql.build" in answer.text
    assert (await api.get(f"/graphql/assets/{MAIN}")).status_code == 404
    assert (await api.post("{ hello }")).status_code == 200


async def test_it_can_be_switched_off(serve: Any) -> None:
    api = serve(graphiql=False)

    assert (await api.get(headers={"accept": "text/html"})).status_code == 406
    assert (await api.get(f"/graphql/assets/{MAIN}")).status_code == 404


async def test_programs_get_json_at_the_same_address(api: Api) -> None:
    assert (await api.get(query="{ hello }")).json()["data"] == {"hello": "hello world"}
