"""A transaction with role and context set: the only place where BEGIN and COMMIT are written.

What a transaction writes is not sent at once: it waits for the next look-up, or for the end, and travels with it. So
BEGIN, role, context and the first look-up are one round trip, and all that is written after the last look-up goes with
the COMMIT (docs/adr/0033).
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Executable

from lango.actor import Actor, DatabaseRole
from lango.db import rows
from lango.db.connection import (
    CONTEXT,
    IDLE,
    UNLIMITED,
    Command,
    Connection,
    ConnectionLost,
    Exchange,
    NotSent,
    Result,
    Values,
)
from lango.db.fair_queue import Caller, caller_of
from lango.db.pipeline import SERVER_CONNECTION_REPLACED, Pipeline, context_of
from lango.db.prepared import Query
from lango.db.rows import Row
from lango.db.statements import Executed, executed
from lango.db.wire import text_in
from lango.errors import AnswerTooLarge, OutcomeUnknown, is_of_server

# Besides the context of a read: how long a lock is waited for.
BEGIN, BEGIN_READ_ONLY = Command("BEGIN"), Command("BEGIN READ ONLY")
COMMIT, ROLLBACK = Command("COMMIT"), Command("ROLLBACK")
SET_ROLE = {role: Command(f"SET LOCAL ROLE {role.value}") for role in DatabaseRole}
OPEN_ROWS = "SELECT set_config('lango.opened_rows', $1, true)"
WRITING = f"{CONTEXT}, set_config('lock_timeout', $11, true)"


class Transaction(ABC):
    """What is looked up and written in a database transaction, as one role, with the caller's context set."""

    actor: Actor

    @property
    def user_id(self) -> UUID:
        """The signed-in caller: whoever has no token calls only what is said to need none."""
        assert self.actor.user_id is not None
        return self.actor.user_id

    async def find(self, model: type[Row], key: UUID) -> Row | None:
        """The row with that id, if the role of the moment sees it."""
        return await rows.find(self, model, key)

    @abstractmethod
    async def fetch(self, *queries: Query) -> list[list[Any]]:
        """What each of these look-ups gives, which go together in one round trip.

        Raises asyncpg.PostgresError, of the first statement that failed: the transaction can then only be rolled back.
        """

    @abstractmethod
    def send(self, sql: str, values: Values = ()) -> None:
        """Have a statement done whose rows nobody wants: with the next look-up, or at the end.

        What it raises is raised there.
        """

    @abstractmethod
    def note_lock(self, model: type[Any], key: Any, *, in_order: bool = True) -> None:
        """Hear that a row has been locked; a rule's transaction minds the order, unless nobody can wait in another."""


