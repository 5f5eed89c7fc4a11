"""Answers to questions about the schema itself, which is megabytes long: each part of it is written once an answer.

The executor takes seconds over a whole introspection, most of them for types that it has described before: `String!`
stands in thousands of places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import orjson
from graphql import (
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLIncludeDirective,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSkipDirective,
    InlineFragmentNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionNode,
    SelectionSetNode,
    TypeMetaFieldDef,
    get_argument_values,
    get_directive_values,
    get_variable_values,
    is_leaf_type,
    is_named_type,
    is_type,
)

from lango.graphql.time_slices import pause

SCHEMA, TYPE, TYPENAME = "__schema", "__type", "__typename"
Write = Callable[[Any], bytes]
Fields = dict[str, list[FieldNode]]


def introspect(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
) -> dict[str, bytes] | None:
    """The answer to an operation that asks about nothing but the schema, as JSON by response key; it pauses between two
    objects. None where its variables are not what it takes, or it is wrong otherwise: the executor says how."""
    values = get_variable_values(schema, operation.variable_definitions or (), dict(variables))
    if isinstance(values, list):
        return None
    try:
        return _Traversal(schema, fragments, values).root(operation)
    except GraphQLError:
        return None


class _Traversal:
    """The traversal of one operation."""

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], variables: Any) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables
        # How the objects under a selection are written, by the identity of its parts, which outlive the traversal.
        self._writers: dict[tuple[int, ...], Write] = {}
        self._info: Any = SimpleNamespace(schema=schema)

    def root(self, operation: OperationDefinitionNode) -> dict[str, bytes]:
        query = self._schema.query_type
        assert query is not None
        answers: dict[str, bytes] = {}
        for key, nodes in self._collected(query, [operation.selection_set]).items():
            name = nodes[0].name.value
            if name == TYPENAME:
                answers[key] = orjson.dumps(query.name)
                continue
            field = SchemaMetaFieldDef if name == SCHEMA else TypeMetaFieldDef
            arguments = get_argument_values(field, nodes[0], self._variables)
            found = self._schema if name == SCHEMA else self._schema.get_type(arguments["name"])
            answers[key] = self._value(field.type, nodes)(found)
        return answers

    def _value(self, type_: Any, nodes: Sequence[FieldNode]) -> Write:
        """How a value of that type is written, with what the nodes select of it."""
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        if isinstance(type_, GraphQLList):
            item = self._value(type_.of_type, nodes)
            return lambda values: b"null" if values is None else b"[%s]" % b",".join(map(item, values))
        if is_leaf_type(type_):
            serialize = type_.serialize
            return lambda value: b"null" if value is None else orjson.dumps(serialize(value))
        write = self._object(type_, [node.selection_set for node in nodes if node.selection_set is not None])
        return lambda value: b"null" if value is None else write(value)

    def _object(self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> Write:
        """How an object is written. A type that is met again is not described again: it has the same text."""
        key = tuple(map(id, sets))
        known = self._writers.get(key)
        if known is not None:
            return known
        members: list[tuple[bytes, Write]] = []
        texts: dict[Any, bytes] = {}

        def write(value: Any) -> bytes:
            # Equal wrappers (`String!`) are many objects with one name.
            same = (value if is_named_type(value) else str(value)) if is_type(value) else None
            text = texts.get(same) if same is not None else None
            if text is None:
                pause()
                text = b"{%s}" % b",".join([name + member(value) for name, member in members])
                if same is not None:
                    texts[same] = text
            return text

        # Before its members are looked at, for a type's fields have types.
        self._writers[key] = write
        for response_key, nodes in self._collected(type_, sets).items():
            members.append((orjson.dumps(response_key) + b":", self._member(type_, nodes)))
        return write

    def _member(self, parent: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Write:
        name = nodes[0].name.value
        if name == TYPENAME:
            text = orjson.dumps(parent.name)
            return lambda _: text
        field = parent.fields[name]
        resolve, info = field.resolve, self._info
        assert resolve is not None
        arguments = get_argument_values(field, nodes[0], self._variables)
        write = self._value(field.type, nodes)
        return lambda value: write(resolve(value, info, **arguments))

    def _collected(self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> Fields:
        found: Fields = {}
        spread: set[str] = set()
        for selections in sets:
            self._collect(type_, selections, found, spread)
        return found

    def _collect(self, type_: GraphQLObjectType, selections: SelectionSetNode, found: Fields, spread: set[str]) -> None:
        for selection in selections.selections:
            if not self._is_wanted(selection):
                continue
            if isinstance(selection, FieldNode):
                key = selection.alias.value if selection.alias else selection.name.value
                found.setdefault(key, []).append(selection)
                continue
            inner: Any = selection
            if isinstance(selection, FragmentSpreadNode):
                if selection.name.value in spread:
                    continue
                spread.add(selection.name.value)
                inner = self._fragments[selection.name.value]
            assert isinstance(inner, InlineFragmentNode | FragmentDefinitionNode)
            if inner.type_condition is None or inner.type_condition.name.value == type_.name:
                self._collect(type_, inner.selection_set, found, spread)

    def _is_wanted(self, selection: SelectionNode) -> bool:
        directives: Sequence[DirectiveNode] = selection.directives or ()
        if not directives:
            return True
        skipped = get_directive_values(GraphQLSkipDirective, selection, self._variables)
        included = get_directive_values(GraphQLIncludeDirective, selection, self._variables)
        return not (skipped and skipped["if"]) and not (included and not included["if"])
