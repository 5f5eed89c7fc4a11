"""Reads in one round trip: the context and the statement are sent together, as one transaction of their own.

PostgreSQL runs what it is sent up to a Sync as one transaction. A batch is therefore: set role and context for the
transaction, run the statement, Sync. What it sets is gone when the batch ends, however it ends, so nothing of one
caller can meet the next. asyncpg connects and authenticates; what it cannot do is send two statements at once, so
the connection is then driven from here (docs/adr/0011).
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime
from datetime import time as clock
from decimal import Decimal
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import URL

from lango.actor import Actor, DatabaseRole
from lango.db.cancellation import cancel
from lango.db.driver import DriverConnection, digest
from lango.db.fair_queue import SYSTEM, NoConnectionFree, Shares, caller_of
from lango.db.postgres import open_connection
from lango.errors import AnswerTooLarge, is_of_server
from lango.libraries.asyncpg import transport_of
from lango.observability.metrics import Metrics
from lango.settings import Settings

STATEMENTS = 200
CONTEXT = (
    "SELECT set_config('role', $1, true), set_config('transaction_read_only', $8, true), "
    "set_config('lango.user_id', $2, true), set_config('lango.roles', $3, true), "
    "set_config('lango.session_id', $4, true), set_config('lango.request_id', $5, true), "
    "set_config('lango.ip', $6, true), set_config('lango.share_tokens', $7, true), "
    "set_config('lango.opened_rows', $9, true)"
)
SYNC = b"S\x00\x00\x00\x04"
EXECUTE = b"E\x00\x00\x00\x09\x00\x00\x00\x00\x00"
WRITERS = frozenset({DatabaseRole.RULES, DatabaseRole.WORKER})
BINARY = b"\x00\x01\x00\x01"
# More than a message of the protocol can have.
UNLIMITED = 2**31
LENGTH = struct.Struct("!I")
# The server does not know a statement that was prepared on this connection, or knows it already: something between
# us and the server, a pooler say, has replaced one server connection by another.
SERVER_CONNECTION_REPLACED = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
# How a server that takes no writes refuses the context of one who may write; and how it refuses a statement that does.
WRITE_REFUSED, READ_ONLY = frozenset({"25001", "0A000"}), "25006"
# What the server sends, by its first letter.
PARSE_COMPLETE, COMMAND_COMPLETE, DATA_ROW, ERROR, READY = b"1CDEZ"


def written(value: Any) -> bytes | None:
    """A parameter as PostgreSQL reads it from text."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, list | tuple):
        return _array(value).encode()
    if isinstance(value, datetime | date | clock):
        return value.isoformat().encode()
    if isinstance(value, Decimal):
        return format(value, "f").encode()
    return str(value).encode()


def _array(values: Sequence[Any]) -> str:
    items = []
    for value in values:
        text = written(value)
        quoted = None if text is None else text.decode().replace("\\", "\\\\").replace('"', '\\"')
        items.append("NULL" if quoted is None else f'"{quoted}"')
    return f"{{{','.join(items)}}}"


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

    @property
    def writes(self) -> bool:
        return self.read_only == "off"


def context_of(
    actor: Actor, role: DatabaseRole, share_tokens: Sequence[str], opened_rows: Sequence[str] = ()
) -> Context:
    return Context(
        role=role.value,
        user_id=str(actor.user_id or ""),
        roles=",".join(sorted(role.value for role in actor.roles)),
        session_id=str(actor.session_id or ""),
        request_id=actor.request_id,
        ip=str(actor.ip or "").partition("%")[0],
        share_tokens=",".join(share_tokens),
        read_only="off" if role in WRITERS else "on",
        opened_rows=",".join(opened_rows),
    )


def message(kind: bytes, body: bytes) -> bytes:
    return kind + LENGTH.pack(len(body) + 4) + body


def parse(name: bytes, sql: str) -> bytes:
    return message(b"P", name + b"\x00" + sql.encode() + b"\x00\x00\x00")


def name_of(sql: str) -> bytes:
    """The name of a prepared statement: the same for the same SQL, and another for any other, whoever prepares it.

    Through a pooler the connections of many processes meet on one server connection. A number would then name the
    statement of somebody else.
    """
    return digest(sql).encode()


def bind(name: bytes, values: Sequence[bytes | None]) -> bytes:
    """Bind the unnamed portal; parameters as text, results as binary: text in binary is the text."""
    parts = [b"\x00", name, b"\x00\x00\x00", len(values).to_bytes(2, "big")]
    parts += [b"\xff\xff\xff\xff" if value is None else LENGTH.pack(len(value)) + value for value in values]
    parts.append(BINARY)
    return message(b"B", b"".join(parts))


