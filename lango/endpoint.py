"""The GraphQL endpoint: from a request to its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Any

import orjson
import strawberry
from graphql import OperationDefinitionNode, OperationType
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.types import ExecutionResult

from lango import graphiql
from lango.auth import Authenticator
from lango.context import Context, Witness
from lango.departure import UntilClientGone
from lango.documents import Document, Documents, InvalidDocument
from lango.errors import BadUserInput, CallerError, Refused, TimedOut, answerable, formatted
from lango.exchange import Exchange, exchange_of
from lango.logs import log_error, log_outage
from lango.lru import Lru
from lango.negotiation import (
    BadRequest,
    HttpError,
    MediaType,
    MethodNotAllowed,
    NotAcceptable,
    OnlyByPost,
    check_content_type,
    check_origin,
    check_simple_get,
    negotiate,
)
from lango.parameters import ClientGone, Parameters, of_body, of_query_string, read_body
from lango.pipeline import Pipeline
from lango.planning import Answered, Planner
from lango.responses import finished_response, graphql_response, rejection
from lango.settings import Settings

LONGEST_IDEMPOTENCY_KEY = 255
LONGEST_USER_AGENT = 500
INTROSPECTION_BYTES = 32_000_000


class GraphQLEndpoint:
    """An ASGI application that serves one schema at one address."""

    def __init__(
        self,
        schema: strawberry.Schema,
        settings: Settings,
        *,
        engine: AsyncEngine,
        authenticator: Authenticator,
        documents: Documents,
        assets: str,
        pipeline: Pipeline,
        witness: Witness | None = None,
        planner: Planner | None = None,
    ) -> None:
        self.schema = schema
        self.settings = settings
        self.engine = engine
        self.authenticator = authenticator
        self.documents = documents
        self.assets = assets
        self.witness = witness
        self.pipeline = pipeline
        self.planner = planner
        self.introspections: Lru[Hashable, dict[str, Any]] = Lru(100, weight=INTROSPECTION_BYTES)
        self.introspecting = asyncio.Lock()
        self.allowed_origins = frozenset(origins(settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        headers = exchange.headers
        browsing = self.settings.graphiql and scope["method"] == "GET"
        media_type = negotiate(headers.get("accept"), html=browsing)
        try:
            if media_type is MediaType.HTML:
                response = self.page(scope)
            else:
                response = await self.answer(scope, receive, headers, exchange, media_type)
        except ClientGone:
            return
        except InvalidDocument as invalid:
            errors = [formatted(error, exchange.request_id, code=invalid.code) for error in invalid.errors]
            response = self.reject(errors, exchange, media_type)
        except Exception as error:
            known = answerable(error)
            if known is None:
                raise
            if known is not error:
                log_outage(error, exchange)
            status, more = (known.status, known.headers) if isinstance(known, HttpError) else (None, None)
            response = self.reject([formatted(known, exchange.request_id)], exchange, media_type, status, more)
        await response(scope, receive, send)

    async def answer(
        self, scope: Scope, receive: Receive, headers: Headers, exchange: Exchange, media_type: MediaType | None
    ) -> Response:
        """The answer to a GraphQL request. Raises what the caller did wrong."""
        if scope["method"] not in ("GET", "POST"):
            raise MethodNotAllowed
        if media_type is None:
            raise NotAcceptable
        check_origin(headers, self.allowed_origins)
        parameters = await self.read(scope, receive, headers)
        actor = await self.authenticator.actor(
            self.pipeline,
            headers.getlist("authorization"),
            request_id=exchange.request_id,
            ip=exchange.client,
            user_agent=headers.get("user-agent", "")[:LONGEST_USER_AGENT] or None,
        )
        exchange.user_id = actor.user_id
        document, operation = self.prepare(scope["method"], parameters, exchange)
        key = headers.get("idempotency-key")
        if key is not None and not 0 < len(key) <= LONGEST_IDEMPOTENCY_KEY:
            raise BadRequest(f"The Idempotency-Key must have 1 to {LONGEST_IDEMPOTENCY_KEY} characters.")
        context = Context(
            self.engine,
            actor,
            idempotency_key=key,
            witness=self.witness,
            pipeline=self.pipeline,
            planner=self.planner,
            document=document,
        )
        if document.introspects(operation):
            result = await self.introspect(document, operation, parameters, context)
        else:
            result = await self.execute(document, operation, parameters, context, receive)
        if context.answered.complete:
            return self.finish(context.answered, exchange, media_type)
        return self.respond(result, exchange, media_type, context)

    async def introspect(
        self, document: Document, operation: OperationDefinitionNode, parameters: Parameters, context: Context
    ) -> ExecutionResult:
        """What is asked about the schema, from memory where it was asked before: the whole of it takes a second.

        In a thread, one at a time: nobody else has to wait that second. Raises TimedOut.
        """
        key = (document.hash, operation.name.value if operation.name else None)
        known = self.introspections.get(key)
        if known is not None:
            return ExecutionResult(data=known, errors=None)
        try:
            async with asyncio.timeout(self.settings.execution_timeout), self.introspecting:
                result = await asyncio.to_thread(
                    self.schema.execute_sync,
                    document.query,
                    variable_values=parameters.variables,
                    context_value=context,
                    operation_name=operation.name.value if operation.name else None,
                )
        except TimeoutError:
            raise TimedOut from None
        if result.data is not None and not result.errors and not operation.variable_definitions:
            answers = {name: orjson.dumps(value) for name, value in result.data.items()}
            kept = {name: orjson.Fragment(answer) for name, answer in answers.items()}
            self.introspections.put(key, kept, sum(map(len, answers.values())))
        return result

    async def read(self, scope: Scope, receive: Receive, headers: Headers) -> Parameters:
        limit = self.settings.max_body_bytes
        if scope["method"] == "GET":
            check_simple_get(headers)
            return of_query_string(scope, limit)
        check_content_type(headers)
        return of_body(await read_body(receive, headers.get("content-length"), limit))

    def prepare(
        self, method: str, parameters: Parameters, exchange: Exchange
    ) -> tuple[Document, OperationDefinitionNode]:
        """The document and the operation to run, within the limits."""
        text = parameters.query
        sha256 = parameters.persisted_hash
        if sha256 is not None:
            text = self.documents.persisted(sha256, text)
        assert text is not None
        document = self.documents.get(text)
        exchange.document = document.hash
        operation = document.operation(parameters.operation_name)
        exchange.operation = operation.operation.value
        exchange.operation_name = operation.name.value[:100] if operation.name else None
        if operation.operation is OperationType.SUBSCRIPTION:
            raise BadUserInput("Subscriptions are not served over this transport.")
        if method == "GET" and operation.operation is not OperationType.QUERY:
            raise OnlyByPost
        exchange.cost = self.documents.check_cost(document, operation, parameters.variables)
        return document, operation

    async def execute(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        parameters: Parameters,
        context: Context,
        receive: Receive,
    ) -> ExecutionResult:
        """Run the operation and end its transaction. A query ends with its client; a mutation is finished.

        Raises TimedOut and ClientGone.
        """
        try:
            async with asyncio.timeout(self.settings.execution_timeout):
                if operation.operation is OperationType.QUERY:
                    async with UntilClientGone(receive):
                        if self.planner is not None:
                            context.answered = await self.planner.answer(
                                document, operation, parameters.variables, context
                            )
                        result = await self.run(document, operation, parameters, context)
                else:
                    result = await self.run(document, operation, parameters, context)
            await context.close()
        except TimeoutError:
            await context.abandon()
            raise TimedOut from None
        except BaseException:
            await context.abandon()
            raise
        return result

    async def run(
        self, document: Document, operation: OperationDefinitionNode, parameters: Parameters, context: Context
    ) -> ExecutionResult:
        """What is not answered yet, by the executor."""
        if context.answered.complete:
            return ExecutionResult(data=None, errors=None)
        return await self.schema.execute(
            document.query,
            variable_values=parameters.variables,
            context_value=context,
            operation_name=operation.name.value if operation.name else None,
        )

    def finish(self, answered: Answered, exchange: Exchange, media_type: MediaType) -> Response:
        """The answer to a query of which every field is finished."""
        fields = [b"%s:%s" % (orjson.dumps(key), text) for key, text in answered.finished.items()]
        extensions = orjson.dumps(self.extensions(exchange, answered))
        return finished_response(b'{"data":{%s},"extensions":%s}' % (b",".join(fields), extensions), media_type)

    def extensions(self, exchange: Exchange, answered: Answered) -> dict[str, Any]:
        """What an answer tells besides: its cost; to staff, where the settings say so, how it was made."""
        told: dict[str, Any] = {"cost": {"requested": exchange.cost, "limit": self.settings.max_cost}}
        if answered.told is not None:
            python = exchange.seconds * 1000 - answered.told["databaseMs"]
            told["lango"] = answered.told | {"pythonMs": round(python, 3)}
        return told

    def respond(self, result: ExecutionResult, exchange: Exchange, media_type: MediaType, context: Context) -> Response:
        """The result as an answer; errors are masked, and logged where the caller is not told."""
        errors = []
        for error in result.errors or ():
            shown = formatted(error, exchange.request_id)
            original = error.original_error
            if shown["extensions"].get("code") == "INTERNAL":
                log_error(original or error, exchange)
            elif original is not None and not isinstance(original, CallerError | Refused):
                log_outage(original, exchange)
            errors.append(shown)
        # Only an error of the executor stands at a path: without one, nothing was executed, and `data` has no place.
        executed = not errors or result.data is not None or any("path" in error for error in errors)
        if not executed or is_outage(result.data, errors):
            return self.reject(errors, exchange, media_type)
        exchange.codes = [str(error["extensions"].get("code")) for error in errors]
        extensions = dict(result.extensions or {}) | self.extensions(exchange, context.answered)
        content: dict[str, Any] = {"errors": errors} if errors else {}
        return graphql_response({**content, "data": result.data, "extensions": extensions}, media_type)

    def reject(
        self,
        errors: list[dict[str, Any]],
        exchange: Exchange,
        media_type: MediaType | None,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        exchange.codes = [str(error["extensions"].get("code")) for error in errors]
        return rejection(errors, media_type or MediaType.JSON, status=status, headers=headers)

    def page(self, scope: Scope) -> Response:
        """GraphiQL, or where its files are missing, how to get them."""
        content = graphiql.page(scope.get("root_path", "") + scope["path"], self.assets)
        headers = {"content-security-policy": graphiql.POLICY, "cache-control": "no-store", "vary": "Accept"}
        return Response(content, headers=headers, media_type="text/html")


def is_outage(data: Any, errors: list[dict[str, Any]]) -> bool:
    """Whether everything that was asked for failed because the database cannot be reached."""
    return (
        bool(errors)
        and all(error["extensions"].get("code") == "SERVICE_UNAVAILABLE" for error in errors)
        and (data is None or all(value is None for value in data.values()))
    )


def origins(settings: Settings) -> list[str]:
    """The origins whose pages may call the API."""
    return [origin.strip().rstrip("/") for origin in settings.allowed_origins.split(",") if origin.strip()]
