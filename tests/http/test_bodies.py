"""Bodies that no GraphQL client sends: each is refused with a typed 4xx, never a 500."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from tests.http.conftest import Api, codes

MALFORMED = {
    "empty": b"",
    "not JSON": b"NONSENSE",
    "cut off": b'{"query":',
    "null": b"null",
    "a number": b"1",
    "a string": b'"{ hello }"',
    "an array": b'[{"query": "{ hello }"}]',
    "an empty array": b"[]",
    "no query": b"{}",
    "a typo": b'{"qeury": "{ hello }"}',
    "query null": b'{"query": null}',
    "query a number": b'{"query": 1}',
    "query an object": b'{"query": {}}',
    "query an array": b'{"query": ["{ hello }"]}',
    "variables an array": b'{"query": "{ hello }", "variables": [7]}',
    "variables a string": b'{"query": "{ hello }", "variables": "{}"}',
    "operationName a number": b'{"query": "{ hello }", "operationName": 1}',
    "operationName an object": b'{"query": "{ hello }", "operationName": {}}',
    "extensions a number": b'{"query": "{ hello }", "extensions": 0}',
    "persistedQuery a string": b'{"query": "{ hello }", "extensions": {"persistedQuery": "x"}}',
    "not UTF-8": b'{"query": "{ hello }", "variables": {"a": "\xff\xfe"}}',
    "Latin-1": '{"query": "{ hello(name: \\"é\\") }"}'.encode("latin-1").replace(b"\\u", b"\xe9"),
    "UTF-16": '{"query": "{ hello }"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + b'{"query": "{ hello }"}',
    "a lone surrogate": b'{"query": "{ hello }", "variables": {"a": "\\ud800"}}',
    "nested a hundred thousand deep": b"[" * 100_000,
    "variables nested too deep": b'{"query": "{ hello }", "variables": {"a": ' + b"[" * 500 + b"]" * 500 + b"}}",
    "an integer of ten thousand digits": b'{"query": "{ hello }", "variables": {"a": ' + b"9" * 10_000 + b"}}",
    "NaN": b'{"query": "{ hello }", "variables": {"a": NaN}}',
    "a NUL": b"\x00",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_a_malformed_body_is_400(api: Api, body: bytes, accept: str) -> None:
    answer = await api.send(body, accept=accept)

    assert answer.status_code == 400
    assert codes(answer) == ["BAD_REQUEST"]
    assert "data" not in answer.json()


async def test_a_batch_is_refused_with_what_to_do(api: Api) -> None:
    answer = await api.send(b'[{"query": "{ hello }"}]')

    assert "each by itself" in answer.json()["errors"][0]["message"]


async def test_a_large_integer_is_refused_by_its_type(api: Api) -> None:
    body = b'{"query": "query($v: Int!) { number(value: $v) }", "variables": {"v": 99999999999999999999999}}'

    answer = await api.send(body)

    assert answer.status_code == 400
    assert codes(answer) == ["BAD_USER_INPUT"]


async def test_a_deep_json_scalar_can_be_echoed(api: Api) -> None:
    value: Any = 1
    for _ in range(90):
        value = [value]

    answer = await api.post("query($v: JSON!) { echo(value: $v) }", {"v": value})

    assert answer.json()["data"] == {"echo": value}


async def test_a_body_over_the_limit_is_413_by_its_announced_length(serve: Any) -> None:
    answer = await serve(max_body_bytes=1_000).post("{ hello }" + " " * 1_000)

    assert answer.status_code == 413
    assert codes(answer) == ["PAYLOAD_TOO_LARGE"]


async def test_a_body_over_the_limit_is_413_before_it_is_read_whole(serve: Any) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 100
            yield b" " * 100

    answer = await serve(max_body_bytes=1_000).send(endless())

    assert answer.status_code == 413
    assert sent < 3_000


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/jsonp",
    ],
)
async def test_another_content_type_is_415(api: Api, content_type: str) -> None:
    answer = await api.send(orjson.dumps({"query": "{ hello }"}), headers={"content-type": content_type})

    assert answer.status_code == 415
    assert codes(answer) == ["UNSUPPORTED_MEDIA_TYPE"]


async def test_a_compressed_body_is_415(api: Api) -> None:
    assert (await api.post("{ hello }", headers={"content-encoding": "gzip"})).status_code == 415


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", 'APPLICATION/JSON;charset="UTF-8"'])
async def test_utf8_may_be_named(api: Api, content_type: str) -> None:
    answer = await api.send(
        '{"query": "{ hello(name: \\"Aïssatou 🏊\\") }"}'.encode(), headers={"content-type": content_type}
    )

    assert answer.json()["data"] == {"hello": "hello Aïssatou 🏊"}
