"""What is wrong with the variables of a request, in the words of who wrote them: JSON, and where in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    is_input_type,
    is_non_null_type,
    type_from_ast,
    validate_input_value,
)

from lango.libraries.graphql_core import inspect
from lango.values import exact_json

LONGEST_VALUE = 100


MARK = " has invalid value"


def in_json(
    errors: Sequence[GraphQLError],
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    values: Mapping[str, Any],
    *,
    suggestions: bool = True,
) -> list[GraphQLError]:
    """The errors of an operation that was not executed: what the library says of values in Python, said in JSON."""
    others = [error for error in errors if not (error.message.startswith("Variable '$") and MARK in error.message)]
    if len(others) == len(errors):
        return others
    return [*others, *_errors_of(schema, operation, values, suggestions)]


def _errors_of(
    schema: GraphQLSchema, operation: OperationDefinitionNode, values: Mapping[str, Any], suggestions: bool
) -> list[GraphQLError]:
    errors: list[GraphQLError] = []
    for definition in operation.variable_definitions or ():
        name, type_ = definition.variable.name.value, type_from_ast(schema, definition.type)
        if not is_input_type(type_):
            continue
        if name not in values:
            if is_non_null_type(type_) and definition.default_value is None:
                message = f"Variable '${name}' of required type '{type_}' was not provided."
                errors.append(GraphQLError(message, definition))
            continue

        def report(error: GraphQLError, path: list[str | int], name: str = name, definition: Any = definition) -> None:
            found = values[name]
            for part in path:
                found = found[part]
            place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
            message = error.message.replace(inspect(found), shown(found)).replace("not to be None", "not to be null")
            errors.append(GraphQLError(f"Variable '${name}{place}'{MARK}: {message}", definition))

        validate_input_value(values[name], type_, report, not suggestions)
    return errors


def shown(value: Any) -> str:
    """A value as JSON, or as much of it as helps."""
    try:
        text = exact_json.dumps(value)
    except ValueError:
        text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
