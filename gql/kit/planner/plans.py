"""Plans, each made once for all requests that are alike, and found again by their conditions."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any, TypeVar

import orjson
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    get_named_type,
)
from sqlalchemy import Select

from gql.kit.deferred_values import DeferredValue, NotPlanned, PlanConditions, Read, RequestValues
from gql.kit.planner.builder import MUTATION, PLAN, Builder
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

AnyPlan = TypeVar("AnyPlan", bound="Plan | MutationPlan")
# The characters of SQL that are kept, for the largest statements are some hundred thousand long.
KEPT_CHARACTERS = 16_000_000
# A placeholder keeps the syntax tree of its document, which takes a hundred times the memory of the text.
WEIGHT_OF_A_TREE = 100
# What has more conditions than this is planned each time: they would evict the plans of others.
MAX_CONDITIONS = 64


@dataclass(frozen=True, slots=True)
class Root:
    """A root field of an operation: its statement, or its JSON where that is the same for everybody.

    It has neither where the ordinary executor answers it.
    """

    key: str
    statement: Statement | None = None
    constant: bytes | None = None
    # Of a payload's row: the result of the rule, and its model.
    name: str = ""
    model: type[Base] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How an operation is answered, field by field in the order of the answer."""

    roots: tuple[Root, ...]

    def weight(self, document: Document) -> int:
        """The characters that it keeps in memory."""
        statements = list({id(root.statement): root.statement for root in self.roots if root.statement}.values())
        trees = WEIGHT_OF_A_TREE * len(document.query) if any(statement.placeholders for statement in statements) else 0
        return trees + sum(len(statement.sql) for statement in statements) + 1


@dataclass(frozen=True, slots=True)
class MutationPlan:
    """How an operation of one mutation is answered: its input, with deferred values in it, and its payload's fields.

    Without a mutation the ordinary executor answers it.
    """

    key: str = ""
    mutation: Any = None
    input: Any = None
    roots: tuple[Root, ...] = ()

    def weight(self, document: Document) -> int:
        """The characters that it keeps in memory."""
        statements = [root.statement.sql for root in self.roots if root.statement is not None]
        return WEIGHT_OF_A_TREE * len(document.query) + sum(map(len, statements))


@dataclass(frozen=True, slots=True)
class Condition:
    """What is read of a request on the way to its plan; the next step is kept under its number and the value."""

    number: int
    read: Read