class OpenTransaction(Transaction):
    """A transaction of its own, from BEGIN, which is sent with the first look-up, to its end."""

    def __init__(
        self,
        pipeline: Pipeline,
        actor: Actor,
        *,
        role: DatabaseRole | None = None,
        read_only: bool = False,
        caller: Caller | None = None,
        share_tokens: Sequence[str] = (),
        opened_rows: Sequence[str] = (),
    ) -> None:
        """`role`, where it is not the actor's. `caller` says whose share of the connections it takes, where that is
        not the actor's."""
        self.actor = actor
        self.role = role or actor.database_role
        self.is_open = True
        # The statement that failed last.
        self.failed: str | None = None
        # Whether statements are sent without names: a pooler has replaced the server's connection under them.
        self.unnamed = False
        # Seconds for which a lock is waited for.
        self.lock_timeout = pipeline.lock_timeout
        self._pipeline = pipeline
        self._caller = caller or caller_of(actor)
        self._read_only = read_only
        context = context_of(actor, self.role, share_tokens, opened_rows, writes=not read_only)
        # Also where the role is one that writes.
        self._context = context._replace(read_only="on") if read_only else context
        self._connection: Connection | None = None
        self._begun = False
        # How many statements of the last batch were not done.
        self._undone = 0
        # What is sent before the next look-up, or at the end.
        self._pending: list[Command] = []

    async def fetch(self, *queries: Query) -> list[list[Any]]:
        return self._read(queries, await self._sent([self._command(each) for each in queries]))

    def send(self, sql: str, values: Values = ()) -> None:
        self._pending.append(Command(sql, values, writes=True))

    async def fetch_last(self, *queries: Query) -> list[list[Any]]:
        """What these look-ups give, which go together with the end of the transaction.

        They are done again where the connection turns out to be lost: what they change must bear being changed twice.
        """
        assert not any(each.writes for each in self._pending), "what is saved goes with `commit`"
        results = await self._sent([*(self._command(each) for each in queries), COMMIT])
        self._end()
        return self._read(queries, results[:-1])

    async def execute(
        self, statement: Executable, values: dict[str, Any] | None = None, undeferred: Sequence[str] = ()
    ) -> Executed:
        """The rows of a statement of SQLAlchemy's that is not prepared: what is compiled is kept for equal ones.

        Models are read without their deferred columns, but for those that are `undeferred`.
        """
        sql, given, read = executed(statement, values, undeferred)
        (result,) = await self._sent([Command(sql, given, decodes=True, writes=True)])
        return read(result.rows, result.decoders)

    async def texts(self, queries: Sequence[tuple[str, Values]]) -> list[bytes | None]:
        """The first column of each statement's only row, as PostgreSQL writes it; None where there is no row."""
        results = await self._sent([Command(sql, values) for sql, values in queries])
        return [text_of(result) for result in results]

    async def run(self, *commands: str) -> None:
        """Commands of ours without values, each a statement, done at once."""
        await self._sent([Command(command, writes=True) for command in commands])

    async def exchange(self, commands: Sequence[Command]) -> list[Result]:
        """What these statements return, as it came."""
        return await self._sent(commands)

    async def flush(self) -> None:
        """Have all that waits done now, so that its errors are raised here."""
        if self._pending:
            await self._sent([])

    def set_role(self, role: DatabaseRole) -> None:
        """Continue in another role until the transaction, or the savepoint around it, ends."""
        if role is not self.role:
            self.role = role
            self._pending.append(SET_ROLE[role])

    def note_lock(self, model: type[Any], key: Any, *, in_order: bool = True) -> None:
        """Nobody else's locks are waited for in a certain order."""

    async def commit(self) -> None:
        """End the transaction. Raises what a deferred constraint says, and OutcomeUnknown where the connection was lost
        after COMMIT had been sent: the server may have done it."""
        if not self.is_open:
            # It ended with its last look-ups.
            return
        if self._begun or self._pending:
            await self._sent([COMMIT], ends=True)
        self._end()

    async def rollback(self, error: BaseException | None = None) -> None:
        """End the transaction with nothing done; what comes of a broken connection, or of what the server is doing for
        a request that was cancelled, ends the connection."""
        if not self.is_open:
            return
        connection = self._connection
        try:
            if connection is not None and not connection.is_lost:
                if error is not None and not isinstance(error, Exception):
                    connection.cancel()
                elif connection.status != IDLE:
                    # One that breaks now is closed, and nothing was done.
                    with suppress(Exception):
                        await self._over(connection, [ROLLBACK])
        finally:
            # Also for whoever is cancelled here: nobody else would give the turn back.
            self._end()

    def _command(self, query: Query) -> Command:
        """A look-up as it is sent."""
        sql = query.sql if self.role is DatabaseRole.RULES else _sql_of_role(query.sql, self.role)
        return Command(sql, query.values, decodes=True, writes=query.writes)

    def _read(self, queries: Sequence[Query], results: Sequence[Result]) -> list[list[Any]]:
        return [query.read(self, found.rows, found.decoders) for query, found in zip(queries, results, strict=True)]

    def _opening(self, connection: Connection) -> list[Command]:
        """BEGIN, role and context."""
        if self._read_only:
            return [BEGIN_READ_ONLY, Command(CONTEXT + connection.preamble, self._context)]
        timeout = f"{int(self.lock_timeout * 1000)}ms"
        return [BEGIN, Command(WRITING + connection.preamble, (*self._context, timeout))]

    async def _sent(self, commands: Sequence[Command], *, ends: bool = False, limit: int = UNLIMITED) -> list[Result]:
        """Send what waits and these, and give the results of these. `ends`: the last of them is COMMIT.

        Of rows that have more than `limit` bytes together the result says that it is too large.
        """
        assert self.is_open, "the transaction has ended"
        pending, self._pending = self._pending, []
        first, repeated = not self._begun, False
        while True:
            connection = self._connection
            if connection is None:
                connection = self._connection = await self._pipeline.take(self._caller)
            sent = [*(self._opening(connection) if first else ()), *pending, *commands]
            try:
                exchange = await self._over(connection, sent, limit=limit)
            except ConnectionLost as lost:
                self._lose(connection)
                if ends and not isinstance(lost, NotSent):
                    raise OutcomeUnknown from lost
                if first and not ends and not repeated:
                    # The server ended it, perhaps long ago; and nothing was done on it.
                    repeated = True
                    continue
                raise
            error = exchange.error
            if error is None:
                self._begun = True
                return exchange.last(len(commands))
            done = exchange.completed
            self.failed, self._undone = sent[done].sql if done < len(sent) else None, len(sent) - done
            if self.failed is not None:
                # The server says what is wrong, not with what.
                error.add_note(self.failed)
            self.unnamed = self.unnamed or isinstance(error, SERVER_CONNECTION_REPLACED)
            if is_of_server(error):
                self._lose(connection)
                if ends and done == len(sent):
                    # It was committed, and the server ended after that.
                    return exchange.last(len(commands))
                if ends and done == len(sent) - 1:
                    raise OutcomeUnknown from error
                if first and not ends and not repeated:
                    repeated = True
                    continue
            else:
                self._begun = self._begun or done > 0
            raise error

    def _lose(self, connection: Connection) -> None:
        """Close a connection whose server cannot be relied on, or which broke."""
        self._connection = None
        connection.close()
        self._pipeline.lose_server()
        self._pipeline.give_back(self._caller, connection)

    async def _over(self, connection: Connection, commands: Sequence[Command], *, limit: int = UNLIMITED) -> Exchange:
        """What a batch comes to. A cancelled request is cancelled at the server too, and ends its connection."""
        started = time.perf_counter()
        try:
            exchange = await connection.exchange(commands, limit=limit, named=not self.unnamed)
        except ConnectionLost:
            raise
        except BaseException:
            connection.cancel()
            raise
        for place in exchange.described_now:
            connection.note_decoders(commands[place].sql, exchange.decoders[place])
        self._pipeline.note_sent(commands, time.perf_counter() - started)
        return exchange

    def _end(self) -> None:
        self.is_open = False
        self._pending.clear()
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.status != IDLE:
            # A transaction that is still open would leave its role to the next user.
            connection.close()
        self._pipeline.give_back(self._caller, connection)


