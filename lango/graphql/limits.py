"""How large an operation may be: its depth, fields and aliases before it is validated, its cost before it runs.

Each fragment is visited once, so the work grows with the document and not with what its spreads multiply to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)

from lango.errors import BadUserInput, QueryTooComplex
from lango.settings import Settings

INTROSPECTION = ("__schema", "__type")
# What tools ask of `__schema` goes through ten times ofType; a document that a person writes stays far below.
INTROSPECTION_DEPTH = 30
# The whole schema is some megabytes: once is enough for every tool, and many times would be an attack.
MAX_SCHEMAS, MAX_TYPES = 1, 10
HIGHEST = 2**53 - 1


class EmptySelection(GraphQLError):
    """Syntax Error: Expected Name, found '}'."""

    def __init__(self, selections: SelectionSetNode) -> None:
        super().__init__(str(type(self).__doc__), selections)


class Size(NamedTuple):
    """What a selection comes to with its fragments written out; `introspection` is the depth below `__schema`."""

    depth: int = 0
    introspection: int = 0
    fields: int = 0
    aliases: int = 0
    schemas: int = 0
    types: int = 0

    @property
    def introspects(self) -> bool:
        """Whether it asks about the schema."""
        return bool(self.schemas or self.types)


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one operation."""

    depth: int
    fields: int
    aliases: int
    cost: int
    mutations: int

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        return cls(
            settings.max_depth, settings.max_fields, settings.max_aliases, settings.max_cost, settings.max_mutations
        )

    def check_size(self, size: Size) -> None:
        """Raises QueryTooComplex for what is over its limit, with both numbers."""
        for what, requested, limit in (
            ("depth", size.depth, self.depth),
            ("depth of introspection", size.introspection, INTROSPECTION_DEPTH),
            ("number of fields", size.fields, self.fields),
            ("number of aliases", size.aliases, self.aliases),
            ("number of `__schema`", size.schemas, MAX_SCHEMAS),
            ("number of `__type`", size.types, MAX_TYPES),
        ):
            if requested > limit:
                raise QueryTooComplex(
                    f"The operation's {what} is {requested}; at most {limit} is allowed. "
                    "Ask for less, or send several operations.",
                    limit=limit,
                    requested=requested,
                )

    def check_once(self, fields: int) -> None:
        """Raises BadUserInput for more than one field of those that are tried one at a time."""
        if fields > 1:
            raise BadUserInput(
                f"The operation has {fields} fields of which it may have one alone (signing in, asking for a code): "
                "send an operation for each.",
                limit=1,
                requested=fields,
            )

    def check_mutations(self, mutations: int) -> None:
        """Raises QueryTooComplex for more mutations than one request may have, each under an alias."""
        if mutations > self.mutations:
            raise QueryTooComplex(
                f"The request has {mutations} mutations; at most {self.mutations} are allowed. Send several requests.",
                limit=self.mutations,
                requested=mutations,
            )

    def check_cost(self, cost: int, most_expensive: Callable[[], str | None]) -> None:
        """Raises QueryTooComplex with the cost, its limit, and the path of the `most_expensive` field."""
        if cost > self.cost:
            path = most_expensive()
            most = f" The most expensive field is `{path}`." if path else ""
            raise QueryTooComplex(
                f"The operation costs {cost} objects; at most {self.cost} are allowed.{most} Ask for smaller pages "
                "(`first`) of the outer lists, for fewer lists inside one another, or for fewer long texts and JSON "
                "values.",
                cost={"requested": cost, "limit": self.cost},
                **({"field": path} if path else {}),
            )


class Sizes:
    """Sizes of a document's operations. Safe before validation: unknown fragments are empty, cycles end."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = fragments_of(document)
        self._known: dict[str, Size] = {}

    def of(self, operation: OperationDefinitionNode) -> Size:
        """Raises EmptySelection, and QueryTooComplex where fragments nest too deeply to be visited."""
        try:
            return self._selection_set(operation.selection_set)
        except RecursionError:
            raise QueryTooComplex("The operation's fragments are nested too deeply.") from None

    def _selection_set(self, selections: SelectionSetNode) -> Size:
        if not selections.selections:
            # The parser lets it pass; to the specification it is an error of syntax.
            raise EmptySelection(selections)
        total = EMPTY
        for selection in selections.selections:
            size = self._selection(selection)
            deepest = (max(total.depth, size.depth), max(total.introspection, size.introspection))
            total = Size(*deepest, *(min(sum(pair), HIGHEST) for pair in zip(total[2:], size[2:], strict=True)))
        return total

    def _selection(self, selection: SelectionNode) -> Size:
        if isinstance(selection, FieldNode):
            below = self._selection_set(selection.selection_set) if selection.selection_set else EMPTY
            fields, aliases = below.fields + 1, below.aliases + (selection.alias is not None)
            if selection.name.value in INTROSPECTION:
                named = selection.name.value
                return Size(1, below.depth + 1, fields, aliases, int(named == "__schema"), int(named == "__type"))
            return Size(below.depth + 1, below.introspection, fields, aliases, below.schemas, below.types)
        if isinstance(selection, InlineFragmentNode):
            return self._selection_set(selection.selection_set)
        assert isinstance(selection, FragmentSpreadNode)
        name = selection.name.value
        if name not in self._known:
            fragment = self._fragments.get(name)
            # A fragment that is met again inside itself is empty here; validation refuses the cycle.
            self._known[name] = EMPTY
            if fragment is not None:
                self._known[name] = self._selection_set(fragment.selection_set)
        return self._known[name]


EMPTY = Size()


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