class ConnectionLost(ConnectionError):
    """The connection to the database broke."""


# What a statement returned: its text, None where there was no row or a null in it, or why it failed.
Outcome = bytes | None | asyncpg.PostgresError
# A statement and its parameters.
Query = tuple[str, Sequence[Any]]


class Batch:
    """What was sent at once, and what has come back of it."""

    __slots__ = ("completed", "error", "expected", "future", "left", "limit", "outcomes", "parsing", "value")

    def __init__(self, expected: int, limit: int = UNLIMITED) -> None:
        """`limit` is the number of bytes that its outcomes may have together."""
        self.future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        self.expected = expected
        self.limit = self.left = limit
        self.outcomes: list[Outcome] = []
        # For each Sync, the statements that are parsed before it; None for one that is not kept.
        self.parsing: deque[deque[str | None]] = deque()
        self.start()

    def start(self) -> None:
        """From here up to the next Sync."""
        self.completed = 0
        self.value: bytes | None = None
        self.error: asyncpg.PostgresError | None = None


class Connection(asyncio.Protocol):
    """One connection; one batch at a time is running on it."""

    def __init__(self, opened: DriverConnection, lost: Callable[[Connection], None]) -> None:
        self._opened = opened
        self._context = CONTEXT + opened.preamble
        self._transport: Any = transport_of(opened)
        self._lost = lost
        self._buffer = bytearray()
        self._batch: Batch | None = None
        # The statements that the server has, the one used longest ago first.
        self._statements: OrderedDict[str, bytes] = OrderedDict()
        self.is_lost = False
        self._transport.set_protocol(self)

    def send(
        self, context: Context, queries: Sequence[Query], *, limit: int = UNLIMITED, named: bool = True
    ) -> asyncio.Future[list[Outcome]]:
        """Send the statements, each with the context as a transaction of its own.

        Not `named`, they are parsed again and kept nowhere: right on whatever server connection they arrive. The future
        raises AnswerTooLarge as soon as the outcomes have more than `limit` bytes together; the connection is then
        closed.
        """
        assert self._batch is None
        self._batch = batch = Batch(len(queries), limit)
        prepared = self._prepared if named else self._unnamed
        out: list[bytes] = []
        for sql, values in queries:
            batch.parsing.append(deque())
            context_name = prepared(self._context, batch, out)
            out += [bind(context_name, [value.encode() for value in context]), EXECUTE]
            name = prepared(sql, batch, out)
            out += [bind(name, [written(value) for value in values]), EXECUTE, SYNC]
        self._transport.write(b"".join(out))
        return batch.future

    @property
    def server_pid(self) -> int:
        """The server's process, as it said itself when it was connected to."""
        return int(self._opened.get_server_pid())

    def _unnamed(self, sql: str, batch: Batch, out: list[bytes]) -> bytes:
        batch.parsing[-1].append(None)
        out.append(parse(b"", sql))
        return b""

    def _prepared(self, sql: str, batch: Batch, out: list[bytes]) -> bytes:
        """The name of the statement on the server; where it is not parsed there yet, Parse is sent first."""
        name = self._statements.get(sql)
        if name is not None:
            self._statements.move_to_end(sql)
            if not any(sql in parsed for parsed in batch.parsing):
                return name
            # Whether it can be parsed is not known yet: it is parsed once more, without a name.
            return self._unnamed(sql, batch, out)
        if len(self._statements) >= STATEMENTS:
            _, dropped = self._statements.popitem(last=False)
            out.append(message(b"C", b"S" + dropped + b"\x00"))
        name = self._statements[sql] = name_of(sql)
        batch.parsing[-1].append(sql)
        out.append(parse(name, sql))
        return name

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        start, end = 0, len(buffer)
        while end - start >= 5:
            length = int.from_bytes(buffer[start + 1 : start + 5], "big")
            if self._batch is not None and buffer[start] == DATA_ROW and length > self._batch.left:
                self._refuse(self._batch)
                return
            if end - start <= length:
                break
            if self._batch is not None:
                # Between batches come only notices, and parameters that were changed.
                self._handle(self._batch, buffer[start], start + 5, start + 1 + length)
            start += 1 + length
        if start:
            del buffer[:start]

    def _handle(self, batch: Batch, kind: int, start: int, end: int) -> None:
        if kind == DATA_ROW and batch.completed:
            size = int.from_bytes(self._buffer[start + 2 : start + 6], "big", signed=True)
            batch.value = None if size < 0 else bytes(memoryview(self._buffer)[start + 6 : start + 6 + size])
            batch.left -= end - start
        elif kind == COMMAND_COMPLETE:
            # First the context is set, then the statement is done.
            batch.completed += 1
        elif kind == PARSE_COMPLETE:
            batch.parsing[0].popleft()
        elif kind == ERROR:
            fields = bytes(self._buffer[start:end]).split(b"\x00")
            details = {field[:1].decode(): field[1:].decode(errors="replace") for field in fields if field}
            if details.get("C") in WRITE_REFUSED and not batch.completed:
                # So a standby refuses a context that is to write; the error is then that the server is read-only.
                details["C"] = READ_ONLY
            batch.error = asyncpg.PostgresError.new(details)
            if isinstance(batch.error, asyncpg.InvalidSQLStatementNameError):
                self._statements.clear()
            elif isinstance(batch.error, asyncpg.DuplicatePreparedStatementError) and batch.parsing[0]:
                # It is this very statement, for its name says so: it is there.
                batch.parsing[0].popleft()
        elif kind == READY:
            batch.outcomes.append(batch.value if batch.error is None else batch.error)
            for sql in batch.parsing.popleft():
                if sql is not None:
                    self._statements.pop(sql, None)
            batch.start()
            if len(batch.outcomes) == batch.expected:
                self._batch = None
                if not batch.future.done():
                    batch.future.set_result(batch.outcomes)

    def _refuse(self, batch: Batch) -> None:
        """End the connection rather than read on what nobody will get."""
        if not batch.future.done():
            batch.future.set_exception(AnswerTooLarge(batch.limit))
        self._batch = None
        self._buffer.clear()
        self.close()

    def connection_lost(self, error: Exception | None) -> None:
        batch, self._batch = self._batch, None
        if batch is not None and not batch.future.done():
            batch.future.set_exception(ConnectionLost(str(error or "closed by the server")))
        self.close()

    def cancel(self) -> None:
        """Have the server stop what it is doing, at once, and end the connection."""
        if not self.is_lost:
            cancel(self._opened)
        self.close()

    def close(self) -> None:
        if not self.is_lost:
            self.is_lost = True
            self._lost(self)
        self._opened.terminate()


