"""Documents that were parsed, measured and validated once, and are kept for whoever sends them again."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Hashable, Iterator, Mapping
from functools import cached_property, partial
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    parse,
    strip_ignored_characters,
    validate,
)
from strawberry.extensions import SchemaExtension

from lango.errors import BadUserInput, CallerError, QueryTooComplex, TimedOut
from lango.graphql.cost import Cost, CostAnalysis
from lango.graphql.limits import INTROSPECTION, EmptySelection, Limits, Sizes
from lango.graphql.permissions import Required
from lango.graphql.time_slices import Slices
from lango.graphql.validation import RULES, long_numbers
from lango.libraries.strawberry import graphql_of
from lango.lru import Lru
from lango.observability.metrics import Metrics
from lango.settings import Settings

# A syntax tree takes some hundred times the memory of its text, and a flood of large documents must not fill it.
CACHED_CHARACTERS = 2_000_000
PERSISTED_CHARACTERS = 8_000_000
REMEMBERED_COSTS = 64
MIXED_INTROSPECTION_DEPTH = 3


class InvalidDocument(Exception):
    """The document cannot be executed; `code` says at which stage that was found."""

    def __init__(self, code: str, errors: list[GraphQLError]) -> None:
        self.code = code
        self.errors = errors
        super().__init__(code)


class PersistedQueryNotFound(CallerError):
    """PersistedQueryNotFound"""

    code = "PERSISTED_QUERY_NOT_FOUND"


class Query(str):
    """The text of a document that has been parsed and validated; carries it past Strawberry's own parser."""

    __slots__ = ("document",)
    document: DocumentNode


class Prepared(SchemaExtension):
    """Hands the executor the document that is ready, so that nothing is parsed or validated twice."""

    def on_parse(self) -> Iterator[None]:
        query = self.execution_context.query
        if isinstance(query, Query):
            self.execution_context.graphql_document = query.document
            self.execution_context.validation_rules = ()
        yield


