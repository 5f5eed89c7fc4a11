"""The schema itself: valid, named by one convention, and described to the last value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    get_named_type,
    is_specified_scalar_type,
    validate_schema,
)  # fmt: skip

from gql.kit.kinds import kind_of
from gql.kit.naming import camel
from gql.kit.relations import attributes, ends, is_internal, is_staff_only, relations
from gql.schema import schema
from models.base import Base, models
from models.columns import DEPRECATED, MONEY, PERSONAL
from tests.kit.conftest import GRAPHQL, LISTED, MODELS, input_type, object_type

OURS = {
    name: kind
    for name, kind in GRAPHQL.type_map.items()
    if not name.startswith("__") and not is_specified_scalar_type(kind)
}
SDL = schema.as_str()


def described() -> Iterator[tuple[str, str | None]]:
    """Everything that may have a description, by its path."""
    for name, kind in OURS.items():
        yield name, kind.description
        if isinstance(kind, GraphQLEnumType):
            for value, definition in kind.values.items():
                yield f"{name}.{value}", definition.description
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for key, field in kind.fields.items():
                yield f"{name}.{key}", field.description
                for argument, definition in getattr(field, "args", {}).items():
                    yield f"{name}.{key}({argument})", definition.description
    for directive in GRAPHQL.directives:
        yield f"@{directive.name}", directive.description


def test_the_schema_is_valid() -> None:
    assert validate_schema(GRAPHQL) == []


def test_everything_is_described() -> None:
    assert [path for path, description in described() if not (description or "").strip()] == []


def test_names_follow_one_convention() -> None:
    for name, kind in OURS.items():
        assert re.fullmatch(r"[A-Z][A-Za-z0-9]*", name)
        if isinstance(kind, GraphQLEnumType):
            assert all(re.fullmatch(r"[A-Z0-9][A-Z0-9_]*", value) for value in kind.values), name
        for key, field in getattr(kind, "fields", {}).items():
            assert re.fullmatch(r"[a-z][A-Za-z0-9]*", key), (name, key)
            assert all(re.fullmatch(r"[a-z][A-Za-z0-9]*", argument) for argument in getattr(field, "args", {}))
    for model in LISTED:
        assert {"edges", "nodes", "pageInfo", "totalCount"} == set(object_type(f"{model.__name__}Connection").fields)


def test_every_table_that_is_not_internal_and_every_face_is_mirrored() -> None:
    assert [model.__name__ for model in models() if not is_internal(model) and model not in MODELS] == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_type_has_every_column_and_relation_of_its_model(model: type[Base]) -> None:
    fields, where = object_type(model.__name__).fields, input_type(f"{model.__name__}Where").fields
    for attribute, column in attributes(model).items():
        assert camel(attribute) in fields
        assert (camel(attribute) in where) is not is_staff_only(column)
        assert bool(fields[camel(attribute)].deprecation_reason) is bool(column.info.get(DEPRECATED))
        assert kind_of(column)
    for relation in relations(model):
        assert camel(relation.key) in fields
        assert (camel(relation.key) in where) is not is_staff_only(model.__mapper__.columns[ends(relation)[0]])
        target = relation.mapper.class_.__name__
        assert get_named_type(fields[camel(relation.key)].type).name == target + (
            "Connection" if relation.uselist else ""
        )
    for key, field in fields.items():
        if key.endswith("Id") and key != "rowId" and get_named_type(field.type).name not in ("ID", "String"):
            column = attributes(model)[next(name for name in attributes(model) if camel(name) == key)]
            assert not column.foreign_keys


def test_money_and_personal_columns_are_marked() -> None:
    for model in MODELS:
        block = SDL[SDL.index(f"\ntype {model.__name__} ") :]
        block = block[: block.index("\n}\n")]
        for attribute, column in attributes(model).items():
            if attribute == "id":
                continue
            line = re.search(rf"^  {camel(attribute)}: .*$", block, re.MULTILINE)
            assert line is not None, (model.__name__, attribute)
            assert ("@money" in line[0]) is bool(column.info.get(MONEY))
            assert ("@personal" in line[0]) is bool(column.info.get(PERSONAL))


def test_deprecated_fields_name_their_replacement() -> None:
    reasons: list[tuple[str, Any]] = []
    for name, kind in OURS.items():
        for key, item in [*getattr(kind, "fields", {}).items(), *getattr(kind, "values", {}).items()]:
            if item.deprecation_reason is not None:
                reasons.append((f"{name}.{key}", item.deprecation_reason))
    for path, reason in reasons:
        replacements = re.findall(r"`(\w+)`", reason)
        assert replacements, path
        assert all(name in OURS or f" {name}: " in SDL for name in replacements), path


def test_root_fields_are_nullable_so_that_one_that_fails_leaves_the_others() -> None:
    query = GRAPHQL.query_type
    assert query is not None
    assert [name for name, field in query.fields.items() if str(field.type).endswith("!")] == []
