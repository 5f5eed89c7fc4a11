"""GraphQL over HTTP: media types, methods and status codes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.conftest import Api, codes

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"


async def test_a_query_is_answered(api: Api) -> None:
    answer = await api.post("{ hello }")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"{GRAPHQL}; charset=utf-8"
    assert answer.json()["data"] == {"hello": "hello world"}
    assert "errors" not in answer.json()


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        (f"{JSON}, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL),
        (f"{GRAPHQL};q=0.5, {JSON};q=0.9", JSON),
        (f"{JSON}, */*", JSON),
        (f"{GRAPHQL}, */*;q=0.1", GRAPHQL),
        (f"{GRAPHQL};q=0, */*", JSON),
        ("Application/JSON; charset=UTF-8", JSON),
        ("text/html, application/xhtml+xml;q=0.9, */*;q=0.8", JSON),
        ("multipart/mixed;deferSpec=20220824,application/json", JSON),
        ("text/event-stream;q=0.1, application/graphql-response+json", GRAPHQL),
    ],
)
async def test_the_media_type_the_caller_likes_best_is_sent(api: Api, accept: str | None, expected: str) -> None:
    answer = await api.post("{ hello }", accept=accept)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"{expected}; charset=utf-8"


@pytest.mark.parametrize(
    "accept",
    ["text/html", "image/*", f"{JSON};q=0", "*/*;q=0", "application/json; charset=utf-16", f"{JSON};q=x", "nonsense"],
)
async def test_an_accept_header_that_nothing_fits_is_406(api: Api, accept: str) -> None:
    answer = await api.post("{ hello }", accept=accept)

    assert answer.status_code == 406
    assert codes(answer) == ["NOT_ACCEPTABLE"]
    assert "data" not in answer.json()


REQUEST_ERRORS = [
    pytest.param({"query": "{"}, "GRAPHQL_PARSE_FAILED", id="syntax"),
    pytest.param({"query": ""}, "GRAPHQL_PARSE_FAILED", id="empty"),
    pytest.param({"query": "{ viewer {} }"}, "GRAPHQL_PARSE_FAILED", id="an empty selection"),
    pytest.param({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED", id="validation"),
    pytest.param({"query": "fragment F on Query { hello }"}, "GRAPHQL_VALIDATION_FAILED", id="no operation"),
    pytest.param({"query": "query($v: Int!) { number(value: $v) }"}, "BAD_USER_INPUT", id="missing variable"),
    pytest.param(
        {"query": "query($v: Int!) { number(value: $v) }", "variables": {"v": "x"}}, "BAD_USER_INPUT", id="coercion"
    ),
    pytest.param({"query": "query A { hello } query B { hello }"}, "BAD_USER_INPUT", id="no name"),
    pytest.param({"query": "query A { hello }", "operationName": "B"}, "BAD_USER_INPUT", id="unknown name"),
    pytest.param({"query": "subscription { ticks }"}, "BAD_USER_INPUT", id="subscription"),
]


@pytest.mark.parametrize(("body", "code"), REQUEST_ERRORS)
async def test_a_request_error_is_400_without_data(api: Api, body: dict[str, Any], code: str) -> None:
    answer = await api.post(**body)

    assert answer.status_code == 400
    assert codes(answer)[0] == code
    assert "data" not in answer.json()


@pytest.mark.parametrize(("body", "code"), REQUEST_ERRORS)
async def test_a_request_error_is_200_for_clients_of_application_json(
    api: Api, body: dict[str, Any], code: str
) -> None:
    answer = await api.post(**body, accept=JSON)

    assert answer.status_code == 200
    assert codes(answer)[0] == code
    assert "data" not in answer.json()


async def test_each_required_variable_that_is_missing_is_named(api: Api) -> None:
    fields = " ".join(f"{name}: number(value: ${name})" for name in "abcd")
    answer = await api.post(f"query($a: Int!, $b: Int! = 1, $c: Int!, $d: Int!) {{ {fields} }}", {"d": "x"})

    assert [error["message"] for error in answer.json()["errors"]] == [
        "Variable '$a' of required type 'Int!' was not provided.",
        "Variable '$c' of required type 'Int!' was not provided.",
        "Variable '$d' has invalid value: Int cannot represent non-integer value: \"x\"",
    ]


@pytest.mark.parametrize("accept", [JSON, GRAPHQL])
async def test_partial_success_is_200_with_data_and_errors(api: Api, accept: str) -> None:
    answer = await api.post('{ hello fail(how: "bad") }', accept=accept)

    assert answer.status_code == 200
    assert answer.json()["data"] == {"hello": "hello world", "fail": None}
    assert answer.json()["errors"][0]["path"] == ["fail"]


async def test_data_is_null_and_200_where_an_error_reached_the_root(api: Api) -> None:
    answer = await api.post('{ must(how: "bad") }')

    assert answer.status_code == 200
    assert answer.json()["data"] is None
    assert codes(answer) == ["BAD_USER_INPUT"]


async def test_the_operation_named_is_run(api: Api) -> None:
    answer = await api.post('query A { hello } query B { hello(name: "B") }', operationName="B")

    assert answer.json()["data"] == {"hello": "hello B"}


async def test_a_query_by_get(api: Api) -> None:
    answer = await api.get(query="query($n: String!) { hello(name: $n) }", variables='{"n": "Awa"}', operationName="")

    assert answer.status_code == 200
    assert answer.json()["data"] == {"hello": "hello Awa"}


async def test_a_mutation_by_get_is_405_and_not_run(api: Api, seen: Any) -> None:
    answer = await api.get(query='mutation { redeem(code: "x") }')

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert codes(answer) == ["METHOD_NOT_ALLOWED"]
    assert seen.contexts == []


async def test_a_mutation_chosen_by_name_is_405_by_get_as_well(api: Api) -> None:
    document = 'query Q { hello } mutation M { redeem(code: "x") }'

    assert (await api.get(query=document, operationName="M")).status_code == 405
    assert (await api.get(query=document, operationName="Q")).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
async def test_other_methods_are_405_with_allow(api: Api, method: str) -> None:
    answer = await api.http.request(method, "/graphql")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"query": "{ hello }", "variables": "[1]"},
        {"query": "{ hello }", "variables": "{"},
        {"query": "{ hello }", "extensions": '"x"'},
        {"operationName": "A"},
    ],
)
async def test_a_malformed_get_is_400(api: Api, parameters: dict[str, Any]) -> None:
    answer = await api.get(**parameters)

    assert answer.status_code == 400
    assert codes(answer) == ["BAD_REQUEST"]


async def test_a_parameter_that_is_there_twice_is_400(api: Api) -> None:
    assert (await api.get("/graphql?query={hello}&query={number}")).status_code == 400


async def test_a_query_string_that_is_not_utf8_is_400(api: Api) -> None:
    assert (await api.get("/graphql?query=%ff%fe")).status_code == 400


async def test_a_query_string_over_the_limit_is_414(serve: Any) -> None:
    assert (await serve(max_body_bytes=1000).get(query="{ hello }" + " " * 1000)).status_code == 414


async def test_unknown_properties_are_ignored(api: Api) -> None:
    assert (await api.post("{ hello }", future=1)).json()["data"] == {"hello": "hello world"}


async def test_nulls_are_the_same_as_absent(api: Api) -> None:
    answer = await api.send(b'{"query": "{ hello }", "variables": null, "operationName": null, "extensions": null}')

    assert answer.json()["data"] == {"hello": "hello world"}


async def test_json_from_the_database_passes_through_unparsed(api: Api) -> None:
    answer = await api.post("{ finishedJson }")

    assert b'{"amount": 1.10}' in answer.content


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("idempotency-key", ("k-1", "k-2")),
        ("idempotency-key", ("k-1", "k-1")),
        ("content-type", ("application/json", "text/plain")),
        ("content-encoding", ("identity", "identity")),
        ("last-event-id", ("a", "b")),
        ("origin", ("http://lango.test", "http://evil.example")),
        ("sec-fetch-site", ("same-origin", "cross-site")),
        ("host", ("lango.test", "evil.example")),
        ("x-request-id", ("a", "b")),
    ],
)
async def test_a_header_that_decides_comes_once(api: Api, seen: Any, name: str, values: tuple[str, str]) -> None:
    usual = {"content-type": "application/json", "host": "lango.test"}
    headers = [pair for pair in usual.items() if pair[0] != name] + [(name, value) for value in values]
    content = b'{"query": "mutation { redeem(code: \\"x\\") }"}'

    answer = await api.http.post("/graphql", content=content, headers=headers)

    assert answer.status_code == 400
    assert codes(answer) == ["BAD_REQUEST"]
    assert answer.json()["errors"][0]["message"] == f"The header `{name}` is there twice."
    assert seen.contexts == []


async def test_idempotency_key_reaches_the_rule(api: Api, seen: Any) -> None:
    await api.post('mutation { redeem(code: "x") }', headers={"idempotency-key": "k-1"})

    assert seen.contexts[0].idempotency_key == "k-1"


@pytest.mark.parametrize("key", ["k" * 256, " ", "   ", "\t", "\xa0", "a\tb", "\x7f", "k\xad"])
async def test_an_idempotency_key_that_is_none_is_400(api: Api, seen: Any, key: str) -> None:
    answer = await api.post('mutation { redeem(code: "x") }', headers={"idempotency-key": key.encode("latin-1")})

    assert answer.status_code == 400
    assert seen.contexts == []


async def test_security_headers_and_request_id_are_on_every_answer(api: Api) -> None:
    for answer in (
        await api.post("{ hello }"),
        await api.get("/nowhere"),
        await api.get("/healthz"),
        await api.post("{"),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert len(answer.headers["x-request-id"]) == 36


async def test_a_wellformed_request_id_is_kept_and_another_replaced(api: Api) -> None:
    kept = await api.post("{ hello }", headers={"x-request-id": "abc-123"})
    replaced = await api.post("{ hello }", headers={"x-request-id": "a b;c"})

    assert kept.headers["x-request-id"] == "abc-123"
    assert len(replaced.headers["x-request-id"]) == 36


async def test_an_unknown_address_is_a_typed_404(api: Api) -> None:
    answer = await api.get("/nowhere")

    assert answer.status_code == 404
    assert codes(answer) == ["NOT_FOUND"]
