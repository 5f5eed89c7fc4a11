"""What a request by an API key passes before it runs: its permissions, its rate, and its owner's plan."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import strawberry
import structlog
from graphql import FieldNode, GraphQLSchema, OperationDefinitionNode, OperationType, value_from_ast_untyped

from lango.actor import Actor
from lango.db.pipeline import Pipeline
from lango.errors import Forbidden
from lango.graphql.context import Context
from lango.graphql.cost import with_defaults
from lango.graphql.documents import Document
from lango.graphql.permissions import Permissions
from lango.graphql.time_slices import Slices
from lango.libraries.strawberry import graphql_of
from lango.lru import Lru
from lango.observability.request_log import ApiCall, RequestLog
from lango.security.api_calls import Keyed, charge, refund

log = structlog.get_logger("lango.http.admission")

# Schemas that are kept as some set of permissions shows them.
SHOWN_SCHEMAS = 8


class Admission:
    """The requests by API keys for one schema."""

    def __init__(self, schema: strawberry.Schema, pipeline: Pipeline) -> None:
        self.permissions = Permissions(graphql_of(schema))
        self._pipeline = pipeline
        self._slices = Slices()
        self._shown: Lru[tuple[frozenset[str], bool], GraphQLSchema] = Lru(SHOWN_SCHEMAS)

    async def admit(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
        actor: Actor,
        request_log: RequestLog,
        *,
        idempotency_key: str | None = None,
    ) -> None:
        """Let a valid operation pass whose caller has no key, or a key that may do it now, and count it.

        Raises Forbidden, which says what is missing, RateLimited and UsageLimitReached.
        """
        if actor.api_key is None:
            return
        if document.asks_about_schema(operation) and not document.introspects(operation):
            raise Forbidden("An API key asks about the schema in an operation of its own.")
        name = operation.name.value if operation.name else None
        required = document.required.get(name)
        if required is None:
            made = partial(self.permissions.of, operation, document.fragments)
            required = document.required[name] = await self._slices.run(made)
        self.permissions.check(required, variables, actor.api_key.permissions)
        calls = document.cost(operation, variables).api_calls
        keyed = keyed_mutations(document, operation, variables, idempotency_key)
        call = request_log.call
        usage = await charge(self._pipeline, actor, calls, keyed)
        request_log.usage_warning = usage.warning
        if call is not None:
            call.of_plan, call.of_bonus, call.resets_at = usage.of_plan, usage.of_bonus, usage.resets_at
            call.created_at = usage.at
            call.operation = name or ",".join(
                dict.fromkeys(node.name.value for _, node in document.roots(operation, variables))
            )

    async def settle(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
        context: Context,
        request_log: RequestLog,
        *,
        executed: bool,
    ) -> None:
        """Take back what an operation was counted as that was not executed, or that answered as its first call did."""
        call = request_log.call
        if call is None or not call.cost:
            return
        replayed = context.replayed > 0 and context.replayed == document.cost(operation, variables).roots
        if executed and not replayed:
            return
        try:
            await refund(self._pipeline, context.actor, call)
        except Exception as error:
            # It has its answer; the month of its owner has one call less.
            log.warning("a call is not taken back", api_key_id=str(call.api_key_id), exc_info=error)

    async def shown(self, actor: Actor) -> GraphQLSchema:
        """The schema as a caller with a key may use it; others see the whole."""
        if actor.api_key is None:
            return self.permissions.schema
        key = actor.api_key.permissions, actor.is_staff

        def make() -> GraphQLSchema:
            made = self.permissions.shown(key[0], to_staff=key[1])
            self._shown.put(key, made)
            return made

        return await self._slices.make(key, partial(self._shown.get, key), make)


def begin_call(actor: Actor, request_log: RequestLog, request_bytes: int | None) -> None:
    """Have a request written down when it ends, if it is by a key."""
    if actor.api_key is not None and actor.user_id is not None:
        request_log.call = ApiCall(actor.user_id, actor.api_key.id, request_bytes=request_bytes)


def keyed_mutations(
    document: Document, operation: OperationDefinitionNode, variables: Mapping[str, Any], header: str | None
) -> list[Keyed]:
    """The mutations of an operation, if every one of them has an idempotency key: as the kernel keeps them."""
    if operation.operation is not OperationType.MUTATION:
        return []
    values = with_defaults(operation, variables)
    keyed = []
    for path, node in document.roots(operation, variables):
        own = _key_of(node, values)
        if own is not None:
            keyed.append(Keyed(node.name.value, own))
        elif header is not None:
            keyed.append(Keyed(f"{node.name.value}:{path}", header))
        else:
            return []
    return keyed


def _key_of(node: FieldNode, variables: Mapping[str, Any]) -> str | None:
    """The idempotency key in a mutation's input."""
    for argument in node.arguments or ():
        given = value_from_ast_untyped(argument.value, dict(variables))
        if argument.name.value == "input" and isinstance(given, dict):
            key = given.get("idempotencyKey")
            return key if isinstance(key, str) else None
    return None
