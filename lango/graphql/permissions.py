"""What of the API a caller needs permissions for who calls by an API key, and the schema as such a caller may use it.

An object of a type needs `read:` and the type's name, wherever it is selected; lists, aggregates, filters and orders of
a type need the same. A mutation needs `mutate:` and its name, a subscription `subscribe:`, and with that comes what is
in their own answer: the plain fields of the objects that it gives, not what those refer to. (docs/adr/0040)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from graphql import (
    FragmentDefinitionNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    is_leaf_type,
    type_from_ast,
    visit,
)

from lango.errors import Forbidden
from lango.graphql.cost import DEFINITION
from lango.graphql.time_slices import pause
from lango.security.permissions import ALL, MUTATE, READ, SUBSCRIBE, Known, allows, missing, permission

# What a field's metadata holds: nobody needs a permission for it; only staff may use it; no API key may.
FOR_EVERY_KEY = "lango.for_every_key"
FOR_STAFF = "lango.for_staff"
IN_PERSON = "lango.in_person"
# What the types of a type's lists, aggregates and filters are called, after its own name.
PARTS = (
    "Connection", "Edge", "Aggregate", "Group", "Numbers", "Distinct", "Extremes", "ListWhere", "Where", "Order",
)  # fmt: skip


class NotPermitted(Forbidden):
    """The API key has not the permission that this needs."""

    def __init__(self, names: list[str]) -> None:
        listed = ", ".join(f"`{name}`" for name in names)
        super().__init__(f"The API key has not the permission that this needs: {listed}.", missing=names)


class NotByKey(Forbidden):
    """No API key may do this: sign in yourself."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No API key may do `{name}`: sign in yourself.")


@dataclass(slots=True)
class Required:
    """What an operation needs."""

    permissions: set[str] = field(default_factory=set)
    # The mutations that no key may do.
    in_person: set[str] = field(default_factory=set)
    # Its variables that may hold filters, with their types: what those need, their values decide.
    variables: dict[str, Any] = field(default_factory=dict)


class Permissions:
    """What the parts of a schema need."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        roots = (schema.mutation_type, schema.subscription_type)
        given = [get_named_type(each.type) for root in roots if root is not None for each in root.fields.values()]
        self._payloads = frozenset(each.name for each in given)

    @cached_property
    def known(self) -> Known:
        """Every permission there is."""
        kinds = [each for each in self.schema.type_map.values() if isinstance(each, GraphQLObjectType)]
        fields = [(kind, name, each) for kind in kinds for name, each in kind.fields.items() if kind.name[:2] != "__"]
        needed = {self.of_field(*each) for each in fields if not has(each[2], IN_PERSON)}
        return Known(frozenset(each for each in needed if each is not None))

    def of(self, operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> Required:
        """What a valid operation needs, whatever its @skip and @include come to."""
        required = Required()
        pending, seen = [operation], set[str]()
        while pending:
            collector = _Collector(self, required, TypeInfo(self.schema))
            visit(pending.pop(), TypeInfoVisitor(collector.types, collector))
            for name in collector.spread - seen:
                seen.add(name)
                pending.append(fragments[name])  # type: ignore[arg-type]
        for definition in operation.variable_definitions or ():
            kind = type_from_ast(self.schema, definition.type)
            if isinstance(get_named_type(kind), GraphQLInputObjectType):
                required.variables[definition.variable.name.value] = kind
        return required

    def check(self, required: Required, variables: Mapping[str, Any], granted: Collection[str]) -> None:
        """Raises NotByKey, and NotPermitted, which names what is missing."""
        for name in sorted(required.in_person):
            raise NotByKey(name)
        wanted = set(required.permissions)
        for name, kind in required.variables.items():
            wanted |= set(self._of_value(variables.get(name), kind))
        if lacking := missing(granted, wanted):
            raise NotPermitted(lacking)

    def of_field(self, parent: GraphQLNamedType, name: str, definition: GraphQLField) -> str | None:
        """The permission that a field needs; None for one that needs none."""
        if parent is self.schema.mutation_type:
            return permission(MUTATE, name)
        if parent is self.schema.subscription_type:
            return permission(SUBSCRIBE, name)
        kind = get_named_type(definition.type)
        if parent.name in self._payloads or has(definition, FOR_EVERY_KEY):
            return None
        if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
            return permission(READ, ALL)
        if is_leaf_type(kind):
            return permission(READ, ALL) if parent is self.schema.query_type else None
        subject = self._subject(kind.name)
        # What is no object by itself, a page's info or a day's numbers, comes with what it is in.
        by_itself = self._is_object(subject) or parent is self.schema.query_type or self._is_object(parent.name)
        return permission(READ, subject) if by_itself else None

    def of_input(self, kind: Any) -> str | None:
        """The permission that a value of an input type needs: of a filter or an order, that of what it is about."""
        name = get_named_type(kind).name
        subject = self._subject(name)
        return permission(READ, subject) if subject != name else None

    def _of_value(self, value: Any, kind: Any) -> Iterator[str]:
        """What the value of a variable needs. It has not been looked at: what is not right, the executor refuses."""
        if isinstance(kind, GraphQLNonNull):
            kind = kind.of_type
        if isinstance(kind, GraphQLList):
            for each in value if isinstance(value, list) else [value]:
                yield from self._of_value(each, kind.of_type)
        elif isinstance(kind, GraphQLInputObjectType) and isinstance(value, dict):
            if (needed := self.of_input(kind)) is not None:
                yield needed
            for name, inner in value.items():
                if name in kind.fields:
                    yield from self._of_value(inner, kind.fields[name].type)

    def _subject(self, name: str) -> str:
        """The type whose objects a type is, has, counts or filters."""
        for part in PARTS:
            if name.endswith(part) and self._is_object(name.removesuffix(part)):
                return name.removesuffix(part)
        return name

    def _is_object(self, name: str) -> bool:
        found = self.schema.type_map.get(name)
        return isinstance(found, GraphQLObjectType) and bool(found.interfaces)

    def shown(self, granted: Collection[str], *, to_staff: bool) -> GraphQLSchema:
        """The schema without what these permissions do not reach; it pauses between two types."""
        return _Shown(self, granted, to_staff=to_staff).schema()


def has(definition: GraphQLField, fact: str) -> bool:
    """Whether a field's metadata says so."""
    made_of = definition.extensions.get(DEFINITION)
    return made_of is not None and bool(made_of.metadata.get(fact))


