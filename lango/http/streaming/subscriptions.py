"""From a subscription's document to its events: started once, and read again for each event."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from graphql import (
    ExecutionResult,
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    create_source_event_stream,
    execute_subscription_event,
    visit,
)

from lango.actor import Actor
from lango.errors import BadUserInput, TimedOut, formatted, is_passing
from lango.events.feeds import Feed, Subscriber
from lango.events.hub import Hub
from lango.events.outbox import Event
from lango.graphql.documents import Document
from lango.http.operations import Operations, always_explained
from lango.http.parameters import Parameters
from lango.http.request_log import HttpRequestLog
from lango.libraries.strawberry import graphql_of
from lango.observability.metrics import Metrics
from lango.security.account_status import Callers
from lango.values.exact_json import plain

AFTER = "after"


class NotStarted(Exception):
    """The subscription's own field refused; `errors` say why."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__()
        self.errors = errors


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """An operation with its parameters, and the caller."""

    document: Document
    operation: OperationDefinitionNode
    parameters: Parameters
    actor: Actor
    request_log: HttpRequestLog


class Subscriptions:
    """Starts subscriptions, and answers their events."""

    def __init__(self, operations: Operations, callers: Callers, hub: Hub, metrics: Metrics) -> None:
        self.operations = operations
        self.callers = callers
        self.hub = hub
        self.metrics = metrics

    async def start(
        self, request: OperationRequest, subscriber: Subscriber, *, last_event_id: str | None = None
    ) -> Callable[[], None]:
        """Send the subscriber its events; returns what ends that. `last_event_id` is the cursor of the last event that
        it has seen, where the document does not say it.

        Raises NotStarted, CallerError, and what a database that cannot be reached raises.
        """
        executor = self._executor(request, last_event_id)
        feed = await self._feed(request, executor)
        what = (request.document.hash, request.parameters.operation_name, variables_of(request))

        async def read(event: Event) -> bytes | None:
            return await self._read(request, executor, event)

        def explain(error: Exception) -> list[dict[str, Any]]:
            return always_explained(error, request.request_log)

        return await self.hub.join((*what, rights_of(request.actor)), feed, subscriber, read, explain)

    def _executor(self, request: OperationRequest, last_event_id: str | None) -> Any:
        context = self.operations.context(request.actor, request.document)
        context.last_event_id = last_event_id
        schema = self.operations.schema
        # Strawberry's own `subscribe` ties a subscription to one reader; its parts serve many.
        built = schema.execution_context_class.build(
            graphql_of(schema),
            request.document.query.document,
            None,
            context,
            request.parameters.variables,
            request.parameters.operation_name,
        )
        if isinstance(built, list):
            errors = self.operations.variable_errors(built, request.operation, request.parameters)
            raise NotStarted([formatted(error, request.request_log.request_id) for error in errors])
        return built

    async def _feed(self, request: OperationRequest, executor: Any) -> Feed:
        found: Any = create_source_event_stream(executor)
        stream = await found if executor.is_awaitable(found) else found
        if isinstance(stream, ExecutionResult):
            check_passing(stream.errors)
            raise NotStarted(self.operations.shown(stream.errors or (), request.request_log))
        assert isinstance(stream, Feed)
        return stream

    async def _read(self, request: OperationRequest, executor: Any, event: Event) -> bytes | None:
        """The answer to an event; None where the caller may not see now what it is about.

        Raises a passing error also where a field of it met one: half an answer would be the only one to this event.
        """
        context = self.operations.context(await self.callers.still(shared_by(request.actor)), request.document)
        answering = executor.build_per_event_executor(event)
        answering.context_value = context
        try:
            async with asyncio.timeout(self.operations.settings.execution_timeout) as limit:
                found: Any = execute_subscription_event(answering)
                result = await found if executor.is_awaitable(found) else found
            context.response_size.check()
            await self.operations.close(context)
        except TimeoutError:
            await context.abandon()
            if limit.expired():
                # To read it again would take as long; that the database does not answer may pass.
                raise TimedOut from None
            raise
        except BaseException:
            await context.abandon()
            raise
        check_passing(result.errors)
        if not context.sees:
            return None
        self.metrics.event_reads.inc()
        errors = self.operations.shown(result.errors or (), request.request_log)
        content: Mapping[str, Any] = ({"errors": errors} if errors else {}) | {"data": result.data}
        return orjson.dumps(content, default=plain)


def check_passing(errors: Sequence[GraphQLError] | None) -> None:
    """Raises the first of these errors after which the same may be read again."""
    for error in errors or ():
        if is_passing(error):
            raise error


class NotSubscribed(BadUserInput):
    """Subscriptions are served over WebSocket (graphql-transport-ws) and as text/event-stream: accept one of them."""


def rights_of(actor: Actor) -> Hashable:
    """What decides what an actor sees. What staff see is noted with their session and address."""
    if actor.is_staff:
        return actor.user_id, actor.roles, actor.session_id, actor.ip, actor.api_key
    return actor.user_id, actor.roles, actor.api_key


def shared_by(actor: Actor) -> Actor:
    """The actor as whom an event is read for all with the same rights: where those are of several sessions, of none."""
    return actor if actor.is_staff else replace(actor, session_id=None)


def variables_of(request: OperationRequest) -> bytes:
    """The variables, without the one that says where to begin: after that, all are sent the same."""
    beginning = _beginning(request)
    others = {name: value for name, value in request.parameters.variables.items() if name != beginning}
    return hashlib.sha256(orjson.dumps(others, option=orjson.OPT_SORT_KEYS)).digest()


def _beginning(request: OperationRequest) -> str | None:
    """The variable of `after`, if it is used nowhere else."""
    uses = Uses()
    visit(request.document.query.document, uses)
    for root in request.operation.selection_set.selections:
        for argument in root.arguments or () if isinstance(root, FieldNode) else ():
            if argument.name.value == AFTER and isinstance(argument.value, VariableNode):
                name = argument.value.name.value
                # Once where it is declared, and once here.
                return name if uses.names.count(name) == 2 else None
    return None


class Uses(Visitor):
    """The names of the variables of a document, as often as they stand in it."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.names.append(node.name.value)
