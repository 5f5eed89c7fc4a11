"""What client libraries count on in the schema: Relay's shapes, ids that caches can trust, and the printed file."""

from __future__ import annotations

import re

import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    build_client_schema,
    build_schema,
    get_named_type,
    introspection_from_schema,
    is_input_object_type,
    lexicographic_sort_schema,
    print_schema,
    validate_schema,
)

from gql.schema import schema

SERVED: GraphQLSchema = schema._schema
OBJECTS = [
    named for name, named in SERVED.type_map.items() if isinstance(named, GraphQLObjectType) and name[:2] != "__"
]
CONNECTIONS = [named for named in OBJECTS if "pageInfo" in named.fields]
EDGES = [named for named in OBJECTS if named.name.endswith("Edge")]
# Tables of the dictionary that are called like the inputs made beside others.
RECORDS = {named.name for named in OBJECTS}
# Words that generated code in TypeScript, Kotlin, Swift or Java cannot name a type by.
RESERVED = {"Any", "Array", "Boolean", "Date", "Error", "Map", "Number", "Object", "Promise", "Record", "Set", "Type"}


def of(type_name: str, field: str) -> str:
    """The type of a field as it is written."""
    named = SERVED.type_map[type_name]
    assert isinstance(named, GraphQLObjectType)
    return str(named.fields[field].type)


def printed(schema: GraphQLSchema) -> str:
    return print_schema(lexicographic_sort_schema(schema))


@pytest.fixture(scope="module")
def introspected() -> GraphQLSchema:
    """The schema as a client builds it from the answer to the introspection query."""
    return build_client_schema(introspection_from_schema(SERVED, input_value_deprecation=True))


def test_the_printed_schema_is_valid_and_says_what_introspection_says(introspected: GraphQLSchema) -> None:
    from_file = build_schema(schema.as_str())

    assert validate_schema(SERVED) == validate_schema(from_file) == validate_schema(introspected) == []
    assert printed(from_file) == printed(introspected)


def test_page_info_is_relays() -> None:
    assert {field: of("PageInfo", field) for field in SERVED.type_map["PageInfo"].fields} == {  # type: ignore[attr-defined]
        "hasNextPage": "Boolean!",
        "hasPreviousPage": "Boolean!",
        "startCursor": "String",
        "endCursor": "String",
    }


@pytest.mark.parametrize("connection", CONNECTIONS, ids=str)
def test_connections_have_relays_shape(connection: GraphQLObjectType) -> None:
    node = connection.name.removesuffix("Connection")

    assert of(connection.name, "edges") == f"[{node}Edge!]!"
    assert of(connection.name, "nodes") == f"[{node}!]!"
    assert of(connection.name, "pageInfo") == "PageInfo!"
    assert of(f"{node}Edge", "node") == f"{node}!"
    assert of(f"{node}Edge", "cursor") == "String!"


def test_each_edge_belongs_to_a_connection() -> None:
    assert {edge.name.removesuffix("Edge") for edge in EDGES} == {
        connection.name.removesuffix("Connection") for connection in CONNECTIONS
    }


def test_fields_that_give_a_connection_take_relays_arguments() -> None:
    for parent in OBJECTS:
        for name, field in parent.fields.items():
            if get_named_type(field.type) in CONNECTIONS:
                taken = {argument: str(argument_type.type) for argument, argument_type in field.args.items()}
                paging = {argument: taken.get(argument) for argument in ("first", "after", "last", "before")}
                assert paging == {"first": "Int", "after": "String", "last": "Int", "before": "String"}, (parent, name)


def test_only_nodes_have_an_id() -> None:
    """Apollo's and urql's caches keep whatever has an `id` under its type and that id, and so would mix up the rest."""
    node = SERVED.type_map["Node"]
    wrong = [
        named.name
        for named in OBJECTS
        if "id" in named.fields and (node not in named.interfaces or str(named.fields["id"].type) != "ID!")
    ]
    assert wrong == []


def test_no_two_types_differ_by_case_alone() -> None:
    folded = [name.lower() for name in SERVED.type_map]
    assert len(folded) == len(set(folded))


def test_no_object_or_input_has_a_name_that_generated_code_has_taken() -> None:
    generated = {named.name for named in SERVED.type_map.values() if not hasattr(named, "serialize")}
    assert generated & RESERVED == set()


def test_mutations_take_one_input_and_give_a_payload_with_user_errors() -> None:
    mutation = SERVED.mutation_type
    assert mutation is not None
    for name, field in mutation.fields.items():
        title = name[0].upper() + name[1:]
        assert {key: str(argument.type) for key, argument in field.args.items()} == {"input": f"{title}Input!"}
        assert str(field.type) == f"{title}Payload"
        assert of(f"{title}Payload", "userErrors") == f"[{title}UserError!]!"


def test_inputs_of_one_field_are_marked_one_of(introspected: GraphQLSchema) -> None:
    described = {
        name
        for name, named in introspected.type_map.items()
        if isinstance(named, GraphQLInputObjectType) and named.is_one_of
    }
    assert described == {name for name in introspected.type_map if name.endswith(("GroupBy", "Order"))} - RECORDS


ENDS = {"Connection": "pageInfo", "Edge": "cursor", "Payload": "userErrors"}


@pytest.mark.parametrize("end", ENDS)
def test_what_is_called_a_connection_an_edge_or_a_payload_is_one(end: str) -> None:
    """Tools go by the name: a row that is called a connection is paged through."""
    named = [type_ for name, type_ in SERVED.type_map.items() if name.endswith(end) and name[:2] != "__"]

    assert named
    assert [type_.name for type_ in named if ENDS[end] not in getattr(type_, "fields", {})] == []


def test_what_is_called_an_input_is_one() -> None:
    assert [n for n, type_ in SERVED.type_map.items() if n.endswith("Input") and not is_input_object_type(type_)] == []


def test_deprecations_state_since_and_until_when() -> None:
    fields = [
        (f"{type_.name}.{name}", field.deprecation_reason)
        for type_ in SERVED.type_map.values()
        if isinstance(type_, GraphQLObjectType | GraphQLInputObjectType)
        for name, field in type_.fields.items()
        if field.deprecation_reason is not None and type_.name[:2] != "__"
    ]

    assert fields
    for name, reason in fields:
        assert re.search(r"Deprecated since \d{4}-\d\d-\d\d; it stays until \d{4}-\d\d-\d\d at least\.", reason), name


def test_every_directive_is_described_in_the_printed_schema() -> None:
    lines = schema.as_str().splitlines()

    for number, line in enumerate(lines):
        if line.startswith("directive "):
            assert lines[number - 1] == '"""', line
