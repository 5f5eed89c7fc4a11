"""What tools ask of the schema is answered as the executor would, in a fraction of its time."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from graphql import (
    FragmentDefinitionNode,
    OperationDefinitionNode,
    get_introspection_query,
    graphql_sync,
    parse,
)
from graphql.pyutils import inspect

from gql.schema import schema
from lango.graphql.introspection import introspect

GRAPHQL = schema._schema
STANDARD = {
    "the least": get_introspection_query(descriptions=False),
    "usual": get_introspection_query(),
    "everything": get_introspection_query(
        descriptions=True, specified_by_url=True, directive_is_repeatable=True, schema_description=True,
        input_value_deprecation=True,
    ),
}  # fmt: skip
OTHERS = [
    (
        '{ __type(name: "Pot") { kind name fields { name args { name defaultValue type { ...Ref } } type { ...Ref } } } }'
        " fragment Ref on __Type { kind name ofType { kind name ofType { name } } }"
    ),
    '{ a: __type(name: "Node") { possibleTypes { name } } b: __type(name: "Nothing") { name } __typename }',
    '{ __type(name: "PotStatus") { enumValues(includeDeprecated: true) { name isDeprecated deprecationReason } } }',
    '{ __type(name: "PotOrder") { __typename isOneOf inputFields { n: name __typename } } }',
    "{ __schema { directives { name locations isRepeatable args { name type { name } } } mutationType { name } } }",
    (
        "query ($name: String!, $all: Boolean = false) { __type(name: $name) { name description @include(if: $all)"
        " fields @skip(if: $all) { name } } }"
    ),
    (
        '{ __type(name: "Pot") { ...A ...B } } fragment A on __Type { fields { name } }'
        " fragment B on __Type { fields { type { name } } ... on __Type { kind } ... @include(if: false) { description } }"
    ),
]


def ours(query: str, variables: dict[str, Any] | None = None) -> str | None:
    document = parse(query)
    (operation,) = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    found = introspect(GRAPHQL, operation, fragments, variables or {})
    if found is None:
        return None
    return "{" + ",".join(f'"{key}":{text.decode()}' for key, text in found.items()) + "}"


def theirs(query: str, variables: dict[str, Any] | None = None) -> str:
    result = graphql_sync(GRAPHQL, query, variable_values=variables)
    assert not result.errors, inspect(result.errors)
    return orjson.dumps(result.data).decode()


@pytest.mark.parametrize("name", STANDARD)
def test_the_standard_queries_are_answered_to_the_letter(name: str) -> None:
    assert ours(STANDARD[name]) == theirs(STANDARD[name])


@pytest.mark.parametrize("query", OTHERS)
def test_any_other_query_is_answered_to_the_letter(query: str) -> None:
    variables = {"name": "Pot", "all": True} if "$" in query else {}

    assert ours(query, variables) == theirs(query, variables)


def test_what_is_wrong_is_left_to_the_executor() -> None:
    assert ours("query ($name: String!) { __type(name: $name) { name } }", {}) is None
