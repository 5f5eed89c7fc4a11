"""Who holds a connection open: how many each may, until when, and whether its caller is still to be served."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import structlog

from lango.actor import Actor
from lango.errors import RateLimited
from lango.http.proxies import Address
from lango.http.request_log import HttpRequestLog
from lango.security.account_status import Callers
from lango.security.api_key_status import KeyClaims
from lango.security.authentication import Claims
from lango.settings import Settings

log = structlog.get_logger("lango.http.connections")

# Seconds between two checks of the callers: one who is no longer to be served is disconnected within a second, the
# check itself included.
INTERVAL = 0.75


class TooManyConnections(RateLimited):
    """Too many connections are open already, by you or from your address: close some, or try again later."""


@dataclass(eq=False, slots=True)
class Connection:
    """One open connection. `end` is called, with the reason, when its caller may no longer be served."""

    address: Address | None
    end: Callable[[str], None]
    claims: Claims | KeyClaims | None = None
    expiry: asyncio.TimerHandle | None = None
    counted: list[Hashable] = field(default_factory=list)


class Connections:
    """The connections of one process that stay open: sockets and event streams."""

    def __init__(self, callers: Callers, settings: Settings) -> None:
        self._callers = callers
        self._settings = settings
        self._open: set[Connection] = set()
        self._numbers: Counter[Hashable] = Counter()
        self._watch: asyncio.Task[None] | None = None
        self.stopping = False

    def open(self, address: Address | None, end: Callable[[str], None], *, initialises: bool = False) -> Connection:
        """A connection; one that `initialises` says later whose it is. Raises TooManyConnections where that address
        has enough of them."""
        connection = Connection(address, end)
        if address is not None:
            if initialises:
                self._count(connection, uninitialised(address), self._settings.max_uninitialised_per_address)
            try:
                self._count(connection, address, self._settings.max_connections_per_address)
            except TooManyConnections:
                self._release(connection)
                raise
        self._open.add(connection)
        return connection

    async def identify(
        self, connection: Connection, authorization: Sequence[str], request_log: HttpRequestLog
    ) -> Actor:
        """The caller, for whom the connection stays open until the token or the session ends, the API key, or the
        account.

        Raises InvalidToken, TooManyConnections, and for an API key AddressNotAllowed and TooManyFailures.
        """
        actor, claims = await self._callers.identify(authorization, request_log)
        if connection.address is not None:
            self._release(connection, uninitialised(connection.address))
        if claims is not None:
            self._count(connection, claims.user_id, self._settings.max_connections_per_user)
            if isinstance(claims, Claims):
                # An API key's end may be brought forward: the watch finds it.
                seconds = claims.expires_at + self._settings.token_leeway - time.time()
                connection.expiry = asyncio.get_running_loop().call_later(
                    seconds, connection.end, "The access token has expired."
                )
            connection.claims = claims
            if self._watch is None or self._watch.done():
                self._watch = asyncio.create_task(self._watch_callers())
        return actor

    def close(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._release(connection)
        if connection.expiry is not None:
            connection.expiry.cancel()

    def end_all(self, reason: str) -> None:
        """The gateway is stopping: their clients will reconnect, to another."""
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

    def _release(self, connection: Connection, only: Hashable = None) -> None:
        """Count the connection no longer: under that key, or under all of its keys."""
        for key in [key for key in connection.counted if only in (None, key)]:
            connection.counted.remove(key)
            self._numbers[key] -= 1
            if not self._numbers[key]:
                del self._numbers[key]

    async def _watch_callers(self) -> None:
        began = time.monotonic()
        while any(connection.claims is not None for connection in self._open):
            await asyncio.sleep(began + INTERVAL - time.monotonic())
            began = time.monotonic()
            try:
                await self._end_refused()
            except Exception as error:
                # Whatever it was, they must be checked again; without a database nothing is sent to anybody.
                log.warning("callers cannot be looked at", error=type(error).__name__, exc_info=error)

    async def _end_refused(self) -> None:
        """End the connections of those who are no longer to be served."""
        watched = [(connection, connection.claims) for connection in self._open if connection.claims is not None]
        refusals = await self._callers.refusals([claims for _, claims in watched])
        for (connection, _), refused in zip(watched, refusals, strict=True):
            if refused is not None:
                connection.end(refused.message)


def uninitialised(address: Address) -> Hashable:
    """What the connections of an address are counted under until they say whose they are."""
    return "uninitialised", address