class Document:
    """A valid document with its operations."""

    def __init__(
        self, text: str, node: DocumentNode, analysis: CostAnalysis, introspective: Collection[str | None]
    ) -> None:
        """`introspective` are the names of its operations that ask about the schema."""
        self.query = Query(text)
        self.query.document = node
        self.hash = hashlib.sha256(text.encode()).hexdigest()
        self._operations = operations_of(node)
        # What a planner remembers of each operation, for as long as the document is kept.
        self.remembered: dict[str | None, Any] = {}
        self._analysis = analysis
        self._introspective = frozenset(introspective)
        self._deciders: dict[str | None, tuple[str, ...]] = {}
        self._costs: Lru[Hashable, Cost] = Lru(REMEMBERED_COSTS)
        # What each operation needs of an API key, once one has brought it.
        self.required: dict[str | None, Required] = {}

    @cached_property
    def shortest(self) -> str:
        """Its text without what means nothing: the same for those that are formatted differently."""
        return strip_ignored_characters(str(self.query))

    @property
    def fragments(self) -> Mapping[str, FragmentDefinitionNode]:
        return self._analysis.fragments

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation of that name, or the only one. Raises BadUserInput when that is not clear."""
        if name is None:
            if len(self._operations) > 1:
                raise BadUserInput("The document has several operations: say which by `operationName`.")
            return next(iter(self._operations.values()))
        try:
            return self._operations[name]
        except KeyError:
            raise BadUserInput(f"The document has no operation named {name[:100]!r}.") from None

    def asks_about_schema(self, operation: OperationDefinitionNode) -> bool:
        """Whether it asks about the schema, also among other fields."""
        return (operation.name.value if operation.name else None) in self._introspective

    def introspects(self, operation: OperationDefinitionNode) -> bool:
        """Whether it asks only about the schema: then the answer is the same for everybody."""
        fragments, seen, pending = self._analysis.fragments, set(), [operation.selection_set]
        while pending:
            for selection in pending.pop().selections:
                if isinstance(selection, FieldNode):
                    if selection.name.value not in (*INTROSPECTION, "__typename"):
                        return False
                elif isinstance(selection, InlineFragmentNode):
                    pending.append(selection.selection_set)
                elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in seen:
                    seen.add(selection.name.value)
                    pending.append(fragments[selection.name.value].selection_set)
        return True

    def cost(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> Cost:
        """What the operation costs with these values; remembered by those values that decide it."""
        name = operation.name.value if operation.name else None
        deciders = self._deciders.get(name)
        if deciders is None:
            deciders = self._deciders[name] = self._analysis.deciding_variables(operation)
        key = (name, *(decisive(variables.get(decider, MISSING)) for decider in deciders))
        cost = self._costs.get(key)
        if cost is None:
            cost = self._analysis.of(operation, variables)
            self._costs.put(key, cost)
        return cost

    def roots(
        self, operation: OperationDefinitionNode, variables: Mapping[str, Any]
    ) -> Iterator[tuple[str, FieldNode]]:
        """The root fields that are run with these values, by their response keys."""
        return self._analysis.roots(operation, variables)

    def most_expensive(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> str | None:
        """The path of the field that costs most with these values."""
        return self._analysis.most_expensive(operation, variables)


MISSING = object()


def decisive(value: Any) -> Hashable:
    """As much of a variable's value as a cost can depend on: a number with its type, a list's length."""
    if isinstance(value, list):
        return ("list", len(value))
    if isinstance(value, bool | int | float) or value is None or value is MISSING:
        return (type(value), value)
    return "other"


def operations_of(node: DocumentNode) -> dict[str | None, OperationDefinitionNode]:
    return {
        (definition.name.value if definition.name else None): definition
        for definition in node.definitions
        if isinstance(definition, OperationDefinitionNode)
    }


class Documents:
    """The documents of one schema: bounded, the one used longest ago goes first, and only valid ones are kept."""

    def __init__(self, schema: strawberry.Schema, settings: Settings, metrics: Metrics) -> None:
        self._schema = schema
        self._graphql = graphql_of(schema)
        self._settings = settings
        self._limits = Limits.of(settings)
        self._suggests = settings.introspection == "everyone"
        self._metrics = metrics
        self._documents: Lru[str, Document] = Lru(settings.document_cache, weight=CACHED_CHARACTERS)
        self._slices = Slices()
        self._persisted: Lru[str, str] = Lru(settings.document_cache, weight=PERSISTED_CHARACTERS)

    async def get(self, text: str) -> Document:
        """The document of that text; a new one is prepared in slices.

        Raises InvalidDocument, QueryTooComplex for one beyond the limits, and TimedOut.
        """
        document = self._documents.get(text)
        self._metrics.document(hit=document is not None)
        if document is None:
            find, make = partial(self._documents.get, text), partial(self.get_at_once, text)
            try:
                async with asyncio.timeout(self._settings.execution_timeout):
                    document = await self._slices.make(text, find, make)
            except TimeoutError:
                raise TimedOut from None
        return document

    def get_at_once(self, text: str) -> Document:
        """The same where nobody else waits."""
        document = self._documents.get(text)
        if document is None:
            document = self._prepare(text)
            self._documents.put(text, document, len(text))
        return document

    def persisted(self, sha256: str, text: str | None) -> str:
        """An automatic persisted query: the text kept under the hash, or the text that came with it, which is kept.

        Raises PersistedQueryNotFound, upon which Apollo's clients send the text, and BadUserInput for a wrong hash.
        """
        if text is None:
            known = self._persisted.get(sha256)
            if known is None:
                raise PersistedQueryNotFound
            return known
        if hashlib.sha256(text.encode()).hexdigest() != sha256:
            raise BadUserInput("`extensions.persistedQuery.sha256Hash` is not the SHA-256 of the query.")
        self._persisted.put(sha256, text, len(text))
        return text

    def _prepare(self, text: str) -> Document:
        try:
            node = parse(text, max_lexical_tokens=self._settings.max_tokens, max_comments=self._settings.max_tokens)
        except GraphQLError as error:
            raise InvalidDocument("GRAPHQL_PARSE_FAILED", [error]) from None
        if errors := long_numbers(text, node):
            raise InvalidDocument("BAD_USER_INPUT", errors)
        sizes = Sizes(node)
        for definition in node.definitions:
            if isinstance(definition, OperationDefinitionNode):
                try:
                    self._limits.check_size(sizes.of(definition))
                except EmptySelection as error:
                    raise InvalidDocument("GRAPHQL_PARSE_FAILED", [error]) from None
        errors = validate(self._graphql, node, RULES, hide_suggestions=not self._suggests)
        if errors:
            raise InvalidDocument("GRAPHQL_VALIDATION_FAILED", errors)
        if not any(isinstance(definition, OperationDefinitionNode) for definition in node.definitions):
            raise InvalidDocument("GRAPHQL_VALIDATION_FAILED", [GraphQLError("The document has no operation.")])
        introspective = [name for name, operation in operations_of(node).items() if sizes.of(operation).introspects]
        document = Document(text, node, CostAnalysis(self._graphql, node), introspective)
        for operation in operations_of(node).values():
            # What asks about the schema alone runs in a thread and is kept; beside others it would hold up the loop.
            if sizes.of(operation).introspection > MIXED_INTROSPECTION_DEPTH and not document.introspects(operation):
                raise QueryTooComplex("Ask about the schema in an operation of its own.")
        return document

    def check_cost(self, document: Document, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> int:
        """The operation's cost. Raises QueryTooComplex beyond the limit and for too many mutations, BadUserInput for
        several fields of which an operation may have one alone."""
        cost = document.cost(operation, variables)
        self._limits.check_once(cost.once)
        self._limits.check_mutations(cost.mutations)
        self._limits.check_cost(cost.objects, partial(document.most_expensive, operation, variables))
        return cost.objects