class Pipeline:
    """The connections of the planned reads: opened when they are wanted, up to the pool's size."""

    def __init__(self, url: URL, settings: Settings, metrics: Metrics | None = None) -> None:
        self._url = url
        self._settings = settings
        self._metrics = metrics
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self.shares = Shares(settings.pool_size, settings.caller_share, settings.pool_timeout)
        # Called with each statement: for tests that count them.
        self.listeners: list[Callable[[str], None]] = []

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
    ) -> list[Outcome]:
        """What each statement returns as the caller: the first column of its only row, or the error it failed with.

        In another role it is the gateway's own look-up, which takes nobody's share of the connections. Raises
        AnswerTooLarge, and ConnectionError, also when no connection is free for too long. A cancelled read is
        cancelled at the server too, and ends its connection.
        """
        context = context_of(actor, role or actor.database_role, share_tokens, opened_rows)
        caller = caller_of(actor) if role is None else SYSTEM
        started = time.perf_counter()
        await self.shares.take(caller)
        try:
            outcomes = await self._send(context, queries)
        finally:
            self.shares.give_back(caller)
        if self._metrics is not None:
            self._metrics.statements.observe(time.perf_counter() - started)
        for listener in self.listeners:
            for sql, _ in queries:
                listener(sql)
        return outcomes

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
                if is_new or context.writes:
                    raise
                # The server ended it, perhaps long ago; reading again does no harm.
                connection, is_new = await self._take()
            except BaseException:
                connection.cancel()
                raise
            else:
                break
        if any(self._is_of_server(context, outcome) for outcome in outcomes):
            # What is true of its server is true of the others that were opened to it.
            for each in [connection, *self._idle]:
                each.close()
        if not connection.is_lost:
            self._idle.append(connection)
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
        if self._metrics is None:
            yield
            return
        with self._metrics.pool_in_use.track_inprogress():
            yield

    def close(self) -> None:
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
            opened = await open_connection(self._url, self._settings, statement_cache_size=0)
        except TimeoutError:
            raise NoConnectionFree("The database did not answer in time.") from None
        connection = Connection(opened, self._forget)
        self._open.add(connection)
        if self._metrics is not None:
            self._metrics.pool_size.inc()
        return connection

    def _forget(self, connection: Connection) -> None:
        if connection in self._open:
            self._open.discard(connection)
            if self._metrics is not None:
                self._metrics.pool_size.dec()
        with suppress(ValueError):
            self._idle.remove(connection)
