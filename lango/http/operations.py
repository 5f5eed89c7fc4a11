"""One operation, whatever transport brought it: prepared within the limits, run, and answered as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import orjson
import strawberry
from graphql import GraphQLError, OperationDefinitionNode, OperationType, get_introspection_query
from strawberry.types import ExecutionResult

from gql.kit.planner.answers import QueryPlanner
from lango.actor import NOBODY, Actor
from lango.db.pipeline import Pipeline
from lango.errors import (
    AnswerTooLarge,
    BadUserInput,
    CallerError,
    Forbidden,
    Refused,
    ServiceUnavailable,
    TimedOut,
    Unauthenticated,
    answerable,
    formatted,
    is_passing,
)
from lango.graphql.answers import Answered
from lango.graphql.context import Context
from lango.graphql.cookie_session import CookieSession
from lango.graphql.documents import Document, Documents, InvalidDocument
from lango.graphql.introspection import introspect
from lango.graphql.time_slices import Slices
from lango.graphql.variables import in_json
from lango.http.admission import Admission
from lango.http.negotiation import HttpError
from lango.http.parameters import Parameters
from lango.http.request_log import HttpRequestLog
from lango.http.timers import Deadline, EqualTimers
from lango.libraries.strawberry import graphql_of
from lango.lru import Lru
from lango.observability.logs import log_error, log_outage
from lango.observability.metrics import Metrics
from lango.rules.services import Services
from lango.settings import Settings
from lango.values import exact_json
from lango.values.exact_json import plain
from resolvers.kernel.audit import staff_read

INTROSPECTION_BYTES = 32_000_000
# As graphql-js writes them, but for their white space: the usual one, GraphiQL's, code generators', and the whole.
STANDARD_INTROSPECTIONS = (
    get_introspection_query(),
    get_introspection_query(schema_description=True, input_value_deprecation=True),
    get_introspection_query(specified_by_url=True, directive_is_repeatable=True, schema_description=True),
    get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
        one_of=True,
    ),
)


class Answer(NamedTuple):
    """What an operation came to: its result as JSON, or the errors for which it was not executed."""

    content: bytes | None
    errors: list[dict[str, Any]]
    # It says nothing but what the schema is: the same to everybody, for as long as the process lives.
    about_schema: bool = False


class Operations:
    """Runs the operations of one schema."""

    def __init__(
        self,
        schema: strawberry.Schema,
        settings: Settings,
        *,
        documents: Documents,
        pipeline: Pipeline,
        planner: QueryPlanner | None = None,
        audits_reads: bool = True,
        services: Services | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.schema = schema
        self.settings = settings
        self.documents = documents
        self.pipeline = pipeline
        self.planner = planner
        self.audits_reads = audits_reads
        self.services = services
        self.metrics = metrics
        self.introspections: Lru[Hashable, dict[str, bytes]] = Lru(100, weight=INTROSPECTION_BYTES)
        self.slices = Slices()
        self._timers = EqualTimers(settings.execution_timeout)
        self.admission = Admission(schema, pipeline)

    async def prepare(
        self, parameters: Parameters, request_log: HttpRequestLog
    ) -> tuple[Document, OperationDefinitionNode]:
        """The document and the operation to run. Raises InvalidDocument, and CallerError beyond the limits."""
        text = parameters.query
        sha256 = parameters.persisted_hash
        if sha256 is not None:
            text = self.documents.persisted(sha256, text)
        assert text is not None
        document = await self.documents.get(text)
        request_log.document = document.hash
        operation = document.operation(parameters.operation_name)
        request_log.operation = operation.operation.value
        request_log.operation_name = operation.name.value[:100] if operation.name else None
        return document, operation

    def check_cost(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        parameters: Parameters,
        request_log: HttpRequestLog,
    ) -> None:
        """Raises QueryTooComplex for an operation that costs too much."""
        request_log.cost = self.documents.check_cost(document, operation, parameters.variables)

    def context(
        self,
        actor: Actor,
        document: Document,
        *,
        idempotency_key: str | None = None,
        cookie_session: CookieSession | None = None,
    ) -> Context:
        return Context(
            self.pipeline,
            actor,
            idempotency_key=idempotency_key,
            planner=self.planner,
            document=document,
            services=self.services,
            metrics=self.metrics,
            max_answer_bytes=self.settings.max_answer_bytes,
            cookie_session=cookie_session,
        )

    async def close(self, context: Context) -> None:
        """End the reads of an operation, and write down which rows staff are about to be shown."""
        await context.close()
        if context.shown and self.audits_reads:
            await staff_read(self.pipeline, context.actor, context.shown)

    async def introspect_ahead(self) -> None:
        """Answer what tools usually ask about the schema, before they do."""
        if self.settings.introspection == "off":
            return
        for text in STANDARD_INTROSPECTIONS:
            document = await self.documents.get(text)
            await self._introspect(document, document.operation(None), Parameters(text, None, {}, {}))

    def _check_introspection(self, document: Document, operation: OperationDefinitionNode, actor: Actor) -> None:
        """Raises Forbidden and Unauthenticated where the settings keep the schema from the caller."""
        allowed = self.settings.introspection
        if allowed == "everyone" or not document.asks_about_schema(operation):
            return
        if allowed == "off" or (allowed == "staff" and actor.user_id is not None and not actor.is_staff):
            raise Forbidden("Introspection is switched off here: the schema is published as schema.graphql.")
        if actor.user_id is None:
            raise Unauthenticated("Introspection is for those who have signed in: send an access token.")

    async def perform(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        parameters: Parameters,
        context: Context,
        request_log: HttpRequestLog,
        client: AbstractAsyncContextManager[None] | None = None,
    ) -> Answer:
        """Run a query or a mutation. A query ends with its `client`; a mutation is finished.

        Raises TimedOut and ClientDisconnected.
        """
        answer = await self._perform(document, operation, parameters, context, request_log, client)
        executed = answer.content is not None
        await self.admission.settle(document, operation, parameters.variables, context, request_log, executed=executed)
        return answer

    async def _perform(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        parameters: Parameters,
        context: Context,
        request_log: HttpRequestLog,
        client: AbstractAsyncContextManager[None] | None,
    ) -> Answer:
        self._check_introspection(document, operation, context.actor)
        about_schema = None
        if document.introspects(operation):
            about_schema = await self._introspect(document, operation, parameters, context.actor)
        if about_schema is not None:
            return Answer(self._finished(about_schema, request_log), [], about_schema=True)
        result = await self._execute(document, operation, parameters, context, client or nullcontext())
        if context.answered.complete:
            return Answer(self._finished(context.answered, request_log), [])
        return self.answer_of(
            result.data, result.errors or (), request_log, dict(result.extensions or {}), context.answered
        )

    async def _introspect(
        self, document: Document, operation: OperationDefinitionNode, parameters: Parameters, actor: Actor = NOBODY
    ) -> Answered | None:
        """The answer to introspection alone; None where something is wrong with it, which the executor reports.

        Made in slices, once for all equal queries, and kept: the whole schema takes a good part of a second. A caller
        with an API key is shown what the key may use. Raises TimedOut, and BadUserInput for what is wrong by a key.
        """
        named = [definition.variable.name.value for definition in operation.variable_definitions or ()]
        values = {name: parameters.variables[name] for name in named if name in parameters.variables}
        seen_by = None if actor.api_key is None else (actor.api_key.permissions, actor.is_staff)
        name = operation.name.value if operation.name else None
        key = (document.shortest, name, exact_json.dumps(values), seen_by)

        def make() -> dict[str, bytes] | None:
            made = introspect(shown, operation, document.fragments, values)
            if made is not None:
                self.introspections.put(key, made, sum(map(len, made.values())))
            return made

        try:
            async with asyncio.timeout(self.settings.execution_timeout):
                shown = await self.admission.shown(actor)
                finished = await self.slices.make(key, partial(self.introspections.get, key), make)
        except TimeoutError:
            raise TimedOut from None
        if finished is None and seen_by is not None:
            # The executor would answer the rest of it from the whole schema.
            raise BadUserInput("The variables or arguments of this introspection are not what it takes.")
        return None if finished is None else Answered(finished, complete=True)

    async def _execute(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        parameters: Parameters,
        context: Context,
        client: AbstractAsyncContextManager[None],
    ) -> ExecutionResult:
        """Run the operation and end its transaction."""
        try:
            async with Deadline(self._timers):
                if operation.operation is OperationType.QUERY:
                    async with client:
                        if self.planner is not None:
                            context.answered = await self.planner.answer(
                                document, operation, parameters.variables, context
                            )
                        result = await self._run(document, operation, parameters, context)
                else:
                    if self.planner is not None and operation.operation is OperationType.MUTATION:
                        context.answered = await self.planner.perform(
                            document, operation, parameters.variables, context
                        )
                    result = await self._run(document, operation, parameters, context)
            context.response_size.check()
            await self.close(context)
        except TimeoutError:
            await context.abandon()
            raise late(outcome_of(context, operation)) from None
        except BaseException as error:
            await context.abandon()
            outcome = outcome_of(context, operation)
            if outcome is not None and isinstance(error, Exception) and is_passing(error):
                raise ServiceUnavailable(UNREAD[outcome], outcome=outcome) from error
            if outcome is not None and isinstance(error, AnswerTooLarge):
                raise AnswerTooLarge(self.settings.max_answer_bytes, outcome=outcome) from None
            raise
        return result

    async def _run(
        self, document: Document, operation: OperationDefinitionNode, parameters: Parameters, context: Context
    ) -> ExecutionResult:
        """What is not answered yet, by the executor."""
        if context.answered.complete:
            return ExecutionResult(data=None, errors=None)
        result = await self.schema.execute(
            document.query,
            variable_values=parameters.variables,
            context_value=context,
            operation_name=operation.name.value if operation.name else None,
        )
        if result.errors and result.data is None:
            result.errors = self.variable_errors(result.errors, operation, parameters)
        return result

    def variable_errors(
        self, errors: Sequence[GraphQLError], operation: OperationDefinitionNode, parameters: Parameters
    ) -> list[GraphQLError]:
        """The errors of an operation, those about its variables in the words of who sent them."""
        graphql = graphql_of(self.schema)
        suggestions = self.settings.introspection == "everyone"
        return in_json(errors, graphql, operation, parameters.variables, suggestions=suggestions)

    def _finished(self, answered: Answered, request_log: HttpRequestLog) -> bytes:
        """The answer to a query of which every field is finished."""
        fields = [b"%s:%s" % (orjson.dumps(key), text) for key, text in answered.finished.items()]
        extensions = orjson.dumps(self._extensions(request_log, answered))
        return b'{"data":{%s},"extensions":%s}' % (b",".join(fields), extensions)

    def _extensions(self, request_log: HttpRequestLog, answered: Answered) -> dict[str, Any]:
        """The answer's extensions: its cost; for staff, where the settings say so, how it was made."""
        extensions: dict[str, Any] = {"cost": {"requested": request_log.cost, "limit": self.settings.max_cost}}
        if request_log.usage_warning is not None:
            extensions["usage"] = request_log.usage_warning
        if answered.report is not None:
            python = request_log.seconds * 1000 - answered.report["databaseMs"]
            extensions["lango"] = answered.report | {"pythonMs": round(python, 3)}
        return extensions

    def answer_of(
        self,
        data: Any,
        found: Iterable[GraphQLError],
        request_log: HttpRequestLog,
        extensions: dict[str, Any],
        done: Answered,
    ) -> Answer:
        """The result as an answer."""
        errors = self.shown(found, request_log)
        # Only an error of the executor stands at a path: without one, nothing was executed, and `data` has no place.
        executed = not errors or data is not None or any("path" in error for error in errors)
        if not executed or failed_alike(data, errors):
            return Answer(None, errors)
        request_log.codes = codes_of(errors)
        content: dict[str, Any] = {"errors": errors} if errors else {}
        content |= {"data": data, "extensions": extensions | self._extensions(request_log, done)}
        return Answer(orjson.dumps(content, default=plain), errors)

    def shown(self, found: Iterable[GraphQLError], request_log: HttpRequestLog) -> list[dict[str, Any]]:
        """Errors as the caller may see them; logged where those do not say what happened."""
        errors = []
        for error in found:
            shown = formatted(error, request_log.request_id)
            original = error.original_error
            if shown["extensions"].get("code") == "INTERNAL":
                log_error(original or error, request_log)
            elif isinstance(original, ServiceUnavailable) or not isinstance(original, CallerError | Refused | None):
                log_outage(original, request_log)
            errors.append(shown)
        return errors


