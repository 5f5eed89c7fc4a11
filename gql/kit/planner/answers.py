"""Answers queries by their plans: the statements of an operation go out together, and their text into the answer."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import asyncpg
from graphql import FieldNode, GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema, OperationDefinitionNode

from gql.kit.deferred_values import RequestValues
from gql.kit.planner.finishing import PartialJson, finished
from gql.kit.planner.mutations import performed
from gql.kit.planner.plans import Plans, Root
from gql.kit.planner.statements import Statement
from gql.kit.planner.variables import Variables
from lango.actor import Actor
from lango.errors import AnswerTooLarge, CallerError
from lango.graphql.answers import Answered
from lango.graphql.context import Context
from lango.graphql.documents import Document
from lango.observability.metrics import Metrics
from lango.settings import Settings
from models.base import Base
from models.reads import SHOWN


@dataclass(frozen=True, slots=True)
class RowReference:
    """A row that a rule made or an event is about, known by its key: what is shown of it is read as the caller."""

    model: type[Base]
    key: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class PlannedObject:
    """How an object that stands at a path of the answer is read."""

    path: tuple[str | int, ...]
    statement: Statement
    values: list[Any]


class QueryPlanner:
    """The planner of one schema."""

    def __init__(
        self, schema: GraphQLSchema, settings: Settings, metrics: Metrics, *, audits_reads: bool = True
    ) -> None:
        """`audits_reads`: which people's rows staff are shown is written to the audit log."""
        self.plans = Plans(
            schema, settings.plan_cache, metrics, marks_all=settings.show_plans, audits_reads=audits_reads
        )
        self._shows_plans = settings.show_plans

    async def answer(
        self, document: Document, operation: OperationDefinitionNode, variables: Mapping[str, Any], context: Context
    ) -> Answered:
        """The root fields that have a plan. What fails because of what was asked is left to the ordinary executor,
        which says what is wrong and where."""
        given = self.given(document, operation, variables, context.actor)
        answered = Answered()
        if given is None:
            return answered
        try:
            plan = await self.plans.of_operation(document, operation, context.actor.database_role, given)
        except CallerError:
            return answered
        planned: dict[int, tuple[Root, Statement, list[Any]]] = {}
        waiting: list[tuple[Root, int]] = []
        for root in plan.roots:
            if root.constant is not None:
                answered.finished[root.key] = root.constant
            elif root.statement is not None:
                number = id(root.statement)
                if number not in planned:
                    try:
                        planned[number] = (root, root.statement, root.statement.values(given))
                    except CallerError:
                        continue
                waiting.append((root, number))
                # Its place in the order of the answer.
                answered.finished[root.key] = b""
        if planned:
            outcomes = await self._read(list(planned.values()), given, context, answered)
            results = dict(zip(planned, outcomes, strict=True))
            for root, number in waiting:
                result = results[number]
                if isinstance(result, bytes):
                    answered.finished[root.key] = result
                    continue
                del answered.finished[root.key]
                if not isinstance(result, asyncpg.PostgresError) or not is_left_to_executor(result):
                    answered.waiting[root.key] = result
        # What one statement answered under several keys is there as often.
        context.response_size.take(sum(map(len, answered.finished.values())))
        answered.complete = len(answered.finished) == len(plan.roots)
        return answered

    async def perform(
        self, document: Document, operation: OperationDefinitionNode, variables: Mapping[str, Any], context: Context
    ) -> Answered:
        """A mutation that needs no executor. Where what came of it does, the executor finds it in the context."""
        answered = Answered()
        given = self.given(document, operation, variables, context.actor)
        if given is None:
            return answered
        try:
            plan = await self.plans.of_mutation(document, operation, context.actor.database_role, given)
        except CallerError:
            return answered
        if plan.mutation is not None and (text := await performed(plan, given, context)) is not None:
            answered.finished[plan.key], answered.complete = text, True
            context.response_size.take(len(text))
        return answered

    async def _read(
        self,
        planned: Sequence[tuple[Root, Statement, list[Any]]],
        given: RequestValues,
        context: Context,
        answered: Answered,
    ) -> list[bytes | PartialJson | Exception]:
        """What each statement gives: finished JSON, JSON with placeholders, or the error it failed with."""
        started = time.perf_counter()
        tokens = [token for _, statement, _ in planned if statement.presented and (token := statement.presented(given))]
        writes = any(statement.writes for _, statement, _ in planned)
        outcomes = await context.texts(
            [(statement.sql, values) for _, statement, values in planned], tokens, writes=writes
        )
        if self._shows_plans and context.actor.is_staff:
            answered.report = report_of(planned, outcomes, time.perf_counter() - started)
        return [
            outcome if isinstance(outcome, Exception) else finished(statement, outcome)
            for (_, statement, _), outcome in zip(planned, outcomes, strict=True)
        ]

    async def object(
        self,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
        context: Context,
        reference: RowReference,
        nodes: Sequence[FieldNode],
        path: Hashable,
    ) -> bytes | PartialJson | None:
        """The object that a rule made or an event is about; None where that is not planned."""
        given = RequestValues(variables, context.actor.user_id, reference.key)
        role = context.actor.database_role
        assert context.document is not None
        try:
            plan = await self.plans.of_object(context.document, operation, role, given, reference.model, nodes, path)
            if not plan.roots or (statement := plan.roots[0].statement) is None:
                return None
            (outcome,) = await context.texts([(statement.sql, statement.values(given))], writes=statement.writes)
            if isinstance(outcome, asyncpg.PostgresError):
                raise outcome
        except AnswerTooLarge:
            raise
        except CallerError:
            return None
        except asyncpg.PostgresError as error:
            if is_left_to_executor(error):
                return None
            raise
        return finished(statement, outcome)

    async def payload(
        self,
        info: GraphQLResolveInfo[Any],
        context: Context,
        type_name: str,
        models: Mapping[str, type[Base]],
        rows: Mapping[str, RowReference],
    ) -> list[PlannedObject]:
        """How the rows of a mutation's payload are read, by the names of their fields: those that are there, are
        selected and can be planned. `models` are of all that may be there: the plan serves other outcomes too."""
        assert context.document is not None
        payload = self.plans.schema.get_type(type_name)
        assert isinstance(payload, GraphQLObjectType)
        given = RequestValues(cast(Any, info.variable_values), context.actor.user_id)
        path = tuple(info.path.as_list())
        role, planned = context.actor.database_role, list[PlannedObject]()
        try:
            plan = await self.plans.of_payload(
                context.document, info.operation, role, given, payload, models, info.field_nodes, path
            )
            for root in plan.roots:
                # Lists are read when nobody is held up by it any more.
                if root.name in rows and root.statement is not None and not root.statement.has_lists:
                    values = root.statement.values(given._replace(key=rows[root.name].key))
                    planned.append(PlannedObject((*path, root.key), root.statement, values))
        except CallerError:
            # What is wrong with it the ordinary executor says, in its place.
            return []
        return planned

    def given(
        self, document: Document, operation: OperationDefinitionNode, variables: Mapping[str, Any], actor: Actor
    ) -> RequestValues | None:
        """What the request brings; None where its variables are not what the operation takes."""
        if not operation.variable_definitions:
            return RequestValues({}, actor.user_id)
        name = operation.name.value if operation.name else None
        known = document.remembered.get(name)
        if known is None:
            known = document.remembered[name] = Variables(self.plans.schema, operation)
        coerced = known.coerce(variables)
        return None if coerced is None else RequestValues(coerced, actor.user_id)


def report_of(
    planned: Sequence[tuple[Root, Statement, Any]], outcomes: Sequence[Any], seconds: float
) -> dict[str, Any]:
    """What staff may see of how their query was answered."""
    statements = [
        {
            "field": root.key,
            "sql": statement.sql,
            "rows": outcome.count(SHOWN.encode()) // 2 if isinstance(outcome, bytes) else 0,
            "bytes": len(outcome) if isinstance(outcome, bytes) else 0,
        }
        for (root, statement, _), outcome in zip(planned, outcomes, strict=True)
    ]
    return {"databaseMs": round(seconds * 1000, 3), "statements": statements}


def is_left_to_executor(error: BaseException | None) -> bool:
    """Whether the ordinary executor can say more of it, and where, rather than fail in the same way once more."""
    return str(getattr(error, "sqlstate", None))[:2] in ("22", "42")
