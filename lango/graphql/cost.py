"""What an operation costs: how many objects its answer may hold, by the real values of its variables, and how long
their texts may be.

Like sizes, costs are found with one visit to each fragment: what a fragment costs is written as a number for the
fragment itself and one for each row of the connection it stands in, whatever that connection's page size is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    value_from_ast_untyped,
)

from lango.graphql.limits import HIGHEST, INTROSPECTION, fragments_of

PAGE_ARGUMENTS = ("first", "last")
INTROSPECTION_COST = 500
# An API call by a key is so many objects; at least as many calls are counted as there are root fields.
OBJECTS_PER_CALL = 100
# A root field of a mutation, besides what is read of its payload.
MUTATION_COST = 10
# One of which an operation may have no more than one: it hashes a password, say, or has a message sent.
ONCE_COST = 100
# The rows of a connection that is asked for without `first` or `last`.
DEFAULT_PAGE = 20
# What a field's metadata holds: the characters of the longest value that people may have written there. Without it
# the values are short: numbers, moments, ids.
LONGEST = "lango.longest"
# Whether an operation may have one field with this in its metadata, and no other.
ONCE = "lango.once"
DEFINITION = "strawberry-definition"
# Costs are counted in characters; an object costs as much as so many.
OBJECT_CHARACTERS = 4_000
MAX_CHARACTERS = HIGHEST * OBJECT_CHARACTERS


class SelectionCost(NamedTuple):
    """What a selection costs: once, and for each row of the connection it stands in."""

    once: int
    each: int


class Cost(NamedTuple):
    """What an operation costs, in objects, and how many root fields of a mutation it has; of these, those of which it
    may have no more than one; and how many root fields of any kind."""

    objects: int
    mutations: int
    once: int
    roots: int = 0

    @property
    def api_calls(self) -> int:
        """As how many API calls it counts that is made with a key: one for each root field, or for each hundred
        objects, whichever is more."""
        return max(1, self.roots, -(-self.objects // OBJECTS_PER_CALL))


class CostAnalysis:
    """The cost of a valid document's operations: how many objects the answer may hold.

    A field that gives an object costs 1 and what is below it; a connection its page size times its edges; `ids` their
    number; groups their `first`; another list the default page size. A text or a JSON value costs as much of an
    object as it may be long, under each of its aliases; other scalars are free. A root field of a mutation costs 10
    more, and 100 where an operation may have one alone. Each introspection field has a fixed cost.
    """

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self.schema = schema
        self.fragments = fragments_of(document)

    def of(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> Cost:
        """The cost with these values of the variables; where one is missing, its default."""
        root = self.schema.get_root_type(operation.operation)
        if root is None:
            return Cost(0, 0, 0)
        visitor = CostVisitor(self, with_defaults(operation, variables))
        mutations = once = 0
        fields = {key_of(node): node.name.value for node, _ in visitor.fields(operation.selection_set, root)}
        if operation.operation is OperationType.MUTATION:
            mutations, once = len(fields), sum(stands_once(root.fields.get(name)) for name in fields.values())
        characters = visitor.selection_set(operation.selection_set, root).once
        added = MUTATION_COST * (mutations - once) + ONCE_COST * once
        return Cost(min(characters // OBJECT_CHARACTERS + added, HIGHEST), mutations, once, len(fields))

    def roots(
        self, operation: OperationDefinitionNode, variables: Mapping[str, Any]
    ) -> Iterator[tuple[str, FieldNode]]:
        """The root fields that are run, by their response keys."""
        visitor = CostVisitor(self, with_defaults(operation, variables))
        for node, _ in visitor.fields(operation.selection_set, self.schema.get_root_type(operation.operation)):
            yield key_of(node), node

    def most_expensive(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> str | None:
        """The path of the field that costs most: of the root fields the most expensive, and so on inside it."""
        visitor = CostVisitor(self, with_defaults(operation, variables))
        selections: SelectionSetNode | None = operation.selection_set
        parent: Any = self.schema.get_root_type(operation.operation)
        path: list[str] = []
        while selections is not None:
            fields = [
                (sum(visitor.selection(node, type_)), node, type_) for node, type_ in visitor.fields(selections, parent)
            ]
            cost, node, type_ = max(fields, key=itemgetter(0), default=(0, None, None))
            if node is None or type_ is None or cost == 0:
                break
            path.append(key_of(node))
            field = type_.fields.get(node.name.value)
            selections, parent = node.selection_set if field else None, field and get_named_type(field.type)
        return ".".join(path) or None

    def deciding_variables(self, operation: OperationDefinitionNode) -> tuple[str, ...]:
        """The variables whose values the cost depends on: all others may change without computing it again."""
        declared = {definition.variable.name.value for definition in operation.variable_definitions or ()}
        return tuple(sorted(declared & deciding_names([operation, *self.fragments.values()])))


class CostVisitor:
    """Visits an operation with the values of its variables."""

    def __init__(self, analysis: CostAnalysis, variables: Mapping[str, Any]) -> None:
        self._schema = analysis.schema
        self._fragments = analysis.fragments
        self._variables = variables
        self._known: dict[str, SelectionCost] = {}

    def selection_set(self, selections: SelectionSetNode, parent: Any) -> SelectionCost:
        once = each = 0
        for selection in selections.selections:
            if selection.directives and self._is_left_out(selection):
                continue
            cost = self.selection(selection, parent)
            once, each = min(once + cost.once, MAX_CHARACTERS), min(each + cost.each, MAX_CHARACTERS)
        return SelectionCost(once, each)

    def fields(self, selections: SelectionSetNode, parent: Any) -> list[tuple[FieldNode, Any]]:
        """The fields of a selection with the types they are of, fragments written out, each fragment once."""
        found: list[tuple[FieldNode, Any]] = []
        spread: set[str] = set()
        pending: list[tuple[SelectionSetNode, Any]] = [(selections, parent)]
        while pending:
            listed, inside = pending.pop()
            for selection in listed.selections:
                if selection.directives and self._is_left_out(selection):
                    continue
                if isinstance(selection, FieldNode):
                    found.append((selection, inside))
                elif isinstance(selection, InlineFragmentNode):
                    pending.append((selection.selection_set, self._narrowed(selection, inside)))
                elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in spread:
                    spread.add(selection.name.value)
                    fragment = self._fragments[selection.name.value]
                    pending.append((fragment.selection_set, self._narrowed(fragment, inside)))
        return found

    def selection(self, selection: SelectionNode, parent: Any) -> SelectionCost:
        if isinstance(selection, FieldNode):
            return self._field(selection, parent)
        if isinstance(selection, InlineFragmentNode):
            return self.selection_set(selection.selection_set, self._narrowed(selection, parent))
        assert isinstance(selection, FragmentSpreadNode)
        name = selection.name.value
        if name not in self._known:
            fragment = self._fragments[name]
            self._known[name] = self.selection_set(fragment.selection_set, self._narrowed(fragment, parent))
        return self._known[name]

    def _narrowed(self, node: InlineFragmentNode | FragmentDefinitionNode, parent: Any) -> Any:
        return self._schema.get_type(node.type_condition.name.value) if node.type_condition else parent

    def _field(self, node: FieldNode, parent: Any) -> SelectionCost:
        name = node.name.value
        if name in INTROSPECTION:
            return SelectionCost(INTROSPECTION_COST * OBJECT_CHARACTERS, 0)
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return FREE
        field = parent.fields.get(name)
        if field is None:
            return FREE
        if node.selection_set is None:
            return SelectionCost(longest_of(field), 0)
        below = self.selection_set(node.selection_set, get_named_type(field.type))
        if any(argument in field.args for argument in PAGE_ARGUMENTS):
            size = self._page(node, field)
            if is_list(field.type):
                return SelectionCost(OBJECT_CHARACTERS + size * (OBJECT_CHARACTERS + below.once), 0)
            return SelectionCost(OBJECT_CHARACTERS + below.once + size * below.each, 0)
        single = OBJECT_CHARACTERS + below.once + DEFAULT_PAGE * below.each
        if not is_list(field.type):
            return SelectionCost(single, 0)
        if name in ("edges", "nodes") and "pageInfo" in parent.fields:
            return SelectionCost(0, single)
        count = self._length_of_ids(node) if "ids" in field.args else DEFAULT_PAGE
        return SelectionCost(count * single, 0)

    def _page(self, node: FieldNode, field: GraphQLField) -> int:
        given_sizes = [self._value(node, argument) for argument in PAGE_ARGUMENTS]
        if all(size is None for size in given_sizes):
            given_sizes = [argument.default_value for name, argument in field.args.items() if name in PAGE_ARGUMENTS]
        sizes = [max(0, int(size)) for size in given_sizes if isinstance(size, int | float)]
        return max(sizes, default=DEFAULT_PAGE)

    def _length_of_ids(self, node: FieldNode) -> int:
        ids = self._value(node, "ids")
        return len(ids) if isinstance(ids, list) else 1

    def _is_left_out(self, selection: SelectionNode) -> bool:
        for directive in selection.directives or ():
            if directive.name.value in ("skip", "include"):
                wanted = directive.name.value == "include"
                if self._value(directive, "if") is not wanted:
                    return True
        return False

    def _value(self, node: Any, argument: str) -> Any:
        for given in node.arguments or ():
            if given.name.value == argument:
                if isinstance(given.value, VariableNode):
                    return self._variables.get(given.value.name.value)
                if isinstance(given.value, ListValueNode):
                    return list(given.value.values)
                if isinstance(given.value, IntValueNode):
                    return int(given.value.value) if len(given.value.value) < 16 else HIGHEST
                return value_from_ast_untyped(given.value)
        return None


FREE = SelectionCost(0, 0)


def longest_of(field: GraphQLField) -> int:
    """The characters that a value of the field may have, where that is worth counting."""
    definition = field.extensions.get(DEFINITION)
    longest: int = 0 if definition is None else definition.metadata.get(LONGEST, 0)
    return longest


def stands_once(field: GraphQLField | None) -> bool:
    """Whether an operation may have no more than one field of its kind."""
    definition = None if field is None else field.extensions.get(DEFINITION)
    return definition is not None and bool(definition.metadata.get(ONCE))


def key_of(node: FieldNode) -> str:
    return node.alias.value if node.alias else node.name.value


def is_list(type_: Any) -> bool:
    return isinstance(type_.of_type if isinstance(type_, GraphQLNonNull) else type_, GraphQLList)


def with_defaults(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables' values as sent, and the operation's own defaults for those not sent."""
    values = dict(variables)
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        if name not in values and definition.default_value is not None:
            values[name] = value_from_ast_untyped(definition.default_value)
    return values


def deciding_names(nodes: Iterable[OperationDefinitionNode | FragmentDefinitionNode]) -> set[str]:
    """Names of the variables in page sizes, `ids`, @skip and @include."""
    names = set()
    for node in nodes:
        for selection in selections_below(node.selection_set):
            deciders = [argument for d in selection.directives or () for argument in d.arguments or ()]
            if isinstance(selection, FieldNode):
                deciders += [a for a in selection.arguments or () if a.name.value in (*PAGE_ARGUMENTS, "ids")]
            names |= {a.value.name.value for a in deciders if isinstance(a.value, VariableNode)}
    return names


def selections_below(selections: SelectionSetNode) -> Iterator[SelectionNode]:
    """Every selection inside, spreads not followed."""
    pending = list(selections.selections)
    while pending:
        selection = pending.pop()
        yield selection
        below = getattr(selection, "selection_set", None)
        if below is not None:
            pending.extend(below.selections)
