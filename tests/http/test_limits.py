"""Depth, fields, aliases and cost: bounded, found in time linear in the document, and shown to the caller."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from graphql import get_introspection_query

from tests.http.conftest import Api, codes


def nested(levels: int) -> str:
    """A query of that depth."""
    return "{ pack " + "{ pack " * (levels - 2) + "{ title }" + " }" * (levels - 1)


async def refused(api: Api, query: str, **options: Any) -> dict[str, Any]:
    answer = await api.post(query, **options)
    assert answer.status_code == 400
    assert "data" not in answer.json()
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "QUERY_TOO_COMPLEX"
    return dict(error["extensions"])


async def test_depth_is_limited(serve: Any) -> None:
    api = serve(max_depth=5)

    assert (await api.post(nested(5))).status_code == 200
    assert await refused(api, nested(6)) == {"code": "QUERY_TOO_COMPLEX", "requested": 6, "limit": 5}


async def test_depth_counts_through_fragments(serve: Any) -> None:
    query = "{ pack { ...F } } fragment F on Pack { ... on Pack { pack { ...G } } } fragment G on Pack { title }"

    assert (await serve(max_depth=3).post(query)).status_code == 200
    assert (await refused(serve(max_depth=2), query))["requested"] == 3


async def test_fields_are_limited_with_fragments_written_out(serve: Any) -> None:
    query = "{ a: pack { ...F } b: pack { ...F } } fragment F on Pack { title t2: title t3: title t4: title }"

    assert (await serve(max_fields=10).post(query)).status_code == 200
    assert (await refused(serve(max_fields=10), query.replace("t4", "t5: title t4")))["requested"] == 12


async def test_aliases_are_limited(serve: Any) -> None:
    query = "{" + " ".join(f"a{n}: hello" for n in range(11)) + "}"

    assert await refused(serve(max_aliases=10), query) == {"code": "QUERY_TOO_COMPLEX", "requested": 11, "limit": 10}
    assert (await serve(max_aliases=11).post(query)).status_code == 200


async def test_tokens_are_limited(serve: Any) -> None:
    answer = await serve(max_tokens=100).post("{" + " hello" * 200 + "}")

    assert codes(answer) == ["GRAPHQL_PARSE_FAILED"]


FLOODS = {
    "spreads that double thirty times": "{ ...F0 } "
    + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(30))
    + " fragment F30 on Query { hello }",
    "fields that double a hundred times": "{ pack { ...F0 } } "
    + " ".join(f"fragment F{n} on Pack {{ a: pack {{ ...F{n + 1} }} b: pack {{ ...F{n + 1} }} }}" for n in range(100))
    + " fragment F100 on Pack { title }",
    "a chain of five hundred fragments": "{ ...F0 } "
    + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(500))
    + " fragment F500 on Query { hello }",
    "a cycle": "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
    "a fragment in itself": "{ pack { ...A } } fragment A on Pack { pack { ...A } }",
    "an unknown fragment": "{ ...Nowhere }",
    "the same field four thousand times": "{" + " hello" * 3_900 + "}",
    "the same object a thousand times": "{" + " pack { title }" * 900 + "}",
    "nesting of two thousand": "{ pack " * 1_900 + "{ title }" + "}" * 1_900,
    "nesting by inline fragments": "{" + "... on Query {" * 900 + "hello" + "}" * 901,
    "a list of two thousand lists": "{ hello(name: " + "[" * 1_900 + "]" * 1_900 + ") }",
    "a thousand variables": "query(" + " ".join(f"$v{n}: Int" for n in range(900)) + ") { hello }",
    "a megabyte of comments": "# x\n" * 150_000 + "{ hello }",
    "introspection upon introspection": "{ __schema { types { fields { type { fields { type { fields { type { fields "
    "{ name } } } } } } } } } }",
    "introspection many times": "{" + " ".join(f"a{n}: __schema {{ types {{ name }} }}" for n in range(60)) + "}",
}


@pytest.mark.parametrize("query", FLOODS.values(), ids=FLOODS.keys())
async def test_a_document_made_to_hang_is_answered_at_once(api: Api, query: str) -> None:
    started = time.perf_counter()

    answer = await api.post(query)

    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        assert set(codes(answer)) <= {"QUERY_TOO_COMPLEX", "GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED"}
    # What hangs takes minutes; a machine with other work takes seconds.
    assert time.perf_counter() - started < 20


async def cost(api: Api, query: str, **variables: Any) -> int:
    answer = await api.post(query, variables or None)
    extension = answer.json()["extensions"]["cost"]
    assert extension["limit"] == api.settings.max_cost
    return int(extension["requested"])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ hello }", 0),
        ("{ pack { title } }", 1),
        ("{ pack { partner { name } } }", 2),
        # The connection itself, then 20 nodes (the default page).
        ("{ pots { nodes { title } } }", 1 + 20),
        ("{ pots(first: 5) { nodes { title } } }", 1 + 5),
        ("{ pots(last: 7) { nodes { title } } }", 1 + 7),
        ("{ pots(first: null) { nodes { title } } }", 1 + 20),
        ("{ pots(first: 0) { nodes { title } } }", 1),
        ("{ pots(first: -5) { nodes { title } } }", 1),
        # What stands beside the rows is there once.
        ("{ pots(first: 5) { pageInfo { hasNextPage } } }", 2),
        # Each of 2 pots has a connection of 3 edges, each with its node and its partner.
        (
            "{ pots(first: 2) { nodes { packs(first: 3) { edges { node { partner { name } } } } } } }",
            1 + 2 * (1 + 1 + 9),
        ),
        ("{ pots(first: 2) { ...P } } fragment P on PotConnection { nodes { title } pageInfo { hasNextPage } }", 4),
        ("{ pots(first: 2) { ... on PotConnection { nodes { title } } } }", 3),
        ('{ packsById(ids: ["1", "2", "3"]) { partner { name } } }', 6),
        ('{ packsById(ids: "1") { title } }', 1),
        ("{ pack @skip(if: true) { title } }", 0),
        ("{ pack @include(if: false) { title } }", 0),
        ("{ pack @include(if: true) { title } }", 1),
    ],
)
async def test_the_cost_is_the_number_of_requested_objects(api: Api, query: str, expected: int) -> None:
    assert await cost(api, query) == expected


async def test_the_cost_follows_the_variables_real_values(api: Api) -> None:
    query = (
        "query($n: Int = 4, $no: Boolean = false) { pots(first: $n) { nodes { title } } pack @skip(if: $no) { title } }"
    )

    assert await cost(api, query) == 1 + 4 + 1
    assert await cost(api, query, n=9) == 1 + 9 + 1
    assert await cost(api, query, n=9, no=True) == 1 + 9
    assert await cost(api, query, n=4) == 1 + 4 + 1
    assert await cost(api, query, n=None) == 1 + 20 + 1


async def test_the_cost_of_ids_in_a_variable_is_their_number(api: Api) -> None:
    query = "query($ids: [ID!]!) { packsById(ids: $ids) { title } }"

    assert await cost(api, query, ids=["1", "2"]) == 2
    assert await cost(api, query, ids=["1", "2", "3", "4"]) == 4


async def test_a_query_over_the_limit_gets_its_cost_and_the_limit(serve: Any) -> None:
    api = serve(max_cost=100)
    query = "query($n: Int) { pots(first: $n) { nodes { title } } }"

    assert await cost(api, query, n=99) == 100
    details = await refused(api, query, variables={"n": 100})
    assert details["cost"] == {"requested": 101, "limit": 100}


async def test_an_enormous_page_is_refused_and_its_cost_stays_a_number(api: Api) -> None:
    query = "{ pots(first: 99999999999999999999) { nodes { title } } }"

    assert codes(await api.post(query))[0] in ("QUERY_TOO_COMPLEX", "GRAPHQL_VALIDATION_FAILED")
    details = await refused(api, "query($n: Int) { pots(first: $n) { nodes { title } } }", variables={"n": 2.0**70})
    assert details["cost"]["requested"] == 2**53 - 1


LONG = "1" * 5_000


@pytest.mark.parametrize(
    "query",
    [
        f"{{ pots(first: {LONG}) {{ nodes {{ title }} }} }}",
        f"{{ pots(first: -{LONG}) {{ nodes {{ title }} }} }}",
        f"{{ packsById(ids: [{LONG}]) {{ title }} }}",
        f"{{ hello @include(if: {LONG}) }}",
        f"query ($n: Int = {LONG}) {{ pots(first: $n) {{ nodes {{ title }} }} }}",
        f"{{ hello(name: {LONG}.{LONG}) }}",
    ],
)
async def test_a_number_of_thousands_of_digits_is_the_callers_error(api: Api, query: str) -> None:
    answer = await api.post(query)

    assert answer.status_code == 400
    assert codes(answer) == ["BAD_USER_INPUT"]
    assert answer.json()["errors"][0]["locations"] == [{"line": 1, "column": re.search("-?1111", query).start() + 1}]


async def test_a_text_of_thousands_of_digits_is_a_text(api: Api) -> None:
    assert (await api.post(f'{{ hello(name: "{LONG}") }}')).status_code == 200


async def test_a_number_of_thousands_of_digits_in_the_variables_is_the_callers_error(api: Api) -> None:
    query = "query ($n: Int) { pots(first: $n) { nodes { title } } }"
    answer = await api.send(f'{{"query": "{query}", "variables": {{"n": {LONG}}}}}'.encode())

    assert answer.status_code == 400
    assert "a number that is too large" in answer.json()["errors"][0]["message"]


async def test_the_introspection_of_tools_passes(api: Api) -> None:
    query = get_introspection_query(
        descriptions=True, specified_by_url=True, directive_is_repeatable=True, schema_description=True,
        input_value_deprecation=True,
    )  # fmt: skip

    answer = await api.post(query)

    assert answer.status_code == 200
    assert answer.json()["extensions"]["cost"]["requested"] == 500


async def test_every_operation_of_a_document_is_within_the_limits(serve: Any) -> None:
    query = f"query A {{ hello }} query B {nested(9)}"

    assert (await refused(serve(max_depth=5), query, operationName="A"))["requested"] == 9


async def test_an_operation_past_its_time_is_given_up(serve: Any, seen: Any) -> None:
    answer = await serve(execution_timeout=0.05).post("{ slow }")

    assert answer.status_code == 504
    assert codes(answer) == ["TIMEOUT"]
    assert (seen.finished, seen.cancelled) == (0, 1)


async def test_a_flood_of_documents_does_not_grow_the_cache(serve: Any) -> None:
    api = serve(document_cache=10)

    for n in range(50):
        await api.post(f"{{ a{n}: hello }}")
    await api.post("{ a49: hello }")

    sample = api.app.state.metrics.registry.get_sample_value
    assert sample("lango_document_cache_total", {"result": "miss"}) == 50
    assert sample("lango_document_cache_total", {"result": "hit"}) == 1


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("{ a: __schema { types { name } } b: __schema { types { name } } }", "number of `__schema` is 2"),
        (
            (
                "{ ...A ...B } fragment A on Query { a: __schema { types { name } } } "
                "fragment B on Query { b: __schema { types { name } } }"
            ),
            "number of `__schema` is 2",
        ),
        ("{" + " ".join(f'a{n}: __type(name: "Pot") {{ name }}' for n in range(11)) + "}", "number of `__type` is 11"),
    ],
)
async def test_the_schema_may_be_selected_once_in_an_operation(api: Api, query: str, what: str) -> None:
    answer = await api.post(query)
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "QUERY_TOO_COMPLEX"
    assert what in error["message"]


async def test_introspection_through_fragments_and_variables_is_answered(api: Api) -> None:
    query = """query ($descriptions: Boolean!) { ...Told __typename }
        fragment Told on Query { __schema { queryType { name description @include(if: $descriptions) } } }"""
    for descriptions in (True, False):
        answer = await api.post(query, variables={"descriptions": descriptions})
        query_type = answer.json()["data"]["__schema"]["queryType"]
        assert ("description" in query_type) is descriptions


async def test_introspection_needs_an_operation_of_its_own(api: Api) -> None:
    deep = "__schema { types { fields { type { name } } } }"

    alone = await api.post(f"{{ {deep} }}")
    beside = await api.post(f"{{ hello {deep} }}")
    a_little = await api.post("{ hello __schema { queryType { name } } }")

    assert alone.status_code == 200
    assert codes(beside) == ["QUERY_TOO_COMPLEX"]
    assert "errors" not in a_little.json()
