"""The schema that clients see: described to the last argument, and written down as the code prints it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
)

from gql.schema import schema
from models.base import models
from models.columns import SECRET
from tests.conventions.test_models import empty

ROOT = Path(__file__).resolve().parents[2]
SCHEMA: GraphQLSchema = schema._schema


def described() -> Iterator[tuple[str, str | None]]:
    """Every name of the schema, and its description."""
    for name, kind in SCHEMA.type_map.items():
        if name.startswith("__"):
            continue
        yield name, kind.description
        if isinstance(kind, GraphQLEnumType):
            for value, one in kind.values.items():
                yield f"{name}.{value}", one.description
        elif isinstance(kind, GraphQLInputObjectType):
            for field, given in kind.fields.items():
                yield f"{name}.{field}", given.description
        elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for field, shown in kind.fields.items():
                yield f"{name}.{field}", shown.description
                for argument, taken in shown.args.items():
                    yield f"{name}.{field}({argument})", taken.description
    for directive in SCHEMA.directives:
        # Not its arguments: Strawberry has no place for their descriptions, the directive's own covers them.
        yield f"@{directive.name}", directive.description


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


def test_everything_is_described() -> None:
    assert [name for name, text in described() if empty(name.rstrip(")").replace("(", "."), text)] == []


def test_no_secret_is_shown() -> None:
    shown = []
    for model in models():
        kind = SCHEMA.type_map.get(model.__name__)
        if isinstance(kind, GraphQLObjectType):
            secrets = [column.name for column in model.table().columns if column.info.get(SECRET)]
            shown += [f"{model.__name__}.{name}" for name in secrets if camel(name) in kind.fields]
    assert shown == []


def test_schema_graphql_is_what_the_code_prints() -> None:
    file = ROOT / "schema.graphql"
    written = file.read_text(encoding="utf-8") if file.exists() else ""
    printed = schema.as_str().rstrip() + "\n"
    changed = list(difflib.unified_diff(written[:200_000].splitlines(), printed[:200_000].splitlines(), n=0))[:20]
    assert written == printed, "run `make schema`:\n" + "\n".join(changed)
