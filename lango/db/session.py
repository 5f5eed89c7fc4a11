"""One transaction with role and context set: the only place where BEGIN and COMMIT are written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, event, func, select
from sqlalchemy import Row as ResultRow
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from lango.actor import Actor, DatabaseRole
from lango.db import rows
from lango.db.fair_queue import Caller, caller_of
from lango.db.postgres import generation_of, lock_timeout_of, shares_of
from lango.db.rows import Row
from lango.errors import OutcomeUnknown, is_of_server, is_unsent


def opening(actor: Actor, role: DatabaseRole, *, read_only: bool, lock_timeout: float = 0, preamble: str = "") -> str:
    """BEGIN, role and context as one simple query. Every value comes from a closed set or has been parsed.

    `lock_timeout` is the seconds that a statement which writes waits for a lock; 0 sets no limit. The preamble is that
    of the connection.
    """
    values = {
        "user_id": str(actor.user_id or ""),
        "roles": ",".join(sorted(role.value for role in actor.roles)),
        "session_id": str(actor.session_id or ""),
        "request_id": actor.request_id,
        "ip": str(actor.ip or "").partition("%")[0],
    }
    settings = [f"set_config('lango.{name}', '{value}', true)" for name, value in values.items()]
    if lock_timeout and not read_only:
        settings.append(f"set_config('lock_timeout', '{int(lock_timeout * 1000)}ms', true)")
    if actor.user_agent and not read_only:
        # Free text, which the audit triggers read: written in digits, so that nothing in it is SQL.
        digits = actor.user_agent.replace("\0", "").encode(errors="replace").hex()
        settings.append(f"set_config('lango.user_agent', convert_from(decode('{digits}', 'hex'), 'UTF8'), true)")
    return (
        f"BEGIN{' READ ONLY' if read_only else ''}; SET LOCAL ROLE {role.value}; SELECT {', '.join(settings)}{preamble}"
    )


class Transaction:
    """A database transaction as one role, with the caller's context set."""

    def __init__(self, session: AsyncSession, driver: Any, actor: Actor) -> None:
        self.session = session
        self.actor = actor
        # The asyncpg connection itself, to which prepared statements go.
        self.driver = driver

    @property
    def user_id(self) -> UUID:
        """The signed-in caller: whoever has no token calls only what is said to need none."""
        assert self.actor.user_id is not None
        return self.actor.user_id

    async def find(self, model: type[Row], key: UUID) -> Row | None:
        """The row with that id, if the role of the moment sees it."""
        return await rows.find(self, model, key)

    async def execute(self, statement: Executable, values: Any = None) -> Any:
        return await self.session.execute(statement, values)

    async def scalars(self, statement: Executable) -> Any:
        return await self.session.scalars(statement)

    def note_lock(self, model: type[Any], key: Any) -> None:
        """Hear that a row has been locked; a rule's transaction minds the order."""

    async def run(self, commands: str) -> None:
        """Commands of ours without values, as one simple query."""
        await self.driver.execute(commands)


async def raw_driver(connection: AsyncConnection) -> Any:
    """The asyncpg connection itself, for statements that are to go as one simple query."""
    return (await connection.get_raw_connection()).driver_connection


async def discard(connection: AsyncConnection, driver: Any, error: BaseException) -> None:
    """Close a connection for good. Where the error is of the server, the others that were opened before are not used
    again either: whatever happened to the server happened to them."""
    driver.terminate()
    if connection.invalidated:
        return
    if is_of_server(error):
        generation_of(connection.engine).end(driver)
    await connection.invalidate()


async def end(connection: AsyncConnection, driver: Any, command: str) -> None:
    """End the transaction, or close the connection: a half-ended one would leave its role to the next user."""
    try:
        await driver.execute(command)
    except BaseException as error:
        await discard(connection, driver, error)
        raise


async def commit(connection: AsyncConnection, driver: Any) -> None:
    """Raises OutcomeUnknown where the connection was lost after COMMIT had been sent: the server may have done it."""
    try:
        await end(connection, driver, "COMMIT")
    except Exception as error:
        if is_of_server(error) and not is_unsent(error):
            raise OutcomeUnknown from error
        raise


@asynccontextmanager
async def acting_as(
    engine: AsyncEngine,
    actor: Actor,
    *,
    read_only: bool = False,
    role: DatabaseRole | None = None,
    then: str = "",
    caller: Caller | None = None,
) -> AsyncIterator[Transaction]:
    """One transaction as the caller. Commits at the end; an error rolls back; a cancelled request
    ends the connection, because what the server is doing on it is unknown. `then` are commands for the same round
    trip. `caller` says whose share of the connections it takes, where that is not the actor's.

    A connection that turns out to be lost when the transaction begins is replaced: nothing has been done on it.
    Raises OutcomeUnknown as `commit` does, and NoConnectionFree.
    """
    role, lock_timeout = role or actor.database_role, lock_timeout_of(engine)
    async with shares_of(engine).turn(caller or caller_of(actor)):
        for is_last in (False, True):
            async with engine.connect() as connection:
                driver = await raw_driver(connection)
                try:
                    begin = opening(
                        actor, role, read_only=read_only, lock_timeout=lock_timeout, preamble=driver.preamble
                    )
                    await driver.execute(begin + then)
                except BaseException as error:
                    await discard(connection, driver, error)
                    if is_last or not is_of_server(error):
                        raise
                    continue
                try:
                    async with AsyncSession(bind=connection, expire_on_commit=False, autoflush=False) as session:
                        yield Transaction(session, driver, actor)
                except BaseException as error:
                    if not isinstance(error, Exception) or is_of_server(error):
                        await discard(connection, driver, error)
                        raise
                    # One that breaks now is closed; the first error is the one to raise.
                    with suppress(Exception):
                        await end(connection, driver, "ROLLBACK")
                    raise
                if read_only:
                    # What has been read has been read, even if the connection breaks now.
                    with suppress(Exception):
                        await end(connection, driver, "COMMIT")
                else:
                    await commit(connection, driver)
                return


