"""Plans, made once for all requests that ask alike, and found again by the questions that their making asked."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

import orjson
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
)
from sqlalchemy import Select

from gql.kit.deferred_values import Given, Questions, Read, Slot
from gql.kit.planner.builder import PLAN, Builder
from gql.kit.planner.fields import parts_of
from gql.kit.planner.members import Meaning, meaning
from gql.kit.planner.selections import DEFINITION, Selections
from gql.kit.planner.statements import Statement, compiled
from lango.actor import DatabaseRole
from lango.errors import CallerError
from lango.graphql.documents import Document
from lango.graphql.time_slices import Slices
from lango.lru import Lru
from lango.observability.metrics import Metrics
from models.base import Base

# The characters of SQL that are kept, for the largest statements are some hundred thousand long.
KEPT_CHARACTERS = 16_000_000
# A hole keeps the syntax tree of its document, which takes a hundred times the memory of the text.
WEIGHT_OF_A_TREE = 100
# What asks more often than this is planned each time: its questions would drive out the plans of others.
MOST_QUESTIONS = 64


@dataclass(frozen=True, slots=True)
class Root:
    """A root field of an operation: its statement, or its JSON where that is the same for everybody.

    It has neither where the ordinary executor answers it.
    """

    key: str
    statement: Statement | None = None
    constant: bytes | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How an operation is answered, field by field in the order of the answer."""

    roots: tuple[Root, ...]

    def weight(self, document: Document) -> int:
        """The characters that it keeps in memory."""
        statements = list({id(root.statement): root.statement for root in self.roots if root.statement}.values())
        trees = WEIGHT_OF_A_TREE * len(document.query) if any(statement.holes for statement in statements) else 0
        return trees + sum(len(statement.sql) for statement in statements) + 1


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a request on the way to its plan; the answers stand under its number."""

    number: int
    read: Read


class Plans:
    """The plans of one schema: bounded, the one used longest ago goes first.

    Under an operation stands the first question that its planning asked of a request; under the operation and the
    answer stands the next one, and in the end the plan.
    """

    def __init__(
        self, schema: GraphQLSchema, size: int, metrics: Metrics | None = None, *, marks_all: bool = False
    ) -> None:
        self.schema = schema
        self._marks_all = marks_all
        self._metrics = metrics
        self._kept: Lru[Hashable, Question | Plan] = Lru(size, weight=KEPT_CHARACTERS)
        self._numbers = count()
        self._slices = Slices()

    async def of_operation(
        self, document: Document, operation: OperationDefinitionNode, role: DatabaseRole, given: Given
    ) -> Plan:
        """The plan of a query; a new one is made in slices. Raises CallerError for a value that no plan can be chosen
        by."""
        start = _start(document, operation, role)
        found = self._known(start, given)
        if found is None:
            make = partial(self.of_operation_at_once, document, operation, role, given)
            found = await self._slices.make(start, partial(self._find, start, given), make)
        return found

    def of_operation_at_once(
        self, document: Document, operation: OperationDefinitionNode, role: DatabaseRole, given: Given
    ) -> Plan:
        """The same where nobody else waits."""
        make = partial(self._operation, document.fragments, operation, role)
        return self._make(_start(document, operation, role), document, given, make)

    async def of_object(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        role: DatabaseRole,
        given: Given,
        model: type[Base],
        nodes: Sequence[FieldNode],
        path: Hashable,
    ) -> Plan:
        """The plan of an object that a mutation made, whose key will be given; `path` tells where it stands."""
        start = (*_start(document, operation, role), path)
        found = self._known(start, given)
        if found is None:
            make = partial(self.of_object_at_once, document, operation, role, given, model, nodes, path)
            found = await self._slices.make(start, partial(self._find, start, given), make)
        return found

    def of_object_at_once(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        role: DatabaseRole,
        given: Given,
        model: type[Base],
        nodes: Sequence[FieldNode],
        path: Hashable,
    ) -> Plan:
        """The same where nobody else waits."""
        make = partial(self._object, document.fragments, operation, role, model, nodes)
        return self._make((*_start(document, operation, role), path), document, given, make)

    def _known(self, start: Hashable, given: Given) -> Plan | None:
        """The plan that is kept for such a request."""
        found = self._find(start, given)
        if self._metrics is not None:
            self._metrics.plan(hit=found is not None)
        return found

    def _find(self, start: Hashable, given: Given) -> Plan | None:
        found = self._kept.get(start)
        while isinstance(found, Question):
            found = self._kept.get((found.number, found.read(given)))
        return found

    def _make(self, start: Hashable, document: Document, given: Given, make: Callable[[Questions], Plan]) -> Plan:
        questions = Questions(given)
        plan = make(questions)
        questions.close()
        if len(questions.asked) <= MOST_QUESTIONS:
            self._keep(start, questions, plan, plan.weight(document))
        return plan

    def _keep(self, start: Hashable, questions: Questions, plan: Plan, weight: int) -> None:
        key = start
        for read, answer in questions.asked:
            known = self._kept.get(key)
            question = known if isinstance(known, Question) else Question(next(self._numbers), read)
            self._kept.put(key, question)
            key = (question.number, answer)
        self._kept.put(key, plan, weight)

    def _operation(
        self,
        fragments: Mapping[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
        role: DatabaseRole,
        questions: Questions,
    ) -> Plan:
        query = self.schema.query_type
        assert query is not None
        selections = Selections(self.schema, fragments, operation, questions)
        roots: dict[str, Root] = {}
        alike: dict[Meaning, Root] = {}
        for key, nodes in selections.fields(query, [operation.selection_set]).items():
            known = alike.get(meaning(nodes))
            if known is None:
                known = alike[meaning(nodes)] = self._root(selections, questions, role, query, key, nodes)
            # Under another key the same statement answers, and is run once.
            roots[key] = replace(known, key=key)
        return Plan(tuple(roots.values()))

    def _root(
        self,
        selections: Selections,
        questions: Questions,
        role: DatabaseRole,
        query: GraphQLObjectType,
        key: str,
        nodes: Sequence[FieldNode],
    ) -> Root:
        name = nodes[0].name.value
        if name == "__typename":
            return Root(key, constant=orjson.dumps(query.name))
        field = query.fields.get(name)
        plan = field and field.extensions[DEFINITION].metadata.get(PLAN)
        if plan is None:
            return Root(key)
        builder = Builder(selections, questions, staff=role is DatabaseRole.STAFF, marks_all=self._marks_all)
        try:
            statement: Select[Any] = plan(builder, query, nodes)
        except (CallerError, GraphQLError):
            # What is wrong with the field the ordinary executor says, in its place.
            return Root(key)
        return Root(key, compiled(statement, role, builder.holes, builder.presented))

    def _object(
        self,
        fragments: Mapping[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
        role: DatabaseRole,
        model: type[Base],
        nodes: Sequence[FieldNode],
        questions: Questions,
    ) -> Plan:
        selections = Selections(self.schema, fragments, operation, questions)
        builder = Builder(selections, questions, staff=role is DatabaseRole.STAFF, marks_all=self._marks_all)
        key = Slot(lambda given: given.key, questions)
        try:
            statement = builder.one(model, parts_of(model, key), nodes)
        except (CallerError, GraphQLError):
            return Plan(())
        return Plan((Root("", compiled(statement, role, builder.holes)),))


def _start(document: Document, operation: OperationDefinitionNode, role: DatabaseRole) -> tuple[Hashable, ...]:
    return document.hash, operation.name.value if operation.name else None, role
