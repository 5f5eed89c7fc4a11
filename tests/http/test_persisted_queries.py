"""Apollo's automatic persisted queries."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import pytest

from tests.http.conftest import Api, codes

QUERY = "query Hello { hello }"


def extension(text: str = QUERY) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(text.encode()).hexdigest()}}


@pytest.mark.parametrize(("accept", "status"), [("application/json", 200), ("application/graphql-response+json", 400)])
async def test_an_unknown_hash_is_answered_so_that_apollo_sends_the_query(api: Api, accept: str, status: int) -> None:
    answer = await api.post(extensions=extension(), accept=accept)

    assert answer.status_code == status
    assert answer.json()["errors"][0]["message"] == "PersistedQueryNotFound"
    assert codes(answer) == ["PERSISTED_QUERY_NOT_FOUND"]


async def test_a_query_sent_once_is_known_by_its_hash(api: Api) -> None:
    assert (await api.post(QUERY, extensions=extension())).json()["data"] == {"hello": "hello world"}

    by_post = await api.post(extensions=extension())
    by_get = await api.get(extensions=orjson.dumps(extension()).decode())

    assert by_post.json()["data"] == by_get.json()["data"] == {"hello": "hello world"}


async def test_a_query_under_another_hash_is_refused_and_not_kept(api: Api) -> None:
    answer = await api.post("{ hello }", extensions=extension())

    assert codes(answer) == ["BAD_USER_INPUT"]
    assert codes(await api.post(extensions=extension())) == ["PERSISTED_QUERY_NOT_FOUND"]


@pytest.mark.parametrize(
    "persisted",
    [
        {},
        {"version": 2, "sha256Hash": "0" * 64},
        {"version": 1},
        {"version": 1, "sha256Hash": "x"},
        {"version": 1, "sha256Hash": 7},
        [],
    ],
)
async def test_a_malformed_hash_is_400(api: Api, persisted: Any) -> None:
    assert (await api.post(QUERY, extensions={"persistedQuery": persisted})).status_code == 400


async def test_the_store_is_bounded(serve: Any) -> None:
    api = serve(document_cache=2)
    for n in range(3):
        text = f"query Q{n} {{ hello }}"
        await api.post(text, extensions=extension(text))

    assert codes(await api.post(extensions=extension("query Q0 { hello }"))) == ["PERSISTED_QUERY_NOT_FOUND"]
    assert (await api.post(extensions=extension("query Q2 { hello }"))).status_code == 200
