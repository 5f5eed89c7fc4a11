"""What an operation selects, and with which arguments, as the planner reads it: deferred where a request decides."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    VariableValues,
    get_argument_values,
)
from strawberry import UNSET

from gql.kit.deferred_values import DeferredValue, NotPlanned, PlanConditions, RequestValues
from gql.kit.planner.variables import types_of

ABSENT, NULL, VALUE = "absent", "null", "value"
DEFINITION = "strawberry-definition"

Fields = dict[str, list[FieldNode]]


class Selections:
    """Collects the fields of a valid document's selections as the executor does: merged, fragments written out."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
        conditions: PlanConditions,
    ) -> None:
        self.schema = schema
        self._fragments = fragments
        self._variables = VariableValues(NoVariableSources(), DeferredVariables(schema, operation, conditions))  # type: ignore[arg-type]

    def type(self, name: str) -> GraphQLObjectType:
        found = self.schema.get_type(name)
        assert isinstance(found, GraphQLObjectType)
        return found

    def fields(self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode | None]) -> Fields:
        """The fields under those selection sets of an object, by response key in the order of the answer."""
        found: Fields = {}
        spread: set[str] = set()
        for selections in sets:
            if selections is not None:
                self._collect(type_, selections, found, spread)
        return found

    def below(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Fields:
        """The fields under a field, which may stand in the document several times."""
        return self.fields(type_, [node.selection_set for node in nodes])

    def arguments(self, field: GraphQLField, node: FieldNode) -> dict[str, Any]:
        """The field's arguments as its resolver would get them."""
        if not node.arguments and not field.args:
            return {}
        values = get_argument_values(field, node, self._variables)
        named = {name: argument.extensions[DEFINITION].python_name for name, argument in field.args.items()}
        return {named[name]: converted(field.args[name].type, value) for name, value in values.items()}

    def _collect(self, type_: GraphQLObjectType, selections: SelectionSetNode, found: Fields, spread: set[str]) -> None:
        for selection in selections.selections:
            if selection.directives and not self._is_wanted(selection):
                continue
            if isinstance(selection, FieldNode):
                key = selection.alias.value if selection.alias else selection.name.value
                found.setdefault(key, []).append(selection)
                continue
            inner: InlineFragmentNode | FragmentDefinitionNode
            if isinstance(selection, FragmentSpreadNode):
                if selection.name.value in spread:
                    continue
                spread.add(selection.name.value)
                inner = self._fragments[selection.name.value]
            else:
                assert isinstance(selection, InlineFragmentNode)
                inner = selection
            if self._applies(inner, type_):
                self._collect(type_, inner.selection_set, found, spread)

    def _applies(self, node: InlineFragmentNode | FragmentDefinitionNode, type_: GraphQLObjectType) -> bool:
        if node.type_condition is None:
            return True
        name = node.type_condition.name.value
        return name == type_.name or any(interface.name == name for interface in type_.interfaces)

    def _is_wanted(self, selection: SelectionNode) -> bool:
        for directive in selection.directives or ():
            if directive.name.value not in ("skip", "include"):
                raise NotPlanned
            (condition,) = directive.arguments or ()
            value = condition.value
            if isinstance(value, VariableNode):
                given = self._variables.coerced[value.name.value]
                is_true = given.decide() if isinstance(given, DeferredValue) else given
            else:
                is_true = value.value  # type: ignore[attr-defined]
            if is_true is None:
                raise NotPlanned
            if is_true is not (directive.name.value == "include"):
                return False
        return True


class NoVariableSources(dict[str, Any]):
    """Where the library would look for a variable inside a JSON literal: it cannot write a deferred value into text."""

    def __getitem__(self, name: str) -> Any:
        raise NotPlanned

    def get(self, *_: Any) -> Any:
        raise NotPlanned

    def __contains__(self, _: object) -> bool:
        raise NotPlanned


class DeferredVariables(Mapping[str, Any]):
    """The variables of an operation: deferred values, inside the structure that the first request gave them.

    Whether a variable is there or null, and which fields an input object has, are conditions of the plan.
    """

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode, conditions: PlanConditions) -> None:
        self._conditions = conditions
        self._types = types_of(schema, operation)
        self._known: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = self._read(name, self._types[name])
        value = self._known[name]
        if value is ABSENT:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)

    def _read(self, name: str, type_: Any) -> Any:
        deferred = DeferredValue(lambda given: given.variables[name], self._conditions)
        if isinstance(type_, GraphQLNonNull) and not is_structured(type_):
            return deferred

        def shape(given: RequestValues) -> Hashable:
            return shape_of(given.variables[name], type_) if name in given.variables else ABSENT

        return with_deferred(self._conditions.evaluate(shape), type_, deferred)


def is_structured(type_: Any) -> bool:
    """Whether values of the type have input objects in them."""
    while isinstance(type_, GraphQLNonNull | GraphQLList):
        type_ = type_.of_type
    return isinstance(type_, GraphQLInputObjectType)


def shape_of(value: Any, type_: Any) -> Hashable:
    """A value without its leaves: the fields of objects, the length of lists of objects, and where null is."""
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    if value is None:
        return NULL
    if not is_structured(type_):
        return VALUE
    if isinstance(type_, GraphQLList):
        return tuple(shape_of(item, type_.of_type) for item in value)
    return tuple((key, shape_of(item, type_.fields[key].type)) for key, item in value.items())


def with_deferred(shape: Any, type_: Any, deferred: DeferredValue) -> Any:
    """A value of that shape with deferred values for leaves."""
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    if shape is ABSENT:
        return ABSENT
    if shape is NULL:
        return None
    if shape is VALUE:
        return deferred
    if isinstance(type_, GraphQLList):
        return [with_deferred(item, type_.of_type, deferred.then(_at(index))) for index, item in enumerate(shape)]
    return {key: with_deferred(item, type_.fields[key].type, deferred.then(_at(key))) for key, item in shape}


def _at(key: Any) -> Any:
    return lambda value: value[key]


def converted(type_: Any, value: Any) -> Any:
    """An argument's value with its input objects as the classes that Strawberry makes of them."""
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    if value is None or isinstance(value, DeferredValue) or not is_structured(type_):
        return value
    if isinstance(type_, GraphQLList):
        return [converted(type_.of_type, item) for item in value]
    made = type_.extensions[DEFINITION].origin
    fields = {name: (field.extensions[DEFINITION].python_name, field.type) for name, field in type_.fields.items()}
    missing = {python_name: UNSET for python_name, _ in fields.values()}
    return made(**missing | {fields[name][0]: converted(fields[name][1], item) for name, item in value.items()})