class _Collector(Visitor):
    """Collects what the fields and the arguments of a definition need."""

    def __init__(self, permissions: Permissions, required: Required, types: TypeInfo) -> None:
        super().__init__()
        self._permissions = permissions
        self._required = required
        self.types = types
        self.spread: set[str] = set()

    def enter_field(self, node: Any, *_: Any) -> None:
        pause()
        parent, definition = self.types.get_parent_type(), self.types.get_field_def()
        name = node.name.value
        if parent is None or definition is None or name.startswith("__"):
            return
        if has(definition, IN_PERSON):
            self._required.in_person.add(name)
        elif (needed := self._permissions.of_field(parent, name, definition)) is not None:
            self._required.permissions.add(needed)

    def enter_fragment_spread(self, node: Any, *_: Any) -> None:
        self.spread.add(node.name.value)

    def enter_object_value(self, *_: Any) -> None:
        self._collect_input()

    def enter_variable(self, *_: Any) -> None:
        self._collect_input()

    def _collect_input(self) -> None:
        kind = self.types.get_input_type()
        if isinstance(get_named_type(kind), GraphQLInputObjectType):
            needed = self._permissions.of_input(kind)
            if needed is not None:
                self._required.permissions.add(needed)


class _Shown:
    """Copies a schema, without what is not to be shown."""

    def __init__(self, permissions: Permissions, granted: Collection[str], *, to_staff: bool) -> None:
        self._permissions = permissions
        self._granted = granted
        self._to_staff = to_staff
        self._types: dict[str, Any] = {}

    def schema(self) -> GraphQLSchema:
        whole = self._permissions.schema
        roots = [self._type(root) for root in (whole.query_type, whole.mutation_type, whole.subscription_type) if root]
        query, *others = [root for root in roots if root.fields]
        named = {each.name: each for each in others}
        return GraphQLSchema(
            query,
            named.get(whole.mutation_type.name) if whole.mutation_type else None,
            named.get(whole.subscription_type.name) if whole.subscription_type else None,
            directives=whole.directives,
            description=whole.description,
            extensions=whole.extensions,
        )

    def _type(self, kind: Any) -> Any:
        if isinstance(kind, GraphQLNonNull):
            return GraphQLNonNull(self._type(kind.of_type))
        if isinstance(kind, GraphQLList):
            return GraphQLList(self._type(kind.of_type))
        if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            return kind
        copied = self._types.get(kind.name)
        if copied is None:
            given: dict[str, Any] = {**kind.to_kwargs()}
            if isinstance(kind, GraphQLInputObjectType):
                given["fields"] = partial(self._inputs, kind)
            else:
                given |= {"fields": partial(self._fields, kind), "interfaces": partial(self._all, kind.interfaces)}
            copied = self._types[kind.name] = type(kind)(**given)
        return copied

    def _all(self, kinds: Any) -> list[Any]:
        return [self._type(each) for each in kinds]

    def _fields(self, kind: Any) -> dict[str, GraphQLField]:
        pause()
        found = {}
        for name, each in kind.fields.items():
            if self._is_shown(kind, name, each):
                arguments = {
                    argument: GraphQLArgument(**(given.to_kwargs() | {"type_": self._type(given.type)}))
                    for argument, given in each.args.items()
                }
                found[name] = GraphQLField(**(each.to_kwargs() | {"type_": self._type(each.type), "args": arguments}))
        return found

    def _inputs(self, kind: GraphQLInputObjectType) -> dict[str, Any]:
        pause()
        found = {}
        for name, each in kind.fields.items():
            needed = self._permissions.of_input(each.type)
            if needed is None or allows(self._granted, needed):
                found[name] = type(each)(**(each.to_kwargs() | {"type_": self._type(each.type)}))
        return found

    def _is_shown(self, parent: Any, name: str, definition: GraphQLField) -> bool:
        if has(definition, IN_PERSON) or (has(definition, FOR_STAFF) and not self._to_staff):
            return False
        needed = self._permissions.of_field(parent, name, definition)
        return needed is None or allows(self._granted, needed)
