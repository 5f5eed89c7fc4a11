"""graphql-transport-ws: one WebSocket that carries many operations at once.

The protocol is https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. Strawberry's server of it
closes the whole socket for a syntax error of one operation, and drops it without a code for a JSON array.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from graphql import OperationType
from starlette.types import Receive, Scope, Send

from lango.actor import Actor
from lango.errors import Forbidden, RateLimited, is_passing
from lango.events.outbox import Event
from lango.graphql.cookie_session import CookieSession
from lango.http.admission import begin_call
from lango.http.allowed_hosts import Hosts, MisdirectedRequest
from lango.http.connections import Connections, TooManyConnections
from lango.http.cookies import Credentials
from lango.http.negotiation import HttpError, check_once, check_origin
from lango.http.operations import Operations, always_explained, codes_of
from lango.http.parameters import Parameters
from lango.http.proxies import Networks
from lango.http.request_log import HttpRequestLog, open_request_log
from lango.http.responses import status_of
from lango.http.streaming.messages import (
    BAD_REQUEST,
    FORBIDDEN,
    INIT_TIMEOUT,
    INITIALISED,
    INTERNAL,
    NO_SUBPROTOCOL,
    RESTARTING,
    SUBPROTOCOL,
    SUBSCRIBER_EXISTS,
    TOO_MANY_INITS,
    TRY_AGAIN,
    UNAUTHORIZED,
    Closing,
    id_of,
    message_of,
    next_of,
    parameters_of,
    payload_of,
    reason_of,
    written,
)
from lango.http.streaming.send_buffer import BufferFull, SendBuffer
from lango.http.streaming.subscriptions import NotStarted, OperationRequest, Subscriptions
from lango.observability.logs import log_error, log_outage, log_request
from lango.observability.metrics import Metrics
from lango.security.api_calls import Meter
from lango.security.authentication import InvalidToken
from lango.settings import Settings

AWAY = "The database cannot be reached at the moment: reconnect, and resume after the last event you have seen"


class Sockets:
    """The endpoint of WebSockets."""

    def __init__(
        self,
        operations: Operations,
        subscriptions: Subscriptions,
        connections: Connections,
        settings: Settings,
        metrics: Metrics,
        *,
        allowed_origins: frozenset[str],
        meter: Meter,
    ) -> None:
        self.operations = operations
        self.subscriptions = subscriptions
        self.connections = connections
        self.settings = settings
        self.metrics = metrics
        self.meter = meter
        self.trusted = Networks(settings.trusted_proxies)
        self.allowed_origins = allowed_origins
        self.hosts = Hosts(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_log = open_request_log(scope, self.trusted, self.settings.country_header)
        await receive()
        try:
            if not self.hosts.serves(request_log.headers.get("host")):
                raise MisdirectedRequest
            check_once(request_log.headers)
            check_origin(request_log.headers, self.allowed_origins, self.hosts.owns)
        except HttpError:
            # Before it is accepted, this is answered with 403.
            await send({"type": "websocket.close"})
            return
        offered = SUBPROTOCOL in scope["subprotocols"]
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
        self.metrics.sockets.inc()
        try:
            socket = Socket(self, request_log, receive, send, scope.get("extensions", {}).get(INITIALISED))
            if not offered:
                socket.close(NO_SUBPROTOCOL, "Subprotocol not acceptable")
            await socket.run()
        finally:
            self.metrics.sockets.dec()


class Socket:
    """One open socket."""

    def __init__(
        self,
        sockets: Sockets,
        request_log: HttpRequestLog,
        receive: Receive,
        send: Send,
        initialised: Mapping[str, Callable[..., None]] | None,
    ) -> None:
        """`initialised` informs the server, where it wants to know, that connection_init has been accepted, and whether
        somebody has signed in by it."""
        self._sockets = sockets
        self._settings = sockets.settings
        self._request_log = request_log
        self._receive = receive
        self._send = send
        self._notify_initialised = initialised["call"] if initialised else None
        self._out = SendBuffer[str](self._settings.stream_buffer, self._settings.stream_buffer_bytes)
        self._closing: tuple[int, str] | None = None
        self._actor: Actor | None = None
        self._initialised = False
        # Where a cookie of the handshake says who it is.
        self._cookie_session: CookieSession | None = None
        # What ends each operation that is running.
        self._running: dict[str, Callable[[], None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        writer = asyncio.create_task(self._write())
        timer = asyncio.get_running_loop().call_later(self._settings.socket_init_timeout, self._end_uninitialised)
        connections, connection = self._sockets.connections, None
        try:
            connection = connections.open(self._request_log.client, self._end, initialises=True)
            self._connection = connection
            await self._read()
        except TooManyConnections as error:
            self.close(TRY_AGAIN, error.message)
        except Closing as closing:
            self.close(closing.code, closing.reason)
        except Exception as error:
            log_error(error, self._request_log)
            self.close(INTERNAL, "Internal error")
        finally:
            timer.cancel()
            for end in list(self._running.values()):
                end()
            if connection is not None:
                connections.close(connection)
            self._out.close()
            await writer

    def close(self, code: int, reason: str) -> None:
        """Close when what waits has been sent."""
        if self._closing is None:
            self._closing = (code, reason_of(reason))
        self._out.close()

    def _end(self, reason: str) -> None:
        """The caller may no longer be served, or the gateway stops."""
        code = RESTARTING if self._sockets.connections.stopping else FORBIDDEN
        self.close(code, reason)

    def _end_uninitialised(self) -> None:
        if not self._initialised:
            self.close(INIT_TIMEOUT, "Connection initialisation timeout")

    async def _write(self) -> None:
        """Send what waits, as fast as the client reads, and the close at last."""
        with suppress(OSError):
            while (text := await self._out.get()) is not None:
                await self._send({"type": "websocket.send", "text": text})
            if self._closing is not None:
                code, reason = self._closing
                await self._send({"type": "websocket.close", "code": code, "reason": reason})

    def push(self, text: str) -> None:
        """Send an event. A client that does not keep up is disconnected: its buffer would grow without bound."""
        try:
            self._out.put(text)
        except BufferFull:
            self._sockets.metrics.slow_clients.inc()
            self.close(TRY_AGAIN, "You read too slowly: reconnect, and resume after the last event you have seen")
            self._out.close(drop=True)
            for end in list(self._running.values()):
                end()

    async def reply(self, **message: Any) -> None:
        """Answer a message. From a client that sends much and reads little nothing is read meanwhile."""
        await self._out.drain_low()
        self.push(written(**message))

    async def drain(self) -> None:
        await self._out.drain()

    async def _read(self) -> None:
        while (message := await self._receive())["type"] != "websocket.disconnect":
            if self._closing is None:
                await self._take(message_of(message.get("text")))

    async def _take(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "connection_init":
                await self._initialise(payload_of(message) or {})
            case "ping":
                payload = payload_of(message)
                await self.reply(type="pong", **({"payload": payload} if payload else {}))
            case "pong":
                payload_of(message)
            case "subscribe":
                await self._subscribe(id_of(message), parameters_of(message))
            case "complete":
                end = self._running.pop(id_of(message), None)
                if end is not None:
                    end()
            case _:
                raise Closing(BAD_REQUEST, "The message's type is not one of graphql-transport-ws")

    async def _initialise(self, payload: dict[str, Any]) -> None:
        if self._initialised:
            raise Closing(TOO_MANY_INITS, "Too many initialisation requests")
        self._initialised = True
        given = [value for name, value in payload.items() if name.lower() == "authorization" and value is not None]
        if not all(isinstance(value, str) for value in given):
            raise Closing(FORBIDDEN, "The authorization must be a text")
        credentials = Credentials(self._request_log.headers)
        if credentials.by_cookie and not given:
            self._cookie_session = CookieSession(settable=False)
        try:
            self._actor = await self._sockets.connections.identify(
                self._connection, given or credentials.authorization, self._request_log
            )
        except (InvalidToken, Forbidden) as error:
            raise Closing(FORBIDDEN, error.message) from None
        except RateLimited as error:
            raise Closing(TRY_AGAIN, error.message) from None
        except Exception as error:
            if is_passing(error):
                raise self._away(error, self._request_log) from None
            raise
        if self._notify_initialised is not None:
            self._notify_initialised(signed_in=self._actor.user_id is not None)
        await self.reply(type="connection_ack")

    async def _subscribe(self, id_: str, parameters: Parameters) -> None:
        if self._actor is None:
            raise Closing(UNAUTHORIZED, "Unauthorized")
        if id_ in self._running:
            raise Closing(SUBSCRIBER_EXISTS, f"Subscriber for {id_} already exists")
        ours = self._request_log
        request_log = HttpRequestLog(
            request_id=ours.request_id,
            client=ours.client,
            user_agent=ours.user_agent,
            user_id=self._actor.user_id,
            peer=ours.peer,
            headers=ours.headers,
        )
        try:
            if len(self._running) >= self._settings.max_operations_per_socket:
                raise RateLimited("Too many operations are under way on this socket: complete some first.")
            await self._begin(id_, parameters, request_log)
        except Closing:
            raise
        except Exception as error:
            await self._refuse(id_, error, request_log)

    async def _begin(self, id_: str, parameters: Parameters, request_log: HttpRequestLog) -> None:
        operations, actor = self._sockets.operations, self._actor
        assert actor is not None
        begin_call(actor, request_log, None)
        document, operation = await operations.prepare(parameters, request_log)
        operations.check_cost(document, operation, parameters, request_log)
        if actor.api_key is not None:
            # Its permissions are those of now.
            actor = await self._sockets.subscriptions.callers.still(actor)
        await operations.admission.admit(document, operation, parameters.variables, actor, request_log)
        request = OperationRequest(document, operation, parameters, actor, request_log)
        if operation.operation is OperationType.SUBSCRIPTION:
            subscriber = Subscriber(self, id_, self._sockets.metrics)
            self._running[id_] = subscriber.leave
            try:
                # Since the socket was opened a role may have been taken away.
                request = replace(request, actor=await self._sockets.subscriptions.callers.still(actor))
                subscriber.joined(await self._sockets.subscriptions.start(request, subscriber))
            except BaseException as error:
                self._running.pop(id_, None)
                if isinstance(error, Exception) and is_passing(error):
                    # An error message would end the subscription for good; a closed socket is opened again.
                    raise self._away(error, request_log) from None
                raise
            self._note(request_log, 200)
            return
        task = asyncio.create_task(self._perform(id_, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

        def end() -> None:
            # A mutation is finished, also when nobody waits for its answer any more.
            if operation.operation is OperationType.QUERY:
                task.cancel()

        self._running[id_] = end

    async def _perform(self, id_: str, request: OperationRequest) -> None:
        """Run a query or a mutation, and answer it unless it has been completed meanwhile."""
        operations, request_log = self._sockets.operations, request.request_log
        mine = self._running.get(id_)
        try:
            actor = await self._sockets.subscriptions.callers.still(request.actor)
            context = operations.context(actor, request.document, cookie_session=self._cookie_session)
            answer = await operations.perform(
                request.document, request.operation, request.parameters, context, request_log
            )
        except Exception as error:
            if self._running.get(id_) is mine:
                await self._refuse(id_, error, request_log)
            return
        finally:
            if self._running.get(id_) is not mine:
                # Nobody waits for its answer any more; it was counted all the same.
                self._sockets.meter.record(request_log)
        if self._running.get(id_) is not mine or self._closing is not None:
            return
        del self._running[id_]
        if answer.content is None:
            await self._send_errors(id_, answer.errors, request_log)
            return
        if request_log.call is not None:
            request_log.call.response_bytes = len(answer.content)
        self._note(request_log, 200)
        await self._out.drain()
        self.push(next_of(id_, answer.content))
        await self.reply(id=id_, type="complete")

    @staticmethod
    def _away(error: Exception, request_log: HttpRequestLog) -> Closing:
        log_outage(error, request_log)
        return Closing(TRY_AGAIN, AWAY)

    def interrupt(self) -> None:
        """A subscription could not go on because of a passing error: its client opens the socket again."""
        self.close(TRY_AGAIN, AWAY)
        for end in list(self._running.values()):
            end()

    async def _refuse(self, id_: str, error: Exception, request_log: HttpRequestLog) -> None:
        self._running.pop(id_, None)
        errors = error.errors if isinstance(error, NotStarted) else always_explained(error, request_log)
        await self._send_errors(id_, errors, request_log)

    async def _send_errors(self, id_: str, errors: list[dict[str, Any]], request_log: HttpRequestLog) -> None:
        request_log.codes = codes_of(errors)
        self._note(request_log, status_of(request_log.codes))
        await self.reply(id=id_, type="error", payload=errors)

    def _note(self, request_log: HttpRequestLog, status: int) -> None:
        request_log.status = status
        self._sockets.metrics.request(request_log.operation, status, request_log.seconds, request_log.codes)
        log_request(request_log, "WS", "/graphql")
        self._sockets.meter.record(request_log)

    def finished(self, id_: str, errors: list[dict[str, Any]]) -> None:
        """A subscription ends by our side."""
        if self._running.pop(id_, None) is not None and self._closing is None:
            self.push(written(id=id_, type="error", payload=errors))


class Subscriber:
    """One subscription on a socket."""

    def __init__(self, socket: Socket, id_: str, metrics: Metrics) -> None:
        self._socket = socket
        self._metrics = metrics
        self._id = id_
        self._leave: Callable[[], None] | None = None
        self._left = False

    def joined(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        if self._left:
            self.leave()

    def leave(self) -> None:
        self._left = True
        if self._leave is not None:
            leave, self._leave = self._leave, None
            leave()

    def send(self, _event: Event, text: bytes, /) -> None:
        if not self._left:
            self._socket.push(next_of(self._id, text))
            self._metrics.events_sent.inc()

    def end(self, errors: list[dict[str, Any]]) -> None:
        self.leave()
        self._socket.finished(self._id, errors)

    def interrupt(self) -> None:
        self.leave()
        self._socket.interrupt()

    async def drain(self) -> None:
        await self._socket.drain()