# The messages about a mutation that cannot be answered, by its outcome.
UNREAD = {
    "DONE": "This was done, but what came of it could not be read: ask for it by a query.",
    "UNKNOWN": "Whether this was done is not known: look before you send it again; with an idempotency key, the same "
    "request is safe to send again.",
}


def outcome_of(context: Context, operation: OperationDefinitionNode) -> str | None:
    """Whether the mutation was done although it is not answered: `DONE`, `UNKNOWN`, or None where nothing was.

    Of several mutations some may have been done.
    """
    if context.outcome == "DONE" and len(operation.selection_set.selections) > 1:
        return "UNKNOWN"
    return context.outcome


def late(outcome: str | None) -> TimedOut:
    """The error of an operation that took too long."""
    return TimedOut() if outcome is None else TimedOut(UNREAD[outcome], outcome=outcome)


def explained(error: Exception, request_log: HttpRequestLog) -> tuple[list[dict[str, Any]], HttpError | None]:
    """The error outside any field as the caller sees it, and as HTTP does; raised again where it is internal."""
    if isinstance(error, InvalidDocument):
        return [formatted(each, request_log.request_id, code=error.code) for each in error.errors], None
    known = answerable(error)
    if known is None:
        raise error
    if known is not error:
        log_outage(error, request_log)
    return [formatted(known, request_log.request_id)], known if isinstance(known, HttpError) else None


def always_explained(error: Exception, request_log: HttpRequestLog) -> list[dict[str, Any]]:
    """Any error outside a field as the caller sees it; logged and masked where it is internal."""
    try:
        return explained(error, request_log)[0]
    except Exception as unknown:
        log_error(unknown, request_log)
        return [formatted(GraphQLError("Internal error", original_error=unknown), request_log.request_id)]


def codes_of(errors: list[dict[str, Any]]) -> list[str]:
    return [str(error["extensions"].get("code")) for error in errors]


def failed_alike(data: Any, errors: list[dict[str, Any]]) -> bool:
    """Whether everything that was asked for failed because the database cannot be reached, or was more than its caller
    may do now: then the whole answer has that status, and says when to come again."""
    return any({*codes_of(errors)} == {code} for code in ("SERVICE_UNAVAILABLE", "RATE_LIMITED")) and (
        data is None or all(value is None for value in data.values())
    )
