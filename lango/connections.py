"""Who holds a connection open: how many each may, until when, and whether the session behind it still runs."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from lango.actor import Actor, DatabaseRole
from lango.auth import Authenticator, bearer_token
from lango.errors import RateLimited
from lango.exchange import Exchange
from lango.pipeline import Pipeline
from lango.proxies import Address
from lango.settings import Settings

log = structlog.get_logger("lango.connections")

# Seconds between two looks at the sessions: a revoked one is cut off within as many.
INTERVAL = 1.0
LONGEST_USER_AGENT = 500
# As the rules' role: whose sessions these are does not matter here.
ENDED_SESSIONS = """
    SELECT array_to_string(ARRAY(
        SELECT s.id FROM identity.user_sessions s
        WHERE s.id = ANY ($1::uuid[]) AND (s.is_revoked OR s.expires_at <= now())
    ), ',')
"""


class TooManyConnections(RateLimited):
    """Too many connections are open already, by you or from your address: close some, or try again later."""


@dataclass(eq=False, slots=True)
class Connection:
    """One open connection. `end` is called, with the reason, when its caller may no longer be served."""

    address: Address | None
    end: Callable[[str], None]
    actor: Actor | None = None
    expiry: asyncio.TimerHandle | None = None
    counted: list[Hashable] = field(default_factory=list)


class Connections:
    """The connections of one process that stay open: sockets and event streams."""

    def __init__(self, authenticator: Authenticator, pipeline: Pipeline, settings: Settings) -> None:
        self._authenticator = authenticator
        self._pipeline = pipeline
        self._settings = settings
        self._open: set[Connection] = set()
        self._numbers: Counter[Hashable] = Counter()
        self._watch: asyncio.Task[None] | None = None
        self.stopping = False

    def open(self, address: Address | None, end: Callable[[str], None]) -> Connection:
        """Raises TooManyConnections where that address has enough of them."""
        connection = Connection(address, end)
        if address is not None:
            self._count(connection, address, self._settings.max_connections_per_address)
        self._open.add(connection)
        return connection

    async def identify(self, connection: Connection, authorization: Sequence[str], exchange: Exchange) -> Actor:
        """The caller, for whom the connection stays open until the token expires or the session ends.

        Raises InvalidToken and TooManyConnections.
        """
        actor = await self._authenticator.actor(
            self._pipeline,
            authorization,
            request_id=exchange.request_id,
            ip=exchange.client,
            user_agent=exchange.headers.get("user-agent", "")[:LONGEST_USER_AGENT] or None,
        )
        if actor.user_id is not None:
            claims = await self._authenticator.verify(bearer_token(authorization))
            self._count(connection, actor.user_id, self._settings.max_connections_per_user)
            seconds = claims.expires_at + self._settings.token_leeway - time.time()
            connection.expiry = asyncio.get_running_loop().call_later(
                seconds, connection.end, "The access token has expired."
            )
        connection.actor = actor
        if actor.session_id is not None and (self._watch is None or self._watch.done()):
            self._watch = asyncio.create_task(self._watch_sessions())
        return actor

    def close(self, connection: Connection) -> None:
        self._open.discard(connection)
        for key in connection.counted:
            self._numbers[key] -= 1
            if not self._numbers[key]:
                del self._numbers[key]
        connection.counted.clear()
        if connection.expiry is not None:
            connection.expiry.cancel()

    def end_all(self, reason: str) -> None:
        """The gateway is stopping: their clients will come again, to another."""
        self.stopping = True
        for connection in list(self._open):
            connection.end(reason)
        if self._watch is not None:
            self._watch.cancel()

    def _count(self, connection: Connection, key: Hashable, most: int) -> None:
        if self._numbers[key] >= most:
            raise TooManyConnections
        self._numbers[key] += 1
        connection.counted.append(key)

    async def _watch_sessions(self) -> None:
        while sessions := self._sessions():
            await asyncio.sleep(INTERVAL)
            try:
                found = await self._pipeline.run(Actor(), ENDED_SESSIONS, [list(sessions)], role=DatabaseRole.RULES)
            except Exception as error:
                # Whatever it was, they must be looked at again; without a database nothing is told to anybody.
                log.warning("sessions cannot be looked at", error=type(error).__name__, exc_info=error)
                continue
            for session_id in found.decode().split(",") if found else []:
                for connection in sessions[UUID(session_id)]:
                    connection.end("The session has ended.")

    def _sessions(self) -> dict[UUID, list[Connection]]:
        sessions: dict[UUID, list[Connection]] = {}
        for connection in self._open:
            if connection.actor is not None and connection.actor.session_id is not None:
                sessions.setdefault(connection.actor.session_id, []).append(connection)
        return sessions
