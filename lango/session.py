"""One transaction with role and context set: the only place where BEGIN and COMMIT are written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy import Executable, Row, event, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from lango.actor import Actor, DatabaseRole
from lango.errors import OutcomeUnknown, is_of_server, is_unsent
from lango.postgres import lock_timeout_of, shares_of
from lango.shares import Caller, caller_of


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


async def raw_driver(connection: AsyncConnection) -> Any:
    """The asyncpg connection itself, for statements that are to go as one simple query."""
    return (await connection.get_raw_connection()).driver_connection


def driver_of(session: AsyncSession) -> Any:
    """The asyncpg connection of a session that `acting_as` opened."""
    return session.info["driver"]


async def discard(connection: AsyncConnection, driver: Any, error: BaseException) -> None:
    """Close a connection for good. Where the error speaks of the server, the others that were opened before are not
    lent again either: whatever happened to the server happened to them."""
    driver.terminate()
    if connection.invalidated:
        return
    if is_of_server(error):
        lent = await connection.get_raw_connection()
        # SQLAlchemy does so itself when a statement of its own finds that the connection is closed.
        connection.sync_engine.pool._invalidate(lent, error, _checkin=False)  # noqa: SLF001
    await connection.invalidate()


async def end(connection: AsyncConnection, driver: Any, command: str) -> None:
    """End the transaction, or throw the connection away: a half-ended one would lend its role to the next borrower."""
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
) -> AsyncIterator[AsyncSession]:
    """A session inside one transaction as the caller. Commits at the end; an error rolls back; a cancelled request
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
                    async with AsyncSession(
                        bind=connection, info={"driver": driver}, expire_on_commit=False, autoflush=False
                    ) as session:
                        yield session
                except BaseException as error:
                    if not isinstance(error, Exception) or is_of_server(error):
                        await discard(connection, driver, error)
                        raise
                    # One that breaks now is thrown away; the first error is the one to tell.
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


async def become(session: AsyncSession, role: DatabaseRole) -> None:
    """Go on as another role until the transaction or the savepoint around it ends."""
    await driver_of(session).execute(f"SET LOCAL ROLE {role.value}")


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
        # Ids of what the caller may see besides: nothing has been read yet when they are set.
        self.opened_rows: tuple[str, ...] = ()
        self._shown = [] if shown is None else shown

    async def scalars(self, statement: Executable) -> Sequence[Any]:
        """The first column of each row: for `select(Model)`, the models."""
        async with self._lock:
            found: Sequence[Any] = (await self._execute(statement)).scalars().all()
            return found

    async def rows(self, statement: Executable) -> Sequence[Row[Any]]:
        async with self._lock:
            found: Sequence[Row[Any]] = (await self._execute(statement)).all()
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
            self._session = await opened.__aenter__()
            # Only what was entered may be left: a request cancelled while it waits for a connection has nothing to end.
            self._opened = opened
            if self.actor.is_staff:
                event.listen(self._session.sync_session, "loaded_as_persistent", self._note)
            if self._presented:
                await self._set_presented()
            if self.opened_rows:
                opening_rows = func.set_config("lango.opened_rows", ",".join(self.opened_rows), True)
                await self._execute(select(opening_rows))
        try:
            return await self._session.execute(statement)
        except BaseException as error:
            # A field is cancelled when its sibling's error ends the answer: the connection is then in the middle of
            # something, and ends.
            opened, self._opened, self._session = self._opened, None, None
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


class Work:
    """The transaction of one rule, which writes as the rules' role.

    `begin`, then the rule, then `keep` or `undo`, then `commit`; `fail` ends it at any moment.
    """

    def __init__(self, engine: AsyncEngine, actor: Actor, *, as_rules: bool = False) -> None:
        """`as_rules`: the rule begins in the rules' role, not as the caller."""
        self.actor = actor
        self.engine = engine
        self._role_of_rule = DatabaseRole.RULES if as_rules else actor.database_role
        self._opened: Any = None
        self.session: AsyncSession

    async def begin(self, *, with_rule: bool) -> None:
        """Open the transaction as the rules' role; or at once for the rule."""
        then = f"; {self._start}" if with_rule else ""
        opened = acting_as(self.engine, self.actor, role=DatabaseRole.RULES, then=then)
        self.session = await opened.__aenter__()
        self._opened = opened

    @property
    def _start(self) -> str:
        return f"SAVEPOINT rule; SET LOCAL ROLE {self._role_of_rule.value}"

    async def start_rule(self) -> None:
        """What is written from here on can be undone alone."""
        await self._run(self._start)

    async def keep(self) -> None:
        """Go on as the rules' role, with what the rule has written."""
        await self._flush()
        await become(self.session, DatabaseRole.RULES)

    async def undo(self) -> None:
        """Take back what the rule wrote; the role is again the one before it."""
        self.session.expunge_all()
        await self._run("ROLLBACK TO SAVEPOINT rule")

    async def commit(self) -> None:
        """Raises what a deferred constraint says, and OutcomeUnknown."""
        await self._flush()
        opened, self._opened = self._opened, None
        await opened.__aexit__(None, None, None)

    async def fail(self, error: BaseException) -> None:
        """Roll back because of `error`; a cancelled request ends the connection."""
        if self._opened is None:
            return
        opened, self._opened = self._opened, None
        try:
            await opened.__aexit__(type(error), error, error.__traceback__)
        except BaseException as same:
            if same is not error:
                raise

    async def _flush(self) -> None:
        # Asking first costs a tenth of flushing nothing.
        if self.session.new or self.session.dirty or self.session.deleted:
            await self.session.flush()

    async def _run(self, commands: str) -> None:
        await driver_of(self.session).execute(commands)
