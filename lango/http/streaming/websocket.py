"""graphql-transport-ws: one WebSocket that carries many operations at once.

The protocol is https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. Strawberry's server of it
closes the whole socket for a syntax error of one operation, and drops it without a code for a JSON array.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from graphql import OperationType
from starlette.types import Receive, Scope, Send

from lango.actor import Actor
from lango.errors import RateLimited, is_passing
from lango.events.outbox import Event
from lango.http.allowed_hosts import Hosts, MisdirectedRequest
from lango.http.connections import Connections, TooManyConnections
from lango.http.exchange import Exchange, open_exchange
from lango.http.negotiation import HttpError, check_once, check_origin
from lango.http.operations import Operations, always_explained, codes_of
from lango.http.parameters import Parameters
from lango.http.proxies import Networks
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
from lango.http.streaming.send_buffer import Full, Outgoing
from lango.http.streaming.subscriptions import Asked, NotStarted, Subscriptions
from lango.observability.logs import log_error, log_exchange, log_outage
from lango.observability.metrics import Metrics
from lango.security.authentication import InvalidToken
from lango.settings import Settings

AWAY = "The database cannot be reached at the moment: come again, and go on from the last event you have seen"


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
    ) -> None:
        self.operations = operations
        self.subscriptions = subscriptions
        self.connections = connections
        self.settings = settings
        self.metrics = metrics
        self.trusted = Networks(settings.trusted_proxies)
        self.allowed_origins = allowed_origins
        self.hosts = Hosts(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = open_exchange(scope, self.trusted)
        await receive()
        try:
            if not self.hosts.serves(exchange.headers.get("host")):
                raise MisdirectedRequest
            check_once(exchange.headers)
            check_origin(exchange.headers, self.allowed_origins, self.hosts.owns)
        except HttpError:
            # Before it is accepted, this is answered with 403.
            await send({"type": "websocket.close"})
            return
        offered = SUBPROTOCOL in scope["subprotocols"]
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
        self.metrics.sockets.inc()
        try:
            socket = Socket(self, exchange, receive, send, scope.get("extensions", {}).get(INITIALISED))
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
        exchange: Exchange,
        receive: Receive,
        send: Send,
        initialised: Mapping[str, Callable[..., None]] | None,
    ) -> None:
        """`initialised` tells the server, where it wants to know, that connection_init has been taken, and whether
        somebody has signed in by it."""
        self._sockets = sockets
        self._settings = sockets.settings
        self._exchange = exchange
        self._receive = receive
        self._send = send
        self._tell_initialised = initialised["call"] if initialised else None
        self._out = Outgoing[str](self._settings.stream_buffer, self._settings.stream_buffer_bytes)
        self._closing: tuple[int, str] | None = None
        self._actor: Actor | None = None
        self._initialised = False
        # What ends each operation that is under way.
        self._running: dict[str, Callable[[], None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        writer = asyncio.create_task(self._write())
        timer = asyncio.get_running_loop().call_later(self._settings.socket_init_timeout, self._end_uninitialised)
        connections, connection = self._sockets.connections, None
        try:
            connection = connections.open(self._exchange.client, self._end, initialises=True)
            self._connection = connection
            await self._read()
        except TooManyConnections as error:
            self.close(TRY_AGAIN, error.message)
        except Closing as closing:
            self.close(closing.code, closing.reason)
        except Exception as error:
            log_error(error, self._exchange)
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
        """Send what happened. One who does not keep up is let go: the memory of it would grow without bound."""
        try:
            self._out.put(text)
        except Full:
            self._sockets.metrics.slow_clients.inc()
            self.close(TRY_AGAIN, "You read too slowly: come again, and go on from the last event you have seen")
            self._out.close(drop=True)
            for end in list(self._running.values()):
                end()

    async def reply(self, **message: Any) -> None:
        """Answer a message. One who sends much and reads little is not listened to meanwhile."""
        await self._out.little()
        self.push(written(**message))

    async def room(self) -> None:
        await self._out.room()

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
        try:
            self._actor = await self._sockets.connections.identify(
                self._connection, given or self._exchange.headers.getlist("authorization"), self._exchange
            )
        except InvalidToken as error:
            raise Closing(FORBIDDEN, error.message) from None
        except Exception as error:
            if is_passing(error):
                raise self._away(error, self._exchange) from None
            raise
        if self._tell_initialised is not None:
            self._tell_initialised(signed_in=self._actor.user_id is not None)
        await self.reply(type="connection_ack")

    async def _subscribe(self, id_: str, parameters: Parameters) -> None:
        if self._actor is None:
            raise Closing(UNAUTHORIZED, "Unauthorized")
        if id_ in self._running:
            raise Closing(SUBSCRIBER_EXISTS, f"Subscriber for {id_} already exists")
        ours = self._exchange
        exchange = Exchange(
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
            await self._begin(id_, parameters, exchange)
        except Closing:
            raise
        except Exception as error:
            await self._refuse(id_, error, exchange)

    async def _begin(self, id_: str, parameters: Parameters, exchange: Exchange) -> None:
        operations, actor = self._sockets.operations, self._actor
        assert actor is not None
        document, operation = await operations.prepare(parameters, exchange)
        operations.price(document, operation, parameters, exchange)
        asked = Asked(document, operation, parameters, actor, exchange)
        if operation.operation is OperationType.SUBSCRIPTION:
            subscriber = Subscriber(self, id_, self._sockets.metrics)
            self._running[id_] = subscriber.leave
            try:
                subscriber.joined(await self._sockets.subscriptions.start(asked, subscriber))
            except BaseException as error:
                self._running.pop(id_, None)
                if isinstance(error, Exception) and is_passing(error):
                    # An error message would end the subscription for good; a closed socket is opened again.
                    raise self._away(error, exchange) from None
                raise
            self._note(exchange, 200)
            return
        task = asyncio.create_task(self._perform(id_, asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

        def end() -> None:
            # A mutation is finished, also when nobody waits for its answer any more.
            if operation.operation is OperationType.QUERY:
                task.cancel()

        self._running[id_] = end

    async def _perform(self, id_: str, asked: Asked) -> None:
        """Run a query or a mutation, and answer it unless it has been completed meanwhile."""
        operations, exchange = self._sockets.operations, asked.exchange
        mine = self._running.get(id_)
        try:
            actor = await self._sockets.subscriptions.callers.still(asked.actor)
            context = operations.context(actor, asked.document)
            answer = await operations.perform(asked.document, asked.operation, asked.parameters, context, exchange)
        except Exception as error:
            if self._running.get(id_) is mine:
                await self._refuse(id_, error, exchange)
            return
        if self._running.get(id_) is not mine or self._closing is not None:
            return
        del self._running[id_]
        if answer.content is None:
            await self._tell_errors(id_, answer.errors, exchange)
            return
        self._note(exchange, 200)
        await self._out.room()
        self.push(next_of(id_, answer.content))
        await self.reply(id=id_, type="complete")

    @staticmethod
    def _away(error: Exception, exchange: Exchange) -> Closing:
        log_outage(error, exchange)
        return Closing(TRY_AGAIN, AWAY)

    def interrupt(self) -> None:
        """A subscription could not go on because of a passing error: its client opens the socket anew."""
        self.close(TRY_AGAIN, AWAY)
        for end in list(self._running.values()):
            end()

    async def _refuse(self, id_: str, error: Exception, exchange: Exchange) -> None:
        self._running.pop(id_, None)
        errors = error.errors if isinstance(error, NotStarted) else always_explained(error, exchange)
        await self._tell_errors(id_, errors, exchange)

    async def _tell_errors(self, id_: str, errors: list[dict[str, Any]], exchange: Exchange) -> None:
        exchange.codes = codes_of(errors)
        self._note(exchange, 400)
        await self.reply(id=id_, type="error", payload=errors)

    def _note(self, exchange: Exchange, status: int) -> None:
        exchange.status = status
        self._sockets.metrics.request(exchange.operation, status, exchange.seconds, exchange.codes)
        log_exchange(exchange, "WS", "/graphql")

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

    def tell(self, _event: Event, text: bytes, /) -> None:
        if not self._left:
            self._socket.push(next_of(self._id, text))
            self._metrics.events_sent.inc()

    def end(self, errors: list[dict[str, Any]]) -> None:
        self.leave()
        self._socket.finished(self._id, errors)

    def interrupt(self) -> None:
        self.leave()
        self._socket.interrupt()

    async def room(self) -> None:
        await self._socket.room()
