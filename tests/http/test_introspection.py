"""The schema over HTTP: made once, compressed, with a tag; and only for whom the settings allow it."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest
from graphql import get_introspection_query

from lango.http import operations
from lango.security.authentication import mint
from tests.http.conftest import ALICE, Api, codes

WHOLE = get_introspection_query()
A_LITTLE = '{ hello __type(name: "Pack") { name } }'


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The operations that were introspected anew."""
    found: list[Any] = []
    introspect = operations.introspect

    def watched(*given: Any) -> Any:
        found.append(given[1])
        return introspect(*given)

    monkeypatch.setattr(operations, "introspect", watched)
    return found


async def test_it_is_made_once_however_it_is_formatted(api: Api, made: list[Any]) -> None:
    first = await api.post(WHOLE)
    again = await api.post(WHOLE.replace("\n", " \n# a comment\n"))

    assert len(made) == 1
    assert first.json()["data"]["__schema"]["queryType"]["name"] == "Query"
    assert again.json()["data"] == first.json()["data"]


async def test_the_usual_introspection_queries_are_prepared_ahead(api: Api, made: list[Any]) -> None:
    async with api.app.router.lifespan_context(api.app):
        while len(made) < len(operations.STANDARD_INTROSPECTIONS):  # noqa: ASYNC110 - nothing here could tell
            await asyncio.sleep(0.01)
        for query in operations.STANDARD_INTROSPECTIONS:
            assert (await api.post(query)).status_code == 200

    assert len(made) == len(operations.STANDARD_INTROSPECTIONS)


async def test_it_is_compressed_for_those_who_take_it(api: Api) -> None:
    compressed = await api.post(WHOLE, headers={"accept-encoding": "br;q=1, gzip"})
    plain = await api.post(WHOLE, headers={"accept-encoding": "gzip;q=0, identity"})

    assert compressed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert compressed.json() == plain.json()
    assert "Accept-Encoding" in plain.headers["vary"]
    assert int(compressed.headers["content-length"]) < len(plain.content) / 3
    assert len(gzip.compress(plain.content)) < len(plain.content)


async def test_a_client_that_has_it_already_gets_304(api: Api) -> None:
    first = await api.get(query=WHOLE, headers={"accept": "application/json", "x-requested-with": "tests"})
    tag = first.headers["etag"]

    again = await api.get(
        query=WHOLE, headers={"accept": "application/json", "x-requested-with": "tests", "if-none-match": tag}
    )
    posted = await api.post(WHOLE, headers={"if-none-match": tag})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag == posted.headers["etag"]
    assert posted.status_code == 200
    assert "etag" not in (await api.post("{ hello }")).headers


@pytest.mark.parametrize("query", [WHOLE, A_LITTLE])
@pytest.mark.parametrize(
    ("allowed", "nobody", "member"),
    [
        ("everyone", None, None),
        ("authenticated", "UNAUTHENTICATED", None),
        ("staff", "UNAUTHENTICATED", "FORBIDDEN"),
        ("off", "FORBIDDEN", "FORBIDDEN"),
    ],
)
async def test_settings_decide_who_may_introspect(
    serve: Any, query: str, allowed: str, nobody: str | None, member: str | None
) -> None:
    api = serve(introspection=allowed)

    answers = [await api.post(query), await api.post(query, token=mint(api.settings, ALICE))]

    for answer, code in zip(answers, (nobody, member), strict=True):
        assert [*(error["extensions"]["code"] for error in answer.json().get("errors", []))] == ([code] if code else [])
    assert (await api.post("{ __typename hello }")).json()["data"]["__typename"] == "Query"


async def test_where_introspection_is_limited_errors_suggest_no_names(serve: Any) -> None:
    wrong = "query ($n: Int) { helo pots(first: $n) { nodez { title } } }"

    with_names = await serve().post(wrong)
    without = await serve(introspection="authenticated").post(wrong)

    assert "Did you mean" in with_names.text
    assert codes(without)[0] == "GRAPHQL_VALIDATION_FAILED"
    assert "Did you mean" not in without.text
