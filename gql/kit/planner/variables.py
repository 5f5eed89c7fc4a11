"""The variables of an operation, whose types are looked up once and not for each request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLNonNull,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    coerce_input_value,
    get_variable_values,
    is_input_type,
    type_from_ast,
)


def types_of(schema: GraphQLSchema, operation: OperationDefinitionNode) -> dict[str, Any]:
    """The types of an operation's variables, by name."""
    found: dict[str, Any] = {}
    for definition in operation.variable_definitions or ():
        type_ = type_from_ast(schema, definition.type)
        assert is_input_type(type_)
        found[definition.variable.name.value] = type_
    return found


class Variables:
    """Coerces the variables of one operation; what it does not take, the executor says."""

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self._types = types_of(schema, operation)
        definitions = operation.variable_definitions or ()
        defaulted = [definition for definition in definitions if definition.default_value is not None]
        known = get_variable_values(schema, defaulted, {})
        # A default that is none of its type is refused when the document is validated.
        self._defaults: dict[str, Any] = {} if isinstance(known, list) else known.coerced

    def coerce(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """The values as the operation's fields take them; None where one is not what its type wants."""
        coerced: dict[str, Any] = {}
        for name, type_ in self._types.items():
            if name not in given:
                if name in self._defaults:
                    coerced[name] = self._defaults[name]
                elif isinstance(type_, GraphQLNonNull):
                    return None
                continue
            try:
                value = coerce_input_value(given[name], type_)
            except (GraphQLError, RecursionError):
                return None
            if value is Undefined:
                return None
            coerced[name] = value
        return coerced
