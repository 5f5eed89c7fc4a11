"""What the ordinary executor reads for one operation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import Executable
from sqlalchemy import Row as ResultRow

from lango.actor import Actor
from lango.db.connection import Outcome, Query
from lango.db.pipeline import Pipeline
from lango.db.transaction import OPEN_ROWS, OpenTransaction
from lango.errors import is_of_server

T = TypeVar("T")
PRESENT = "SELECT set_config('lango.share_tokens', $1, true)"


class OperationEnded(RuntimeError):
    """The operation has been answered: there is nothing more to read for it."""


class Reads:
    """The read-only transaction of one operation, opened by its first statement.

    Root fields run side by side, a connection does not: the lock makes them queue. A statement that fails aborts the
    transaction, so another is begun before the next one: the failed field does not take its siblings along.
    """

    def __init__(self, pipeline: Pipeline, actor: Actor, shown: list[object] | None = None) -> None:
        """`shown` gets every row that is read for staff."""
        self.pipeline = pipeline
        self.actor = actor
        self._lock = asyncio.Lock()
        self._tx: OpenTransaction | None = None
        self._ended = False
        self._presented: list[str] = []
        # Ids of what the caller may see in addition: nothing has been read yet when they are set.
        self.opened_rows: tuple[str, ...] = ()
        self._shown = [] if shown is None else shown
        # Whether nothing but reading is done in the transaction: any connection would do.
        self.apart = True

    @property
    def is_open(self) -> bool:
        """Whether the operation has a transaction, and with it a connection."""
        return self._tx is not None

    def read_within(self, tx: OpenTransaction) -> None:
        """Read in a transaction that reads as the caller already; at the end it is rolled back."""
        self.apart, self._tx = False, tx
        if self.opened_rows:
            tx.send(OPEN_ROWS, [",".join(self.opened_rows)])

    async def scalars(self, statement: Executable, undeferred: Sequence[str] = ()) -> Sequence[Any]:
        """The first column of each row: for `select(Model)`, the models, with their columns that are `undeferred`."""
        return [row[0] for row in await self.rows(statement, undeferred)]

    async def rows(self, statement: Executable, undeferred: Sequence[str] = ()) -> Sequence[ResultRow[Any]]:
        async with self._lock:
            found = (await self._read(lambda tx: tx.execute(statement, undeferred=undeferred))).all()
        if self.actor.is_staff:
            self._shown += [value for row in found for value in row if hasattr(value, "__mapper__")]
        return found

    async def texts(self, queries: Sequence[Query]) -> list[Outcome]:
        """As the pipeline's `fetch`, in the transaction that the operation has already: whoever holds one connection
        does not wait for another."""
        async with self._lock:
            return [await self._text(query) for query in queries]

    async def _text(self, query: Query) -> Outcome:
        try:
            (text,) = await self._read(lambda tx: tx.texts([query]))
        except asyncpg.PostgresError as error:
            return error
        return text

    async def present(self, token: str) -> None:
        """Show a share token: for the rest of the operation its holder sees what it opens."""
        async with self._lock:
            if token not in self._presented:
                self._presented.append(token)
                if self._tx is not None:
                    self._tx.send(PRESENT, [",".join(self._presented)])

    async def close(self) -> None:
        async with self._lock:
            self._ended = True
            tx, self._tx = self._tx, None
            if tx is not None:
                await tx.rollback()

    async def abandon(self) -> None:
        """End without waiting for what the server is doing: for a request that was cancelled."""
        self._ended = True
        tx, self._tx = self._tx, None
        if tx is not None:
            await tx.rollback(asyncio.CancelledError())

    async def _read(self, read: Callable[[OpenTransaction], Awaitable[T]], *, is_last: bool = False) -> T:
        if self._ended:
            # A field that runs on after its sibling's error has ended the answer: nobody would end what it opens.
            raise OperationEnded
        if self._tx is None:
            self._tx = OpenTransaction(
                self.pipeline,
                self.actor,
                read_only=True,
                share_tokens=self._presented,
                opened_rows=self.opened_rows,
            )
        tx = self._tx
        try:
            return await read(tx)
        except BaseException as error:
            # A field is cancelled when its sibling's error ends the answer: the connection is then in the middle of
            # something, and ends.
            if self._tx is tx:
                self._tx, self.apart = None, True
            await tx.rollback(error)
            if is_last or not is_of_server(error):
                raise
        # It was the connection's fault, and a read may be made again.
        return await self._read(read, is_last=True)
