"""Strawberry: graphql-core's schema below its own, its executor, its rules, and what its decorators leave."""

from __future__ import annotations

from typing import Any

import strawberry
from graphql import GraphQLResolveInfo, GraphQLSchema
from strawberry.annotation import StrawberryAnnotation
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as ExecutionContext
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryList, StrawberryObjectDefinition, StrawberryOptional
from strawberry.types.enum import EnumValue, StrawberryEnumDefinition
from strawberry.types.field import StrawberryField
from strawberry.types.scalar import ScalarDefinition

__all__ = [
    "EnumValue",
    "ExecutionContext",
    "MaybeNullValidationRule",
    "OneOfInputValidationRule",
    "ScalarDefinition",
    "StrawberryAnnotation",
    "StrawberryArgument",
    "StrawberryEnumDefinition",
    "StrawberryField",
    "StrawberryList",
    "StrawberryObjectDefinition",
    "StrawberryOptional",
    "definition_of",
    "directive_of",
    "graphql_of",
    "keep_definition",
    "raw_info_of",
]


def raw_info_of(info: strawberry.Info[Any, Any]) -> GraphQLResolveInfo[Any]:
    """What graphql-core itself gives a resolver."""
    return info._raw_info  # noqa: SLF001


def graphql_of(schema: strawberry.Schema) -> GraphQLSchema:
    """The schema as graphql-core has it."""
    built: GraphQLSchema = schema._schema  # noqa: SLF001
    return built


def definition_of(made: Any) -> Any:
    """What Strawberry knows of a class that it decorated."""
    return made.__strawberry_definition__


def keep_definition(made: Any, definition: StrawberryEnumDefinition | StrawberryObjectDefinition) -> None:
    """Let Strawberry know a class by a definition, as if it had decorated it."""
    made.__strawberry_definition__ = definition


def directive_of(made: Any) -> Any:
    """What Strawberry knows of a directive's class."""
    return made.__strawberry_directive__