class Plans:
    """The plans of one schema: bounded, the one used longest ago goes first.

    Under an operation stands its first condition; under that condition and a request's value for it stands the next
    one, and in the end the plan.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        size: int,
        metrics: Metrics | None = None,
        *,
        marks_all: bool = False,
        audits_reads: bool = True,
    ) -> None:
        self.schema = schema
        self._marks_all = marks_all
        self._audits_reads = audits_reads
        self._metrics = metrics
        self._kept: Lru[Hashable, Condition | Plan | MutationPlan] = Lru(size, weight=KEPT_CHARACTERS)
        self._numbers = count()
        self._slices = Slices()

    async def of_operation(
        self, document: Document, operation: OperationDefinitionNode, role: DatabaseRole, given: RequestValues
    ) -> Plan:
        """The plan of a query; a new one is made in slices. Raises CallerError for a value that no plan can be chosen
        by."""
        start = _start(document, operation, role)
        found: Plan | None = self._known(start, given)
        if found is None:
            make = partial(self.of_operation_at_once, document, operation, role, given)
            return await self._slices.make(start, partial(self._find, start, given), make)
        return found

    def of_operation_at_once(
        self, document: Document, operation: OperationDefinitionNode, role: DatabaseRole, given: RequestValues
    ) -> Plan:
        """The same where nobody else waits."""
        make = partial(self._operation, document.fragments, operation, role)
        return self._make(_start(document, operation, role), document, given, make)

    async def of_object(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        role: DatabaseRole,
        given: RequestValues,
        model: type[Base],
        nodes: Sequence[FieldNode],
        path: Hashable,
    ) -> Plan:
        """The plan of an object that a mutation made, whose key will be given; `path` tells where it stands."""
        start = (*_start(document, operation, role), path)
        found: Plan | None = self._known(start, given)
        if found is None:
            make = partial(self.of_object_at_once, document, operation, role, given, model, nodes, path)
            return await self._slices.make(start, partial(self._find, start, given), make)
        return found

    async def of_mutation(
        self, document: Document, operation: OperationDefinitionNode, role: DatabaseRole, given: RequestValues
    ) -> MutationPlan:
        """The plan of a mutation, where it needs no executor. Raises as `of_operation` does."""
        start = _start(document, operation, role)
        found: MutationPlan | None = self._known(start, given)
        if found is None:
            about = partial(self._mutation, document.fragments, operation, role)
            make = partial(self._make, start, document, given, about)
            return await self._slices.make(start, partial(self._find, start, given), make)
        return found

    async def of_payload(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        role: DatabaseRole,
        given: RequestValues,
        payload: GraphQLObjectType,
        models: Mapping[str, type[Base]],
        nodes: Sequence[FieldNode],
        path: Hashable,
    ) -> Plan:
        """The plan of the rows in a mutation's payload, by the names of whose fields their models are known; the key of
        each will be given. `path` tells where the mutation stands."""
        start = (*_start(document, operation, role), path, payload.name)
        found: Plan | None = self._known(start, given)
        if found is None:

            def make() -> Plan:
                about = partial(self._payload, document.fragments, operation, role, payload, models, nodes)
                return self._make(start, document, given, about)

            return await self._slices.make(start, partial(self._find, start, given), make)
        return found

    def of_object_at_once(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        role: DatabaseRole,
        given: RequestValues,
        model: type[Base],
        nodes: Sequence[FieldNode],
        path: Hashable,
    ) -> Plan:
        """The same where nobody else waits."""
        make = partial(self._object, document.fragments, operation, role, model, nodes)
        return self._make((*_start(document, operation, role), path), document, given, make)

    def _known(self, start: Hashable, given: RequestValues) -> Any:
        """The plan that is kept for such a request."""
        found = self._find(start, given)
        if self._metrics is not None:
            self._metrics.plan(hit=found is not None)
        return found

    def _find(self, start: Hashable, given: RequestValues) -> Any:
        found = self._kept.get(start)
        while isinstance(found, Condition):
            found = self._kept.get((found.number, found.read(given)))
        return found

    def _make(
        self, start: Hashable, document: Document, given: RequestValues, make: Callable[[PlanConditions], AnyPlan]
    ) -> AnyPlan:
        conditions = PlanConditions(given)
        plan = make(conditions)
        conditions.close()
        if len(conditions.answers) <= MAX_CONDITIONS:
            self._keep(start, conditions, plan, plan.weight(document))
        return plan

    def _keep(self, start: Hashable, conditions: PlanConditions, plan: Plan | MutationPlan, weight: int) -> None:
        key = start
        for read, answer in conditions.answers:
            known = self._kept.get(key)
            condition = known if isinstance(known, Condition) else Condition(next(self._numbers), read)
            self._kept.put(key, condition)
            key = (condition.number, answer)
        self._kept.put(key, plan, weight)

    def _operation(
        self,
        fragments: Mapping[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
        role: DatabaseRole,
        conditions: PlanConditions,
    ) -> Plan:
        query = self.schema.query_type
        assert query is not None
        selections = Selections(self.schema, fragments, operation, conditions)
        roots: dict[str, Root] = {}
        alike: dict[Meaning, Root] = {}
        for key, nodes in selections.fields(query, [operation.selection_set]).items():
            known = alike.get(meaning(nodes))
            if known is None:
                known = alike[meaning(nodes)] = self._root(selections, conditions, role, query, key, nodes)
            # Under another key the same statement answers, and is run once.
            roots[key] = replace(known, key=key)
        return Plan(tuple(roots.values()))

    def _root(
        self,
        selections: Selections,
        conditions: PlanConditions,
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
        builder = Builder(selections, conditions, staff=role is DatabaseRole.STAFF, marks_all=self._marks_all)
        try:
            statement: Select[Any] = plan(builder, query, nodes)
        except (CallerError, GraphQLError):
            # What is wrong with the field the ordinary executor says, in its place.
            return Root(key)
        return Root(key, compiled(statement, role, builder, audits=self._audits_reads))

    def _object(
        self,
        fragments: Mapping[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
        role: DatabaseRole,
        model: type[Base],
        nodes: Sequence[FieldNode],
        conditions: PlanConditions,
    ) -> Plan:
        selections = Selections(self.schema, fragments, operation, conditions)
        builder = Builder(selections, conditions, staff=role is DatabaseRole.STAFF, marks_all=self._marks_all)
        key = DeferredValue(lambda given: given.key, conditions)
        try:
            statement = builder.one(model, parts_of(model, key), nodes)
        except (CallerError, GraphQLError):
            return Plan(())
        return Plan((Root("", compiled(statement, role, builder, audits=self._audits_reads)),))

    def _payload(
        self,
        fragments: Mapping[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
        role: DatabaseRole,
        payload: GraphQLObjectType,
        models: Mapping[str, type[Base]],
        nodes: Sequence[FieldNode],
        conditions: PlanConditions,
    ) -> Plan:
        selected = Selections(self.schema, fragments, operation, conditions).below(payload, nodes)
        roots: list[Root] = []
        for key, below in selected.items():
            name = below[0].name.value
            if name in models:
                found = self._object(fragments, operation, role, models[name], below, conditions)
                roots += [replace(root, key=key, name=name) for root in found.roots]
        return Plan(tuple(roots))

    def _mutation(
        self,
        fragments: Mapping[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
        role: DatabaseRole,
        conditions: PlanConditions,
    ) -> MutationPlan:
        mutations = self.schema.mutation_type
        assert mutations is not None
        try:
            selections = Selections(self.schema, fragments, operation, conditions)
            ((key, nodes),) = selections.fields(mutations, [operation.selection_set]).items()
            field = mutations.fields[nodes[0].name.value]
            mutation = field.extensions[DEFINITION].metadata[MUTATION]
            payload = get_named_type(field.type)
            assert isinstance(payload, GraphQLObjectType)
            roots = tuple(
                self._payload_field(fragments, operation, role, mutation, payload, name, below, conditions)
                for name, below in selections.below(payload, nodes).items()
            )
            return MutationPlan(key, mutation, selections.arguments(field, nodes[0])["input"], roots)
        except (CallerError, GraphQLError, KeyError, ValueError):
            # Several mutations, a value that is no row's, a list, a field that Python fills in: the executor's.
            return MutationPlan()

    def _payload_field(
        self,
        fragments: Mapping[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
        role: DatabaseRole,
        mutation: Any,
        payload: GraphQLObjectType,
        key: str,
        nodes: Sequence[FieldNode],
        conditions: PlanConditions,
    ) -> Root:
        """A field of a payload where nothing was refused. Raises NotPlanned for one that is neither a row nor empty."""
        name = nodes[0].name.value
        if name == "__typename":
            return Root(key, constant=orjson.dumps(payload.name))
        if name in ("userErrors", "warnings"):
            return Root(key, constant=b"[]")
        result = mutation.rows[name]
        (found,) = self._object(fragments, operation, role, result.model, nodes, conditions).roots
        if found.statement is None or found.statement.placeholders or found.statement.has_lists:
            raise NotPlanned
        return replace(found, key=key, name=result.name, model=result.model)


def _start(document: Document, operation: OperationDefinitionNode, role: DatabaseRole) -> tuple[Hashable, ...]:
    return document.hash, operation.name.value if operation.name else None, role