@asynccontextmanager
async def acting_as(
    pipeline: Pipeline,
    actor: Actor,
    *,
    read_only: bool = False,
    role: DatabaseRole | None = None,
    caller: Caller | None = None,
) -> AsyncIterator[OpenTransaction]:
    """One transaction as the caller. Commits at the end; an error rolls back.

    `caller` says whose share of the connections it takes, where that is not the actor's. A connection that turns out to
    be lost when the transaction begins is replaced: nothing has been done on it. Raises OutcomeUnknown as `commit`
    does, and NoConnectionFree.
    """
    tx = OpenTransaction(pipeline, actor, role=role, read_only=read_only, caller=caller)
    try:
        yield tx
        if read_only:
            # What has been read has been read, even if the connection breaks now.
            await tx.rollback()
        else:
            await tx.commit()
    except BaseException as error:
        await tx.rollback(error)
        raise


@lru_cache(maxsize=1024)
def _sql_of_role(sql: str, role: DatabaseRole) -> str:
    """Under policies a statement is planned anew whenever the role has changed, so each role has one of its own."""
    return f"/* {role.value} */ {sql}"


def text_of(result: Result) -> bytes | None:
    """The first column of a statement's only row; None where there is no row. Raises AnswerTooLarge."""
    if result.too_large is not None:
        raise AnswerTooLarge(result.too_large)
    return text_in(result.rows[0]) if result.rows else None
