"""The GraphQL endpoint: from a request to its answer."""

from __future__ import annotations

from typing import Any

from graphql import OperationDefinitionNode, OperationType
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lango.http import graphiql
from lango.http.admission import begin_call
from lango.http.allowed_hosts import Hosts
from lango.http.connections import Connections
from lango.http.cookies import Credentials
from lango.http.disconnect import MOMENT, UntilDisconnect
from lango.http.headers import RequestHeaders
from lango.http.negotiation import (
    BadRequest,
    MediaType,
    MethodNotAllowed,
    NotAcceptable,
    OnlyByPost,
    check_content_type,
    check_once,
    check_origin,
    check_simple_get,
    negotiate,
    takes_events,
)
from lango.http.operations import Operations, codes_of, explained
from lango.http.parameters import ClientDisconnected, Parameters, of_body, of_query_string, read_body
from lango.http.request_log import HttpRequestLog, request_log_of
from lango.http.responses import finished_response, lasting_response, rejection
from lango.http.streaming.event_stream import EventStream
from lango.http.streaming.subscriptions import NotStarted, NotSubscribed, OperationRequest, Subscriptions
from lango.http.timers import EqualTimers
from lango.observability.metrics import Metrics
from lango.rules.rule import IDEMPOTENCY_KEY_FORM, is_idempotency_key
from lango.security.account_status import Callers
from lango.security.authentication import InvalidToken
from lango.settings import Settings


class GraphQLEndpoint:
    """An ASGI application that serves one schema at one address."""

    def __init__(
        self,
        operations: Operations,
        subscriptions: Subscriptions,
        connections: Connections,
        settings: Settings,
        metrics: Metrics,
        *,
        callers: Callers,
        assets: str,
    ) -> None:
        self.operations = operations
        self.subscriptions = subscriptions
        self.connections = connections
        self.settings = settings
        self.metrics = metrics
        self.callers = callers
        self.assets = assets
        self.allowed_origins = frozenset(origins(settings))
        self.hosts = Hosts(settings)
        self._moments = EqualTimers(MOMENT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_log = request_log_of(scope)
        headers = request_log.headers
        browsing = self.settings.graphiql and scope["method"] == "GET"
        media_type = negotiate(headers.get("accept"), html=browsing)
        credentials = Credentials(headers)
        response: ASGIApp
        try:
            if media_type is MediaType.HTML:
                response = self.page(scope)
            else:
                response = await self.answer(scope, receive, headers, request_log, media_type, credentials)
        except ClientDisconnected:
            return
        except NotStarted as error:
            response = self.reject(error.errors, request_log, media_type)
        except Exception as error:
            if isinstance(error, InvalidToken):
                credentials.refuse()
            errors, known = explained(error, request_log)
            status, more = (known.status, known.headers) if known is not None else (None, None)
            response = self.reject(errors, request_log, media_type, status, more)
        await response(scope, receive, credentials.set_by(send, self.settings.token_lifetime))

    async def answer(
        self,
        scope: Scope,
        receive: Receive,
        headers: RequestHeaders,
        request_log: HttpRequestLog,
        media_type: MediaType | None,
        credentials: Credentials,
    ) -> ASGIApp:
        """The answer to a GraphQL request. Raises what the caller did wrong."""
        if scope["method"] not in ("GET", "POST"):
            raise MethodNotAllowed
        if media_type is None:
            raise NotAcceptable
        check_once(headers)
        check_origin(headers, self.allowed_origins, self.hosts.owns)
        credentials.check(scope["method"], headers)
        parameters = await self.read(scope, receive, headers)
        actor = await self.callers.actor(credentials.authorization, request_log)
        request_log.user_id = actor.user_id
        begin_call(actor, request_log, length_of(headers))
        document, operation = await self.operations.prepare(parameters, request_log)
        check_method(scope["method"], operation, headers)
        self.operations.check_cost(document, operation, parameters, request_log)
        key = headers.get("idempotency-key")
        if key is not None and not is_idempotency_key(key):
            raise BadRequest(f"The Idempotency-Key {IDEMPOTENCY_KEY_FORM}")
        await self.operations.admission.admit(
            document, operation, parameters.variables, actor, request_log, idempotency_key=key
        )
        if operation.operation is OperationType.SUBSCRIPTION:
            request = OperationRequest(document, operation, parameters, actor, request_log)
            return await self.subscribe(request, headers, credentials)
        context = self.operations.context(actor, document, idempotency_key=key, cookie_session=credentials.session)
        answer = await self.operations.perform(
            document, operation, parameters, context, request_log, UntilDisconnect(receive, self._moments)
        )
        if answer.content is None:
            return self.reject(answer.errors, request_log, media_type)
        if media_type is MediaType.EVENTS:
            stream = EventStream(self.settings, self.metrics)
            stream.finish(answer.content)
            return stream
        if answer.about_schema:
            return lasting_response(answer.content, media_type, headers, method=scope["method"])
        return finished_response(answer.content, media_type)

    async def subscribe(self, request: OperationRequest, headers: Headers, credentials: Credentials) -> EventStream:
        """The stream of a subscription. Raises NotStarted, TooManyConnections, and what its caller did wrong."""
        stream = EventStream(self.settings, self.metrics)
        connection = self.connections.open(request.request_log.client, stream.stop)
        stream.at_end(lambda: self.connections.close(connection))
        try:
            await self.connections.identify(connection, credentials.authorization, request.request_log)
            last = headers.get("last-event-id") or None
            stream.at_end(await self.subscriptions.start(request, stream, last_event_id=last))
        except BaseException:
            stream.release()
            raise
        return stream

    async def read(self, scope: Scope, receive: Receive, headers: Headers) -> Parameters:
        limit = self.settings.max_body_bytes
        if scope["method"] == "GET":
            check_simple_get(headers)
            return of_query_string(scope, limit)
        check_content_type(headers)
        return of_body(await read_body(receive, headers.get("content-length"), limit))

    def reject(
        self,
        errors: list[dict[str, Any]],
        request_log: HttpRequestLog,
        media_type: MediaType | None,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        request_log.codes = codes_of(errors)
        if media_type is MediaType.EVENTS:
            # A stream that is not opened has a status; a browser would otherwise ask for it again and again.
            media_type = MediaType.GRAPHQL
        return rejection(errors, media_type or MediaType.JSON, status=status, headers=headers)

    def page(self, scope: Scope) -> Response:
        """GraphiQL, or where its files are missing, how to get them."""
        root = scope.get("root_path", "")
        demo = getattr(scope["app"].state, "demo_callers", None)
        content = graphiql.page(scope["path"], root + self.assets, demo_callers=demo and root + demo)
        headers = {"content-security-policy": graphiql.POLICY, "cache-control": "no-store", "vary": "Accept"}
        return Response(content, headers=headers, media_type="text/html")


def length_of(headers: Headers) -> int | None:
    """How long the client says that the body is."""
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 10 else None


def check_method(method: str, operation: OperationDefinitionNode, headers: Headers) -> None:
    """Raises OnlyByPost for a mutation by GET, and NotSubscribed where no events are accepted."""
    if operation.operation is OperationType.SUBSCRIPTION:
        if not takes_events(headers.get("accept")):
            raise NotSubscribed
    elif method == "GET" and operation.operation is not OperationType.QUERY:
        raise OnlyByPost


def origins(settings: Settings) -> list[str]:
    """The origins whose pages may call the API."""
    return [origin.strip().rstrip("/") for origin in settings.allowed_origins.split(",") if origin.strip()]
