"""The shape of the mutations without their words: what a client's generated types depend on, a line a type.

`make schema` writes it to `tests/kit/shape.txt`: what is different there breaks somebody's generated types, and
CHANGELOG.md says so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
)

OF_MUTATIONS = ("Mutation", "Input", "Payload", "ErrorCode", "Error", "Warning", "WarningCode")


def shape_of(schema: GraphQLSchema) -> Iterator[str]:
    """Each type of mutations with its fields, their types and arguments, in the order of their names."""
    for name, kind in sorted(schema.type_map.items()):
        if name.endswith(OF_MUTATIONS):
            yield f"{name}: {' '.join(sorted(parts_of(kind)))}"


def parts_of(kind: GraphQLNamedType) -> Iterator[str]:
    if isinstance(kind, GraphQLEnumType):
        yield from kind.values
    elif isinstance(kind, GraphQLUnionType):
        yield from (member.name for member in kind.types)
    elif isinstance(kind, GraphQLInputObjectType):
        yield from (f"{name}:{field.type}" for name, field in kind.fields.items())
    elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
        for name, field in kind.fields.items():
            arguments = ",".join(f"{each}:{argument.type}" for each, argument in sorted(field.args.items()))
            yield f"{name}({arguments}):{field.type}" if arguments else f"{name}:{field.type}"


if __name__ == "__main__":
    printed = Path(sys.argv[1] if len(sys.argv) > 1 else "schema.graphql").read_text()
    sys.stdout.write("\n".join([*shape_of(build_schema(printed)), ""]))
