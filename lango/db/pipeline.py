"""The connections of a process: reads go over them in one round trip, and transactions of several.

PostgreSQL runs what it is sent up to a Sync as one transaction. A read is therefore: set role and context for the
transaction, run the statement, Sync. What it sets is gone when the batch ends, however it ends, so nothing of one
caller can meet the next (docs/adr/0011).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import URL

from lango.actor import Actor, DatabaseRole
from lango.db.connection import READ_ONLY, Command, Connection, ConnectionLost, Outcome, Query
from lango.db.fair_queue import SYSTEM, Caller, NoConnectionFree, Shares, caller_of
from lango.db.postgres import open_connection, secure_url
from lango.errors import is_of_server
from lango.observability.metrics import Metrics
from lango.settings import Settings

WRITERS = frozenset({DatabaseRole.RULES, DatabaseRole.WORKER})
# The server does not know a statement that was prepared on this connection, or knows it already: something between
# us and the server, a pooler say, has replaced one server connection by another.
SERVER_CONNECTION_REPLACED = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)


class Context(NamedTuple):
    """The role and the context of a transaction: the parameters of CONTEXT, in their order."""

    role: str
    user_id: str
    roles: str
    session_id: str
    request_id: str
    ip: str
    share_tokens: str
    read_only: str
    opened_rows: str
    user_agent: str

    @property
    def writes(self) -> bool:
        return self.read_only == "off"


def context_of(
    actor: Actor,
    role: DatabaseRole,
    share_tokens: Sequence[str],
    opened_rows: Sequence[str] = (),
    *,
    writes: bool = False,
) -> Context:
    """The context of a transaction in that role; `writes`: also to the audit log, where the role is one that reads."""
    writes = writes or role in WRITERS
    return Context(
        role=role.value,
        user_id=str(actor.user_id or ""),
        roles=",".join(sorted(actor.roles)),
        session_id=str(actor.session_id or ""),
        request_id=actor.request_id,
        ip=str(actor.ip or "").partition("%")[0],
        share_tokens=",".join(share_tokens),
        read_only="off" if writes else "on",
        opened_rows=",".join(opened_rows),
        # Free text, which only the audit log takes.
        user_agent=(actor.user_agent or "").replace("\0", "").encode(errors="replace").decode() if writes else "",
    )


class Pipeline:
    """The connections of a process: opened when they are wanted, up to the pool's size."""

    def __init__(
        self, url: URL, settings: Settings, metrics: Metrics | None = None, *, pool_size: int | None = None
    ) -> None:
        """`pool_size`, where it is not that of the settings."""
        self.url = url
        self._settings = settings
        self.metrics = metrics
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        # How often the server was lost: connections that were opened before are not used again.
        self._generation = 0
        self.is_closed = False
        self.shares = Shares(pool_size or settings.pool_size, settings.caller_share, settings.pool_timeout)
        self.lock_timeout = settings.lock_timeout
        # Called with the statements that went together: for tests that count them.
        self.listeners: list[Callable[[Sequence[str]], None]] = []

    async def run(self, actor: Actor, sql: str, values: Sequence[Any], *, role: DatabaseRole | None = None) -> Any:
        """Run one statement in a transaction of its own, as the caller or for the caller in another role.

        Raises asyncpg.PostgresError, and what `fetch` raises.
        """
        (outcome,) = await self.fetch(actor, [(sql, values)], role=role)
        if isinstance(outcome, asyncpg.PostgresError):
            raise outcome
        return outcome

    async def fetch(
        self,
        actor: Actor,
        queries: Sequence[Query],
        share_tokens: Sequence[str] = (),
        opened_rows: Sequence[str] = (),
        *,
        role: DatabaseRole | None = None,
        writes: bool = False,
    ) -> list[Outcome]:
        """What each statement returns as the caller: the first column of its only row, or the error it failed with.

        `writes`: what it shows is written to the audit log in the same transaction.

        In another role it is the gateway's own look-up, which takes nobody's share of the connections. Raises
        AnswerTooLarge, and ConnectionError, also when no connection is free for too long. A cancelled read is
        cancelled at the server too, and ends its connection.
        """
        context = context_of(actor, role or actor.database_role, share_tokens, opened_rows, writes=writes)
        caller = caller_of(actor) if role is None else SYSTEM
        started = time.perf_counter()
        await self.shares.take(caller)
        try:
            outcomes = await self._send(context, queries)
        finally:
            self.shares.give_back(caller)
        if self.metrics is not None:
            self.metrics.statements.observe(time.perf_counter() - started)
        for listener in self.listeners:
            listener([sql for sql, _ in queries])
        return outcomes

    async def take(self, caller: Caller) -> Connection:
        """A connection for a transaction, once it is the caller's turn; it goes back by `give_back`.

        Raises as `fetch` does.
        """
        await self.shares.take(caller)
        try:
            connection, _ = await self._take()
        except BaseException:
            self.shares.give_back(caller)
            raise
        if self.metrics is not None:
            self.metrics.pool_in_use.inc()
        return connection

    def give_back(self, caller: Caller, connection: Connection) -> None:
        """End the turn. The connection is in no transaction, or it is closed."""
        if self.metrics is not None:
            self.metrics.pool_in_use.dec()
        self._return(connection)
        self.shares.give_back(caller)

    def note_sent(self, commands: Sequence[Command], seconds: float) -> None:
        """Hear of the statements of a transaction that went over a connection together."""
        if self.metrics is not None:
            self.metrics.statements.observe(seconds)
        for listener in self.listeners:
            listener([command.sql for command in commands])

    def lose_server(self) -> None:
        """What is true of one connection's server is true of the others that are open: none of them is used again,
        and those that are in use are closed when they come back."""
        self._generation += 1
        for each in [*self._idle]:
            each.close()

    async def _send(self, context: Context, queries: Sequence[Query]) -> list[Outcome]:
        """The outcomes. Statements whose error is of the server are repeated on another connection, once: none of them
        was done."""
        outcomes = await self._send_once(context, queries)
        again = [index for index, outcome in enumerate(outcomes) if self._is_of_server(context, outcome)]
        if again:
            repeated = await self._send_once(context, [queries[index] for index in again])
            for index, outcome in zip(again, repeated, strict=True):
                outcomes[index] = outcome
        return outcomes

    async def _send_once(self, context: Context, queries: Sequence[Query]) -> list[Outcome]:
        """The outcomes, over a connection that is free: there is one for each turn."""
        connection, is_new = await self._take()
        while True:
            try:
                with self._in_use():
                    outcomes = await self._send_over(connection, context, queries)
            except ConnectionLost:
                if is_new or context.role in WRITERS:
                    raise
                # The server ended it, perhaps long ago; reading again does no harm. What staff read is then perhaps in
                # the audit log twice.
                connection, is_new = await self._take()
            except BaseException:
                connection.cancel()
                raise
            else:
                break
        if any(self._is_of_server(context, outcome) for outcome in outcomes):
            connection.close()
            self.lose_server()
        self._return(connection)
        return outcomes

    @staticmethod
    def _is_of_server(context: Context, outcome: Outcome) -> bool:
        """Whether it is an error of the server; that a read must not write is our own doing."""
        if not isinstance(outcome, asyncpg.PostgresError):
            return False
        return is_of_server(outcome) and (context.writes or outcome.sqlstate != READ_ONLY)

    async def _send_over(self, connection: Connection, context: Context, queries: Sequence[Query]) -> list[Outcome]:
        outcomes = await connection.send(context, queries, limit=self._settings.max_answer_bytes)
        again = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, SERVER_CONNECTION_REPLACED)]
        if again:
            # Nothing of these was done: what did not know the statement has ended its transaction.
            repeated = await connection.send(
                context, [queries[index] for index in again], limit=self._settings.max_answer_bytes, named=False
            )
            for index, outcome in zip(again, repeated, strict=True):
                outcomes[index] = outcome
        return outcomes

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """Count a connection as in use."""
        if self.metrics is None:
            yield
            return
        with self.metrics.pool_in_use.track_inprogress():
            yield

    def close(self) -> None:
        """Close every connection, for good."""
        self.is_closed = True
        for connection in list(self._open):
            connection.close()

    async def _take(self) -> tuple[Connection, bool]:
        """A connection, and whether it is new."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_lost:
                return connection, False
        return await self._connect(), True

    async def _connect(self) -> Connection:
        try:
            opened = await open_connection(self.url, self._settings, statement_cache_size=0)
        except TimeoutError:
            raise NoConnectionFree("The database did not answer in time.") from None
        connection = Connection(opened, self._forget, self._generation)
        self._open.add(connection)
        if self.metrics is not None:
            self.metrics.pool_size.inc()
        return connection

    def _return(self, connection: Connection) -> None:
        """Keep a connection for the next one, if it is of any use to them."""
        if connection.is_lost:
            return
        if connection.generation < self._generation:
            connection.close()
        else:
            self._idle.append(connection)

    def _forget(self, connection: Connection) -> None:
        if connection in self._open:
            self._open.discard(connection)
            if self.metrics is not None:
                self.metrics.pool_size.dec()
        with suppress(ValueError):
            self._idle.remove(connection)


def make_pipeline(
    address: str, settings: Settings, metrics: Metrics | None = None, *, pool_size: int | None = None
) -> Pipeline:
    """The connections to the database of that address. Raises InsecureDatabase as `secure_url` does."""
    return Pipeline(secure_url(address, settings), settings, metrics, pool_size=pool_size)
