"""A connection that sends several statements at once and reads what comes back of them.

asyncpg connects and authenticates; what it cannot do is send two statements without waiting for the first, so the
connection is then driven from here (docs/adr/0011).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import asyncpg

from lango.db.cancellation import cancel
from lango.db.driver import DriverConnection
from lango.db.wire import (
    BIND_COMPLETE,
    COMMAND_COMPLETE,
    DATA_ROW,
    ERROR,
    HEAD,
    PARSE_COMPLETE,
    READY,
    ROW_DESCRIPTION,
    SYNC,
    Decoder,
    Parameters,
    decoders_in,
    describe,
    forget,
    name_of,
    parameters,
    parse,
    run,
    run_bare,
    text_in,
)
from lango.errors import AnswerTooLarge
from lango.libraries.asyncpg import transport_of

STATEMENTS = 400
CONTEXT = (
    "SELECT set_config('role', $1, true), set_config('transaction_read_only', $8, true), "
    "set_config('lango.user_id', $2, true), set_config('lango.roles', $3, true), "
    "set_config('lango.session_id', $4, true), set_config('lango.request_id', $5, true), "
    "set_config('lango.ip', $6, true), set_config('lango.share_tokens', $7, true), "
    "set_config('lango.opened_rows', $9, true), set_config('lango.user_agent', $10, true)"
)
# More than a message of the protocol can have.
UNLIMITED = 2**31
# How a server that takes no writes refuses the context of one who may write; and how it refuses a statement that does.
WRITE_REFUSED, READ_ONLY = frozenset({"25001", "0A000"}), "25006"
# How a transaction stands when the server is ready for the next batch.
IDLE = ord("I")


class ConnectionLost(ConnectionError):
    """The connection to the database broke."""


class NotSent(ConnectionLost):
    """The connection was found broken before anything was sent over it."""


# What a read returned: its text, None where there was no row or a null in it, or why it failed.
Outcome = bytes | None | asyncpg.PostgresError
# The parameters of a statement, as values or as they are sent.
Values = Sequence[Any] | Parameters
# A statement and its parameters.
Query = tuple[str, Values]


class Command(NamedTuple):
    """A statement of a transaction, with its parameters.

    `decodes`: its rows are wanted as Python's values. `writes`: it changes rows.
    """

    sql: str
    values: Values = ()
    decodes: bool = False
    writes: bool = False


class Result(NamedTuple):
    """What a statement of a transaction returned: its rows as they came, and how they are read."""

    rows: Sequence[bytes]
    decoders: Sequence[Decoder]
    # How many bytes all rows might have had, where that were too many: rows are missing.
    too_large: int | None


class Batch(Protocol):
    """What was sent at once, and what has come back of it."""

    # For each Sync, the statements that are parsed before it; None for one that is not kept.
    parsing: deque[deque[str | None]]
    # How many bytes its rows may still have.
    left: int
    # The statement that failed since the last Sync, if any.
    error: asyncpg.PostgresError | None
    # How many statements have been done since the last Sync, and which of them sets the context.
    completed: int
    context: int

    def row(self, body: bytes) -> None:
        """A row has come."""

    def described(self, decoders: Sequence[Decoder]) -> None:
        """The columns of the statement that is run next have been described."""

    def ready(self) -> bool:
        """A Sync has been reached; whether it was the last."""

    def fail(self, error: Exception) -> None:
        """Nothing more will come."""


class ReadBatch:
    """Reads, each with the context as a transaction of its own."""

    __slots__ = ("completed", "error", "expected", "future", "left", "limit", "outcomes", "parsing", "value")
    context = 0

    def __init__(self, expected: int, limit: int = UNLIMITED) -> None:
        """`limit` is the number of bytes that its outcomes may have together."""
        self.future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        self.expected = expected
        self.limit = self.left = limit
        self.outcomes: list[Outcome] = []
        self.parsing: deque[deque[str | None]] = deque()
        self._start()

    def _start(self) -> None:
        """From here up to the next Sync."""
        self.completed = 0
        self.value: bytes | None = None
        self.error: asyncpg.PostgresError | None = None

    def row(self, body: bytes) -> None:
        # First the context is set, then the statement is done.
        if self.completed:
            self.value = text_in(body)
            self.left -= len(body)

    def described(self, decoders: Sequence[Decoder]) -> None:
        """Nobody has asked: a read returns one text."""

    def ready(self) -> bool:
        self.outcomes.append(self.value if self.error is None else self.error)
        self._start()
        if len(self.outcomes) < self.expected:
            return False
        if not self.future.done():
            self.future.set_result(self.outcomes)
        return True

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Exchange:
    """Statements of one transaction, of which each is done only if all before it were."""

    __slots__ = (
        "completed", "decoders", "described_now", "error", "future", "left", "limit", "parsing", "rows", "statements",
        "too_large",
    )  # fmt: skip
    # After BEGIN, in the transaction's first batch.
    context = 1

    def __init__(self, statements: int, limit: int = UNLIMITED) -> None:
        """`statements`: their number; `limit` is the number of bytes that their rows may have together."""
        self.statements = statements
        self.future: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
        self.limit = self.left = limit
        self.parsing: deque[deque[str | None]] = deque()
        self.completed = 0
        self.error: asyncpg.PostgresError | None = None
        # By the place of a statement: its rows, how they are read, and whether some are missing.
        self.rows: dict[int, list[bytes]] = {}
        self.decoders: dict[int, Sequence[Decoder]] = {}
        self.too_large: set[int] = set()
        # The places of statements of which it was not known before how their rows are read.
        self.described_now: list[int] = []

    def last(self, number: int) -> list[Result]:
        """What that many statements returned, the last ones."""
        return [
            Result(
                self.rows.get(place, ()), self.decoders.get(place, ()), self.limit if place in self.too_large else None
            )
            for place in range(self.statements - number, self.statements)
        ]

    def row(self, body: bytes) -> None:
        self.rows.setdefault(self.completed, []).append(body)
        self.left -= len(body)

    def leave_out(self) -> None:
        """A row has come for which there is no room."""
        self.too_large.add(self.completed)

    def described(self, decoders: Sequence[Decoder]) -> None:
        self.decoders[self.completed] = decoders
        self.described_now.append(self.completed)

    def ready(self) -> bool:
        if not self.future.done():
            self.future.set_result(self)
        return True

    def fail(self, error: Exception) -> None:
        if self.future.done():
            return
        if self.error is None:
            self.future.set_exception(error)
        else:
            # The server has said why, and with that how far it came.
            self.future.set_result(self)


class Connection(asyncio.Protocol):
    """One connection; one batch at a time is running on it."""

    def __init__(self, opened: DriverConnection, lost: Callable[[Connection], None], generation: int = 0) -> None:
        """`lost` is called once when it is closed; `generation` is its pool's when it was opened."""
        self._opened = opened
        self.generation = generation
        self.preamble = opened.preamble
        self._context = CONTEXT + opened.preamble
        self._transport: Any = transport_of(opened)
        self._lost = lost
        self._buffer = bytearray()
        # Bytes of a row that nobody will get, which are still to come.
        self._skipped = 0
        self._batch: Batch | None = None
        # The statements that the server has, the one used longest ago first.
        self._statements: OrderedDict[str, bytes] = OrderedDict()
        # How the rows of those are read of whom that was asked.
        self._decoders: dict[str, Sequence[Decoder]] = {}
        self.is_lost = False
        # How its transaction stands.
        self.status = IDLE
        self._transport.set_protocol(self)

    def send(
        self, context: Sequence[str], queries: Sequence[Query], *, limit: int = UNLIMITED, named: bool = True
    ) -> asyncio.Future[list[Outcome]]:
        """Send reads, each with the context as a transaction of its own.

        Not `named`, they are parsed again and kept nowhere: right on whatever server connection they arrive. The future
        raises AnswerTooLarge as soon as the outcomes have more than `limit` bytes together; the connection is then
        closed.
        """
        assert self._batch is None
        self._batch = batch = ReadBatch(len(queries), limit)
        prepared = self._prepared if named else self._unnamed
        out: list[bytes] = []
        given = parameters(context)
        for sql, values in queries:
            batch.parsing.append(deque())
            out += run(prepared(self._context, batch, out), given)
            out += run(prepared(sql, batch, out), as_sent(values))
            out.append(SYNC)
        self._transport.write(b"".join(out))
        return batch.future

    def exchange(
        self, commands: Sequence[Command], *, limit: int = UNLIMITED, named: bool = True
    ) -> asyncio.Future[Exchange]:
        """Send statements of one transaction. Where one fails, those after it are not done.

        Rows that have more than `limit` bytes together are left out. Raises NotSent.
        """
        assert self._batch is None
        if self.is_lost or self._transport.is_closing():
            raise NotSent("closed by the server")
        batch = Exchange(len(commands), limit)
        batch.parsing.append(deque())
        known = self._statements
        out: list[bytes] = []
        for place, (sql, values, decodes, _) in enumerate(commands):
            name = known.get(sql) if named else None
            if name is not None:
                known.move_to_end(sql)
            else:
                name = self._prepared(sql, batch, out) if named else self._unnamed(sql, batch, out)
            if decodes:
                decoders = self._decoders.get(sql)
                if decoders is None or not named:
                    out.append(describe(name))
                else:
                    batch.decoders[place] = decoders
            if values:
                out += run(name, as_sent(values))
            else:
                out.append(run_bare(name))
        out.append(SYNC)
        self._batch = batch
        self._transport.write(b"".join(out))
        return batch.future

    @property
    def server_pid(self) -> int:
        """The server's process, as it said itself when it was connected to."""
        return int(self._opened.get_server_pid())

    @property
    def is_pooled(self) -> bool:
        """Whether something between here and the server speaks for it."""
        return self._opened.is_pooled

    def note_decoders(self, sql: str, decoders: Sequence[Decoder]) -> None:
        """Keep how the rows of a statement are read for as long as it is prepared."""
        if sql in self._statements:
            self._decoders[sql] = decoders

    def _unnamed(self, sql: str, batch: Batch, out: list[bytes]) -> bytes:
        batch.parsing[-1].append(None)
        out.append(parse(b"", sql))
        return b""

    def _prepared(self, sql: str, batch: Batch, out: list[bytes]) -> bytes:
        """The name of the statement on the server; where it is not parsed there yet, Parse is sent first."""
        name, current = self._statements.get(sql), batch.parsing[-1]
        if name is not None:
            self._statements.move_to_end(sql)
            if len(batch.parsing) == 1 or not any(sql in parsed for parsed in batch.parsing if parsed is not current):
                return name
            # Whether it can be parsed is not known yet: it is parsed once more, without a name.
            return self._unnamed(sql, batch, out)
        if len(self._statements) >= STATEMENTS:
            dropped, known = self._statements.popitem(last=False)
            self._decoders.pop(dropped, None)
            out.append(forget(known))
        name = self._statements[sql] = name_of(sql)
        current.append(sql)
        out.append(parse(name, sql))
        return name

    def data_received(self, data: bytes) -> None:
        if self._skipped:
            left = self._skipped - len(data)
            if left >= 0:
                self._skipped = left
                return
            data, self._skipped = data[self._skipped :], 0
        # What is whole is read where it arrived.
        buffer: bytes | bytearray = data
        if self._buffer:
            self._buffer += data
            buffer = self._buffer
        start, end = 0, len(buffer)
        while end - start >= 5:
            kind, length = HEAD.unpack_from(buffer, start)
            batch, body, following = self._batch, start + 5, start + 1 + length
            if kind == DATA_ROW and batch is not None and length > batch.left:
                if isinstance(batch, ReadBatch):
                    self._refuse(batch)
                    return
                assert isinstance(batch, Exchange)
                # What the transaction has done is to be known, whatever it shows of it.
                batch.leave_out()
                self._skipped = max(0, following - end)
                start = min(end, following)
                continue
            if following > end:
                break
            if batch is not None:
                # Between batches come only notices, and parameters that were changed.
                if kind == COMMAND_COMPLETE:
                    batch.completed += 1
                elif kind == DATA_ROW:
                    batch.row(bytes(memoryview(buffer)[body:following]))
                elif kind != BIND_COMPLETE:
                    self._handle(batch, kind, bytes(buffer[body:following]))
            start = following
        if buffer is data:
            self._buffer += data[start:]
        else:
            del self._buffer[:start]

    def _handle(self, batch: Batch, kind: int, body: bytes) -> None:
        if kind == PARSE_COMPLETE:
            batch.parsing[0].popleft()
        elif kind == ROW_DESCRIPTION:
            batch.described(decoders_in(body))
        elif kind == ERROR:
            self._note(batch, body)
        elif kind == READY:
            for sql in batch.parsing.popleft():
                if sql is not None:
                    self._statements.pop(sql, None)
            self.status = body[0]
            if batch.ready():
                self._batch = None

    def _note(self, batch: Batch, body: bytes) -> None:
        """An error, which ends all up to the next Sync."""
        details = {field[:1].decode(): field[1:].decode(errors="replace") for field in body.split(b"\x00") if field}
        if details.get("C") in WRITE_REFUSED and batch.completed == batch.context:
            # So a standby refuses a context that is to write; the error is then that the server is read-only.
            details["C"] = READ_ONLY
        batch.error = asyncpg.PostgresError.new(details)
        if isinstance(batch.error, asyncpg.InvalidSQLStatementNameError):
            self._statements.clear()
        elif isinstance(batch.error, asyncpg.DuplicatePreparedStatementError) and batch.parsing[0]:
            # It is this very statement, for its name says so: it is there.
            batch.parsing[0].popleft()

    def _refuse(self, batch: ReadBatch) -> None:
        """End the connection rather than read on what nobody will get."""
        batch.fail(AnswerTooLarge(batch.limit))
        self._batch = None
        self._buffer.clear()
        self.close()

    def connection_lost(self, error: Exception | None) -> None:
        batch, self._batch = self._batch, None
        if batch is not None:
            batch.fail(ConnectionLost(str(error or "closed by the server")))
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


def as_sent(values: Values) -> Parameters:
    return values if isinstance(values, bytes) else parameters(values)