async def set_role(tx: Transaction, role: DatabaseRole) -> None:
    """Continue in another role until the transaction or the savepoint around it ends."""
    await tx.run(f"SET LOCAL ROLE {role.value}")


class OperationEnded(RuntimeError):
    """The operation has been answered: there is nothing more to read for it."""


class Reads:
    """The read-only transaction of one operation, opened by its first statement.

    Root fields run side by side, a connection does not: the lock makes them queue. A statement that fails aborts the
    transaction, so another is begun before the next one: the failed field does not take its siblings along.
    """

    def __init__(self, engine: AsyncEngine, actor: Actor, shown: list[object] | None = None) -> None:
        """`shown` gets every row that is read for staff."""
        self.engine = engine
        self.actor = actor
        self._lock = asyncio.Lock()
        self._opened: Any = None
        self._session: AsyncSession | None = None
        self._ended = False
        self._presented: list[str] = []
        # Ids of what the caller may see in addition: nothing has been read yet when they are set.
        self.opened_rows: tuple[str, ...] = ()
        self._shown = [] if shown is None else shown
        # Whether nothing but reading is done in the transaction: any connection would do.
        self.apart = True

    async def read_within(self, opened: AbstractAsyncContextManager[Transaction]) -> None:
        """Read in a transaction that has been opened, as the caller, by somebody else; it is left at the end."""
        entered = await opened.__aenter__()
        self.apart = False
        await self._begin(opened, entered.session)

    async def _begin(self, opened: AbstractAsyncContextManager[Transaction], session: AsyncSession) -> None:
        self._opened, self._session = opened, session
        if self.actor.is_staff:
            event.listen(session.sync_session, "loaded_as_persistent", self._note)
        if self._presented:
            await self._set_presented()
        if self.opened_rows:
            await self._execute(select(func.set_config("lango.opened_rows", ",".join(self.opened_rows), True)))

    async def scalars(self, statement: Executable) -> Sequence[Any]:
        """The first column of each row: for `select(Model)`, the models."""
        async with self._lock:
            found: Sequence[Any] = (await self._execute(statement)).scalars().all()
            return found

    async def rows(self, statement: Executable) -> Sequence[ResultRow[Any]]:
        async with self._lock:
            found: Sequence[ResultRow[Any]] = (await self._execute(statement)).all()
            return found

    async def present(self, token: str) -> None:
        """Show a share token: for the rest of the operation its holder sees what it opens."""
        async with self._lock:
            if token not in self._presented:
                self._presented.append(token)
                await self._set_presented()

    async def close(self) -> None:
        async with self._lock:
            self._ended = True
            if self._opened is not None:
                opened, self._opened, self._session = self._opened, None, None
                await opened.__aexit__(None, None, None)

    async def abandon(self) -> None:
        """End without waiting for what the server is doing: for a request that was cancelled."""
        self._ended = True
        if self._opened is not None:
            opened, self._opened, self._session = self._opened, None, None
            error = asyncio.CancelledError()
            try:
                await opened.__aexit__(type(error), error, None)
            except asyncio.CancelledError:
                return

    async def _execute(self, statement: Executable, *, is_last: bool = False) -> Any:
        if self._ended:
            # A field that runs on after its sibling's error has ended the answer: nobody would end what it opens.
            raise OperationEnded
        if self._session is None:
            opened = acting_as(self.engine, self.actor, read_only=True)
            entered = await opened.__aenter__()
            # Only what was entered may be left: a request cancelled while it waits for a connection has nothing to end.
            await self._begin(opened, entered.session)
        assert self._session is not None
        try:
            return await self._session.execute(statement)
        except BaseException as error:
            # A field is cancelled when its sibling's error ends the answer: the connection is then in the middle of
            # something, and ends.
            opened, self._opened, self._session, self.apart = self._opened, None, None, True
            try:
                await opened.__aexit__(type(error), error, error.__traceback__)
            except BaseException as same:
                if same is not error:
                    raise
            if is_last or not is_of_server(error):
                raise
        # It was the connection's fault, and a read may be made again.
        return await self._execute(statement, is_last=True)

    def _note(self, _session: Session, row: object) -> None:
        self._shown.append(row)

    async def _set_presented(self) -> None:
        await self._execute(select(func.set_config("lango.share_tokens", ",".join(self._presented), True)))
